use std::time::Duration;

#[cfg(doc)]
use super::Machine;
use super::{AskAnswer, ErasedMarks, StoreSecret, TwinBatch};
use crate::config::settings::Answers;
use crate::event::{Broadcast, Cursors, Customer, Delivery, ErasureId, Output, SlowLane, Time};
use crate::models::ArmCounts;
use crate::tables::{Batch, IndexKey, Pseudonym, Scan, ScanKey, Tombstone, Urgency};
use crate::twin::Twin;

/// The configured limits of a partition: memory and scan rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum twins in memory.
    pub resident_twins_max: usize,
    /// Approximate maximum bytes of twins in memory.
    pub resident_bytes_max: usize,
    /// Approximate maximum timers in memory; later ones stay in the store.
    pub timers_near_max: usize,
    /// Maximum outputs waiting for the broker before the partition pauses; at most twice as many are held
    /// in memory.
    pub outbox_max: usize,
    /// A twin is compressed after this time without an input; unset: never.
    pub rest_after: Option<Duration>,
    /// Average interval between two twins visited by scans; none on event time.
    pub wake_pause: Duration,
    /// The number of partitions that share the rate of a campaign.
    pub partitions: u16,
    /// When requests are answered.
    pub answers: Answers,
}

/// Performs the IO of a partition. Each `load…` and `commit` is answered later by calling the machine's
/// method of the same name.
pub trait Host {
    /// The address of an active twin. Dropping it passivates the twin.
    type Address;
    /// The token that acknowledges a pull.
    type Token;
    /// The channel for the answer to a request.
    type Reply;

    /// Activates a twin: puts it into memory.
    fn activate(&mut self, twin: Box<Twin>) -> Self::Address;
    /// Sends a batch to a twin; answered by [`Machine::complete`].
    fn deliver(&mut self, to: &Self::Address, batch: TwinBatch);
    /// Compresses idle twins; answered by [`Machine::rested`].
    fn rest(&mut self, twins: Vec<(Customer, &Self::Address)>);
    /// Loads twins; answered by [`Machine::loaded`].
    fn load(&mut self, customers: Vec<Customer>);
    /// Loads the first `limit` timers; answered by [`Machine::timers_loaded`].
    fn load_timers(&mut self, limit: usize);
    /// Finds the next `limit` customers after `after`, in the order of their keys: in one row of the
    /// index, or among all who have a twin. Answered by [`Machine::found`]; the partition continues
    /// meanwhile.
    fn find(&mut self, row: Option<IndexKey>, after: Option<Customer>, limit: usize);
    /// Finds everything that the store holds of a customer besides the twin; answered by
    /// [`Machine::traced`].
    fn trace(&mut self, customer: Customer);
    /// Loads the first `limit` outputs from this sequence on; answered by [`Machine::outputs_loaded`].
    fn load_outputs(&mut self, from: u64, limit: usize);
    /// Commits a batch, immediately or deferred; answered by [`Machine::committed`], in the order of the
    /// calls.
    fn commit(&mut self, ticket: u64, batch: Batch, urgency: Urgency);
    /// Acknowledges a pull to the stream.
    fn acknowledge(&mut self, token: Self::Token);
    /// Answers a request.
    fn answer(&mut self, reply: Self::Reply, answer: AskAnswer);
    /// Deletes the data of erased customers outside the store; the erasure is durable.
    fn clear(&mut self, cleared: Cleared);
    /// Publishes durable outputs; each is answered by [`Machine::confirmed`].
    fn publish(&mut self, outputs: Vec<(u64, Output)>);
}

/// One pull from the stream, in order.
#[derive(Debug)]
pub struct Pulled<T> {
    /// The deliveries; may be empty.
    pub deliveries: Vec<Delivery>,
    /// Acknowledges all of them.
    pub token: Option<T>,
    /// Whether the stream holds nothing more for this partition.
    pub is_last: bool,
}

/// The stored state of a partition at its start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovered {
    /// The cursor of each lane.
    pub cursors: Cursors,
    /// When the stream stored the last event of the main lane.
    pub stored: Option<Time>,
    /// The slow lane, as stored.
    pub slow_lane: SlowLane,
    /// The sequence of the next output.
    pub next_output: u64,
    /// The number of the next journalled input.
    pub next_input: u64,
    /// The latest time that the partition has seen.
    pub clock: Option<Time>,
    /// The model version used last.
    pub version: u64,
    /// The first unconfirmed outputs,
    pub outputs: Vec<(u64, Output)>,
    /// and how many more the store has.
    pub outputs_left: u64,
    /// Active broadcasts and when each was processed.
    pub broadcasts: Vec<(Broadcast, Time)>,
    /// Its scan positions.
    pub scans: Vec<(ScanKey, Scan)>,
    /// The counts of experiment arms, by experiment and arm.
    pub results: Vec<ArmCounts>,
    /// The secret for pseudonyms and marks.
    pub secret: StoreSecret,
    /// The tombstones of erased customers.
    pub tombstones: Vec<(Pseudonym, Tombstone)>,
    /// The erased customers of all partitions of the process.
    pub erased_marks: ErasedMarks,
}

/// What was deleted from the store and must still be deleted elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleared {
    /// Erasures in progress.
    pub erased: Vec<(ErasureId, Pseudonym)>,
    /// Sequences of outputs to withdraw if not yet published; each is confirmed in any case.
    pub withdrawn: Vec<u64>,
    /// Sequences of events of erased customers, to delete from the stream.
    pub events: Vec<u64>,
}

impl Cleared {
    /// Whether nothing is to be deleted.
    pub fn is_empty(&self) -> bool {
        self.erased.is_empty() && self.events.is_empty()
    }
}

/// Loaded twins, in the requested order.
pub type Loads = Vec<(Customer, Option<Box<Twin>>)>;
