//! Requests of agents: one escalation with its brief, and their acts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Customer, HandoffData, Time};
use crate::twin::{Brief, Escalation, EscalationRecord};

/// The payload of [`verb::ESCALATIONS_SHOW`](super::verb::ESCALATIONS_SHOW).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EscalationRequest {
    /// The escalation; none: the open one that changed last.
    pub escalation: Option<Box<str>>,
    /// The language of the text, as a BCP 47 tag; none: that of the queue.
    pub language: Option<Box<str>>,
}

/// The reply to [`verb::ESCALATIONS_SHOW`](super::verb::ESCALATIONS_SHOW).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EscalationReply {
    /// Its customer.
    pub customer: Customer,
    /// The time of the reply, by the twin's clock.
    pub at: Time,
    /// The escalation.
    #[schemars(with = "serde_json::Value")]
    pub escalation: EscalationRecord,
    /// The current brief.
    pub brief: Brief,
    /// The brief as text.
    pub text: String,
}

/// The payload of agents' acts: [`verb::ESCALATIONS_CLAIM`](super::verb::ESCALATIONS_CLAIM) and the like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActRequest {
    /// The channel in which the agent works; `desk` if omitted.
    #[serde(default)]
    pub channel: Option<Box<str>>,
    /// The id of the request: a second request with the same id has no effect. None: this is not a
    /// duplicate.
    #[serde(default)]
    pub id: Option<Box<str>>,
    /// The time of the act, for a service on event time.
    #[serde(default)]
    pub time: Option<Time>,
    /// The W3C trace context of the request.
    #[serde(default)]
    pub traceparent: Option<Box<str>>,
    /// The act; the verb determines the `state`, so it may be omitted.
    #[serde(flatten)]
    pub handoff: HandoffData,
}

/// The reply to an agent's act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActReply {
    /// The customer of the twin that processed it; a linked identifier leads to its customer.
    pub customer: Customer,
    /// The time, by the twin's clock.
    pub at: Time,
    /// The current escalation, with the brief if it was claimed; none if nothing about it changed.
    pub escalation: Option<Escalation>,
}
