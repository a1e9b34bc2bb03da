//! Live facts from systems.

use std::time::Duration;

use crate::config::limits;
use crate::event::{self, Channel, Time, Value};
use crate::twin::input::Input;
use crate::twin::note::Notes;
use crate::twin::state::{Signal, Twin, profile};

impl Twin {
    pub(in crate::twin) fn note_signal(
        &mut self,
        data: &event::SignalData,
        source: &Channel,
        input: &Input,
        notes: &mut Notes,
    ) {
        let known = self.context.iter().position(|signal| signal.name == data.name);
        if known.is_some_and(|known| self.context[known].at > input.stated_at) {
            return notes.late("value");
        }
        let Some(value) = profile::within_limits(&data.value, notes) else { return };
        let is_taken_away = value == Value::Null;
        let stale_at = match data.ttl {
            _ if is_taken_away => Some(input.stated_at),
            ttl => ttl.map(|ttl| input.since() + Duration::from_secs(ttl.into())),
        };
        let signal = Signal {
            name: data.name.clone(),
            value,
            source: source.clone(),
            at: input.stated_at,
            stale_at,
            sensitivity: data.sensitivity,
            purpose: data.purpose.clone(),
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
