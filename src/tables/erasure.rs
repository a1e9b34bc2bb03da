use serde::{Deserialize, Serialize};

use crate::event::{Customer, ErasureId, Time};

/// A pseudonym of an erased customer: a hash keyed with the store's secret, meaningless without it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Pseudonym(pub [u8; 16]);

/// A tombstone: events that come after the erasure do not recreate its customer. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The erasure id.
    pub id: ErasureId,
    /// The time of the erasure.
    pub at: Time,
    /// When the tombstone expires, if all earlier events have been processed by then.
    pub until: Time,
    /// The customer has returned with a statement of their own: it now holds back only duplicates of this
    /// erasure, and what was stated or forwarded before it.
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
    /// The identifier, until no data of it is left elsewhere.
    pub customer: Option<Customer>,
    /// Its pseudonym, which replaces it then.
    pub mark: Pseudonym,
    /// When the twin processed the erasure.
    pub at: Time,
    /// When the tombstone, and this row, expire.
    pub until: Time,
    /// The stream sequence of the erasure.
    pub sequence: u64,
    /// The other identifiers of the customer, to which the erasure was forwarded.
    pub also: Vec<Pseudonym>,
    /// What was removed, by place.
    pub removed: Vec<Removed>,
    /// The stage.
    pub stage: ErasureStage,
}

/// The stage of an erasure. Stored: append new stages at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErasureStage {
    /// The twin is deleted; messages are still in the streams.
    Streams,
    /// The messages are counted, and are being removed.
    Counted,
    /// The rows are deleted; their bytes are still in files.
    Files,
    /// The identifier itself, which this row held, is still in files.
    Traces,
    /// Complete since this time.
    Done(Time),
}

/// A count of removed items in one place. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The place: `store`, or the name of a stream.
    pub place: Box<str>,
    /// The kind: `decisions`, `actions`…
    pub what: Box<str>,
    /// The count.
    pub count: u64,
    /// When it was removed.
    pub at: Time,
}

/// What the store holds of a customer besides the twin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traces {
    /// Sequences of unconfirmed outputs about the customer.
    pub outputs: Vec<u64>,
    /// Sequences of observations that are not trained on yet.
    pub observations: Vec<u64>,
    /// Full blocks of the timeline.
    pub blocks: u64,
    /// Decisions.
    pub decisions: u64,
    /// Journalled inputs.
    pub journal: u64,
}
