use std::fmt;

use super::{Kind, Map, Sensitivity, Value};

impl Kind {
    /// Writes what an event said, in one line. Sensitive values stay out of it.
    ///
    /// # Errors
    /// If `text` takes no more.
    pub fn summarize(&self, text: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Kind::Identify(told) => list(&told.traits, "", text),
            // Whoever the other is may be erased one day, and this is kept with somebody else.
            Kind::Link(_) => text.write_str("belongs to a customer"),
            Kind::Unlink(_) => text.write_str("belongs to somebody else"),
            Kind::Page(told) | Kind::Screen(told) | Kind::Track(told) => {
                text.write_str(&told.name)?;
                list(&told.properties, " ", text)
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
                write!(text, "{} {} {}", told.kind, told.id, told.state.name())?;
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

/// Names and values, the first behind `space`.
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
