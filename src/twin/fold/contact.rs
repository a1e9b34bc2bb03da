//! The list of contacts: which are kept, and what is learned from their outcomes.

use crate::config::limits;
use crate::event::{Customer, OutcomeKind, Time};
use crate::policy::Policy;
use crate::twin::effect::{Effect, Observation};
use crate::twin::state::{Contact, Twin};

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
            trial: None,
        })))
    }
}

impl Twin {
    /// Records a contact. In a full list it replaces the one that matters least, so that the limits stay
    /// exact, however often a page requests actions.
    pub(in crate::twin) fn remember_contact(&mut self, contact: Contact, policy: &Policy) {
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
            let is_safe = |one: &&Contact| !one.is_unseen() || now.since(one.at) >= policy.pending;
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
