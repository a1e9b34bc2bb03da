use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an event could not be used: the last token of its dead letter's subject.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The subject is not `<prefix>.events.<channel>.<customer>`, or its channel is no token.
    BadSubject,
    /// The customer token is empty, too long, or not the one spelling of an identifier.
    BadCustomer,
    /// The payload is larger than the limit.
    TooLarge,
    /// The payload is not JSON, or not UTF-8.
    BadJson,
    /// The JSON is no CloudEvent and no bare `{"type": …, "data": …}`.
    BadEnvelope,
    /// The type is none that jumeau knows.
    UnknownType,
    /// The data does not fit its type, or is beyond a limit.
    BadData,
    /// The twin's state cannot take the event in: a limit is reached, or it contradicts the state.
    Refused,
    /// The twin's handler panicked on the event. This is a defect of the engine or of the policy.
    Panic,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 9] = [
        Reason::BadSubject,
        Reason::BadCustomer,
        Reason::TooLarge,
        Reason::BadJson,
        Reason::BadEnvelope,
        Reason::UnknownType,
        Reason::BadData,
        Reason::Refused,
        Reason::Panic,
    ];

    /// The reason as a subject token.
    pub const fn token(self) -> &'static str {
        match self {
            Reason::BadSubject => "bad-subject",
            Reason::BadCustomer => "bad-customer",
            Reason::TooLarge => "too-large",
            Reason::BadJson => "bad-json",
            Reason::BadEnvelope => "bad-envelope",
            Reason::UnknownType => "unknown-type",
            Reason::BadData => "bad-data",
            Reason::Refused => "refused",
            Reason::Panic => "panic",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.token())
    }
}

/// Why an event could not be used, for a machine and for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Rejection {
    /// The kind of the mistake.
    pub reason: Reason,
    /// What was expected, what was found, and what to do.
    pub detail: String,
}

impl Rejection {
    /// A rejection for `reason`.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Rejection {
        Rejection { reason, detail: detail.into() }
    }
}
