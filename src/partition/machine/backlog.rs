//! Outputs that a start finds in the store: they go out in their order and a part at a time, however
//! many there are, and nothing begins before the last of them is handed over.

use super::super::host::Host;
use super::Machine;
use crate::event::{Output, Time};

/// What the store still has of the outputs that were there at the start.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// How many.
    pub(super) left: u64,
    /// The sequence from which on they are.
    from: u64,
    is_loading: bool,
}

impl Backlog {
    /// Behind the first ones there are so many more.
    pub(super) fn recovered(first: &[(u64, Output)], left: u64) -> Backlog {
        let from = first.last().map_or(0, |(sequence, _)| sequence + 1);
        Backlog { left, from, is_loading: false }
    }
}

impl<H: Host> Machine<H> {
    /// Has the next part loaded, once half of what was handed over is confirmed.
    pub(super) fn load_backlog(&mut self, host: &mut H) {
        let backlog = &mut self.backlog;
        let has_place = self.unconfirmed <= self.bounds.outbox_max / 2;
        if backlog.left > 0 && has_place && !std::mem::replace(&mut backlog.is_loading, true) {
            host.load_outputs(backlog.from, self.bounds.outbox_max);
        }
    }

    /// Takes in the outputs that [`Host::load_outputs`] asked for.
    pub fn outputs_loaded(&mut self, outputs: Vec<(u64, Output)>, wall: Time, host: &mut H) {
        self.backlog.is_loading = false;
        match outputs.last() {
            Some((last, _)) => {
                self.backlog.from = last + 1;
                self.backlog.left = self.backlog.left.saturating_sub(outputs.len() as u64);
            }
            // There are no more than that, whatever was counted.
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
