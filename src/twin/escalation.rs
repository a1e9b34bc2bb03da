use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Twin;
use crate::config::limits;
use crate::event::{self, HandoffState, Reason, Rejection, Time, cut};

/// Where an escalation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EscalationState {
    /// It waits for an agent.
    Open,
    /// An agent holds the conversation.
    Claimed,
    /// The agent returned the conversation.
    HandedBack,
    /// The matter is settled.
    Resolved,
}

impl EscalationState {
    /// The state's name on the bus.
    pub const fn name(self) -> &'static str {
        match self {
            EscalationState::Open => "open",
            EscalationState::Claimed => "claimed",
            EscalationState::HandedBack => "handed-back",
            EscalationState::Resolved => "resolved",
        }
    }
}

/// A case that the twin handed to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Escalated {
    /// Its identifier on the bus.
    pub id: Box<str>,
    /// The queue of people.
    pub queue: Box<str>,
    /// What it is about.
    pub topic: Box<str>,
    /// 1 (whenever) to 5 (now).
    pub priority: u8,
    /// Where it stands.
    pub state: EscalationState,
    /// Why, in words for people.
    pub because: Box<str>,
    /// Who holds or held it.
    pub agent: Option<Box<str>>,
    /// What the agent left for whoever goes on.
    pub note: Option<Box<str>>,
    /// When it was opened.
    pub opened: Time,
    /// When it last changed.
    pub touched: Time,
}

impl Escalated {
    /// Whether an agent holds the conversation.
    pub fn is_claimed(&self) -> bool {
        self.state == EscalationState::Claimed
    }

    /// Whether people still have something to do.
    pub fn is_open(&self) -> bool {
        matches!(self.state, EscalationState::Open | EscalationState::Claimed)
    }
}

impl Twin {
    /// The open escalation to a queue about a topic.
    pub fn open_escalation(&self, queue: &str, topic: &str) -> Option<&Escalated> {
        self.escalations
            .iter()
            .find(|known| &*known.queue == queue && &*known.topic == topic && known.is_open())
    }

    /// # Errors
    /// If there is no such escalation: the agent would believe to hold what nobody knows of.
    pub(super) fn handoff_target(&self, told: &event::Handoff) -> Result<usize, Rejection> {
        self.escalations.iter().position(|known| known.id == told.escalation).ok_or_else(|| {
            Rejection::new(
                Reason::Refused,
                format!(
                    "expected an escalation of this customer, found `{}`; take the id from the \
                     escalation's message",
                    cut(&told.escalation, 64)
                ),
            )
        })
    }

    /// Moves an escalation as an agent says.
    pub(super) fn hand_over(&mut self, position: usize, told: &event::Handoff, at: Time) {
        let known = &mut self.escalations[position];
        known.state = match told.state {
            HandoffState::Claimed => EscalationState::Claimed,
            HandoffState::HandedBack => EscalationState::HandedBack,
            HandoffState::Resolved => EscalationState::Resolved,
        };
        if told.agent.is_some() {
            known.agent.clone_from(&told.agent);
        }
        if let Some(note) = &told.note {
            known.note = Some(cut(note, limits::TEXT_BYTES).into());
        }
        known.touched = at;
    }

    /// Makes room for one more escalation; `false` if all are still open.
    pub(super) fn escalation_room(&mut self) -> bool {
        if self.escalations.len() < limits::ESCALATIONS {
            return true;
        }
        let settled = (0..self.escalations.len())
            .filter(|at| !self.escalations[*at].is_open())
            .min_by_key(|at| self.escalations[*at].touched);
        settled.map(|at| self.escalations.remove(at)).is_some()
    }
}
