//! Broadcasts that a twin has received.

use serde::{Deserialize, Serialize};

use super::Mergeable;
use crate::event::Time;

/// A record that a twin has received a broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// The fingerprint of the broadcast.
    pub id: u64,
    /// Its scope.
    pub scope: Box<str>,
    /// When the twin received it.
    pub at: Time,
}

impl Mergeable for Meeting {
    fn is_same(&self, other: &Meeting) -> bool {
        self.id == other.id
    }

    /// The first one wins: a twin receives a broadcast once.
    fn merge(&mut self, other: &Meeting) {
        self.at = self.at.min(other.at);
    }

    fn rank(&self) -> impl Ord {
        (self.at, self.id)
    }
}
