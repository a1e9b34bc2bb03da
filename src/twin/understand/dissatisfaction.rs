//! Notices problems, and when dissatisfaction reaches the alarm threshold.

use crate::event::EventKind;
use crate::policy::Trigger;
use crate::twin::input::Cause;
use crate::twin::moment::{ReactionContext, View};
use crate::twin::note::Notes;
use crate::twin::state::Twin;

impl Twin {
    /// Whether the dissatisfaction has just reached the policy's alarm threshold. It can do so again only
    /// after it has been below the calm threshold.
    pub(super) fn is_alarmed_now(&mut self, context: &ReactionContext<'_>) -> bool {
        let Some(rule) = &context.policy.dissatisfaction else { return false };
        let mut heard = context.policy.rules_for(Trigger::Dissatisfaction, "", []);
        if heard.next().is_none() && context.policy.escalates.dissatisfaction.is_none() {
            return false;
        }
        let index = self.dissatisfaction_by(rule, &View::whole(self, context)).index;
        let before = self.alarmed;
        self.alarmed = index >= if before { rule.calm } else { rule.alarm };
        self.alarmed && !before
    }
}

/// An open case is a problem, if its topic is known.
pub(super) fn perceive(twin: &mut Twin, context: &ReactionContext<'_>, notes: &mut Notes) {
    if context.policy.dissatisfaction.is_none() {
        return;
    }
    let Cause::Event(event) = &context.input.cause else { return };
    let EventKind::Case(case_data) = &event.kind else { return };
    let topic = twin.cases.iter().find(|case| case.id == case_data.id && case.is_open());
    if let Some(topic) = topic.and_then(|case| case.topic.clone()) {
        twin.note_problem(&topic, Some(&case_data.id), context.policy, context.input.at, notes);
    }
}
