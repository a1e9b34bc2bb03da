use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::VariantNames;

use super::field::{name, optional_name, value, values};
use super::{Map, OutcomeKind, Value, nullable};
use crate::config::limits;

/// What an agent did with an escalation.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum HandoffState {
    /// The customer is handed over to agents.
    Opened,
    /// An agent has claimed the conversation; automation pauses.
    Claimed,
    /// The agent reports what was said and done, and continues.
    Noted,
    /// The agent returned the conversation.
    HandedBack,
    /// The escalation is resolved.
    Resolved,
}

impl HandoffState {
    /// The names of all states, in the order of an escalation's life.
    pub const NAMES: &'static [&'static str] = HandoffState::VARIANTS;

    /// The state's name on the bus.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// An act of an agent on an escalation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandoffData {
    /// The escalation's id, from its message; empty only for `opened`.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Box<str>>")]
    pub escalation: Box<str>,
    /// What the agent did.
    pub state: HandoffState,
    /// The agent; required for a claim, after which only this agent can act on the escalation.
    #[serde(default)]
    pub agent: Option<Box<str>>,
    /// The operator who acts instead of the agent, regardless of who has claimed it.
    #[serde(default)]
    pub operator: Option<Box<str>>,
    /// A note for the next agent; for an opened one, the reason.
    #[serde(default)]
    pub note: Option<Box<str>>,
    /// What the agent said to the customer: a line of the transcript.
    #[serde(default)]
    pub said: Option<Box<str>>,
    /// The decision by which the agent made an offer.
    #[serde(default)]
    pub decision: Option<Box<str>>,
    /// The outcome of that offer, used for learning like any other outcome.
    #[serde(default)]
    pub answer: Option<OutcomeKind>,
    /// How the escalation was resolved, in the company's own term: `refunded`.
    #[serde(default)]
    pub outcome: Option<Box<str>>,
    /// The needs that this satisfies.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Vec<Box<str>>>")]
    pub needs: Vec<Box<str>>,
    /// The cases that this closes.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Vec<Box<str>>>")]
    pub cases: Vec<Box<str>>,
    /// The step at which the conversation continues.
    #[serde(default)]
    pub step: Option<Value>,
    /// Data collected by the agent; merged into the data of the conversation.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Map>")]
    pub data: Map,
    /// For `opened`: the queue; none: see `skill`. Otherwise: the queue that the escalation must be in,
    /// or nothing is done; none: any queue.
    #[serde(default)]
    pub queue: Option<Box<str>>,
    /// For `opened`: the skill that the agents need.
    #[serde(default)]
    pub skill: Option<Box<str>>,
    /// For `opened`: the topic.
    #[serde(default)]
    pub topic: Option<Box<str>>,
    /// For `opened`: the priority, from 1 (not urgent) to 5 (immediately); 3 if absent.
    #[serde(default)]
    pub priority: Option<u8>,
}

impl HandoffData {
    pub(super) fn check(&self) -> Result<(), String> {
        let names = [
            ("agent", &self.agent),
            ("operator", &self.operator),
            ("decision", &self.decision),
            ("outcome", &self.outcome),
            ("queue", &self.queue),
            ("skill", &self.skill),
            ("topic", &self.topic),
        ];
        for (field, found) in names {
            optional_name(field, found.as_deref())?;
        }
        for (field, found, most) in
            [("needs", &self.needs, limits::NEEDS), ("cases", &self.cases, limits::CASES)]
        {
            if found.len() > most {
                return Err(format!("{} `{field}`; at most {most} fit", found.len()));
            }
            found.iter().try_for_each(|one| name(field, one))?;
        }
        self.step.as_ref().map_or(Ok(()), value)?;
        values(&self.data)?;
        match self.state {
            HandoffState::Opened => {
                if let Some(other) = self.priority.filter(|priority| !(1..=5).contains(priority)) {
                    return Err(format!("a `priority` of {other}; 1 to 5 fit"));
                }
                match (&self.queue, &self.skill, &self.topic) {
                    (Some(_), Some(_), _) => Err("both `queue` and `skill`".into()),
                    (_, _, None) => Err("no `topic`".into()),
                    (_, _, Some(_)) => Ok(()),
                }
            }
            HandoffState::Claimed if self.agent.is_none() => {
                Err("`claimed` without `agent`; name the agent".into())
            }
            _ => name("escalation", &self.escalation),
        }
    }
}
