//! Validate the input and fold it into the state. Whatever can be refused is refused before
//! anything is changed.

use std::fmt::Write as _;

use super::reaction::Notes;
use super::{Cause, Effect, Input, Twin, What, act};
use crate::config::limits;
use crate::event::{Customer, Event, Kind, Map, Rejection, Sensitivity, Value};

/// Folds an input in; `false` if it is a timer of which rules should not hear.
///
/// # Errors
/// A [`Rejection`], and the twin is as it was.
pub(super) fn perceive(
    twin: &mut Twin,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<bool, Rejection> {
    let is_heard = match &input.cause {
        Cause::Event(event) => {
            fold(twin, event, input, effects, notes)?;
            true
        }
        Cause::Timer(fired) => twin.fire_timer(fired, effects),
    };
    if is_heard {
        record(twin, input);
    }
    twin.expire_needs(input.at);
    Ok(is_heard)
}

fn fold(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<(), Rejection> {
    let now = input.at;
    match &event.kind {
        Kind::Identify(told) => twin.profile.identify(told, notes),
        Kind::Link(told) => twin.linked_to = Customer::new(&told.to).ok(),
        // What these mean is for the policy to say; the timeline remembers that they happened.
        Kind::Page(_) | Kind::Screen(_) | Kind::Track(_) => {}
        Kind::Message(told) => twin.hear(told, &event.channel, now, notes),
        Kind::Preference(told) => twin.profile.prefer_told(told, now, notes),
        Kind::Consent(told) => {
            twin.profile.consent_room(told)?;
            twin.profile.consent_told(told, now);
        }
        Kind::Interaction(told) => twin.move_interaction(told, &event.channel, now, notes),
        Kind::Case(told) => twin.move_case(told, now, notes),
        Kind::Signal(told) => twin.sense(told, &event.channel, now, notes),
        Kind::Outcome(told) => twin.hear_outcome(told, now),
        Kind::Handoff(told) => {
            let position = twin.handoff_target(told)?;
            twin.hand_over(position, told, now);
            effects.push(act::escalation_changed(twin, position, input));
        }
    }
    Ok(())
}

fn record(twin: &mut Twin, input: &Input) {
    if twin.timeline.total() == 0 {
        twin.born = input.at;
    }
    // Events may come out of order; the last sight of a customer never moves back.
    twin.seen = twin.seen.max(input.at);
    let mut text = String::with_capacity(limits::TIMELINE_TEXT_BYTES);
    let (what, channel) = match &input.cause {
        Cause::Event(event) => {
            summarize(&event.kind, &mut text);
            (What::Event(event.kind.event_type()), event.channel.as_str())
        }
        Cause::Timer(fired) => {
            text.push_str(&fired.name);
            (What::Timer, "")
        }
    };
    twin.timeline.push(input.at, input.fingerprint, what, channel, &text);
}

/// What an event said, in one short line. Sensitive values stay out of it.
fn summarize(kind: &Kind, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = match kind {
        Kind::Identify(told) => list(&told.traits, text),
        Kind::Link(told) => write!(text, "is {}", told.to),
        Kind::Page(told) | Kind::Screen(told) | Kind::Track(told) => {
            text.push_str(&told.name);
            list(&told.properties, text)
        }
        Kind::Message(told) => write!(text, "{}: {}", told.from.name(), told.text),
        Kind::Preference(told) => match &told.value {
            Some(value) => write!(text, "{} = {value}", told.key),
            None => write!(text, "forget {}", told.key),
        },
        Kind::Consent(told) => {
            let said = if told.granted { "granted" } else { "withdrawn" };
            let channel = told.channel.as_deref().unwrap_or("every channel");
            write!(text, "{} {said} for {channel}", told.purpose)
        }
        Kind::Interaction(told) => {
            let _ = write!(text, "{} {} {}", told.kind, told.id, told.state.name());
            match &told.step {
                Some(step) => write!(text, " at step {step}"),
                None => Ok(()),
            }
        }
        Kind::Case(told) => {
            let topic = told.topic.as_deref().unwrap_or("case");
            write!(text, "{topic} {} {}", told.id, told.state)
        }
        Kind::Signal(told) if told.sensitivity == Sensitivity::Sensitive => {
            write!(text, "{} (sensitive)", told.name)
        }
        Kind::Signal(told) => write!(text, "{} = {}", told.name, told.value),
        Kind::Outcome(told) => write!(text, "{} {}", told.decision, told.outcome.name()),
        Kind::Handoff(told) => {
            let agent = told.agent.as_deref().unwrap_or("an agent");
            write!(text, "{} {} by {agent}", told.escalation, told.state.name())
        }
    };
}

fn list(values: &Map, text: &mut String) -> std::fmt::Result {
    for (name, value) in values.iter() {
        if text.len() >= limits::TIMELINE_TEXT_BYTES {
            break;
        }
        let space = if text.is_empty() { "" } else { " " };
        match value {
            Value::List(_) | Value::Map(_) => write!(text, "{space}{name}=…")?,
            scalar => write!(text, "{space}{name}={scalar}")?,
        }
    }
    Ok(())
}
