use std::sync::Arc;

use futures::executor::block_on;
use tokio::sync::oneshot;

use crate::tables::{Batch, Chain, Commit, Error, Urgency};

/// Submits batches to a committer; every partition has one.
#[derive(Debug, Clone)]
pub struct CommitHandle(pub(super) Arc<dyn CommitSink>);

/// What makes batches durable, each chain's in order.
pub(super) trait CommitSink: std::fmt::Debug + Send + Sync {
    /// Queues a batch. If it will never be durable, the waiter is dropped.
    fn queue(&self, chain: Chain, waiter: CommitWaiter, batch: Batch, urgency: Urgency);
}

/// Who is told that a batch is durable.
#[derive(Debug)]
pub(super) enum CommitWaiter {
    /// A partition, with its ticket.
    Partition(u16, u64),
    /// Who waits in [`CommitHandle::write`].
    Writer(oneshot::Sender<()>),
}

/// Those who are told together.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Partitions, with their tickets, in the order of submission.
    pub(super) tickets: Vec<(u16, u64)>,
    pub(super) writers: Vec<oneshot::Sender<()>>,
}

impl Waiters {
    pub(super) fn push(&mut self, waiter: CommitWaiter) {
        match waiter {
            CommitWaiter::Partition(partition, ticket) => self.tickets.push((partition, ticket)),
            CommitWaiter::Writer(written) => self.writers.push(written),
        }
    }

    pub(super) fn append(&mut self, mut later: Waiters) {
        self.tickets.append(&mut later.tickets);
        self.writers.append(&mut later.writers);
    }
}

impl From<CommitWaiter> for Waiters {
    fn from(waiter: CommitWaiter) -> Waiters {
        let mut waiters = Waiters::default();
        waiters.push(waiter);
        waiters
    }
}

impl CommitHandle {
    /// Submits a partition's batch, in order; its ticket is returned when it is durable. Never blocks:
    /// the intake bounds what is in flight. After a failed write or after closing, the batch is dropped
    /// and its ticket is never returned.
    pub fn submit(&self, partition: u16, ticket: u64, batch: Batch, urgency: Urgency) {
        let waiter = CommitWaiter::Partition(partition, ticket);
        self.0.queue(Chain::Partition(partition), waiter, batch, urgency);
    }

    /// Commits a batch that no reaction caused, in order with those of its chain, and waits until it is durable.
    ///
    /// # Errors
    /// [`Error::Write`] after a failed write or after closing, and if its changes are of several chains: these
    /// have no common order.
    pub fn write(&self, batch: Batch) -> impl Future<Output = Result<(), Error>> + use<> {
        let is_written = match batch.chain() {
            Some(chain) => Ok(Some(self.write_to(chain, batch))),
            None if batch.is_empty() => Ok(None),
            None => {
                let detail = "expected changes of one chain, found some of several: this is a bug in jumeau, \
                              please report it"
                    .to_owned();
                Err(Error::Write { detail })
            }
        };
        async move {
            match is_written? {
                Some(is_written) => is_written.await,
                None => Ok(()),
            }
        }
    }

    /// Commits a batch of this chain, also an empty one, and waits until it is durable.
    ///
    /// # Errors
    /// [`Error::Write`] after a failed write or after closing.
    pub(super) fn write_to(
        &self,
        chain: Chain,
        batch: Batch,
    ) -> impl Future<Output = Result<(), Error>> + use<> {
        let (written, is_written) = oneshot::channel();
        self.0.queue(chain, CommitWaiter::Writer(written), batch, Urgency::Immediate);
        async move {
            let detail = "expected a service that commits, found that it is ending".to_owned();
            is_written.await.map_err(|_| Error::Write { detail })
        }
    }
}

/// Commits in order with the partitions, each batch for itself: a crash may keep some of them alone, of each chain the first ones. Blocks until all
/// are durable, so it is not for the threads of Tokio.
impl Commit for CommitHandle {
    fn commit(&self, batches: &[Batch]) -> Result<(), Error> {
        let written: Vec<_> = batches.iter().map(|batch| self.write(batch.clone())).collect();
        written.into_iter().try_for_each(block_on)
    }
}
