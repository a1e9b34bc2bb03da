//! Which messages on the service's own channel it did not write.
//!
//! It refuses those when it takes the stream in. Whoever reads the stream again lacks the secret by
//! which they are told apart, and asks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The payload of [`verb::FORGED`](super::verb::FORGED).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgedRequest {
    /// Sequences of messages in the stream of events.
    pub sequences: Vec<u64>,
}

/// The answer to [`verb::FORGED`](super::verb::FORGED).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ForgedReply {
    /// Those of them that claim to be the service's own and are not, in the order in which they were
    /// named. What the stream does not hold any more is not among them.
    pub forged: Vec<u64>,
}
