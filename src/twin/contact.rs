use serde::{Deserialize, Serialize};

use super::Twin;
use super::effect::{Effect, Observation};
use crate::config::limits;
use crate::event::{Customer, OutcomeKind, Time};
use crate::models::Exposure;
use crate::policy::Version;

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
    /// How it was said and what the choice went by, if something can be learned of it, until it is
    /// answered.
    pub shown: Option<Box<Shown>>,
}

/// How something was said, and what the choice went by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The treatment.
    pub treatment: Box<str>,
    /// How it sounded.
    pub tone: Box<str>,
    /// Its language, as a BCP 47 tag.
    pub language: Box<str>,
    /// The version of the policy.
    pub policy: Version,
    /// What the choice went by.
    pub exposure: Exposure,
}

/// What came of an action, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactOutcome {
    /// What came of it.
    pub kind: OutcomeKind,
    /// When.
    pub at: Time,
}

/// Whether an outcome is a response, or the lack of one; none: nothing is known yet.
///
/// Whoever says "later" has neither taken it up nor refused it, and what is taken back was never
/// answered.
fn responds(outcome: OutcomeKind) -> Option<bool> {
    match outcome {
        OutcomeKind::Clicked | OutcomeKind::Accepted => Some(true),
        OutcomeKind::Rejected | OutcomeKind::Dismissed | OutcomeKind::Ignored => Some(false),
        OutcomeKind::Offered
        | OutcomeKind::Delivered
        | OutcomeKind::Seen
        | OutcomeKind::Later
        | OutcomeKind::Recalled => None,
    }
}

impl Contact {
    /// What is to be learned of an outcome: once of each contact, from its first answer.
    pub(super) fn observe(
        &mut self,
        outcome: OutcomeKind,
        at: Time,
        customer: &Customer,
    ) -> Option<Effect> {
        let response = responds(outcome)?;
        let shown = *self.shown.take()?;
        Some(Effect::Observe(Box::new(Observation {
            decision: self.decision.clone(),
            customer: customer.clone(),
            action: self.action.clone(),
            treatment: shown.treatment,
            channel: self.channel.clone(),
            tone: shown.tone,
            language: shown.language,
            policy: shown.policy,
            decided: self.at,
            at,
            outcome,
            reward: u8::from(response),
            exposure: shown.exposure,
        })))
    }

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
