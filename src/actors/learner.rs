use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use crate::models::Snapshot;
use crate::partition::{LESSON_EVERY, Lessons};
use crate::store::{Error, Store};

/// A thread that learns from what came of actions, and hands out what is known.
#[derive(Debug)]
pub struct LearnerThread {
    stop: Sender<()>,
    thread: JoinHandle<()>,
    figures: Arc<Figures>,
}

/// What was learned, for whoever asks.
#[derive(Debug, Default)]
pub struct Figures {
    /// The version of what is known.
    pub version: AtomicU64,
    /// Answers that were learned from since the start.
    pub learned: AtomicU64,
    /// Levels of arms of which something is known.
    pub levels: AtomicU64,
}

impl LearnerThread {
    /// Starts it. `publish` gets each new snapshot; `failed` hears of what ends the thread early.
    ///
    /// # Errors
    /// If there can be no further thread.
    pub fn spawn(
        store: Arc<Store>,
        mut lessons: Lessons,
        publish: impl Fn(Snapshot) + Send + 'static,
        failed: impl FnOnce(Error) + Send + 'static,
    ) -> std::io::Result<LearnerThread> {
        let (stop, stopped) = channel();
        let figures = Arc::new(Figures::default());
        let told = figures.clone();
        let go_on = move || {
            told.tell(&lessons);
            while stopped.recv_timeout(LESSON_EVERY) == Err(RecvTimeoutError::Timeout) {
                match lessons.learn(&*store) {
                    Ok(Some(snapshot)) => {
                        told.tell(&lessons);
                        publish(snapshot);
                    }
                    Ok(None) => {}
                    Err(error) => return failed(error),
                }
            }
        };
        let thread = std::thread::Builder::new().name("learner".into()).spawn(go_on)?;
        Ok(LearnerThread { stop, thread, figures })
    }

    /// What was learned, as it goes on.
    pub fn figures(&self) -> Arc<Figures> {
        self.figures.clone()
    }

    /// Ends it. What is not learned yet is learned after the next start.
    pub fn close(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the learner ended by a panic, which is a defect of jumeau");
        }
    }
}

impl Figures {
    fn tell(&self, lessons: &Lessons) {
        self.version.store(lessons.model().version(), Ordering::Relaxed);
        self.levels.store(lessons.model().levels() as u64, Ordering::Relaxed);
        self.learned.store(lessons.learned(), Ordering::Relaxed);
    }
}
