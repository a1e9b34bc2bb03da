use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Twin;
use super::{EscalationRecord, EscalationState};
use crate::config::limits;
use crate::event::{Time, cut};

/// An open escalation as lists show it. Stored, so that lists are made without waking anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingEscalation {
    /// Its identifier.
    pub id: Box<str>,
    /// The queue of people.
    pub queue: Box<str>,
    /// What it is about.
    pub topic: Box<str>,
    /// 1 (whenever) to 5 (now).
    pub priority: u8,
    /// Open or claimed.
    pub state: EscalationState,
    /// Who holds it.
    pub agent: Option<Box<str>>,
    /// The customer's language.
    pub language: Option<Box<str>>,
    /// Why, in short.
    pub because: Box<str>,
    /// When it was opened.
    pub opened: Time,
    /// When it last changed.
    pub touched: Time,
    /// When the next promise is broken; none: nobody promised anything more.
    pub due: Option<Time>,
    /// How many promises were broken.
    pub level: u8,
}

impl WaitingEscalation {
    fn of(known: &EscalationRecord) -> WaitingEscalation {
        WaitingEscalation {
            id: known.id.clone(),
            queue: known.queue.clone(),
            topic: known.topic.clone(),
            priority: known.priority,
            state: known.state,
            agent: known.agent.clone(),
            language: known.language.clone(),
            because: cut(&known.because, limits::TIMELINE_TEXT_BYTES).into(),
            opened: known.opened,
            touched: known.touched,
            due: known.due,
            level: known.level,
        }
    }
}

impl Twin {
    /// The open escalations, as lists show them.
    pub fn waiting(&self) -> Vec<WaitingEscalation> {
        self.open_escalations().map(WaitingEscalation::of).collect()
    }
}
