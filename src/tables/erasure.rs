use serde::{Deserialize, Serialize};

use crate::event::{Customer, ErasureId, Time};

/// A pseudonym of an erased customer: a hash keyed with the store's secret, meaningless without it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Pseudonym(pub [u8; 16]);

/// A tombstone: late events do not recreate an erased customer. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// On whose behalf.
    pub id: ErasureId,
    /// When.
    pub at: Time,
    /// When the tombstone expires, if all earlier events have been processed by then.
    pub until: Time,
    /// They have come back since, and said so: it holds nothing back any more but copies of this
    /// erasure, and what was said or passed on before it.
    pub is_lifted: bool,
    /// Earlier erasure ids, newest last: duplicates of them have no effect.
    pub earlier: Vec<ErasureId>,
    /// The stream sequence of the erasure: the tombstone holds at least until everything up to it is
    /// processed, regardless of `until`. 0 if unknown or if the stream was replaced.
    pub sequence: u64,
}

impl Tombstone {
    /// Whether this erasure was already applied.
    pub fn is_of(&self, id: ErasureId) -> bool {
        self.id == id || self.earlier.contains(&id)
    }
}

/// The progress of erasing one identifier. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureProgress {
    /// The identifier, until nothing of it is left elsewhere.
    pub customer: Option<Customer>,
    /// What stands for it from then on.
    pub mark: Pseudonym,
    /// When the twin took its erasure in.
    pub at: Time,
    /// When the tombstone, and this row, expire.
    pub until: Time,
    /// The place of the erasure in the stream of events.
    pub sequence: u64,
    /// The other identifiers of the customer, to which the erasure was passed on.
    pub also: Vec<Pseudonym>,
    /// What has gone, place by place.
    pub removed: Vec<Removed>,
    /// How far it is.
    pub stage: ErasureStage,
}

/// The stage of an erasure. Stored: append new stages at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErasureStage {
    /// The twin is gone; messages are still in the streams.
    Streams,
    /// They are counted, and are being removed.
    Counted,
    /// The rows are gone; the bytes are still in files.
    Files,
    /// The identifier itself, which this row held, is still in files.
    Traces,
    /// Nothing is left to do, since this moment.
    Done(Time),
}

/// A count of removed items in one place. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Where it was: `store`, or the name of a stream.
    pub place: Box<str>,
    /// What it was: `decisions`, `actions`…
    pub what: Box<str>,
    /// How many.
    pub count: u64,
    /// When it had gone.
    pub at: Time,
}

/// What a store has of a customer beside the twin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traces {
    /// Sequences of outputs about the customer that the broker has not confirmed.
    pub outputs: Vec<u64>,
    /// Sequences of answers that are not learned from yet.
    pub observations: Vec<u64>,
    /// Full blocks of the timeline.
    pub blocks: u64,
    /// Decisions.
    pub decisions: u64,
    /// Journalled inputs.
    pub journal: u64,
}
