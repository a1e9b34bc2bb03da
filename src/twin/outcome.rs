//! What comes of actions: what channels say, and what the twin notices by itself, that nothing came.

use super::reaction::Notes;
use super::{Cause, Contact, ContactOutcome, Effect, Input, Timer, Twin, learn};
use crate::event::{self, OutcomeKind, Time};
use crate::policy::{CatchUp, IGNORED_TIMER, Policy};

/// How far an outcome goes: one that goes less far comes late and changes nothing.
fn rank(kind: OutcomeKind) -> u8 {
    match kind {
        OutcomeKind::Offered => 0,
        OutcomeKind::Delivered => 1,
        // It may have been on the customer's device already, and be gone before they see it.
        OutcomeKind::Recalled => 2,
        OutcomeKind::Seen | OutcomeKind::Ignored => 3,
        OutcomeKind::Clicked => 4,
        OutcomeKind::Accepted
        | OutcomeKind::Rejected
        | OutcomeKind::Dismissed
        | OutcomeKind::Later => 5,
    }
}

impl Contact {
    /// Whether something may still come of it.
    fn is_open(&self) -> bool {
        use OutcomeKind::{Delivered, Offered, Seen};
        self.outcome.is_none_or(|outcome| matches!(outcome.kind, Offered | Delivered | Seen))
    }

    /// When it was ignored, if nothing comes of it before.
    fn ignored_at(&self, policy: &Policy) -> Option<Time> {
        let action = policy.action(&self.action).filter(|_| self.is_open())?;
        action.ignored_after.map(|span| self.at + span)
    }
}

impl Twin {
    /// Takes in what came of a decision. One that is no longer remembered is let be: the outcome
    /// came too late to matter here.
    pub(super) fn hear_outcome(
        &mut self,
        told: &event::OutcomeData,
        policy: &Policy,
        at: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        learn::from_outcome(self, told, policy, at, notes);
        let customer = &self.customer;
        let known = self.contacts.iter_mut().rev().find(|known| known.decision == told.decision);
        if let Some(contact) = known
            && contact.outcome.is_none_or(|before| rank(told.outcome) >= rank(before.kind))
        {
            contact.outcome = Some(ContactOutcome { kind: told.outcome, at });
            effects.extend(contact.observe(told.outcome, at, customer));
        }
    }

    /// Waits for the contact that is the first to be ignored if nothing comes of it.
    pub(super) fn watch_for_silence(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let first = self.contacts.iter().filter_map(|contact| contact.ignored_at(policy)).min();
        if let Some(due) = first {
            // Two of the same moment are noticed one after the other.
            let due = due.max(now + std::time::Duration::from_millis(1));
            let name = IGNORED_TIMER.into();
            let timer = Timer { name, due, every: None, catch_up: CatchUp::Run };
            self.start_timer(timer, effects, notes);
        }
    }

    /// Notes that nothing came of one contact; `false` if something came of all.
    pub(super) fn notice_silence(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) -> bool {
        let overdue = self.contacts.iter().filter_map(|contact| {
            contact.ignored_at(policy).filter(|at| *at <= now).map(|at| (at, contact))
        });
        let first = overdue.min_by_key(|(at, _)| *at).map(|(_, contact)| contact.decision.clone());
        if let Some(decision) = &first {
            let told =
                event::OutcomeData { decision: decision.clone(), outcome: OutcomeKind::Ignored };
            self.hear_outcome(&told, policy, now, effects, notes);
        }
        self.watch_for_silence(policy, now, effects, notes);
        first.is_some()
    }

    /// The contact of which an input tells what came: as a channel says, or as the twin noticed.
    pub(super) fn contact_at_hand(&self, input: &Input) -> Option<&Contact> {
        match &input.cause {
            Cause::Event(event) => match &event.kind {
                event::EventKind::Outcome(told) => self.contact_of(&told.decision),
                _ => None,
            },
            Cause::Timer(fired) if *fired.name == *IGNORED_TIMER => {
                let now = ContactOutcome { kind: OutcomeKind::Ignored, at: input.at };
                self.contacts.iter().rev().find(|contact| contact.outcome == Some(now))
            }
            Cause::Timer(_) | Cause::Broadcast(_) => None,
        }
    }
}
