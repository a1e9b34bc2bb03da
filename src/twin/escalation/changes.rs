//! Messages about changes of an escalation.

use crate::config::limits;
use crate::event::{EventKind, EventType, Speaker};
use crate::twin::effect::{Brief, Effect, Escalation, News, id};
use crate::twin::input::{Cause, Input};
use crate::twin::moment::ReactionContext;
use crate::twin::state::{EscalationRecord, EscalationState, Twin};

/// The message that it opens, with the whole brief; `id` distinguishes this message.
pub(super) fn opened(
    twin: &Twin,
    position: usize,
    id: Box<str>,
    context: &ReactionContext<'_>,
) -> Effect {
    let known = &twin.escalations[position];
    let brief = Brief::of(twin, known, context);
    Effect::Escalate(Box::new(escalation_message(twin, known, id, context.input).with(brief)))
}

/// The message that it has changed. A claim contains the current brief.
pub(super) fn changed(
    twin: &Twin,
    position: usize,
    prefix: char,
    about: &str,
    changed: Vec<News>,
    context: &ReactionContext<'_>,
) -> Effect {
    let known = &twin.escalations[position];
    let id = id::identifier(prefix, twin, context.input, about);
    let mut escalation = escalation_message(twin, known, id, context.input);
    escalation.changed = changed;
    escalation.changed.truncate(limits::ESCALATION_CHANGES);
    Effect::Escalate(Box::new(escalation))
}

/// The message that an agent has acted on it, for everybody who follows it. A claim contains the current
/// brief.
pub(super) fn handed_over(
    twin: &Twin,
    position: usize,
    what: Vec<News>,
    context: &ReactionContext<'_>,
) -> Effect {
    let known = &twin.escalations[position];
    let id = id::identifier('h', twin, context.input, &known.id);
    let mut escalation = escalation_message(twin, known, id, context.input);
    escalation.changed = what;
    if known.is_claimed() && escalation.changed.is_empty() {
        escalation = escalation.with(Brief::of(twin, known, context));
    }
    Effect::Escalate(Box::new(escalation))
}

/// The message that it was joined with another one, because both customers turned out to be one.
pub(super) fn joined(twin: &Twin, position: usize, input: &Input) -> Effect {
    let known = &twin.escalations[position];
    let id = id::identifier('j', twin, input, &known.id);
    Effect::Escalate(Box::new(escalation_message(twin, known, id, input)))
}

/// The message that a deadline was missed in its previous queue.
pub(super) fn expired(twin: &Twin, position: usize, context: &ReactionContext<'_>) -> Effect {
    let known = &twin.escalations[position];
    let about = format!("{}/{}", known.id, known.level);
    let id = id::identifier('x', twin, context.input, &about);
    let mut escalation = escalation_message(twin, known, id, context.input);
    escalation.state = EscalationState::Expired;
    Effect::Escalate(Box::new(escalation))
}

/// While an agent holds the conversation, reports to them everything that happens to the customer.
pub(in crate::twin) fn tell(twin: &Twin, context: &ReactionContext<'_>, effects: &mut Vec<Effect>) {
    if !twin.is_held_by_agent() {
        return;
    }
    let Some(what) = matters(context.input) else { return };
    let Some(line) = twin.timeline.iter().last() else { return };
    let news = News::of(what.name(), line.text);
    for at in 0..twin.escalations.len() {
        let known = &twin.escalations[at];
        if known.is_claimed() {
            effects.push(changed(twin, at, 'n', &known.id, vec![news.clone()], context));
        }
    }
}

/// Whether an agent in conversation with the customer must know of an input.
fn matters(input: &Input) -> Option<EventType> {
    use EventType::{Case, Consent, Interaction, Message, Outcome, Preference, Signal, Track};
    let Cause::Event(event) = &input.cause else { return None };
    match &event.kind {
        EventKind::Message(data) => (data.from != Speaker::Agent).then_some(Message),
        kind => Some(kind.event_type()).filter(|kind| {
            matches!(kind, Case | Consent | Interaction | Outcome | Preference | Signal | Track)
        }),
    }
}

fn escalation_message(
    twin: &Twin,
    known: &EscalationRecord,
    message: Box<str>,
    input: &Input,
) -> Escalation {
    Escalation {
        id: known.id.clone(),
        message,
        customer: twin.customer.clone(),
        queue: known.queue.clone(),
        topic: known.topic.clone(),
        priority: known.priority,
        state: known.state,
        because: known.because.clone(),
        agent: known.agent.clone(),
        note: known.note.clone(),
        outcome: known.outcome.clone(),
        thread: known.thread.clone(),
        opened: known.opened,
        due: known.due,
        level: known.level,
        at: input.at,
        changed: Vec::new(),
        brief: None,
        traceparent: input.traceparent().map(Into::into),
    }
}

impl Escalation {
    fn with(self, brief: Brief) -> Escalation {
        Escalation { brief: Some(brief), ..self }
    }
}
