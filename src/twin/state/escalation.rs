//! Escalations as a twin stores them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mergeable;
use super::merge::outranks;
use crate::event::{Channel, Time};

/// The state of an escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EscalationState {
    /// It waits for an agent.
    Open,
    /// An agent holds the conversation.
    Claimed,
    /// The agent returned the conversation.
    HandedBack,
    /// It is resolved.
    Resolved,
    /// A deadline was missed; it opens again at once, in the next queue if there is one.
    Expired,
}

impl EscalationState {
    /// The state's name on the bus.
    pub const fn name(self) -> &'static str {
        match self {
            EscalationState::Open => "open",
            EscalationState::Claimed => "claimed",
            EscalationState::HandedBack => "handed-back",
            EscalationState::Resolved => "resolved",
            EscalationState::Expired => "expired",
        }
    }
}

/// An escalation: a case handed to agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EscalationRecord {
    /// Its identifier on the bus.
    pub id: Box<str>,
    /// The queue.
    pub queue: Box<str>,
    /// The purpose for which the queue may use data.
    pub purpose: Box<str>,
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
    /// The channel in which the agent works.
    pub desk: Option<Channel>,
    /// The agent's note for the next agent.
    pub note: Option<Box<str>>,
    /// When it was opened.
    pub opened: Time,
    /// When it last changed.
    pub touched: Time,
    /// The conversation that it concerns, if any.
    pub thread: Option<Box<str>>,
    /// Further evidence, oldest first; at most
    /// [`limits::ESCALATION_REMARKS`](crate::config::limits::ESCALATION_REMARKS).
    pub evidence: Vec<Remark>,
    /// Notes of agents, oldest first; at most
    /// [`limits::ESCALATION_REMARKS`](crate::config::limits::ESCALATION_REMARKS).
    pub notes: Vec<Remark>,
    /// When it entered this queue.
    pub since: Time,
    /// The queue's next deadline; none: no further deadline.
    pub due: Option<Time>,
    /// The number of missed deadlines.
    pub level: u8,
    /// How it was resolved, in the company's own term.
    pub outcome: Option<Box<str>>,
    /// The customer's language, if it was known when it opened.
    pub language: Option<Box<str>>,
}

/// A line about an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remark {
    /// When it was written.
    pub at: Time,
    /// The agent who wrote it; none: the twin.
    pub by: Option<Box<str>>,
    /// The text.
    pub text: Box<str>,
}

impl EscalationRecord {
    /// Whether an agent holds the conversation.
    pub fn is_claimed(&self) -> bool {
        self.state == EscalationState::Claimed
    }

    /// Whether agents still have something to do.
    pub fn is_open(&self) -> bool {
        matches!(self.state, EscalationState::Open | EscalationState::Claimed)
    }

    /// Whether both concern the same conversation, or, if one has none, the same topic in the same queue.
    /// Two queues with different purposes are never joined, so that data for the one is not shown to the
    /// other.
    pub fn is_about_the_same(&self, other: &EscalationRecord) -> bool {
        self.purpose == other.purpose
            && match (&self.thread, &other.thread) {
                (Some(one), Some(other)) => one == other,
                _ => self.queue == other.queue && self.topic == other.topic,
            }
    }

    /// Who has claimed it and since when, for an error message.
    pub(in crate::twin) fn held_by(&self) -> String {
        let agent = self.agent.as_deref().unwrap_or("an unnamed agent");
        format!("claimed by `{agent}` since {}", self.touched)
    }
}

impl Mergeable for EscalationRecord {
    fn is_same(&self, other: &EscalationRecord) -> bool {
        self.id == other.id
    }

    fn merge(&mut self, other: &EscalationRecord) {
        if outranks((self.touched, self), (other.touched, other)) {
            self.clone_from(other);
        }
    }

    fn rank(&self) -> impl Ord {
        (self.is_open(), self.touched, &*self.id)
    }
}
