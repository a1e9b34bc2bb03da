use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an event could not be used: the last token of its dead letter's subject.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The subject is not `<prefix>.events.<channel>.<customer>`, or its channel is not a token.
    BadSubject,
    /// The customer token is empty, too long, or not the canonical spelling of an identifier.
    BadCustomer,
    /// The payload is larger than the limit.
    TooLarge,
    /// The payload is not JSON, or not UTF-8.
    BadJson,
    /// The JSON is neither a CloudEvent nor a bare `{"type": …, "data": …}`.
    BadEnvelope,
    /// The type is unknown to jumeau.
    UnknownType,
    /// The data does not match its type, or exceeds a limit.
    BadData,
    /// The twin's state does not allow the event: a limit is reached, or it contradicts the state.
    Refused,
    /// The twin's handler panicked on the event. This is a bug in the engine or in the policy.
    Panic,
}

impl Reason {
    /// Every reason.
    pub const ALL: &'static [Reason] = <Reason as strum::VariantArray>::VARIANTS;
    /// Every name, in the same order.
    pub const NAMES: &'static [&'static str] = <Reason as strum::VariantNames>::VARIANTS;

    /// The reason as a subject token.
    pub fn token(self) -> &'static str {
        self.into()
    }
}

/// Why an event could not be used, for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Rejection {
    /// The kind of the mistake.
    pub reason: Reason,
    /// What was expected, what was found, and what to do.
    pub detail: String,
}

impl Rejection {
    /// Creates a rejection for `reason`.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Rejection {
        Rejection { reason, detail: detail.into() }
    }
}
