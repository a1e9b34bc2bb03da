use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of an outcome.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// The action reached the customer's device.
    Delivered,
    /// It was visible on the customer's screen.
    Seen,
    /// The customer clicked it.
    Clicked,
    /// The customer accepted it.
    Accepted,
    /// The customer rejected it.
    Rejected,
    /// The customer dismissed it.
    Dismissed,
    /// There was no outcome in time.
    Ignored,
    /// The channel placed it in a slot.
    Offered,
    /// The customer wants to be reminded later.
    Later,
    /// It was recalled before the customer saw it.
    Recalled,
}

impl OutcomeKind {
    /// Every kind, in the order in which they may occur.
    pub const ALL: [OutcomeKind; 10] = [
        OutcomeKind::Offered,
        OutcomeKind::Delivered,
        OutcomeKind::Seen,
        OutcomeKind::Clicked,
        OutcomeKind::Accepted,
        OutcomeKind::Rejected,
        OutcomeKind::Dismissed,
        OutcomeKind::Later,
        OutcomeKind::Ignored,
        OutcomeKind::Recalled,
    ];

    /// The outcome's name on the bus.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The outcome of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeData {
    /// The decision's id, from the action.
    pub decision: Box<str>,
    /// The outcome.
    pub outcome: OutcomeKind,
}
