//! Escalations to agents and their return.
//!
//! A conversation has one open escalation; further evidence is added to it. It is open until one agent
//! claims it, who alone can act on it until they hand it back or resolve it; a missed deadline moves it
//! to the next queue.

mod changes;
mod handoff;
mod opening;
mod promise;
mod signs;
mod waiting;

pub use changes::News;
pub(super) use changes::tell;
pub(super) use handoff::hand_over;
pub(super) use opening::{NewEscalation, escalate, route};
pub(super) use promise::{is_of_promises, keep_promises, keep_timer, wait_for_promises};
pub(super) use signs::{alarm, signs};
pub use waiting::WaitingEscalation;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Input, Twin};
use crate::config::limits;
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
    /// Further evidence, oldest first; at most [`limits::ESCALATION_REMARKS`].
    pub evidence: Vec<Remark>,
    /// Notes of agents, oldest first; at most [`limits::ESCALATION_REMARKS`].
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

/// The outcome of one of two escalations about the same matter, once both customers turn out to be one.
const JOINED: &str = "joined";

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
    fn held_by(&self) -> String {
        let agent = self.agent.as_deref().unwrap_or("an unnamed agent");
        format!("claimed by `{agent}` since {}", self.touched)
    }
}

/// Adds a line to a list: the first line is kept, of the others the oldest is dropped.
fn keep(lines: &mut Vec<Remark>, line: Remark) {
    if lines.len() >= limits::ESCALATION_REMARKS {
        lines.remove(1);
    }
    lines.push(line);
}

impl Twin {
    /// The open escalation of a topic in a queue.
    pub fn open_escalation(&self, queue: &str, topic: &str) -> Option<&EscalationRecord> {
        self.escalations
            .iter()
            .find(|known| &*known.queue == queue && &*known.topic == topic && known.is_open())
    }

    /// The escalations with which agents still have something to do.
    pub fn open_escalations(&self) -> impl Iterator<Item = &EscalationRecord> {
        self.escalations.iter().filter(|known| known.is_open())
    }

    /// The escalation that changed last.
    pub fn last_escalation(&self) -> Option<&EscalationRecord> {
        self.escalations.iter().max_by_key(|known| (known.touched, &known.id))
    }

    /// Makes room for one more escalation; `false` if all are still open.
    fn escalation_room(&mut self) -> bool {
        if self.escalations.len() < limits::ESCALATIONS {
            return true;
        }
        let settled = (0..self.escalations.len())
            .filter(|at| !self.escalations[*at].is_open())
            .min_by_key(|at| self.escalations[*at].touched);
        settled.map(|at| self.escalations.remove(at)).is_some()
    }

    /// Of two open escalations about the same matter, which two identifiers of one customer can have,
    /// keeps one: the claimed one, else the older one. The choice does not depend on the order in which
    /// the identifiers are merged.
    pub(super) fn join_escalations(&mut self, input: &Input, effects: &mut Vec<Effect>) {
        let mut order: Vec<usize> = (0..self.escalations.len()).collect();
        order.sort_by_key(|at| {
            let known = &self.escalations[*at];
            (!known.is_claimed(), known.opened, known.id.clone())
        });
        for (rank, at) in order.iter().enumerate() {
            let known = &self.escalations[*at];
            let is_second = known.is_open()
                && order[..rank].iter().any(|first| {
                    let first = &self.escalations[*first];
                    first.is_open() && first.is_about_the_same(known)
                });
            if is_second {
                let known = &mut self.escalations[*at];
                known.state = EscalationState::Resolved;
                known.outcome = Some(JOINED.into());
                known.due = None;
                effects.push(changes::joined(self, *at, input));
            }
        }
    }
}
