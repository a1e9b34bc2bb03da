use std::sync::Arc;

use actix::{Actor, Addr, Handler, Message};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::eraser::Eraser;
use super::partition::{
    CustomersFound, FatalError, GIVE_BACK, OutputsLoaded, PartitionActor, PullReceipt, Rested,
    TimersLoaded, TracesLoaded, TwinsLoaded,
};
use super::round_replies;
use super::twin::{RestTwin, RunBatch, TwinActor};
use crate::bus::{Floor, Relay};
use crate::commit::CommitHandle;
use crate::event::{Customer, Output, WrittenLane};
use crate::partition::{AskAnswer, Cleared, Host, Loads, TwinBatch, revive};
use crate::store::Store;
use crate::tables::{Batch, IndexKey, Read, Urgency};
use crate::twin::Twin;

/// Performs the machine's IO.
pub(super) struct Shell {
    pub(super) partition: u16,
    pub(super) me: Addr<PartitionActor>,
    pub(super) store: Arc<Store>,
    pub(super) committer: CommitHandle,
    pub(super) relay: Arc<Relay>,
    pub(super) eraser: Eraser,
    pub(super) floor: Floor,
    /// The slow lane as last written.
    pub(super) slow_lane: WrittenLane,
    pub(super) fatal: UnboundedSender<FatalError>,
    /// How many more times freed memory is to be returned.
    pub(super) to_give_back: u8,
}

impl Shell {
    /// Reads from the store on a blocking thread and sends the result to the actor.
    fn read<T, M>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, String> + Send + 'static,
        message: impl FnOnce(T) -> M + 'static,
    ) where
        T: Send + 'static,
        M: Message<Result = ()> + Send + 'static,
        PartitionActor: Handler<M>,
    {
        let (store, me, fatal) = (self.store.clone(), self.me.clone(), self.fatal.clone());
        let partition = self.partition;
        actix_rt::spawn(async move {
            match actix_rt::task::spawn_blocking(move || read(&store)).await {
                Ok(Ok(found)) => me.do_send(message(found)),
                Ok(Err(error)) => {
                    // The receiver is gone only when the service is stopping already.
                    let _ = fatal.send(FatalError(format!("partition {partition}: {error}")));
                }
                Err(panic) => {
                    let _ = fatal.send(FatalError(format!("partition {partition}: {panic}")));
                }
            }
        });
    }
}

impl Host for Shell {
    type Address = Addr<TwinActor>;
    type Token = PullReceipt;
    type Reply = oneshot::Sender<AskAnswer>;

    fn activate(&mut self, twin: Box<Twin>) -> Addr<TwinActor> {
        TwinActor::new(twin, self.partition).start()
    }

    fn deliver(&mut self, to: &Addr<TwinActor>, batch: TwinBatch) {
        round_replies::expect(self.partition);
        to.do_send(RunBatch(batch));
    }

    fn rest(&mut self, twins: Vec<(Customer, &Addr<TwinActor>)>) {
        self.to_give_back = GIVE_BACK;
        let me = self.me.clone();
        let asked: Vec<_> =
            twins.into_iter().map(|(customer, twin)| (customer, twin.send(RestTwin))).collect();
        actix_rt::spawn(async move {
            let mut rested = Vec::with_capacity(asked.len());
            for (customer, answer) in asked {
                // A twin that is gone has no size.
                if let Ok(bytes) = answer.await {
                    rested.push((customer, bytes));
                }
            }
            me.do_send(Rested(rested));
        });
    }

    fn load(&mut self, customers: Vec<Customer>) {
        let partition = self.partition;
        self.read(move |store| load(store, partition, customers), TwinsLoaded);
    }

    fn load_outputs(&mut self, from: u64, limit: usize) {
        let partition = self.partition;
        let read = move |store: &Store| {
            store.outbox(partition, from, limit).map_err(|error| error.to_string())
        };
        self.read(read, OutputsLoaded);
    }

    fn load_timers(&mut self, limit: usize) {
        let partition = self.partition;
        let read = move |store: &Store| {
            store.timers(partition, None, limit).map_err(|error| error.to_string())
        };
        self.read(read, TimersLoaded);
    }

    fn find(&mut self, row: Option<IndexKey>, after: Option<Customer>, limit: usize) {
        let partition = self.partition;
        let read = move |store: &Store| {
            store
                .customers(partition, row, after.as_ref(), limit)
                .map_err(|error| error.to_string())
        };
        self.read(read, CustomersFound);
    }

    fn trace(&mut self, customer: Customer) {
        let partition = self.partition;
        let read = move |store: &Store| {
            store.traces(partition, &customer).map_err(|error| error.to_string())
        };
        self.read(read, TracesLoaded);
    }

    fn clear(&mut self, cleared: Cleared) {
        // Before the eraser, which waits for outputs that are not withdrawn.
        self.relay.withdraw(self.partition, cleared.withdrawn.clone());
        self.eraser.clear(self.partition, cleared);
    }

    fn commit(&mut self, ticket: u64, mut batch: Batch, urgency: Urgency) {
        batch.note_slow_lane(self.partition, &self.floor.slow_lane(), &mut self.slow_lane);
        self.committer.submit(self.partition, ticket, batch, urgency);
    }

    fn acknowledge(&mut self, receipt: PullReceipt) {
        drop(receipt.permit);
        receipt.acknowledgement.committed();
    }

    fn answer(&mut self, reply: oneshot::Sender<AskAnswer>, answer: AskAnswer) {
        // The caller may be gone.
        let _ = reply.send(answer);
    }

    fn publish(&mut self, outputs: Vec<(u64, Output)>) {
        self.relay.submit(self.partition, outputs);
    }
}

/// The twins of these customers as last committed.
pub(super) fn load(
    store: &Store,
    partition: u16,
    customers: Vec<Customer>,
) -> Result<Loads, String> {
    let found = store.load(partition, &customers).map_err(|error| error.to_string())?;
    customers
        .into_iter()
        .zip(found)
        .map(|(customer, loaded)| {
            let Some(loaded) = loaded else { return Ok((customer, None)) };
            revive(customer.clone(), &loaded.state, &loaded.timeline)
                .map(|twin| (customer, Some(twin)))
                .map_err(|error| error.to_string())
        })
        .collect()
}
