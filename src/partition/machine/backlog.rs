//! Outputs found in the store at the start: they are published in order and in parts, however many there
//! are, and nothing else begins before the last of them is with the relay.

use super::super::host::Host;
use super::Machine;
use crate::event::{Output, Time};

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
    pub(super) fn recovered(first: &[(u64, Output)], left: u64) -> Backlog {
        let from = first.last().map_or(0, |(sequence, _)| sequence + 1);
        Backlog { left, from, is_loading: false }
    }
}

impl<H: Host> Machine<H> {
    /// Loads the next part once half of the loaded outputs are confirmed.
    pub(super) fn load_backlog(&mut self, host: &mut H) {
        let backlog = &mut self.backlog;
        let has_place = self.unconfirmed <= self.bounds.outbox_max / 2;
        if backlog.left > 0 && has_place && !std::mem::replace(&mut backlog.is_loading, true) {
            host.load_outputs(backlog.from, self.bounds.outbox_max);
        }
    }

    /// Handles the outputs that [`Host::load_outputs`] loaded.
    pub fn outputs_loaded(&mut self, outputs: Vec<(u64, Output)>, wall: Time, host: &mut H) {
        self.backlog.is_loading = false;
        match outputs.last() {
            Some((last, _)) => {
                self.backlog.from = last + 1;
                self.backlog.left = self.backlog.left.saturating_sub(outputs.len() as u64);
            }
            // No more exist, whatever was counted.
            None => self.backlog.left = 0,
        }
        self.unconfirmed += outputs.len();
        if !outputs.is_empty() {
            host.publish(outputs);
        }
        self.load_backlog(host);
        self.go_on(wall, host);
    }
}
