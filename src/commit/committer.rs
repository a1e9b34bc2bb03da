use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::handle::{CommitHandle, CommitSink, CommitWaiter, Waiters};
use crate::config::limits;
use crate::tables::{Batch, Chain, Commit, Error, Urgency};

/// How long deferred batches may wait.
pub(super) const LINGER: Duration = Duration::from_millis(limits::COMMIT_LINGER_MS as u64);

/// The only writer of the store: a thread that commits all waiting batches together (group commit), so
/// one sync serves all partitions.
#[derive(Debug)]
pub struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// How long deferred batches may wait.
    linger: Duration,
    queue: Mutex<CommitQueue>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct CommitQueue {
    waiting: VecDeque<(Waiters, Batch)>,
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

/// Commits batches for which several may wait.
#[derive(Debug, Clone)]
pub(super) struct GroupHandle(Arc<Shared>);

impl GroupHandle {
    /// Queues a batch, in order.
    pub(super) fn queue(&self, waiters: Waiters, batch: Batch) {
        self.0.queue_group(waiters, batch, Instant::now());
    }
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
        CommitHandle(self.shared.clone())
    }

    /// A handle for batches for which several may wait.
    pub(super) fn groups(&self) -> GroupHandle {
        GroupHandle(self.shared.clone())
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

impl CommitSink for Shared {
    fn queue(&self, _: Chain, waiter: CommitWaiter, batch: Batch, urgency: Urgency) {
        let due = match urgency {
            Urgency::Immediate => Instant::now(),
            Urgency::Deferred => Instant::now() + self.linger,
        };
        self.queue_group(waiter.into(), batch, due);
    }
}

impl Shared {
    /// Queues a batch for which several may wait.
    fn queue_group(&self, waiters: Waiters, batch: Batch, due: Instant) {
        let mut queue = self.queue.lock();
        if queue.state == CommitterState::Open {
            queue.waiting.push_back((waiters, batch));
            if queue.due.is_none_or(|before| due < before) {
                queue.due = Some(due);
                self.arrived.notify_one();
            }
        }
    }

    fn run(&self, store: &dyn Commit, done: impl Fn(Vec<(u16, u64)>)) -> Result<(), Error> {
        while let Some((waiters, batches)) = self.next_group() {
            store.commit(&batches)?;
            if !waiters.tickets.is_empty() {
                done(waiters.tickets);
            }
            // A writer may have gone.
            waiters.writers.into_iter().for_each(|written| _ = written.send(()));
        }
        Ok(())
    }

    /// Waits until batches are due, and takes as many as fit in one commit, but at least one; none when
    /// no more will come.
    fn next_group(&self) -> Option<(Waiters, Vec<Batch>)> {
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
        let mut waiters = Waiters::default();
        let mut batches = Vec::new();
        let mut bytes = 0;
        while let Some((_, batch)) = queue.waiting.front()
            && (batches.is_empty() || bytes + batch.bytes() <= limits::COMMIT_BYTES)
            && let Some((behind, batch)) = queue.waiting.pop_front()
        {
            bytes += batch.bytes();
            waiters.append(behind);
            batches.push(batch);
        }
        // Batches beyond this commit are part of the next one.
        queue.due = queue.due.filter(|_| !queue.waiting.is_empty());
        (!batches.is_empty()).then_some((waiters, batches))
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
        assert_eq!(committer.shared.queue.lock().waiting.len(), 3);
        go.send(()).unwrap();
        assert_eq!(commits.recv_timeout(TIMEOUT), Ok(3));
        go.send(()).unwrap();
        committer.close();

        assert_eq!(done.iter().collect::<Vec<_>>(), [vec![(7, 1)], vec![(7, 2), (7, 3), (7, 4)]]);
    }

    fn tickets(group: Option<(Waiters, Vec<Batch>)>) -> Option<Vec<u64>> {
        Some(group?.0.tickets.into_iter().map(|(_, ticket)| ticket).collect())
    }

    #[test]
    fn a_deferred_batch_joins_an_immediate_one() {
        let linger = Duration::from_secs(3600);
        let shared = Arc::new(Shared { linger, ..Shared::default() });
        let handle = CommitHandle(shared.clone());
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
        let handle = CommitHandle(shared.clone());
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
            let waiters = CommitWaiter::Partition(0, ticket).into();
            shared.queue.lock().waiting.push_back((waiters, batch));
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
