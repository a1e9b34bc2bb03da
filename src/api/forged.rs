//! Forged messages on the internal channel.
//!
//! The service rejects them while processing the stream; other readers of the stream do not have the
//! secret to recognise them, so they ask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The payload of [`verb::FORGED`](super::verb::FORGED).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgedRequest {
    /// Sequences of messages in the event stream.
    pub sequences: Vec<u64>,
}

/// The reply to [`verb::FORGED`](super::verb::FORGED).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ForgedReply {
    /// Those that claim to be the service's own and are not, in the requested order. Messages that the
    /// stream no longer holds are not included.
    pub forged: Vec<u64>,
}
