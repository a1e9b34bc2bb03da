use serde::{Deserialize, Serialize};

use crate::event::{Customer, ErasureId, Time};

/// A customer, as a store that has erased them knows them: a keyed hash. Whoever does not have the
/// store's secret cannot tell whom it is of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Pseudonym(pub [u8; 16]);

/// That a customer was erased: what comes late does not bring them back. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// On whose behalf.
    pub id: ErasureId,
    /// When.
    pub at: Time,
    /// Until when nothing brings them back, if everything that was sent before is taken in by then.
    pub until: Time,
    /// They have come back since, and said so: it holds nothing back any more but copies of this
    /// erasure, and what was said or passed on before it.
    pub is_lifted: bool,
    /// Erasures before this one, the last one last: copies of them erase nobody either.
    pub earlier: Vec<ErasureId>,
    /// The place of the erasure in the stream of events: until everything up to there is taken in, it
    /// holds whatever `until` says. 0 if that is not known, or if the stream is another one by now.
    pub sequence: u64,
}

impl Tombstone {
    /// Whether they were erased on behalf of this already.
    pub fn is_of(&self, id: ErasureId) -> bool {
        self.id == id || self.earlier.contains(&id)
    }
}

/// An erasure of one identifier: what has gone, and what still has to. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureProgress {
    /// The identifier, until nothing of it is left elsewhere.
    pub customer: Option<Customer>,
    /// What stands for it from then on.
    pub mark: Pseudonym,
    /// When the twin took its erasure in.
    pub at: Time,
    /// Until when nothing brings it back; and so long this is kept.
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

/// How far an erasure is. Stored: further stages come behind the known ones.
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

/// So many of one thing have gone from one place. Stored.
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
