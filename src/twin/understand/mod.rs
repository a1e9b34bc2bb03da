//! Understand: policy rules raise, strengthen and satisfy needs, set facts, note choices, start timers,
//! escalate and propose actions.

mod aggregate;
mod dissatisfaction;
mod goals;
mod listen;
mod step;

use crate::event::EventKind;
use crate::policy::{CONSENT_TIMER, Expression, Path, Purposes, Root, Rule, Trigger, Truth};
use crate::twin::effect::Effect;
use crate::twin::escalation;
use crate::twin::input::Cause;
use crate::twin::moment::{DecisionRequests, ReactionContext, View, resume};
use crate::twin::note::Notes;
use crate::twin::state::guard::both;
use crate::twin::state::{DeferredDecision, Twin};
use step::RuleRun;

/// Applies every rule that the input triggers, in the order of the policy. A rule sees the changes of
/// earlier rules.
pub(super) fn understand(
    twin: &mut Twin,
    context: &mut ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> DecisionRequests {
    let mut requests = DecisionRequests::default();
    let (trigger, detail) = context.input.trigger();
    if let Cause::Event(event) = &context.input.cause
        && let EventKind::Message(message) = &event.kind
    {
        context.message = twin.listen(message, &event.channel, context, notes);
    }
    dissatisfaction::perceive(twin, context, notes);
    aggregate::count(twin, context, notes);
    goals::count_goals(twin, context, effects, notes);
    for rule in context.policy.rules_for(trigger, detail, context.further_triggers()) {
        let is_of_input = context.is_guarded && is_of_input(rule, context);
        let by = is_of_input.then(|| twin.purposes_of_input(context)).flatten();
        follow(rule, by, twin, context, effects, notes, &mut requests);
    }
    if twin.is_alarmed_now(context) {
        let index = Path { root: Root::Dissatisfaction, names: [].into() };
        for rule in context.policy.rules_for(Trigger::Dissatisfaction, "", []) {
            let by = twin.purposes_at(&index, context, None);
            follow(rule, by, twin, context, effects, notes, &mut requests);
        }
        escalation::alarm(twin, context, effects, notes);
    }
    escalation::signs(twin, context, effects, notes);
    escalation::tell(twin, context, effects);
    requests.offer = resume::offer(twin, context);
    if let Cause::Timer(fired) = &context.input.cause
        && *fired.name == *CONSENT_TIMER
    {
        let askers = twin.askers(context.policy, fired.due, context.input.at);
        requests.proposed.extend(askers.into_iter().map(|action| (action, None)));
    }
    if let Some(held) = DeferredDecision::of_input(context.input) {
        requests.decide_again(held, twin, context);
    }
    requests
}

/// Whether the input itself triggers a rule, and not only a broadcast that the twin receives with it.
fn is_of_input(rule: &Rule, context: &ReactionContext<'_>) -> bool {
    let (trigger, detail) = context.input.trigger();
    context.met.is_empty()
        || context
            .policy
            .rules_for(trigger, detail, context.topics().chain(context.further_places()))
            .any(|known| std::ptr::eq(known, rule))
}

/// Runs the steps of a rule, if its condition holds, with the purposes of what triggered it; none:
/// unrestricted.
fn follow(
    rule: &Rule,
    by: Option<Purposes>,
    twin: &mut Twin,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
    requests: &mut DecisionRequests,
) {
    let holds = match &rule.when {
        None => true,
        Some(when) => matches!(when.test(&View::whole(twin, context)), Truth::True),
    };
    let read = rule.when.as_ref().map_or(&[][..], Expression::paths);
    if holds && !context.reads_late_part(read) {
        if let Some(followed) = context.followed {
            followed.note(&rule.place);
        }
        let purposes = both(by, twin.purposes_at_all(read, context));
        let mut turn = RuleRun { twin, context, rule, effects, notes, requests, purposes };
        rule.then.iter().for_each(|step| turn.take(step));
    }
}
