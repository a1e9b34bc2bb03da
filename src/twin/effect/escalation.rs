//! Messages about escalations, as agents' systems receive them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Brief;
use crate::config::limits;
use crate::event::{Customer, Time, cut};
use crate::twin::state::EscalationState;

/// One escalation, or a change of its state, as agents' systems receive it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Escalation {
    /// The escalation's id, the same in all its states.
    pub id: Box<str>,
    /// The id of this message: the same in every copy.
    #[serde(skip)]
    pub message: Box<str>,
    /// The customer.
    pub customer: Customer,
    /// The queue.
    pub queue: Box<str>,
    /// The topic.
    pub topic: Box<str>,
    /// The priority, from 1 (not urgent) to 5 (immediately).
    pub priority: u8,
    /// The state.
    pub state: EscalationState,
    /// The reason, for people to read.
    pub because: Box<str>,
    /// The agent who has or had claimed it.
    pub agent: Option<Box<str>>,
    /// The agent's note for the next agent.
    pub note: Option<Box<str>>,
    /// How it was resolved, in the company's own term.
    pub outcome: Option<Box<str>>,
    /// The conversation that it concerns, if any.
    pub thread: Option<Box<str>>,
    /// When it was opened.
    pub opened: Time,
    /// The queue's next deadline; none: no further deadline.
    pub due: Option<Time>,
    /// The number of missed deadlines.
    pub level: u8,
    /// When it entered this state.
    pub at: Time,
    /// The changes since the last message about it; empty: only its state.
    pub changed: Vec<News>,
    /// The whole brief, when it opens and when an agent claims it.
    pub brief: Option<Brief>,
    /// The trace context of the event that caused it; the envelope carries it.
    #[serde(skip)]
    pub traceparent: Option<Box<str>>,
}

/// One change since the last message about an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct News {
    /// What has changed: `evidence`, `priority`, `note`, `due`, `queue`, or the type of an event of the
    /// customer.
    pub what: Box<str>,
    /// The new value, in short.
    pub text: Box<str>,
}

impl News {
    pub(in crate::twin) fn of(what: &str, text: impl AsRef<str>) -> News {
        let text = cut(text.as_ref(), limits::TRANSCRIPT_LINE_BYTES);
        News { what: what.into(), text: text.into() }
    }
}
