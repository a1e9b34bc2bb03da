use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reaction::Notes;
use super::{Input, Twin, profile};
use crate::config::limits;
use crate::event::{self, Channel, Sensitivity, Time, Value};

/// A live fact from outside, with its source, its time and its freshness limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// What it is.
    pub name: Box<str>,
    /// Its value; null: it was taken away, which is remembered like one that is stale.
    pub value: Value,
    /// The channel that reported it.
    pub source: Channel,
    /// When that was said.
    pub at: Time,
    /// The moment from which it is stale; none: it stays until it is replaced.
    pub stale_at: Option<Time>,
    /// How much harm it could do in the wrong place.
    pub sensitivity: Sensitivity,
    /// What it was given for, if it is sensitive.
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
    /// The fresh signal of a name.
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
                // What is known is worth more than that something is not.
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
