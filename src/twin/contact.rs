use serde::{Deserialize, Serialize};

use super::Twin;
use crate::config::limits;
use crate::event::{OutcomeKind, Time};

/// An action that was taken for the customer, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// The decision that led to it.
    pub decision: Box<str>,
    /// The action.
    pub action: Box<str>,
    /// The channel in which it was said.
    pub channel: Box<str>,
    /// When it was decided.
    pub at: Time,
    /// What came of it last.
    pub outcome: Option<ContactOutcome>,
}

/// What came of an action, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactOutcome {
    /// What came of it.
    pub kind: OutcomeKind,
    /// When.
    pub at: Time,
}

impl Contact {
    /// Whether it was taken back before anybody saw it.
    pub fn is_recalled(&self) -> bool {
        self.outcome.is_some_and(|outcome| outcome.kind == OutcomeKind::Recalled)
    }
}

impl Twin {
    /// The last contact by an action.
    pub fn last_contact(&self, action: &str) -> Option<&Contact> {
        self.contacts.iter().rev().find(|contact| &*contact.action == action)
    }

    /// The contact that a decision led to.
    pub(super) fn contact_of(&self, decision: &str) -> Option<&Contact> {
        self.contacts.iter().rev().find(|contact| &*contact.decision == decision)
    }

    pub(super) fn remember_contact(&mut self, contact: Contact) {
        if self.contacts.len() == limits::CONTACTS {
            self.contacts.remove(0);
        }
        self.contacts.push(contact);
    }
}
