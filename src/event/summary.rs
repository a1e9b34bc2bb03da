use std::fmt;

use super::{EventKind, Map, Sensitivity, Value};

impl EventKind {
    /// Writes the content of an event in one line, without sensitive values.
    ///
    /// # Errors
    /// If writing to `text` fails.
    pub fn summarize(&self, text: &mut impl fmt::Write) -> fmt::Result {
        match self {
            EventKind::Identify(told) => list(&told.traits, "", text),
            // The other customer may be erased one day, and this text is kept in somebody else's twin.
            EventKind::Link(_) => text.write_str("belongs to a customer"),
            EventKind::Unlink(_) => text.write_str("belongs to another customer"),
            EventKind::Page(told) | EventKind::Screen(told) | EventKind::Track(told) => {
                text.write_str(&told.name)?;
                list(&told.properties, " ", text)
            }
            EventKind::Message(told) => write!(text, "{}: {}", told.from.name(), told.text),
            EventKind::Preference(told) => match &told.value {
                Some(value) => write!(text, "{} = {value}", told.key),
                None => write!(text, "forget {}", told.key),
            },
            EventKind::Consent(told) => {
                let said = if told.granted { "granted" } else { "withdrawn" };
                let channel = told.channel.as_deref().unwrap_or("every channel");
                write!(text, "{} {said} for {channel}", told.purpose)
            }
            EventKind::Interaction(told) => {
                write!(text, "{} {} {}", told.kind, told.id, told.state.name())?;
                match &told.step {
                    Some(step) => write!(text, " at step {step}"),
                    None => Ok(()),
                }
            }
            EventKind::Case(told) => {
                let topic = told.topic.as_deref().unwrap_or("case");
                write!(text, "{topic} {} {}", told.id, told.state)
            }
            EventKind::Signal(told) if told.sensitivity == Sensitivity::Sensitive => {
                write!(text, "{} (sensitive)", told.name)
            }
            EventKind::Signal(told) => write!(text, "{} = {}", told.name, told.value),
            EventKind::Outcome(told) => write!(text, "{} {}", told.decision, told.outcome.name()),
            EventKind::Handoff(told) => {
                let agent = told.agent.as_deref().unwrap_or("an agent");
                write!(text, "{} {} by {agent}", told.escalation, told.state.name())
            }
            EventKind::Ask(told) => {
                let mut comma = "";
                for placement in told.places() {
                    text.write_str(comma)?;
                    text.write_str(placement)?;
                    comma = ", ";
                }
                list(&told.properties, if comma.is_empty() { "" } else { " " }, text)
            }
        }
    }
}

/// Names and values, the first after `space`.
fn list(values: &Map, mut space: &str, text: &mut impl fmt::Write) -> fmt::Result {
    for (name, value) in values.iter() {
        text.write_str(space)?;
        text.write_str(name)?;
        text.write_str("=")?;
        match value {
            Value::List(_) | Value::Map(_) => text.write_str("…")?,
            Value::Text(value) => text.write_str(value)?,
            scalar => write!(text, "{scalar}")?,
        }
        space = " ";
    }
    Ok(())
}
