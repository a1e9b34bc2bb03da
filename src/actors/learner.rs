use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};

use std::thread::JoinHandle;
use tokio::sync::oneshot;

use crate::commit::CommitHandle;
use crate::models::Snapshot;
use crate::partition::{LESSON_EVERY, Trainer};
use crate::store::Store;
use crate::tables::Error;

/// The learner thread: trains on observations and publishes model snapshots.
#[derive(Debug)]
pub struct LearnerThread {
    commands: Sender<LearnerCommand>,
    thread: JoinHandle<()>,
    figures: Arc<LearnerStats>,
}

/// A command to the thread.
#[derive(Debug)]
enum LearnerCommand {
    /// Train on everything durable now, and reply once partitions have the snapshot.
    Learn(oneshot::Sender<()>),
    /// End the thread.
    End,
}

/// A handle to the learner, for training immediately and for statistics.
#[derive(Debug, Clone)]
pub struct LearnerHandle(Sender<LearnerCommand>, Arc<LearnerStats>);

impl LearnerHandle {
    /// Statistics of the learner.
    pub fn figures(&self) -> &LearnerStats {
        &self.1
    }

    /// Trains on all durable observations now, and waits until the snapshot has been sent to every
    /// partition, before anything published later.
    pub async fn learn_now(&self) {
        let (done, is_done) = oneshot::channel();
        // A thread that has ended trains no more.
        if self.0.send(LearnerCommand::Learn(done)).is_ok() {
            let _ = is_done.await;
        }
    }
}

/// Statistics of the learner.
#[derive(Debug, Default)]
pub struct LearnerStats {
    /// The model version.
    pub version: AtomicU64,
    /// The number of observations trained on.
    pub answers: AtomicU64,
    /// Levels of arms with learned weights.
    pub levels: AtomicU64,
    /// Features evicted from full levels since the service started.
    pub forgotten: AtomicU64,
}

impl LearnerThread {
    /// Starts the thread. `publish` receives each new snapshot; `failed` receives the error that ends the
    /// thread early.
    ///
    /// # Errors
    /// If no further thread can be started.
    pub fn spawn(
        (store, committer): (Arc<Store>, CommitHandle),
        mut lessons: Trainer,
        publish: impl Fn(Snapshot) + Send + 'static,
        failed: impl FnOnce(Error) + Send + 'static,
    ) -> std::io::Result<LearnerThread> {
        let (commands, received) = channel();
        let figures = Arc::new(LearnerStats::default());
        let stats = figures.clone();
        let go_on = move || {
            stats.tell(&lessons);
            loop {
                let waiting = match received.recv_timeout(LESSON_EVERY) {
                    Ok(LearnerCommand::Learn(waiting)) => Some(waiting),
                    Err(RecvTimeoutError::Timeout) => None,
                    Ok(LearnerCommand::End) | Err(RecvTimeoutError::Disconnected) => return,
                };
                loop {
                    match lessons.learn(&*store, &committer) {
                        Ok(Some(snapshot)) => {
                            stats.tell(&lessons);
                            publish(snapshot);
                        }
                        Ok(None) => break,
                        Err(error) => return failed(error),
                    }
                    if waiting.is_none() {
                        break;
                    }
                }
                // The waiter may be gone.
                waiting.map(|waiting| waiting.send(()));
            }
        };
        let thread = std::thread::Builder::new().name("learner".into()).spawn(go_on)?;
        Ok(LearnerThread { commands, thread, figures })
    }

    /// Returns a handle.
    pub fn handle(&self) -> LearnerHandle {
        LearnerHandle(self.commands.clone(), self.figures.clone())
    }

    /// Ends the thread. Remaining observations are trained on after the next start.
    pub fn close(self) {
        // If it has ended already, there is no receiver.
        let _ = self.commands.send(LearnerCommand::End);
        if self.thread.join().is_err() {
            tracing::error!("the learner panicked: this is a bug in jumeau, please report it");
        }
    }
}

impl LearnerStats {
    fn tell(&self, lessons: &Trainer) {
        self.version.store(lessons.model().version(), Ordering::Relaxed);
        self.levels.store(lessons.model().levels() as u64, Ordering::Relaxed);
        self.forgotten.store(lessons.forgotten(), Ordering::Relaxed);
        self.answers.store(lessons.answers(), Ordering::Relaxed);
    }
}
