//! What people who take over ask, and do: one customer's story, and the acts of agents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Customer, HandoffData, Time};
use crate::twin::{Brief, Escalation, EscalationRecord};

/// The payload of [`verb::ESCALATIONS_SHOW`](super::verb::ESCALATIONS_SHOW).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EscalationRequest {
    /// Which; none: the open one that changed last.
    pub escalation: Option<Box<str>>,
    /// The language of the text, as a BCP 47 tag; none: that of the queue.
    pub language: Option<Box<str>>,
}

/// The answer to [`verb::ESCALATIONS_SHOW`](super::verb::ESCALATIONS_SHOW).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EscalationReply {
    /// Whose it is.
    pub customer: Customer,
    /// The moment of the answer, by the clock that twins live by.
    pub at: Time,
    /// The escalation.
    #[schemars(with = "serde_json::Value")]
    pub escalation: EscalationRecord,
    /// The story as it is now.
    pub brief: Brief,
    /// The same for people to read.
    pub text: String,
}

/// The payload of what agents do: [`verb::ESCALATIONS_CLAIM`](super::verb::ESCALATIONS_CLAIM) and the
/// like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActRequest {
    /// The channel of the agents' desk; `desk` if not said.
    #[serde(default)]
    pub channel: Option<Box<str>>,
    /// The identifier of the request: a second one with the same does nothing. None: this one is no
    /// copy.
    #[serde(default)]
    pub id: Option<Box<str>>,
    /// When it is done, for a service on event time.
    #[serde(default)]
    pub time: Option<Time>,
    /// The W3C trace context that it travels in.
    #[serde(default)]
    pub traceparent: Option<Box<str>>,
    /// What is done; the verb says the `state`, so it may be left out.
    #[serde(flatten)]
    pub handoff: HandoffData,
}

/// The answer to what agents do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActReply {
    /// Whose twin has taken it in: an identifier that is linked to a customer passes on to them.
    pub customer: Customer,
    /// When, by the clock that twins live by.
    pub at: Time,
    /// The escalation as it is now, with the story if it was claimed; none if nothing about it is
    /// new.
    pub escalation: Option<Escalation>,
}
