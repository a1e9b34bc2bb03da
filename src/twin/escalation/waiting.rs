//! Escalations that wait for agents, as rows of a list.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::limits;
use crate::event::{Time, cut};
use crate::twin::state::{EscalationRecord, EscalationState, Twin};

/// An open escalation, as lists show it. Stored, so that lists need not load any twin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingEscalation {
    /// Its identifier.
    pub id: Box<str>,
    /// The queue.
    pub queue: Box<str>,
    /// The topic.
    pub topic: Box<str>,
    /// The priority, from 1 (not urgent) to 5 (immediately).
    pub priority: u8,
    /// Open or claimed.
    pub state: EscalationState,
    /// The agent who has claimed it.
    pub agent: Option<Box<str>>,
    /// The customer's language.
    pub language: Option<Box<str>>,
    /// The reason, in short.
    pub because: Box<str>,
    /// When it was opened.
    pub opened: Time,
    /// When it last changed.
    pub touched: Time,
    /// The next deadline; none: no further deadline.
    pub due: Option<Time>,
    /// The number of missed deadlines.
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
    /// The open escalations, as listed.
    pub fn waiting(&self) -> Vec<WaitingEscalation> {
        self.open_escalations().map(WaitingEscalation::of).collect()
    }
}
