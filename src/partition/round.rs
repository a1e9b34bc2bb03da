use std::time::Duration;

use indexmap::IndexMap;
use smallvec::SmallVec;

use super::cell::{BatchFailure, BatchReactions, IndexedInput};
use crate::event::{Customer, Erasure, Lane, Original, Reason, Rejection, Time};
use crate::models::Snapshot;
use crate::tables::{Pseudonym, ScanKey, TimerKey};
use crate::twin::{Input, Journalled, Woken};

/// The items of one round in order, the batches of its twins, and their results.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) items: Vec<RoundItem>,
    /// The batches that are not sent yet.
    pub(super) batches: IndexMap<Customer, SmallVec<[IndexedInput; 1]>>,
    /// The number of batches that are sent and not answered.
    pub(super) waiting: usize,
    pub(super) reacted: Vec<(Customer, BatchReactions)>,
    pub(super) failed: Vec<(Customer, BatchFailure)>,
    /// Whether its twins are measured after each input, because one was too large.
    pub(super) is_measured: bool,
    /// Why timers and wake-ups have no reaction, by their order.
    pub(super) unusable: Vec<(u32, Reason)>,
    /// The model snapshot of its twins, set when the first batch is sent.
    pub(super) models: Option<Snapshot>,
    /// Its scan, if it is a round of one.
    pub(super) scanning: Option<ScanBatch>,
    /// Its erasure, if it is one; it contains nothing else then.
    pub(super) erasing: Option<Erasure>,
    /// The tombstones of customers who return in it.
    pub(super) lifted: Vec<Pseudonym>,
}

/// A batch of twins of a scan.
#[derive(Debug)]
pub(super) struct ScanBatch {
    /// The scan.
    pub(super) key: ScanKey,
    /// The twins.
    pub(super) customers: Vec<Customer>,
    /// The twins that were not in memory.
    pub(super) fetched: Vec<Customer>,
    /// When it was begun, by the host clock.
    pub(super) wall: Time,
}

impl ScanBatch {
    /// Whether the twins must report their index rows.
    pub(super) fn is_indexing(&self) -> bool {
        matches!(self.key, ScanKey::Index(_))
    }
}

/// One item of a round.
#[derive(Debug)]
pub(super) enum RoundItem {
    /// An event, valid or not.
    Event {
        /// Its stream sequence,
        sequence: u64,
        /// and its lane.
        lane: Lane,
        /// Its customer; none if that is not readable.
        customer: Option<Customer>,
        /// The message as received, for a dead letter.
        original: Original,
        /// Why it is unusable.
        rejection: Option<Rejection>,
    },
    /// A timer that is due.
    Timer {
        /// The key of the timer.
        key: TimerKey,
        /// How late it fires.
        late: Duration,
        /// The twin's `now`.
        at: Time,
    },
    /// An API request.
    Ask {
        /// The customer of the twin.
        customer: Customer,
        /// The request.
        asked: Journalled,
        /// The twin's `now`.
        at: Time,
        /// Why it is unusable.
        rejection: Option<Rejection>,
    },
    /// An input for an erased customer.
    Dropped {
        /// Its lane and stream sequence, if it is an event.
        place: Option<(Lane, u64)>,
    },
    /// A broadcast that may wake its twin.
    Wake {
        /// The customer of the twin.
        customer: Customer,
        /// The broadcast.
        woken: Woken,
        /// The twin's `now`.
        at: Time,
    },
}

impl Round {
    /// Adds an item, and the input of its twin.
    pub(super) fn push(&mut self, item: RoundItem, input: Option<(Customer, Input)>) {
        // A round is at most one pull or a limited number of timers.
        let order = self.items.len() as u32;
        self.items.push(item);
        if let Some((customer, input)) = input {
            self.batches.entry(customer).or_default().push(IndexedInput { order, input });
        }
    }

    /// Marks the item at `order` as unusable.
    pub(super) fn reject(&mut self, order: u32, why: Rejection) {
        match self.items.get_mut(order as usize) {
            Some(RoundItem::Event { rejection, .. } | RoundItem::Ask { rejection, .. }) => {
                *rejection = Some(why);
            }
            _ => self.unusable.push((order, why.reason)),
        }
    }
}
