//! Interrupted interactions: the best one is offered when the customer, or an agent for them, returns.

use std::time::Duration;

use super::ReactionContext;
use crate::event::{Channel, EventKind, EventType, Speaker, Time, Value};
use crate::policy::{InteractionRule, Policy, Trigger};
use crate::twin::input::{Cause, Input};
use crate::twin::state::decay::decay;
use crate::twin::state::{DeferredDecision, Interaction, Twin};

/// The time in which the freshness of an interrupted interaction is halved.
const FRESH_HALF_LIFE: Duration = Duration::from_secs(86_400);

/// The number of collected fields that counts as half of the progress, where the policy gives no number
/// of steps.
const HALF_WAY_FIELDS: f64 = 3.0;

/// The fit of an interaction for resuming it now, 0 to 1: 0.35 × freshness (half after a day), 0.30 ×
/// progress (steps of the policy's number, else `n / (n + 3)` of `n` collected fields), 0.20 × the
/// policy's value of the kind, 0.15 if it was interrupted in this channel.
fn fit(known: &Interaction, rule: &InteractionRule, channel: Option<&Channel>, now: Time) -> f64 {
    let fresh = decay(now.since(known.touched), FRESH_HALF_LIFE);
    let fields = known.data.len() as f64;
    let progress = match (rule.steps, known.step.as_number()) {
        (Some(steps), Some(step)) => (step / f64::from(steps)).clamp(0.0, 1.0),
        _ => fields / (fields + HALF_WAY_FIELDS),
    };
    let is_here = channel == Some(&known.channel);
    0.35 * fresh + 0.30 * progress + 0.20 * rule.value + 0.15 * f64::from(u8::from(is_here))
}

/// The open interactions, the best to resume first; kinds that the policy does not define come last.
pub(in crate::twin) fn ranked<'a>(
    twin: &'a Twin,
    policy: &Policy,
    input: &Input,
) -> Vec<&'a Interaction> {
    let open = twin.interactions.iter().filter(|known| known.state.is_open());
    let mut rated: Vec<(f64, &Interaction)> = open
        .map(|known| {
            let rule = policy.interactions.get(&known.kind);
            let fit = rule.map_or(-1.0, |rule| fit(known, rule, input.channel(), input.at));
            (fit, known)
        })
        .collect();
    rated.sort_by(|(left_fit, left), (right_fit, right)| {
        (right_fit.total_cmp(left_fit))
            .then_with(|| right.touched.cmp(&left.touched))
            .then_with(|| left.id.cmp(&right.id))
    });
    rated.into_iter().map(|(_, known)| known).collect()
}

/// The best paused interaction to resume now: the policy must define how to resume it, and it must not
/// have been offered since it paused.
pub(super) fn best<'a>(twin: &'a Twin, context: &ReactionContext<'_>) -> Option<&'a Interaction> {
    let (input, policy) = (context.input, context.policy);
    if policy.interactions.is_empty() || twin.interactions.iter().all(|one| one.pause.is_none()) {
        return None;
    }
    ranked(twin, policy, input).into_iter().find(|known| {
        policy.interactions.get(&known.kind).is_some_and(|rule| is_waiting(known, rule, input))
    })
}

/// Whether an interaction is to be offered on this occasion.
fn is_waiting(known: &Interaction, rule: &InteractionRule, input: &Input) -> bool {
    let Some(pause) = known.pause else { return false };
    let is_due = rule.resume.is_some()
        && pause.offered.is_none()
        && input.at.since(pause.at) < rule.offer_within;
    let is_occasion = !is_presence(input) || {
        // A customer who has just left it in this channel knows of it.
        let is_elsewhere = input.channel() != Some(&known.channel);
        let is_later = input.at.since(known.touched) >= rule.pause_after;
        rule.is_return(input.trigger()) && (is_elsewhere || is_later)
    };
    is_due && is_occasion
}

/// Whether the input shows that the customer is present in its channel.
pub(in crate::twin) fn is_there(input: &Input) -> bool {
    use EventType::{Ask, Consent, Interaction, Message, Page, Preference, Screen, Track};
    let Cause::Event(event) = &input.cause else { return false };
    match &event.kind {
        EventKind::Message(data) => data.from == Speaker::Customer && !data.automatic,
        kind => matches!(
            kind.event_type(),
            Ask | Consent | Interaction | Message | Page | Preference | Screen | Track
        ),
    }
}

/// Whether the input shows that the customer, or an agent for them, is present.
fn is_presence(input: &Input) -> bool {
    use EventType::{Message, Page, Screen, Track};
    matches!(input.trigger().0, Trigger::Event(Page | Screen | Track | Message))
}

/// An interaction to be offered, and the action that offers it.
#[derive(Debug)]
pub(in crate::twin) struct ResumeOffer {
    /// Position in [`Policy::actions`].
    pub(in crate::twin) action: usize,
    /// The reason, for people to read.
    pub(in crate::twin) because: String,
}

/// The interaction to offer at this input, or after quiet hours that have ended.
pub(in crate::twin) fn offer(twin: &Twin, context: &ReactionContext<'_>) -> Option<ResumeOffer> {
    let is_automatic = context.message.as_ref().is_some_and(|content| content.is_automatic);
    let is_there = is_presence(context.input) && !is_automatic;
    if !is_there && DeferredDecision::of_input(context.input) != Some(DeferredDecision::Offer) {
        return None;
    }
    let known = best(twin, context)?;
    let action = context.policy.interactions.get(&known.kind)?.resume?;
    let step = match &known.step {
        Value::Null => String::new(),
        step => format!(" at step {step}"),
    };
    let because = format!("{} {} was left{step} in {}", known.kind, known.id, known.channel);
    Some(ResumeOffer { action, because })
}

/// The interaction that is offered now: by an action, if that action resumes it, or in an agent's brief.
pub(in crate::twin) fn offered<'a>(
    twin: &'a Twin,
    context: &ReactionContext<'_>,
    by: Option<&str>,
) -> Option<&'a Interaction> {
    let known = best(twin, context)?;
    let policy = context.policy;
    let resume = policy.interactions.get(&known.kind).and_then(|rule| rule.resume);
    let is_by_this = by.is_none_or(|by| resume.is_some_and(|at| *policy.actions[at].name == *by));
    is_by_this.then_some(known)
}
