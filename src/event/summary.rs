use std::fmt;

use super::{EventKind, Map, Sensitivity, Value};

impl EventKind {
    /// Writes the content of an event in one line, without sensitive values.
    ///
    /// # Errors
    /// If writing to `text` fails.
    pub fn summarize(&self, text: &mut impl fmt::Write) -> fmt::Result {
        match self {
            EventKind::Identify(data) => list(&data.traits, "", text),
            // The other customer may be erased one day, and this text is kept in somebody else's twin.
            EventKind::Link(_) => text.write_str("belongs to a customer"),
            EventKind::Unlink(_) => text.write_str("belongs to another customer"),
            EventKind::Page(data) | EventKind::Screen(data) | EventKind::Track(data) => {
                text.write_str(&data.name)?;
                list(&data.properties, " ", text)
            }
            EventKind::Message(data) => write!(text, "{}: {}", data.from.name(), data.text),
            EventKind::Preference(data) => match &data.value {
                Some(value) => write!(text, "{} = {value}", data.key),
                None => write!(text, "forget {}", data.key),
            },
            EventKind::Consent(data) => {
                let change = if data.granted { "granted" } else { "withdrawn" };
                let channel = data.channel.as_deref().unwrap_or("every channel");
                write!(text, "{} {change} for {channel}", data.purpose)
            }
            EventKind::Interaction(data) => {
                write!(text, "{} {} {}", data.kind, data.id, data.state.name())?;
                match &data.step {
                    Some(step) => write!(text, " at step {step}"),
                    None => Ok(()),
                }
            }
            EventKind::Case(data) => {
                let topic = data.topic.as_deref().unwrap_or("case");
                write!(text, "{topic} {} {}", data.id, data.state)
            }
            EventKind::Signal(data) if data.sensitivity == Sensitivity::Sensitive => {
                write!(text, "{} (sensitive)", data.name)
            }
            EventKind::Signal(data) => write!(text, "{} = {}", data.name, data.value),
            EventKind::Outcome(data) => write!(text, "{} {}", data.decision, data.outcome.name()),
            EventKind::Handoff(data) => {
                let agent = data.agent.as_deref().unwrap_or("an agent");
                write!(text, "{} {} by {agent}", data.escalation, data.state.name())
            }
            EventKind::Ask(data) => {
                let mut comma = "";
                for placement in data.places() {
                    text.write_str(comma)?;
                    text.write_str(placement)?;
                    comma = ", ";
                }
                list(&data.properties, if comma.is_empty() { "" } else { " " }, text)
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
