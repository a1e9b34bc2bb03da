use std::time::Duration;

use indexmap::IndexMap;
use smallvec::SmallVec;

use super::cell::{BatchReactions, HandlerPanic, IndexedInput};
use crate::event::{Customer, Erasure, Lane, Original, Rejection, Time};
use crate::models::Snapshot;
use crate::tables::{Pseudonym, ScanKey, TimerKey};
use crate::twin::{Input, Journalled, Woken};

/// What one round takes in, in order; what its twins are to do; what they have answered.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) items: Vec<RoundItem>,
    /// What twins have yet to do.
    pub(super) errands: IndexMap<Customer, SmallVec<[IndexedInput; 1]>>,
    /// Errands that were sent and not yet answered.
    pub(super) waiting: usize,
    pub(super) reacted: Vec<(Customer, BatchReactions)>,
    pub(super) panicked: Vec<(Customer, HandlerPanic)>,
    /// What its twins go by, from when the first of them is told of it.
    pub(super) models: Option<Snapshot>,
    /// What it is a part of, if its twins were found and not reported.
    pub(super) sweeping: Option<ScanBatch>,
    /// What it erases, if it does; it is about nothing else then.
    pub(super) erasing: Option<Erasure>,
    /// The tombstones of those who come back in it.
    pub(super) lifted: Vec<Pseudonym>,
}

/// Some twins that a sweep has come to.
#[derive(Debug)]
pub(super) struct ScanBatch {
    /// Which sweep.
    pub(super) key: ScanKey,
    /// The twins.
    pub(super) customers: Vec<Customer>,
    /// Those of them that were not in memory.
    pub(super) fetched: Vec<Customer>,
    /// When it came to them, by the clock on the wall.
    pub(super) wall: Time,
}

impl ScanBatch {
    /// Whether they are to say where they stand in the index.
    pub(super) fn is_indexing(&self) -> bool {
        matches!(self.key, ScanKey::Index(_))
    }
}

/// One thing that a round takes in.
#[derive(Debug)]
pub(super) enum RoundItem {
    /// An event, or what was to be one.
    Event {
        /// Its place in the stream,
        sequence: u64,
        /// and by which lane it came.
        lane: Lane,
        /// Whose it is; none if that could not be read.
        customer: Option<Customer>,
        /// The message as it came, for a dead letter.
        original: Original,
        /// Why it cannot be used.
        rejection: Option<Rejection>,
    },
    /// A timer that is due.
    Timer {
        /// Which.
        key: TimerKey,
        /// How late it fires.
        late: Duration,
        /// The twin's `now`.
        at: Time,
    },
    /// What somebody asks or does through the API.
    Ask {
        /// Whose twin is asked.
        customer: Customer,
        /// The request.
        asked: Journalled,
        /// The twin's `now`.
        at: Time,
        /// Why it cannot be used.
        rejection: Option<Rejection>,
    },
    /// Something for a customer who was erased.
    Late {
        /// By which lane it came, and its place in the stream, if it is an event.
        place: Option<(Lane, u64)>,
    },
    /// A broadcast that may wake its twin.
    Wake {
        /// Whose it is.
        customer: Customer,
        /// Which broadcast.
        woken: Woken,
        /// The twin's `now`.
        at: Time,
    },
}

impl Round {
    /// Adds an item, and what its twin is to do about it.
    pub(super) fn push(&mut self, item: RoundItem, errand: Option<(Customer, Input)>) {
        // A round is at most one pull or one handful of timers.
        let order = self.items.len() as u32;
        self.items.push(item);
        if let Some((customer, input)) = errand {
            self.errands.entry(customer).or_default().push(IndexedInput { order, input });
        }
    }

    /// Marks the item at `order` as one that cannot be used.
    pub(super) fn reject(&mut self, order: u32, why: Rejection) {
        if let Some(RoundItem::Event { rejection, .. } | RoundItem::Ask { rejection, .. }) =
            self.items.get_mut(order as usize)
        {
            *rejection = Some(why);
        }
    }
}
