//! Live facts from systems.

use std::time::Duration;

use crate::config::limits;
use crate::event::{self, Channel, Time, Value};
use crate::twin::input::Input;
use crate::twin::note::Notes;
use crate::twin::state::{Signal, Twin, profile};

impl Twin {
    pub(in crate::twin) fn sense(
        &mut self,
        told: &event::SignalData,
        source: &Channel,
        input: &Input,
        notes: &mut Notes,
    ) {
        let known = self.context.iter().position(|signal| signal.name == told.name);
        if known.is_some_and(|known| self.context[known].at > input.said) {
            return notes.late("value");
        }
        let Some(value) = profile::kept(&told.value, notes) else { return };
        let is_taken_away = value == Value::Null;
        let stale_at = match told.ttl {
            _ if is_taken_away => Some(input.said),
            ttl => ttl.map(|ttl| input.since() + Duration::from_secs(ttl.into())),
        };
        let signal = Signal {
            name: told.name.clone(),
            value,
            source: source.clone(),
            at: input.said,
            stale_at,
            sensitivity: told.sensitivity,
            purpose: told.purpose.clone(),
        };
        if let Some(known) = known {
            self.context[known] = signal;
            return;
        }
        if self.context.len() == limits::SIGNALS {
            let rank = |at: &usize| {
                let known = &self.context[*at];
                (known.stale_at.unwrap_or(Time::MAX), known.at)
            };
            let Some(stalest) = (0..self.context.len()).min_by_key(rank) else { return };
            if is_taken_away && self.context[stalest].is_fresh(input.at) {
                // A value is worth more than the record of a removal.
                return;
            }
            self.context.remove(stalest);
            if !is_taken_away {
                notes.limit("SIGNALS");
            }
        }
        self.context.push(signal);
    }
}
