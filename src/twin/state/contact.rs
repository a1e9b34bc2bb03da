//! Contacts: actions taken for the customer, and their outcomes.

use serde::{Deserialize, Serialize};

use super::Mergeable;
use super::merge::outranks;
use crate::event::{OutcomeKind, Time};
use crate::models::Exposure;
use crate::policy::{ContactLimit, Policy, Version};

/// An action taken for the customer and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// The decision that led to it.
    pub decision: Box<str>,
    /// The action.
    pub action: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// When it was decided.
    pub at: Time,
    /// Its latest outcome.
    pub outcome: Option<ContactOutcome>,
    /// How it was presented and the features of the choice, if the outcome can be learned from; kept
    /// until there is an outcome.
    pub shown: Option<Box<Presentation>>,
}

/// How an action was presented, and the features of the choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Presentation {
    /// The treatment.
    pub treatment: Box<str>,
    /// The tone.
    pub tone: Box<str>,
    /// Its language, as a BCP 47 tag.
    pub language: Box<str>,
    /// The version of the policy.
    pub policy: Version,
    /// The features of the choice.
    pub exposure: Exposure,
}

/// An outcome of an action and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactOutcome {
    /// The outcome.
    pub kind: OutcomeKind,
    /// Its time.
    pub at: Time,
}

impl Contact {
    /// Whether the customer cannot have seen it yet.
    pub(in crate::twin) fn is_unseen(&self) -> bool {
        use OutcomeKind::{Delivered, Offered};
        self.outcome.is_none_or(|outcome| matches!(outcome.kind, Offered | Delivered))
    }

    /// Whether it was recalled before the customer saw it.
    pub fn is_recalled(&self) -> bool {
        self.outcome.is_some_and(|outcome| outcome.kind == OutcomeKind::Recalled)
    }

    /// Whether it may still get an outcome.
    fn is_open(&self) -> bool {
        use OutcomeKind::{Delivered, Offered, Seen};
        self.outcome.is_none_or(|outcome| matches!(outcome.kind, Offered | Delivered | Seen))
    }

    /// When it counts as ignored, if there is no outcome before.
    pub(in crate::twin) fn ignored_at(&self, policy: &Policy) -> Option<Time> {
        let action = policy.action(&self.action).filter(|_| self.is_open())?;
        action.ignored_after.map(|span| self.at + span)
    }
}

impl ContactLimit {
    /// Whether the limit counts a contact at a time. The action of a contact may be unknown to the
    /// current policy; it may then have been of any issue.
    pub(in crate::twin) fn counts(&self, contact: &Contact, policy: &Policy, now: Time) -> bool {
        let issue = || policy.action(&contact.action).map(|action| action.issue);
        now < contact.at + self.over
            && !contact.is_recalled()
            && self.channel.as_ref().is_none_or(|own| *own == contact.channel)
            && self.issue.is_none_or(|own| issue().is_none_or(|issue| issue == own))
            && self.action.as_ref().is_none_or(|own| *own == contact.action)
    }
}

impl Mergeable for Contact {
    fn is_same(&self, other: &Contact) -> bool {
        self.decision == other.decision
    }

    fn merge(&mut self, other: &Contact) {
        if let Some(came) = other.outcome
            && self.outcome.is_none_or(|own| outranks((own.at, &own), (came.at, &came)))
        {
            self.outcome = Some(came);
        }
        // If one of the two has an outcome, it was learned from.
        if other.shown.is_none() {
            self.shown = None;
        }
    }

    fn rank(&self) -> impl Ord {
        (self.at, &*self.decision)
    }
}
