//! Needs: what the customer wants or lacks, by the policy's rules.

use serde::{Deserialize, Serialize};

use super::Mergeable;
use crate::event::Time;

/// What the twin believes the customer wants now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Need {
    /// The name of the policy's need.
    pub name: Box<str>,
    /// Its strength, above 0 up to 1.
    pub strength: f64,
    /// The reason, for people to read.
    pub evidence: Box<str>,
    /// When it was first raised.
    pub raised: Time,
    /// When it expires.
    pub until: Time,
}

impl Mergeable for Need {
    fn is_same(&self, other: &Need) -> bool {
        self.name == other.name
    }

    /// The result has the greater strength, with its reason, and the later expiry.
    fn merge(&mut self, other: &Need) {
        let is_stronger =
            (other.strength.to_bits(), &other.evidence) > (self.strength.to_bits(), &self.evidence);
        if is_stronger {
            self.strength = other.strength;
            self.evidence.clone_from(&other.evidence);
        }
        self.raised = self.raised.min(other.raised);
        self.until = self.until.max(other.until);
    }

    fn rank(&self) -> impl Ord {
        // The bits of positive numbers have the same order as the numbers.
        (self.strength.to_bits(), &*self.name)
    }
}
