//! Outcomes of actions: reported by channels, or inferred when none arrives.

use super::inferred;
use crate::event::{self, OutcomeKind, Time};
use crate::policy::{IGNORED_TIMER, Policy};
use crate::twin::effect::Effect;
use crate::twin::note::Notes;
use crate::twin::state::{ContactOutcome, Timer, Twin};

/// The rank of an outcome: one of a lower rank is late and changes nothing.
fn rank(kind: OutcomeKind) -> u8 {
    match kind {
        OutcomeKind::Offered => 0,
        OutcomeKind::Delivered => 1,
        // It may have reached the customer's device already, and be removed before they see it.
        OutcomeKind::Recalled => 2,
        OutcomeKind::Seen | OutcomeKind::Ignored => 3,
        OutcomeKind::Clicked => 4,
        OutcomeKind::Accepted
        | OutcomeKind::Rejected
        | OutcomeKind::Dismissed
        | OutcomeKind::Later => 5,
    }
}

impl Twin {
    /// Applies the outcome of a decision. If the contact is no longer in the list, the outcome is too
    /// late to matter and is skipped.
    pub(in crate::twin) fn hear_outcome(
        &mut self,
        data: &event::OutcomeData,
        policy: &Policy,
        at: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        inferred::from_outcome(self, data, policy, at, notes);
        let customer = &self.customer;
        let known = self.contacts.iter_mut().rev().find(|known| known.decision == data.decision);
        if let Some(contact) = known
            && contact.outcome.is_none_or(|before| rank(data.outcome) >= rank(before.kind))
        {
            contact.outcome = Some(ContactOutcome { kind: data.outcome, at });
            effects.extend(contact.observe(data.outcome, at, customer));
        }
    }

    /// Starts the timer for the next contact that will count as ignored.
    pub(in crate::twin) fn watch_for_silence(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let first = self.contacts.iter().filter_map(|contact| contact.ignored_at(policy)).min();
        if let Some(due) = first {
            // Two with the same time are handled one after the other.
            let due = due.max(now + std::time::Duration::from_millis(1));
            self.start_timer(Timer::once(IGNORED_TIMER, due), effects, notes);
        }
    }

    /// Marks one contact as ignored; `false` if there is none to mark.
    pub(in crate::twin) fn notice_silence(
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
            let data =
                event::OutcomeData { decision: decision.clone(), outcome: OutcomeKind::Ignored };
            self.hear_outcome(&data, policy, now, effects, notes);
        }
        self.watch_for_silence(policy, now, effects, notes);
        first.is_some()
    }
}
