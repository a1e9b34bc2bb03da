//! A twin as operators see it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Customer, Map, Time};
use crate::twin::{
    AggregateState, Case, Contact, Dissatisfaction, EscalationRecord, Forecast, Guard, Identifier,
    Interaction, Meeting, Need, Problem, Profile, Sentiment, Signal, Timer,
};

/// The answer to [`verb::SHOW`](super::verb::SHOW).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShowReply {
    /// Whose twin it is.
    pub customer: Customer,
    /// Who was asked for: an identifier that is linked to the customer passes on to them.
    #[serde(default)]
    pub asked: Option<Customer>,
    /// The partition it lives in, from 0.
    pub partition: u32,
    /// Whether it was in memory before it was asked for.
    pub resident: bool,
    /// The number of processed inputs.
    pub inputs: u64,
    /// The moment of the answer, by the clock that twins live by.
    pub now: Time,
    /// How dissatisfied the customer is, if the policy asks.
    #[serde(default)]
    pub dissatisfaction: Option<Dissatisfaction>,
    /// What the customer's activities let expect.
    #[serde(default)]
    pub forecasts: Vec<Forecast>,
    /// All that is known.
    #[schemars(with = "serde_json::Value")]
    pub twin: TwinView,
}

/// The state of one customer: a [`Twin`](crate::twin::Twin) written as JSON, read back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TwinView {
    /// Whose twin this is.
    pub customer: Customer,
    /// When the first input came.
    pub born: Time,
    /// When the last input came.
    pub seen: Time,
    /// The customer whom this identifier is linked to.
    #[serde(default)]
    pub linked_to: Option<Customer>,
    /// What the customer is and said.
    pub profile: Profile,
    /// Live facts from outside.
    pub context: Vec<Signal>,
    /// Facts that policy rules keep.
    pub facts: Map,
    /// Conversations and journeys.
    pub interactions: Vec<Interaction>,
    /// Cases with the company.
    pub cases: Vec<Case>,
    /// What the customer is believed to want.
    pub needs: Vec<Need>,
    /// Actions taken for the customer and their outcomes.
    pub contacts: Vec<Contact>,
    /// What was handed to people.
    pub escalations: Vec<EscalationRecord>,
    /// Pending timers.
    pub timers: Vec<Timer>,
    /// How the customer feels.
    #[serde(default)]
    pub sentiment: Option<Sentiment>,
    /// The recent past, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// What the policy counts of the inputs that pass.
    #[serde(default)]
    pub tallies: AggregateState,
    /// Problems that the customer had, oldest first.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// Derived values and their purposes.
    #[serde(default)]
    pub guards: Vec<Guard>,
    /// The other identifiers of this customer, and what came from each.
    #[serde(default)]
    pub identifiers: Vec<Identifier>,
    /// The broadcasts that it has met.
    #[serde(default)]
    pub met: Vec<Meeting>,
}

/// The payload of [`verb::TIMELINE`](super::verb::TIMELINE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineRequest {
    /// The most entries wanted, the newest; none: all that are held.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// The answer to [`verb::TIMELINE`](super::verb::TIMELINE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineReply {
    /// Whose timeline it is.
    pub customer: Customer,
    /// How many inputs there ever were.
    pub inputs: u64,
    /// The last of them, oldest first.
    pub entries: Vec<TimelineEntry>,
}

/// One processed input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineEntry {
    /// The how-manieth input of this twin it was, from 0.
    pub number: u64,
    /// When it was processed.
    pub at: Time,
    /// What kind it was: the type of an event, `timer` or `broadcast`.
    pub what: Box<str>,
    /// The channel that reported it; empty for a timer and a broadcast.
    pub channel: Box<str>,
    /// What it said, in short.
    pub text: Box<str>,
}
