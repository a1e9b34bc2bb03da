//! A twin as operators see it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Customer, Map, Time};
use crate::twin::{
    AggregateState, Case, Contact, Dissatisfaction, EscalationRecord, Forecast, GraveMatter, Guard,
    Identifier, Interaction, Meeting, Need, Problem, Profile, Sentiment, Signal, Timer, Trial,
};

/// The reply to [`verb::SHOW`](super::verb::SHOW).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShowReply {
    /// The customer of the twin.
    pub customer: Customer,
    /// The requested identifier; a linked identifier leads to its customer.
    #[serde(default)]
    pub asked: Option<Customer>,
    /// Its partition, from 0.
    pub partition: u32,
    /// Whether it was in memory before the request.
    pub resident: bool,
    /// The number of processed inputs.
    pub inputs: u64,
    /// The time of the reply, by the twin's clock.
    pub now: Time,
    /// The customer's dissatisfaction, if the policy uses it.
    #[serde(default)]
    pub dissatisfaction: Option<Dissatisfaction>,
    /// Forecasts from the customer's activities.
    #[serde(default)]
    pub forecasts: Vec<Forecast>,
    /// The complete state.
    #[schemars(with = "serde_json::Value")]
    pub twin: TwinView,
}

/// The state of one customer: a [`Twin`](crate::twin::Twin) written as JSON, parsed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TwinView {
    /// The customer.
    pub customer: Customer,
    /// The time of the first input.
    pub born: Time,
    /// The time of the last input.
    pub seen: Time,
    /// The customer whom this identifier is linked to.
    #[serde(default)]
    pub linked_to: Option<Customer>,
    /// The customer's traits, preferences and consents.
    pub profile: Profile,
    /// Live signals from outside.
    pub context: Vec<Signal>,
    /// Facts that policy rules keep.
    pub facts: Map,
    /// Conversations and journeys.
    pub interactions: Vec<Interaction>,
    /// Cases with the company.
    pub cases: Vec<Case>,
    /// The customer's believed needs.
    pub needs: Vec<Need>,
    /// Actions taken for the customer and their outcomes.
    pub contacts: Vec<Contact>,
    /// Escalations to agents.
    pub escalations: Vec<EscalationRecord>,
    /// Pending timers.
    pub timers: Vec<Timer>,
    /// The customer's sentiment.
    #[serde(default)]
    pub sentiment: Option<Sentiment>,
    /// The recent past, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// The policy's aggregates over inputs.
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
    /// The broadcasts that it has received.
    #[serde(default)]
    pub met: Vec<Meeting>,
    /// Grave topics about which the customer wrote.
    #[serde(default)]
    pub grave: Vec<GraveMatter>,
    /// The experiments that the customer has entered, each with the customer's arm.
    #[serde(default)]
    pub trials: Vec<Trial>,
}

/// The payload of [`verb::TIMELINE`](super::verb::TIMELINE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineRequest {
    /// The maximum number of entries, the newest ones; none: all.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// The reply to [`verb::TIMELINE`](super::verb::TIMELINE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineReply {
    /// The customer of the timeline.
    pub customer: Customer,
    /// The total number of inputs.
    pub inputs: u64,
    /// The last of them, oldest first.
    pub entries: Vec<TimelineEntry>,
}

/// One processed input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineEntry {
    /// Its zero-based index among the inputs of this twin.
    pub number: u64,
    /// When it was processed.
    pub at: Time,
    /// Its kind: the type of an event, `timer` or `broadcast`.
    pub what: Box<str>,
    /// The channel that reported it; empty for a timer and a broadcast.
    pub channel: Box<str>,
    /// A short summary.
    pub text: Box<str>,
}
