use serde::{Deserialize, Serialize};

use super::effect::{Effect, Observation};
use super::{Twin, recall};
use crate::config::limits;
use crate::event::{Customer, OutcomeKind, Time};
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

/// The learning value of an outcome: a response or the lack of one; none: still open.
///
/// "Later" is neither an acceptance nor a rejection, and a recalled action was never answered.
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
    /// The observation to learn from an outcome: one for each contact, from its first outcome.
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

    /// Whether it was recalled before the customer saw it.
    pub fn is_recalled(&self) -> bool {
        self.outcome.is_some_and(|outcome| outcome.kind == OutcomeKind::Recalled)
    }
}

impl Twin {
    /// The last contact by an action.
    pub fn last_contact(&self, action: &str) -> Option<&Contact> {
        self.contacts.iter().rev().find(|contact| &*contact.action == action)
    }

    /// The contact of a decision.
    pub(super) fn contact_of(&self, decision: &str) -> Option<&Contact> {
        self.contacts.iter().rev().find(|contact| &*contact.decision == decision)
    }

    /// Records a contact. In a full list it replaces the one that matters least, so that the limits stay
    /// exact, however often a page requests actions.
    pub(super) fn remember_contact(&mut self, contact: Contact, policy: &Policy) {
        if self.contacts.len() >= limits::CONTACTS {
            let least = (0..self.contacts.len()).min_by_key(|at| {
                (self.matters(*at, policy, contact.at), !self.is_repeated(*at), *at)
            });
            self.contacts.remove(least.unwrap_or(0));
        }
        self.contacts.push(contact);
    }

    /// Whether a later contact by the same action was in the same channel.
    fn is_repeated(&self, at: usize) -> bool {
        let (before, later) = self.contacts.split_at(at + 1);
        before.last().is_some_and(|one| {
            later.iter().any(|other| other.action == one.action && other.channel == one.channel)
        })
    }

    /// How much a contact still matters.
    fn matters(&self, at: usize, policy: &Policy, now: Time) -> Matters {
        let (before, later) = self.contacts.split_at(at + 1);
        let Some(contact) = before.last() else { return Matters::Not };
        let rules = &policy.contact;
        let mut most = Matters::Not;
        for limit in rules.limits.iter().filter(|limit| limit.counts(contact, policy, now)) {
            let counted = || later.iter().filter(|one| limit.counts(one, policy, now));
            let needed = limit.most as usize;
            // A contact that may still be recalled may not count in the end.
            let is_safe =
                |one: &&Contact| !recall::is_unseen(one) || now.since(one.at) >= policy.pending;
            let matters = match (counted().filter(is_safe).count(), counted().count()) {
                (safe, _) if safe >= needed => Matters::Not,
                (_, all) if all >= needed => Matters::ForRecalls,
                _ => Matters::ForLimits,
            };
            most = most.max(matters);
        }
        let cooldown = policy.action(&contact.action).map(|action| action.cooldown);
        let is_cooling =
            !contact.is_recalled() && cooldown.is_some_and(|span| now < contact.at + span);
        let is_unwanted = contact.outcome.is_some_and(|outcome| match outcome.kind {
            OutcomeKind::Later => now < outcome.at + rules.later,
            kind => rules.pause.as_ref().is_some_and(|pause| pause.of.contains(&kind)),
        });
        if is_cooling || is_unwanted { most.max(Matters::ForRests) } else { most }
    }
}

/// What would be computed wrongly without a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Matters {
    /// Nothing.
    Not,
    /// A limit, if later contacts are recalled.
    ForRecalls,
    /// How long an action is paused.
    ForRests,
    /// A limit.
    ForLimits,
}

impl ContactLimit {
    /// Whether the limit counts a contact at a time. The action of a contact may be unknown to the
    /// current policy; it may then have been of any issue.
    pub(super) fn counts(&self, contact: &Contact, policy: &Policy, now: Time) -> bool {
        let issue = || policy.action(&contact.action).map(|action| action.issue);
        now < contact.at + self.over
            && !contact.is_recalled()
            && self.channel.as_ref().is_none_or(|own| *own == contact.channel)
            && self.issue.is_none_or(|own| issue().is_none_or(|issue| issue == own))
            && self.action.as_ref().is_none_or(|own| *own == contact.action)
    }
}
