//! What the twin hands to people, and how they give it back.
//!
//! One conversation has one open escalation; further evidence strengthens it. It is open until an
//! agent claims it, who alone holds it until they hand it back or resolve it; a promise of its queue
//! that is broken moves it on to the next.

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
    /// A promise was broken; it opens again at once, in the next queue if there is one.
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

/// A case that the twin handed to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EscalationRecord {
    /// Its identifier on the bus.
    pub id: Box<str>,
    /// The queue of people.
    pub queue: Box<str>,
    /// What its people use facts for.
    pub purpose: Box<str>,
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
    /// The channel in which the agent works.
    pub desk: Option<Channel>,
    /// What the agent left for whoever goes on.
    pub note: Option<Box<str>>,
    /// When it was opened.
    pub opened: Time,
    /// When it last changed.
    pub touched: Time,
    /// The conversation that it is about; none: it has none.
    pub thread: Option<Box<str>>,
    /// Further evidence, oldest first; at most [`limits::ESCALATION_REMARKS`].
    pub evidence: Vec<Remark>,
    /// What agents noted, oldest first; at most [`limits::ESCALATION_REMARKS`].
    pub notes: Vec<Remark>,
    /// When it came to this queue.
    pub since: Time,
    /// When the next promise of the queue is broken; none: nobody promised anything more.
    pub due: Option<Time>,
    /// How many promises were broken.
    pub level: u8,
    /// How it was settled, in the company's word.
    pub outcome: Option<Box<str>>,
    /// The customer's language, as far as it was known when it opened.
    pub language: Option<Box<str>>,
}

/// A line about an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remark {
    /// When.
    pub at: Time,
    /// The agent who wrote it; none: the twin.
    pub by: Option<Box<str>>,
    /// The words.
    pub text: Box<str>,
}

/// The outcome of one of two escalations about the same, once it turns out that both customers are
/// one.
const JOINED: &str = "joined";

impl EscalationRecord {
    /// Whether an agent holds the conversation.
    pub fn is_claimed(&self) -> bool {
        self.state == EscalationState::Claimed
    }

    /// Whether people still have something to do.
    pub fn is_open(&self) -> bool {
        matches!(self.state, EscalationState::Open | EscalationState::Claimed)
    }

    /// Whether both are about one conversation, or, where one has none, about the same topic in the
    /// same queue. What people of another purpose may read is not about the same: it stays with them.
    pub fn is_about_the_same(&self, other: &EscalationRecord) -> bool {
        self.purpose == other.purpose
            && match (&self.thread, &other.thread) {
                (Some(one), Some(other)) => one == other,
                _ => self.queue == other.queue && self.topic == other.topic,
            }
    }

    /// Who holds it and since when, for whoever wants it, too.
    fn held_by(&self) -> String {
        let agent = self.agent.as_deref().unwrap_or("an agent who is not named");
        format!("held by `{agent}` since {}", self.touched)
    }
}

/// Keeps a line with the others: the first one stays, of the rest the oldest leaves first.
fn keep(lines: &mut Vec<Remark>, line: Remark) {
    if lines.len() >= limits::ESCALATION_REMARKS {
        lines.remove(1);
    }
    lines.push(line);
}

impl Twin {
    /// The open escalation to a queue about a topic.
    pub fn open_escalation(&self, queue: &str, topic: &str) -> Option<&EscalationRecord> {
        self.escalations
            .iter()
            .find(|known| &*known.queue == queue && &*known.topic == topic && known.is_open())
    }

    /// The escalations with which people still have something to do.
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

    /// Of open escalations about the same thing, as two identifiers of one customer can have them,
    /// one stays: the one that is held, else the older one. What stays does not depend on the order
    /// in which identifiers turn out to be one customer.
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
