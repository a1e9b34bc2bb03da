use serde::{Deserialize, Serialize};

use super::reaction::Notes;
use super::{Twin, profile};
use crate::config::limits;
use crate::event::{self, Channel, Sensitivity, Time, Value};

/// A live fact from outside, with its source, its time and its freshness limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// What it is.
    pub name: Box<str>,
    /// Its value.
    pub value: Value,
    /// The channel that reported it.
    pub source: Channel,
    /// When it was reported.
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
        self.stale_at.is_none_or(|stale_at| now < stale_at)
    }
}

impl Twin {
    /// The fresh signal of a name.
    pub fn signal(&self, name: &str, now: Time) -> Option<&Signal> {
        self.context.iter().find(|signal| &*signal.name == name && signal.is_fresh(now))
    }

    pub(super) fn sense(
        &mut self,
        told: &event::Signal,
        source: &Channel,
        at: Time,
        notes: &mut Notes,
    ) {
        let known = self.context.iter().position(|signal| signal.name == told.name);
        if told.value == Value::Null {
            if let Some(known) = known {
                self.context.remove(known);
            }
            return;
        }
        let Some(value) = profile::kept(&told.value, notes) else { return };
        let signal = Signal {
            name: told.name.clone(),
            value,
            source: source.clone(),
            at,
            stale_at: told.ttl.map(|ttl| at + std::time::Duration::from_secs(ttl.into())),
            sensitivity: told.sensitivity,
            purpose: told.purpose.clone(),
        };
        if let Some(known) = known {
            self.context[known] = signal;
            return;
        }
        if self.context.len() == limits::SIGNALS {
            let stalest = (0..self.context.len()).min_by_key(|at| {
                (self.context[*at].stale_at.unwrap_or(Time::MAX), self.context[*at].at)
            });
            stalest.map(|at| self.context.remove(at));
            notes.limit("SIGNALS");
        }
        self.context.push(signal);
    }
}
