//! The outputs in the store. Those found there at the start are published in order and in parts, however
//! many there are, and nothing else begins before the last of them is with the relay.

use super::super::host::Host;
use super::Machine;
use crate::event::{Output, Time};

/// The outputs that the broker has not confirmed, as far as a partition keeps track of them.
pub(super) struct Outbox {
    /// The sequence of the next one.
    pub(super) next: u64,
    /// Confirmed ones whose rows are to be deleted, by sequence.
    pub(super) confirmed: Vec<u64>,
    /// How many are with the relay.
    pub(super) unconfirmed: usize,
    pub(super) backlog: Backlog,
}

impl Outbox {
    /// The outbox after a start, with the first outputs in the store and the number of further ones.
    /// Publishes the first ones.
    pub(super) fn recovered(
        next: u64,
        first: Vec<(u64, Output)>,
        left: u64,
        host: &mut impl Host,
    ) -> Outbox {
        let unconfirmed = first.len();
        let backlog = Backlog::recovered(&first, left);
        if unconfirmed > 0 {
            host.publish(first);
        }
        Outbox { next, confirmed: Vec::new(), unconfirmed, backlog }
    }

    /// How many there are, with the relay or only in the store.
    pub(super) fn depth(&self) -> u64 {
        self.unconfirmed as u64 + self.backlog.left
    }
}

/// The outputs from before the start that are still in the store.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Their number.
    pub(super) left: u64,
    /// The sequence of the first.
    from: u64,
    is_loading: bool,
}

impl Backlog {
    /// After the first ones, `left` more remain.
    fn recovered(first: &[(u64, Output)], left: u64) -> Backlog {
        let from = first.last().map_or(0, |(sequence, _)| sequence + 1);
        Backlog { left, from, is_loading: false }
    }
}

impl<H: Host> Machine<H> {
    /// Loads the next part once half of the loaded outputs are confirmed.
    pub(super) fn load_backlog(&mut self, host: &mut H) {
        let backlog = &mut self.outbox.backlog;
        let has_place = self.outbox.unconfirmed <= self.bounds.outbox_max / 2;
        if backlog.left > 0 && has_place && !std::mem::replace(&mut backlog.is_loading, true) {
            host.load_outputs(backlog.from, self.bounds.outbox_max);
        }
    }

    /// Handles the outputs that [`Host::load_outputs`] loaded.
    pub fn outputs_loaded(&mut self, outputs: Vec<(u64, Output)>, wall: Time, host: &mut H) {
        self.outbox.backlog.is_loading = false;
        match outputs.last() {
            Some((last, _)) => {
                self.outbox.backlog.from = last + 1;
                self.outbox.backlog.left =
                    self.outbox.backlog.left.saturating_sub(outputs.len() as u64);
            }
            // No more exist, whatever was counted.
            None => self.outbox.backlog.left = 0,
        }
        self.outbox.unconfirmed += outputs.len();
        if !outputs.is_empty() {
            host.publish(outputs);
        }
        self.load_backlog(host);
        self.go_on(wall, host);
    }
}
