use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::config::limits;
use crate::tables::{Batch, Commit, Error, Urgency};

const LINGER: Duration = Duration::from_millis(limits::COMMIT_LINGER_MS as u64);

/// The only writer of the store: a thread that commits all waiting batches together (group commit), so
/// one sync serves all partitions.
#[derive(Debug)]
pub struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Submits batches to the committer; every partition has one.
#[derive(Debug, Clone)]
pub struct CommitHandle {
    shared: Arc<Shared>,
}

/// Statistics of the committer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitFigures {
    /// Commits that are durable.
    pub commits: u64,
    /// Batches in them: divided by the commits, the average number per sync.
    pub batches: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Their total duration.
    pub busy: Duration,
    /// The duration of the slowest.
    pub slowest: Duration,
    /// Batches waiting now.
    pub waiting: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// How long deferred batches may wait.
    linger: Duration,
    queue: Mutex<CommitQueue>,
    arrived: Condvar,
    commits: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
    busy_us: AtomicU64,
    slowest_us: AtomicU64,
}

#[derive(Debug, Default)]
struct CommitQueue {
    waiting: VecDeque<(CommitWaiter, Batch)>,
    /// When the waiting batches are due; none if there are none.
    due: Option<Instant>,
    state: CommitterState,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum CommitterState {
    #[default]
    Open,
    /// No more batches are accepted; those waiting are still committed.
    Closing,
    /// A write failed: nothing will be durable any more.
    Broken,
}

/// Who is told that a batch is durable.
#[derive(Debug)]
enum CommitWaiter {
    /// A partition, with its ticket.
    Partition(u16, u64),
    /// Who waits in [`CommitHandle::write`].
    Writer(oneshot::Sender<()>),
}

impl Committer {
    /// Starts the thread. `done` is called with the batches that are durable, by partition and ticket, in
    /// the order of submission. `failed` is called once if a write failed, after which nothing is written
    /// and `done` is not called. Both run on the committer's thread.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn spawn(
        store: Arc<dyn Commit>,
        done: impl Fn(Vec<(u16, u64)>) + Send + 'static,
        failed: impl FnOnce(Error) + Send + 'static,
    ) -> std::io::Result<Committer> {
        let shared = Arc::new(Shared { linger: LINGER, ..Shared::default() });
        let within = Arc::clone(&shared);
        let thread = thread::Builder::new().name("committer".to_owned()).spawn(move || {
            let mut alarm = Alarm { shared: &within, failed: Some(failed) };
            match within.run(&*store, done) {
                Ok(()) => alarm.failed = None,
                Err(error) => alarm.raise(error),
            }
        })?;
        Ok(Committer { shared, thread: Some(thread) })
    }

    /// A handle for a partition.
    pub fn handle(&self) -> CommitHandle {
        CommitHandle { shared: Arc::clone(&self.shared) }
    }

    /// Commits what still waits, reports it, and ends the thread. Later batches are not accepted.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // A panic has been reported as a failed write.
            let _ = thread.join();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.end();
    }
}

impl CommitHandle {
    /// Submits a partition's batch, in order; its ticket is returned when it is durable. Never blocks:
    /// the intake bounds what is in flight. After a failed write or after closing, the batch is dropped
    /// and its ticket is never returned.
    pub fn submit(&self, partition: u16, ticket: u64, batch: Batch, urgency: Urgency) {
        let due = match urgency {
            Urgency::Immediate => Instant::now(),
            Urgency::Deferred => Instant::now() + self.shared.linger,
        };
        self.queue(CommitWaiter::Partition(partition, ticket), batch, due);
    }

    /// Commits a batch that no reaction caused, in order with those of the partitions, and waits until it is durable.
    ///
    /// # Errors
    /// [`Error::Write`] after a failed write or after closing.
    pub fn write(&self, batch: Batch) -> impl Future<Output = Result<(), Error>> + use<> {
        let (written, is_written) = oneshot::channel();
        self.queue(CommitWaiter::Writer(written), batch, Instant::now());
        async move {
            let detail = "expected a service that commits, found that it is ending".to_owned();
            is_written.await.map_err(|_| Error::Write { detail })
        }
    }

    fn queue(&self, waiter: CommitWaiter, batch: Batch, due: Instant) {
        let mut queue = self.shared.queue.lock();
        if queue.state == CommitterState::Open {
            queue.waiting.push_back((waiter, batch));
            if queue.due.is_none_or(|before| due < before) {
                queue.due = Some(due);
                self.shared.arrived.notify_one();
            }
        }
    }

    /// Statistics of the committer.
    pub fn figures(&self) -> CommitFigures {
        let shared = &*self.shared;
        CommitFigures {
            commits: shared.commits.load(Ordering::Relaxed),
            batches: shared.batches.load(Ordering::Relaxed),
            bytes: shared.bytes.load(Ordering::Relaxed),
            busy: Duration::from_micros(shared.busy_us.load(Ordering::Relaxed)),
            slowest: Duration::from_micros(shared.slowest_us.load(Ordering::Relaxed)),
            waiting: shared.queue.lock().waiting.len() as u64,
        }
    }
}

/// Commits in order with the partitions, each batch for itself: a crash may keep the first ones alone. Blocks until all
/// are durable, so it is not for the threads of Tokio.
impl Commit for CommitHandle {
    fn commit(&self, batches: &[Batch]) -> Result<(), Error> {
        let written: Vec<_> = batches.iter().map(|batch| self.write(batch.clone())).collect();
        written.into_iter().try_for_each(block_on)
    }
}

impl Shared {
    fn run(&self, store: &dyn Commit, done: impl Fn(Vec<(u16, u64)>)) -> Result<(), Error> {
        while let Some((waiters, batches)) = self.next_group() {
            let begin = Instant::now();
            store.commit(&batches)?;
            self.count(&batches, begin.elapsed());
            let (mut tickets, mut writers) = (Vec::with_capacity(waiters.len()), Vec::new());
            for waiter in waiters {
                match waiter {
                    CommitWaiter::Partition(partition, ticket) => tickets.push((partition, ticket)),
                    CommitWaiter::Writer(written) => writers.push(written),
                }
            }
            if !tickets.is_empty() {
                done(tickets);
            }
            // A writer may have gone.
            writers.into_iter().for_each(|written| _ = written.send(()));
        }
        Ok(())
    }

    /// Waits until batches are due, and takes as many as fit in one commit, but at least one; none when
    /// no more will come.
    fn next_group(&self) -> Option<(Vec<CommitWaiter>, Vec<Batch>)> {
        let mut queue = self.queue.lock();
        while queue.state == CommitterState::Open {
            match queue.due {
                None => self.arrived.wait(&mut queue),
                Some(due) if Instant::now() < due => {
                    self.arrived.wait_until(&mut queue, due);
                }
                Some(_) => break,
            }
        }
        let mut waiters = Vec::new();
        let mut batches = Vec::new();
        let mut bytes = 0;
        while let Some((_, batch)) = queue.waiting.front()
            && (batches.is_empty() || bytes + batch.bytes() <= limits::COMMIT_BYTES)
            && let Some((waiter, batch)) = queue.waiting.pop_front()
        {
            bytes += batch.bytes();
            waiters.push(waiter);
            batches.push(batch);
        }
        // Batches beyond this commit are part of the next one.
        queue.due = queue.due.filter(|_| !queue.waiting.is_empty());
        (!batches.is_empty()).then_some((waiters, batches))
    }

    fn count(&self, batches: &[Batch], took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bytes: usize = batches.iter().map(Batch::bytes).sum();
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.batches.fetch_add(batches.len() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.busy_us.fetch_add(took_us, Ordering::Relaxed);
        self.slowest_us.fetch_max(took_us, Ordering::Relaxed);
    }

    fn close(&self) {
        let mut queue = self.queue.lock();
        if queue.state == CommitterState::Open {
            queue.state = CommitterState::Closing;
        }
        self.arrived.notify_one();
    }
}

/// Reports a failure, also when the thread ends by a panic: otherwise the partitions would wait for ever.
struct Alarm<'a, F: FnOnce(Error)> {
    shared: &'a Shared,
    failed: Option<F>,
}

impl<F: FnOnce(Error)> Alarm<'_, F> {
    fn raise(&mut self, error: Error) {
        if let Some(failed) = self.failed.take() {
            let mut queue = self.shared.queue.lock();
            queue.state = CommitterState::Broken;
            queue.waiting.clear();
            drop(queue);
            failed(error);
        }
    }
}

impl<F: FnOnce(Error)> Drop for Alarm<'_, F> {
    fn drop(&mut self) {
        let detail = "the committer panicked: this is a bug in jumeau, please report it".to_owned();
        self.raise(Error::Write { detail });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

    use super::*;
    use crate::tables::{Fault, MemoryStore, Read};

    const TIMEOUT: Duration = Duration::from_secs(20);

    fn cursor(sequence: u64) -> Batch {
        let mut batch = Batch::new();
        batch.set_cursor(7, sequence);
        batch
    }

    type Tickets = Receiver<Vec<(u16, u64)>>;

    fn spawn(store: Arc<dyn Commit>) -> (Committer, Tickets, Receiver<Error>) {
        let (tickets, done) = channel();
        let (errors, failed) = channel();
        let committer = Committer::spawn(
            store,
            move |group| tickets.send(group).unwrap(),
            move |error| errors.send(error).unwrap(),
        );
        (committer.unwrap(), done, failed)
    }

    /// A store in which every commit waits to be released.
    struct Gate {
        memory: MemoryStore,
        begun: Sender<usize>,
        go: Mutex<Receiver<()>>,
    }

    impl Commit for Gate {
        fn commit(&self, batches: &[Batch]) -> Result<(), Error> {
            self.begun.send(batches.len()).unwrap();
            self.go.lock().recv_timeout(TIMEOUT).unwrap();
            self.memory.commit(batches)
        }
    }

    #[test]
    fn batches_that_wait_during_a_commit_share_the_next_one() {
        let (begun, commits) = channel();
        let (go, gate) = channel();
        let gate = Gate { memory: MemoryStore::new(), begun, go: Mutex::new(gate) };
        let (committer, done, _failed) = spawn(Arc::new(gate));
        let handle = committer.handle();

        handle.submit(7, 1, cursor(1), Urgency::Immediate);
        assert_eq!(commits.recv_timeout(TIMEOUT), Ok(1));
        (2..=4).for_each(|ticket| handle.submit(7, ticket, cursor(ticket), Urgency::Immediate));
        assert_eq!(done.try_recv().ok(), None, "reported before it was durable");
        assert_eq!(handle.figures().waiting, 3);
        go.send(()).unwrap();
        assert_eq!(commits.recv_timeout(TIMEOUT), Ok(3));
        go.send(()).unwrap();
        committer.close();

        assert_eq!(done.iter().collect::<Vec<_>>(), [vec![(7, 1)], vec![(7, 2), (7, 3), (7, 4)]]);
        let figures = handle.figures();
        assert_eq!((figures.commits, figures.batches, figures.waiting), (2, 4, 0));
    }

    fn tickets(group: Option<(Vec<CommitWaiter>, Vec<Batch>)>) -> Option<Vec<u64>> {
        let ticket = |waiter| match waiter {
            CommitWaiter::Partition(_, ticket) => Some(ticket),
            CommitWaiter::Writer(_) => None,
        };
        Some(group?.0.into_iter().filter_map(ticket).collect())
    }

    #[test]
    fn a_deferred_batch_joins_an_immediate_one() {
        let linger = Duration::from_secs(3600);
        let shared = Arc::new(Shared { linger, ..Shared::default() });
        let handle = CommitHandle { shared: Arc::clone(&shared) };
        handle.submit(7, 1, cursor(1), Urgency::Deferred);
        handle.submit(8, 1, cursor(1), Urgency::Deferred);
        let is_due = || shared.queue.lock().due.is_some_and(|due| due <= Instant::now());
        assert!(!is_due(), "it does not lie until somebody waits");
        handle.submit(7, 2, cursor(2), Urgency::Immediate);
        assert!(is_due());
        handle.submit(8, 2, cursor(2), Urgency::Deferred);
        assert_eq!(tickets(shared.next_group()), Some(vec![1, 1, 2, 2]));
        assert_eq!(shared.queue.lock().due, None);
    }

    #[test]
    fn a_deferred_batch_becomes_durable_by_itself() {
        let shared = Arc::new(Shared::default());
        let handle = CommitHandle { shared: Arc::clone(&shared) };
        handle.submit(7, 1, cursor(1), Urgency::Deferred);
        assert_eq!(tickets(shared.next_group()), Some(vec![1]));
    }

    #[test]
    fn a_commit_carries_no_more_than_its_limit() {
        let shared = Shared::default();
        let half = limits::COMMIT_BYTES / 2;
        for (ticket, bytes) in [(1, 3 * half), (2, half - 99), (3, half - 99), (4, 1)] {
            let mut batch = Batch::new();
            let customer = crate::event::Customer::new("ada").unwrap();
            batch.put_twin(0, &customer, &vec![0; bytes]);
            let waiter = CommitWaiter::Partition(0, ticket);
            shared.queue.lock().waiting.push_back((waiter, batch));
        }
        shared.close();
        let groups: Vec<Vec<u64>> = std::iter::from_fn(|| tickets(shared.next_group())).collect();
        assert_eq!(groups, [vec![1], vec![2, 3, 4]]);
    }

    #[test]
    fn closing_makes_waiting_batches_durable() {
        let store = Arc::new(MemoryStore::new());
        let (committer, done, failed) = spawn(store.clone());
        let handle = committer.handle();
        (1..=100).for_each(|ticket| handle.submit(7, ticket, cursor(ticket), Urgency::Immediate));
        committer.close();
        handle.submit(7, 101, cursor(101), Urgency::Immediate);

        store.crash(0);
        assert_eq!(store.meta(7).unwrap().cursor, 100);
        let tickets: Vec<u64> = done.iter().flatten().map(|(_, ticket)| ticket).collect();
        assert_eq!(tickets, (1..=100).collect::<Vec<_>>());
        assert_eq!(failed.try_iter().count(), 0);
    }

    #[test]
    fn a_failed_write_is_reported_once_and_nothing_is_written_after_it() {
        for fault in [Fault::Write, Fault::Sync] {
            let store = Arc::new(MemoryStore::new());
            let (committer, done, failed) = spawn(store.clone());
            let handle = committer.handle();
            handle.submit(7, 1, cursor(1), Urgency::Immediate);
            assert_eq!(done.recv_timeout(TIMEOUT), Ok(vec![(7, 1)]));
            store.inject(fault);
            handle.submit(7, 2, cursor(2), Urgency::Immediate);
            let error = failed.recv_timeout(TIMEOUT).unwrap();
            assert!(matches!(error, Error::Write { .. }), "{error}");
            handle.submit(7, 3, cursor(3), Urgency::Immediate);
            committer.close();

            assert_eq!(failed.recv_timeout(TIMEOUT).err(), Some(RecvTimeoutError::Disconnected));
            assert_eq!(done.iter().count(), 0);
            store.crash(0);
            assert_eq!(store.meta(7).unwrap().cursor, 1);
        }
    }

    #[tokio::test]
    async fn a_writer_waits_until_its_batch_is_durable_and_is_told_if_it_will_never_be() {
        let store = Arc::new(MemoryStore::new());
        let (committer, done, failed) = spawn(store.clone());
        let handle = committer.handle();
        handle.submit(7, 1, cursor(1), Urgency::Deferred);
        handle.write(cursor(2)).await.unwrap();
        store.crash(0);
        assert_eq!(store.meta(7).unwrap().cursor, 2, "after the batch that was submitted before");
        assert_eq!(done.recv_timeout(TIMEOUT), Ok(vec![(7, 1)]));
        store.inject(Fault::Write);
        assert!(matches!(handle.write(cursor(3)).await, Err(Error::Write { .. })));
        assert!(failed.recv_timeout(TIMEOUT).is_ok());
        assert!(matches!(handle.write(cursor(4)).await, Err(Error::Write { .. })));
    }

    #[test]
    fn a_panic_is_reported_as_a_failed_write() {
        let (errors, failed) = channel();
        let committer = Committer::spawn(
            Arc::new(MemoryStore::new()),
            |_| panic!("the listener is broken"),
            move |error| errors.send(error).unwrap(),
        );
        let committer = committer.unwrap();
        committer.handle().submit(7, 1, cursor(1), Urgency::Immediate);
        let error = failed.recv_timeout(TIMEOUT).unwrap();
        assert!(error.to_string().contains("panic"), "{error}");
        committer.close();
    }
}
