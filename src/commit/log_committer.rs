use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::try_join_all;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use super::committer::{Committer, GroupHandle, LINGER};
use super::handle::{CommitHandle, CommitSink, CommitWaiter, Waiters};
use crate::bus::{self, CommitLog};
use crate::config::limits;
use crate::log::{ChainWriter, MessageKind, encode};
use crate::store::{LogFollower, Store};
use crate::tables::{Batch, Chain, Error, LogPosition, Read as _, Urgency};

/// How long waiting batches may take to be appended when the service ends. The rest is processed again.
const END: Duration = Duration::from_secs(2);

/// The interval at which a full log is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// More than a file of the broker: what is deleted before so many bytes is in files that the broker deletes.
const FILLER_BYTES: usize = 9 << 20;

/// The chains that a service has claimed, and which its store has applied.
#[derive(Debug)]
pub struct ClaimedChains {
    /// Their log.
    pub log: CommitLog,
    /// A writer for every chain.
    pub writers: Vec<ChainWriter>,
}

/// Makes batches durable in the commit log, and applies them to the store once the log has confirmed them.
///
/// Every chain has a queue and a task: the task appends all batches that wait as one record, and waits for its
/// confirmation before it takes the next ones. So each chain has one record in flight, and the chains do not wait for
/// each other.
#[derive(Debug)]
pub struct LogCommitter {
    queues: Arc<ChainQueues>,
    applier: Committer,
    trimmer: Arc<LogTrimmer>,
    closing: watch::Sender<bool>,
    tasks: JoinSet<()>,
    trimming: JoinHandle<()>,
}

/// Removes from the broker's files what the log held of erased customers.
#[derive(Debug, Clone)]
pub struct LogEraser(Arc<LogTrimmer>);

/// What waits for a chain's task.
#[derive(Debug)]
enum Queued {
    Commit(CommitWaiter, Batch, Urgency),
    /// Bytes that mean nothing, so many; the sender is told when they are in the log.
    Filler(usize, oneshot::Sender<()>),
}

#[derive(Debug)]
struct ChainQueues(BTreeMap<Chain, UnboundedSender<Queued>>);

impl CommitSink for ChainQueues {
    fn queue(&self, chain: Chain, waiter: CommitWaiter, batch: Batch, urgency: Urgency) {
        if let Some(queue) = self.0.get(&chain) {
            // A task that has ended drops the waiter.
            let _ = queue.send(Queued::Commit(waiter, batch, urgency));
        }
    }
}

impl LogCommitter {
    /// Starts the tasks on the current runtime. `done` is called with the batches that are durable and applied, by
    /// partition and ticket, in the order of submission of each partition. `failed` is called once if the log cannot be
    /// continued, or a write of the store failed; `done` is not called any more then for what was not durable before.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn spawn(
        store: Arc<Store>,
        ClaimedChains { log, writers }: ClaimedChains,
        done: impl Fn(Vec<(u16, u64)>) + Send + 'static,
        failed: impl FnOnce(Error) + Send + 'static,
    ) -> std::io::Result<LogCommitter> {
        let alarm = FailureAlarm(Arc::new(Mutex::new(Some(Box::new(failed)))));
        let applier = {
            let alarm = alarm.clone();
            Committer::spawn(Arc::new(LogFollower(store.clone())), done, move |error| {
                alarm.raise(error)
            })?
        };
        let (closing, closes) = watch::channel(false);
        let (mut queues, mut starts) = (BTreeMap::new(), Vec::new());
        for writer in writers {
            let (sender, queue) = unbounded_channel();
            queues.insert(writer.chain(), sender);
            starts.push((writer, queue));
        }
        let queues = Arc::new(ChainQueues(queues));
        let trimmer = Arc::new(LogTrimmer {
            log: log.clone(),
            store,
            queues: queues.clone(),
            appended: AtomicU64::new(0),
            is_due: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        for (writer, queue) in starts {
            let task = ChainTask {
                log: log.clone(),
                writer,
                queue,
                next: None,
                applier: applier.groups(),
                closing: closes.clone(),
                trimmer: trimmer.clone(),
            };
            tasks.spawn(alarm.clone().watch(task.run()));
        }
        let trim = trimmer.clone();
        let trimming = tokio::spawn(alarm.watch(async move {
            trim.run().await;
            Ok(())
        }));
        Ok(LogCommitter { queues, applier, trimmer, closing, tasks, trimming })
    }

    /// A handle for a partition.
    pub fn handle(&self) -> CommitHandle {
        CommitHandle(self.queues.clone())
    }

    /// The log.
    pub fn log(&self) -> CommitLog {
        self.trimmer.log.clone()
    }

    /// What erases from the log.
    pub fn eraser(&self) -> LogEraser {
        LogEraser(self.trimmer.clone())
    }

    /// Appends what still waits, if the broker confirms it within some seconds, applies what is confirmed, and writes
    /// it to the disk, so that the next start has nothing to apply. Later batches are not accepted.
    pub async fn close(self) {
        let LogCommitter { applier, trimmer, closing, mut tasks, trimming, .. } = self;
        trimming.abort();
        closing.send_replace(true);
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(END, ended).await.is_err() {
            tasks.shutdown().await;
        }
        let store = trimmer.store.clone();
        let ended = tokio::task::spawn_blocking(move || {
            applier.close();
            store.flush()
        });
        if let Ok(Err(error)) = ended.await {
            tracing::warn!(%error, "the store could not be written to the disk; the next start applies the log again");
        }
    }
}

/// Appends the batches of one chain.
struct ChainTask {
    log: CommitLog,
    writer: ChainWriter,
    queue: UnboundedReceiver<Queued>,
    /// What was taken from the queue, and does not fit in the record before.
    next: Option<Queued>,
    applier: GroupHandle,
    closing: watch::Receiver<bool>,
    trimmer: Arc<LogTrimmer>,
}

impl ChainTask {
    async fn run(mut self) -> Result<(), bus::Error> {
        while let Some(queued) = self.take().await {
            match queued {
                Queued::Commit(waiter, batch, urgency) => {
                    let (waiters, mut batch) = self.gather(waiter, batch, urgency).await;
                    let record = encode(&batch);
                    self.append(MessageKind::Commit, record).await?;
                    batch.set_log_position(self.writer.chain(), self.writer.position());
                    self.applier.queue(waiters, batch);
                }
                Queued::Filler(bytes, written) => {
                    self.append(MessageKind::Filler, vec![0; bytes]).await?;
                    // Who waited may have gone.
                    let _ = written.send(());
                }
            }
        }
        Ok(())
    }

    async fn append(&mut self, kind: MessageKind, record: Vec<u8>) -> Result<(), bus::Error> {
        let bytes = record.len();
        self.log.append(&mut self.writer, kind, Bytes::from(record)).await?;
        self.trimmer.count(bytes);
        Ok(())
    }

    /// The next one; none once the service ends and nothing waits.
    async fn take(&mut self) -> Option<Queued> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        let queued = tokio::select! {
            queued = self.queue.recv() => Some(queued),
            // Also if the committer is gone.
            _ = self.closing.wait_for(|is_closing| *is_closing) => None,
        };
        match queued {
            Some(queued) => queued,
            None => {
                self.queue.close();
                self.queue.recv().await
            }
        }
    }

    /// The batches that wait, as one, as many as fit in a record. If all are deferred, others may join them for a
    /// moment.
    async fn gather(
        &mut self,
        waiter: CommitWaiter,
        mut batch: Batch,
        urgency: Urgency,
    ) -> (Waiters, Batch) {
        let mut waiters = Waiters::from(waiter);
        let due = Instant::now() + LINGER;
        let mut is_due = urgency == Urgency::Immediate;
        loop {
            let queued = match self.queue.try_recv() {
                Ok(queued) => Some(queued),
                Err(_) if is_due => None,
                // Nothing more comes at the end, or before it is due.
                Err(_) => timeout_at(due, self.queue.recv()).await.unwrap_or_default(),
            };
            match queued {
                Some(Queued::Commit(waiter, later, urgency))
                    if batch.bytes() + later.bytes() <= limits::COMMIT_BYTES =>
                {
                    waiters.push(waiter);
                    batch.append(&later);
                    is_due |= urgency == Urgency::Immediate;
                }
                next => {
                    self.next = next;
                    return (waiters, batch);
                }
            }
        }
    }
}

/// Deletes what every chain has applied from the log.
#[derive(Debug)]
struct LogTrimmer {
    log: CommitLog,
    store: Arc<Store>,
    queues: Arc<ChainQueues>,
    /// Bytes appended since the log was last trimmed.
    appended: AtomicU64,
    is_due: Notify,
}

impl LogTrimmer {
    /// So many bytes were appended.
    fn count(&self, bytes: usize) {
        let before = self.appended.fetch_add(bytes as u64, Ordering::Relaxed);
        if before + bytes as u64 >= limits::LOG_TRIM_BYTES as u64 {
            self.is_due.notify_one();
        }
    }

    async fn run(self: Arc<LogTrimmer>) {
        let trimming = async {
            loop {
                self.is_due.notified().await;
                self.trim_at_last().await;
            }
        };
        let freeing = async {
            let mut freed = Vec::new();
            loop {
                tokio::time::sleep(LOOK).await;
                if self.log.is_full() {
                    match self.free(&freed).await {
                        Ok(now) => freed = now,
                        Err(error) => complain(&error),
                    }
                }
            }
        };
        // Trimming itself waits for room in a full log.
        futures::join!(trimming, freeing);
    }

    /// Trims, however often it must be tried.
    async fn trim_at_last(&self) {
        while let Err(error) = self.trim().await {
            complain(&error);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Deletes everything before a mark in every chain, once the store has that on the disk. The marks stay: the next
    /// start recognises the log by them.
    async fn trim(&self) -> Result<(), Error> {
        self.appended.store(0, Ordering::Relaxed);
        let handle = CommitHandle(self.queues.clone());
        let chains = self.queues.0.keys();
        try_join_all(chains.map(|chain| handle.write_to(*chain, Batch::new()))).await?;
        let positions = self.flush().await?;
        let applied = positions.iter().map(|(_, position)| position.sequence).min();
        self.log.trim(applied.unwrap_or(0)).await.map_err(log_error)
    }

    /// Deletes what it can from a full log, to which no mark can be appended: of each chain everything before the last
    /// message that the store has on the disk. Returns how far that is; `freed` is what it returned before.
    async fn free(
        &self,
        freed: &[(Chain, LogPosition)],
    ) -> Result<Vec<(Chain, LogPosition)>, Error> {
        let positions = self.flush().await?;
        if positions != freed {
            for (chain, position) in &positions {
                self.log.trim_chain(*chain, position.sequence).await.map_err(log_error)?;
            }
        }
        Ok(positions)
    }

    /// Writes everything that is applied to the disk; returns how far that is.
    async fn flush(&self) -> Result<Vec<(Chain, LogPosition)>, Error> {
        let (store, chains) =
            (self.store.clone(), self.queues.0.keys().copied().collect::<Vec<_>>());
        let flushed = tokio::task::spawn_blocking(move || {
            let position = |chain| Ok((chain, store.log_position(chain)?));
            let positions = chains.into_iter().map(position).collect::<Result<Vec<_>, Error>>()?;
            store.flush()?;
            Ok(positions)
        });
        flushed.await.map_err(|error| Error::Write { detail: error.to_string() })?
    }
}

impl LogEraser {
    /// Deletes everything before now from the log, and from the broker's files: what is only marked as deleted lies
    /// behind, in the same file, so as many bytes as a file holds are appended first.
    ///
    /// # Errors
    /// [`Error::Log`] if the service ends.
    pub async fn erase(&self) -> Result<(), Error> {
        let (written, is_written) = oneshot::channel();
        if let Some(queue) = self.0.queues.0.get(&Chain::Learner) {
            // A task that has ended drops the waiter.
            let _ = queue.send(Queued::Filler(FILLER_BYTES, written));
        }
        let detail = "expected a service that commits, found that it is ending".to_owned();
        is_written.await.map_err(|_| Error::Log { detail })?;
        self.0.trim_at_last().await;
        Ok(())
    }
}

fn complain(error: &Error) {
    tracing::warn!(%error, "the commit log could not be trimmed; trying again");
}

fn log_error(error: bus::Error) -> Error {
    // With its causes.
    Error::Log { detail: format!("{:#}", anyhow::Error::from(error)) }
}

/// Who is told of the first failure.
#[derive(Clone)]
struct FailureAlarm(Arc<Mutex<Option<Failed>>>);

type Failed = Box<dyn FnOnce(Error) + Send>;

impl FailureAlarm {
    fn raise(&self, error: Error) {
        if let Some(failed) = self.0.lock().take() {
            failed(error);
        }
    }

    /// Runs a task, and reports its failure, also a panic: otherwise the partitions would wait for ever.
    async fn watch(self, task: impl Future<Output = Result<(), bus::Error>>) {
        match AssertUnwindSafe(task).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.raise(log_error(error)),
            Err(_) => {
                let detail =
                    "the committer panicked: this is a bug in jumeau, please report it".to_owned();
                self.raise(Error::Write { detail });
            }
        }
    }
}
