use std::sync::Arc;
use std::time::Duration;

#[cfg(doc)]
use super::Machine;
use super::{AskAnswer, ErasedMarks, StoreSecret, TwinBatch};
use crate::config::settings::Answers;
use crate::event::{Broadcast, Cursors, Customer, Delivery, ErasureId, Output, SlowLane, Time};
use crate::models::{ArmCounts, Snapshot};
use crate::policy::Policy;
use crate::tables::{Batch, IndexKey, Pseudonym, Scan, ScanKey, Tombstone, Urgency};
use crate::twin::{Broadcasts, Twin, World};

/// The configured limits of a partition: memory and scan rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum twins in memory.
    pub resident_twins_max: usize,
    /// Approximate maximum bytes of twins in memory.
    pub resident_bytes_max: usize,
    /// Approximate maximum timers in memory; later ones stay in the store.
    pub timers_near_max: usize,
    /// So many outputs may wait for the broker before the partition does, too; of more than that, it
    /// holds no more than twice as many in memory.
    pub outbox_max: usize,
    /// A twin is compressed after this time without an input; unset: never.
    pub rest_after: Option<Duration>,
    /// Average interval between two twins visited by scans; none on event time.
    pub wake_pause: Duration,
    /// How many partitions go about it at once: what a campaign may do in a second is shared out.
    pub partitions: u16,
    /// When requests are answered.
    pub answers: Answers,
}

/// Performs the IO of a partition. Each `load…` and `commit` is answered later by calling the machine's
/// method of the same name.
pub trait Host {
    /// Where an active twin is reached. Dropping it passivates the twin.
    type Address;
    /// What tells the stream that everything up to a place is taken in.
    type Token;
    /// Who waits for the answer to what a channel asked.
    type Reply;

    /// Makes a twin active.
    fn activate(&mut self, twin: Box<Twin>) -> Self::Address;
    /// Has a twin take inputs in; answered by [`Machine::done`].
    fn deliver(&mut self, to: &Self::Address, errand: TwinBatch);
    /// Has idle twins come to rest; answered by [`Machine::rested`].
    fn rest(&mut self, twins: Vec<(Customer, &Self::Address)>);
    /// Has twins loaded; answered by [`Machine::loaded`].
    fn load(&mut self, customers: Vec<Customer>);
    /// Has the first `limit` timers loaded; answered by [`Machine::timers_loaded`].
    fn load_timers(&mut self, limit: usize);
    /// Has the next `limit` customers behind `after` looked up, in the order of their keys: in one
    /// row of the index, or among all who have a twin. Answered by [`Machine::found`]; the partition
    /// goes on meanwhile.
    fn find(&mut self, row: Option<IndexKey>, after: Option<Customer>, limit: usize);
    /// Has everything looked up that the store knows of a customer beside the twin; answered by
    /// [`Machine::traced`].
    fn trace(&mut self, customer: Customer);
    /// Has the first `limit` outputs from this sequence on loaded; answered by
    /// [`Machine::outputs_loaded`].
    fn load_outputs(&mut self, from: u64, limit: usize);
    /// Has a batch made durable, at once or soon; answered by [`Machine::committed`], in the order of
    /// the calls.
    fn commit(&mut self, ticket: u64, batch: Batch, urgency: Urgency);
    /// Tells the stream.
    fn acknowledge(&mut self, token: Self::Token);
    /// Answers what a channel asked.
    fn answer(&mut self, reply: Self::Reply, answer: AskAnswer);
    /// Has cleared what lies outside the store of customers who were erased, which is durable.
    fn clear(&mut self, cleared: Cleared);
    /// Has durable outputs published; each is answered by [`Machine::confirmed`].
    fn publish(&mut self, outputs: Vec<(u64, Output)>);
}

/// What was pulled from the stream at once, in its order.
#[derive(Debug)]
pub struct Pulled<T> {
    /// The deliveries; may be empty.
    pub deliveries: Vec<Delivery>,
    /// Acknowledges all of them.
    pub token: Option<T>,
    /// Whether the stream holds nothing more for this partition.
    pub is_last: bool,
}

/// What a partition knows from before it was started.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovered {
    /// The cursor of each lane.
    pub cursors: Cursors,
    /// When the stream stored the last event of the main lane.
    pub stored: Option<Time>,
    /// What waits in the slow lane, as it knew it.
    pub slow_lane: SlowLane,
    /// The sequence of the next output.
    pub next_output: u64,
    /// The number of the next journalled input.
    pub next_input: u64,
    /// The latest moment the partition has seen.
    pub clock: Option<Time>,
    /// The model version used last.
    pub version: u64,
    /// The first outputs that the broker has not confirmed,
    pub outputs: Vec<(u64, Output)>,
    /// and how many more the store has.
    pub outputs_left: u64,
    /// Active broadcasts and when each was processed.
    pub broadcasts: Vec<(Broadcast, Time)>,
    /// Its scan positions.
    pub sweeps: Vec<(ScanKey, Scan)>,
    /// What the arms of experiments have shown, by experiment and arm.
    pub results: Vec<ArmCounts>,
    /// What customers who were erased are marked with.
    pub secret: StoreSecret,
    /// Those who were.
    pub tombstones: Vec<(Pseudonym, Tombstone)>,
    /// Where partitions of the same process tell each other who was.
    pub erased_marks: ErasedMarks,
}

/// What was deleted from the store and must still be deleted elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleared {
    /// Erasures in progress.
    pub erased: Vec<(ErasureId, Pseudonym)>,
    /// Sequences of outputs that are not to be published any more, if they were not yet; each is
    /// confirmed all the same.
    pub withdrawn: Vec<u64>,
    /// Sequences of events that came late.
    pub late: Vec<u64>,
}

impl Cleared {
    /// Whether there is nothing to clear.
    pub fn is_empty(&self) -> bool {
        self.erased.is_empty() && self.late.is_empty()
    }
}

/// The environment of a partition's twins: policy, broadcasts, models. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The policy.
    pub policy: Arc<Policy>,
    /// What is shared among customers.
    pub broadcasts: Broadcasts,
    /// What was learned from outcomes.
    pub models: Snapshot,
}

impl Surroundings {
    /// The same, as a reaction reads it.
    pub fn world(&self) -> World<'_> {
        World::of(&self.policy).with(&self.broadcasts).knowing(&self.models)
    }
}

/// Twins as they were loaded, in the order in which they were asked for.
pub type Loads = Vec<(Customer, Option<Box<Twin>>)>;
