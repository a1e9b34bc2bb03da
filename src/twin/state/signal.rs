//! Signals: live facts from systems.

use serde::{Deserialize, Serialize};

use super::Mergeable;
use super::merge::outranks;
use crate::event::{Channel, Sensitivity, Time, Value};

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

impl Mergeable for Signal {
    fn is_same(&self, other: &Signal) -> bool {
        self.name == other.name
    }

    fn merge(&mut self, other: &Signal) {
        if outranks((self.at, self), (other.at, other)) {
            self.clone_from(other);
        }
    }

    fn rank(&self) -> impl Ord {
        (self.stale_at.unwrap_or(Time::MAX), self.at, &*self.name)
    }
}
