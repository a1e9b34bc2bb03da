use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reaction::Notes;
use super::{Input, Twin, profile};
use crate::config::limits;
use crate::event::{self, Channel, Sensitivity, Time, Value};

/// A live fact from a system, with its source, its time and its freshness limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Its name.
    pub name: Box<str>,
    /// Its value; null: it was removed, which is remembered like a stale one.
    pub value: Value,
    /// The channel that reported it.
    pub source: Channel,
    /// The statement time.
    pub at: Time,
    /// When it becomes stale; none: it stays until it is replaced.
    pub stale_at: Option<Time>,
    /// Its sensitivity.
    pub sensitivity: Sensitivity,
    /// The purpose for which it was given, if it is sensitive.
    #[serde(default)]
    pub purpose: Option<Box<str>>,
}

impl Signal {
    /// Whether it may still be used.
    pub fn is_fresh(&self, now: Time) -> bool {
        self.value != Value::Null && self.stale_at.is_none_or(|stale_at| now < stale_at)
    }
}

impl Twin {
    /// The fresh signal with this name.
    pub fn signal(&self, name: &str, now: Time) -> Option<&Signal> {
        self.context.iter().find(|signal| &*signal.name == name && signal.is_fresh(now))
    }

    pub(super) fn sense(
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
