//! Opens an escalation, or adds evidence to an open one.

use super::{changes, keep};
use crate::config::limits;
use crate::event::{EventKind, cut};
use crate::policy::{EscalationTarget, Policy, Truth};
use crate::twin::effect::{Effect, News, id};
use crate::twin::fold::deadline;
use crate::twin::input::Cause;
use crate::twin::moment::{ReactionContext, View, language};
use crate::twin::note::Notes;
use crate::twin::state::{EscalationRecord, EscalationState, Remark, Twin};

/// A new escalation.
#[derive(Clone, Copy)]
pub(in crate::twin) struct NewEscalation<'a> {
    pub(in crate::twin) to: &'a EscalationTarget,
    pub(in crate::twin) topic: &'a str,
    pub(in crate::twin) priority: u8,
    pub(in crate::twin) because: &'a str,
}

/// The queue of an escalation if a policy defines no queues.
const ANY_QUEUE: &str = "care";

/// The queue of an escalation: of several that fit, the first in the policy. If processing is restricted,
/// a queue's conditions on the customer are not evaluated, so only a queue without conditions fits.
pub(in crate::twin) fn route<'a>(
    twin: &Twin,
    to: &'a EscalationTarget,
    context: &'a ReactionContext<'_>,
) -> &'a str {
    let queues = &context.policy.queues;
    let skill = match to {
        EscalationTarget::Queue(queue) => return queue,
        EscalationTarget::Skill(skill) => Some(skill),
        EscalationTarget::Anybody => None,
    };
    let language = language::language(twin, context);
    let view = View::whole(twin, context);
    let able = || queues.iter().filter(|queue| skill.is_none_or(|s| queue.skills.contains(s)));
    let is_for = |when: &crate::policy::Expression| {
        !context.is_restricted && matches!(when.test(&view), Truth::True)
    };
    able()
        .find(|queue| queue.speaks(language.as_deref()) && queue.when.as_ref().is_none_or(is_for))
        // An agent who does not speak the customer's language is better than none.
        .or_else(|| able().find(|queue| queue.when.as_ref().is_none_or(is_for)))
        .or_else(|| able().next())
        .map_or(ANY_QUEUE, |queue| &queue.name)
}

/// Opens an escalation. If one is open about the same conversation, or in the same queue about the same
/// topic, new evidence is added to that one instead.
pub(in crate::twin) fn escalate(
    twin: &mut Twin,
    opening: &NewEscalation<'_>,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    let NewEscalation { to, topic, priority, because } = *opening;
    let now = context.input.at;
    let queue = route(twin, to, context);
    let thread = thread(twin, context);
    let about = format!("{queue}/{topic}");
    let id = id::identifier('e', twin, context.input, &about);
    let respond = context.policy.queue(queue).and_then(|queue| queue.respond);
    let opened = EscalationRecord {
        id: id.clone(),
        queue: queue.into(),
        purpose: context.policy.purpose_of_queue(queue).into(),
        topic: topic.into(),
        priority,
        state: EscalationState::Open,
        because: cut(because, limits::TEXT_BYTES).into(),
        agent: None,
        desk: None,
        note: None,
        opened: now,
        touched: now,
        thread,
        evidence: Vec::new(),
        notes: Vec::new(),
        since: now,
        due: respond.map(|span| now + span),
        level: 0,
        outcome: None,
        language: language::language(twin, context).map(Into::into),
    };
    let same = |known: &EscalationRecord| {
        known.is_open()
            && (known.is_about_the_same(&opened) || has_gone_on(known, &opened, context.policy))
    };
    if let Some(position) = twin.escalations.iter().position(same) {
        return strengthen(twin, position, opening, context, effects);
    }
    if !twin.make_escalation_room() {
        return notes.limit("ESCALATIONS");
    }
    twin.escalations.push(opened);
    let position = twin.escalations.len() - 1;
    effects.push(changes::opened(twin, position, id, context));
    deadline::start_due_timer(twin, now, effects, notes);
}

/// Whether the new escalation was opened before and has moved on to a later queue since. Only escalations
/// without a conversation need this check.
fn has_gone_on(known: &EscalationRecord, opened: &EscalationRecord, policy: &Policy) -> bool {
    let next = |queue: &str| policy.queue(queue).and_then(|queue| queue.next.clone());
    // A cycle of queues is a mistake in a policy, so the search is bounded.
    let mut further = std::iter::successors(next(&opened.queue), |queue| next(queue));
    known.topic == opened.topic
        && known.purpose == opened.purpose
        && (known.thread.is_none() || opened.thread.is_none())
        && further.any(|queue| queue == known.queue)
}

/// Adds new evidence, and raises the priority if the new one is higher.
fn strengthen(
    twin: &mut Twin,
    position: usize,
    opening: &NewEscalation<'_>,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
) {
    let now = context.input.at;
    let text = cut(opening.because, limits::TRANSCRIPT_LINE_BYTES);
    let known = &mut twin.escalations[position];
    let is_new = !text.is_empty()
        && !known.because.starts_with(text)
        && known.evidence.iter().all(|one| *one.text != *text);
    let mut changed = Vec::new();
    if is_new {
        keep(&mut known.evidence, Remark { at: now, by: None, text: text.into() });
        changed.push(News::of("evidence", text));
    }
    if opening.priority > known.priority {
        known.priority = opening.priority;
        changed.push(News::of("priority", opening.priority.to_string()));
    }
    if !changed.is_empty() {
        known.touched = now;
        let about = format!("{}/{}", known.id, opening.topic);
        effects.push(changes::changed(twin, position, 's', &about, changed, context));
    }
}

/// The conversation of an input: that of a message, else one in progress in its channel.
fn thread(twin: &Twin, context: &ReactionContext<'_>) -> Option<Box<str>> {
    let Cause::Event(event) = &context.input.cause else { return None };
    let cited = match &event.kind {
        EventKind::Message(data) => data.interaction.as_deref(),
        EventKind::Handoff(_) => return twin.last_conversation().map(|known| known.id.clone()),
        _ => None,
    };
    let going_on = || {
        let here = twin.interactions.iter().filter(|known| {
            known.state.is_open() && !known.lines.is_empty() && known.channel == event.channel
        });
        here.max_by_key(|known| known.touched).map(|known| known.id.clone())
    };
    cited.map(Into::into).or_else(going_on)
}
