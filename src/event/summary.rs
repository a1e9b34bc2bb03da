use std::fmt::Write as _;

use super::{Kind, Map, Sensitivity, Value};
use crate::config::limits;

impl Kind {
    /// Writes what an event said, in one short line, behind what `text` holds. Sensitive values
    /// stay out of it. It may be longer than a timeline keeps.
    pub fn summarize(&self, text: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Kind::Identify(told) => list(&told.traits, text),
            Kind::Link(told) => write!(text, "is {}", told.to),
            Kind::Unlink(told) => write!(text, "is not {}", told.from),
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
            Kind::Ask(told) => {
                for placement in told.places() {
                    text.extend([if text.is_empty() { "" } else { ", " }, placement]);
                }
                list(&told.properties, text)
            }
        };
    }
}

fn list(values: &Map, text: &mut String) -> std::fmt::Result {
    for (name, value) in values.iter() {
        if text.len() >= limits::TIMELINE_TEXT_BYTES {
            break;
        }
        let space = if text.is_empty() { "" } else { " " };
        match value {
            Value::List(_) | Value::Map(_) => write!(text, "{space}{name}=…")?,
            scalar => {
                text.extend([space, name, "="]);
                match scalar {
                    Value::Text(value) => text.push_str(value),
                    other => write!(text, "{other}")?,
                }
            }
        }
    }
    Ok(())
}
