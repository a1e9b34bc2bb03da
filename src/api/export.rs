//! Everything that is held of one customer, part by part.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::why::JournalEntry;
use crate::event::{Customer, Time};
use crate::twin::Decision;

/// The payload of [`verb::EXPORT`](super::verb::EXPORT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// Which part.
    pub part: ExportPart,
    /// Of the journal, only what came at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
}

/// A part of what is held: each fits a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportPart {
    /// The state of the twin, its timeline, timers, contacts and experiments among it.
    Twin,
    /// The last decisions, with every candidate and why it was dropped.
    Decisions,
    /// Inputs that did not come from the stream.
    Journal,
    /// How many messages the streams hold.
    Messages,
}

/// The answer to [`verb::EXPORT`](super::verb::EXPORT): the part that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExportReply {
    /// Whose twin it is.
    pub customer: Customer,
    /// Who was asked for: an identifier that is linked to the customer passes on to them.
    pub asked: Customer,
    /// The moment of the answer.
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
    /// The last decisions, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "serde_json::Value")]
    pub decisions: Vec<Decision>,
    /// Inputs that did not come from the stream, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "serde_json::Value")]
    pub journal: Vec<JournalEntry>,
    /// There is more of the journal, from this moment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// What streams hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<MessageCount>,
}

/// So many messages of one kind about one identifier are in one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageCount {
    /// The identifier.
    pub identifier: Customer,
    /// The stream.
    pub stream: Box<str>,
    /// What they are.
    pub what: Box<str>,
    /// How many.
    pub count: u64,
}
