//! Export of all data of one customer, in parts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::why::JournalEntry;
use crate::event::{Customer, Time};
use crate::twin::Decision;

/// The payload of [`verb::EXPORT`](super::verb::EXPORT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// The part.
    pub part: ExportPart,
    /// Of the journal, only inputs from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
}

/// A part of a customer's data: each fits in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportPart {
    /// The state of the twin, including its timeline, timers, contacts and experiments.
    Twin,
    /// The last decisions, with every candidate and why it was dropped.
    Decisions,
    /// The journalled inputs.
    Journal,
    /// The number of messages in the streams.
    Messages,
}

/// The reply to [`verb::EXPORT`](super::verb::EXPORT): the requested part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExportReply {
    /// The customer of the twin.
    pub customer: Customer,
    /// The requested identifier; a linked identifier leads to its customer.
    pub asked: Customer,
    /// The time of the reply.
    pub at: Time,
    /// The version of the service.
    pub service: Box<str>,
    /// The name of the active policy.
    pub policy: Box<str>,
    /// The policy's version.
    pub version: Box<str>,
    /// The state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<serde_json::Value>,
    /// The last decisions, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "serde_json::Value")]
    pub decisions: Vec<Decision>,
    /// The journalled inputs, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "serde_json::Value")]
    pub journal: Vec<JournalEntry>,
    /// The time from which the journal continues; none: this is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// The messages in the streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<MessageCount>,
}

/// The number of messages of one kind about one identifier in one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageCount {
    /// The identifier.
    pub identifier: Customer,
    /// The stream.
    pub stream: Box<str>,
    /// The kind.
    pub what: Box<str>,
    /// The number.
    pub count: u64,
}
