//! Timers.

use std::cmp::Reverse;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Mergeable;
use super::merge::text;
use crate::event::Time;
use crate::policy::CatchUp;

/// A pending timer. The twin's list is authoritative; the store's timer index only says when to ask it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// Its name, unique within the twin.
    pub name: Box<str>,
    /// When it fires.
    pub due: Time,
    /// The interval after which it fires again; none: it fires once.
    pub every: Option<Duration>,
    /// How missed firings are handled.
    pub catch_up: CatchUp,
}

impl Timer {
    /// One that fires once, also if that is late.
    pub(in crate::twin) fn once(name: &str, due: Time) -> Timer {
        Timer { name: name.into(), due, every: None, catch_up: CatchUp::Run }
    }
}

impl Mergeable for Timer {
    fn is_same(&self, other: &Timer) -> bool {
        self.name == other.name
    }

    /// The one with the earlier due time, so that nothing is missed.
    fn merge(&mut self, other: &Timer) {
        if (other.due, text(other)) < (self.due, text(self)) {
            self.clone_from(other);
        }
    }

    fn rank(&self) -> impl Ord {
        (Reverse(self.due), &*self.name)
    }
}
