//! The content of a brief: what an agent reads before they continue.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{
    Channel, Customer, InteractionState, Map, OutcomeKind, Time, Value, six_digits,
};
use crate::policy::Issue;
use crate::twin::state::{Case, Remark, TranscriptLine};

/// The summary that lets an agent continue without asking the customer again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Brief {
    /// The customer.
    pub customer: Customer,
    /// Since when the customer is known.
    pub known_since: Time,
    /// The customer's traits, by the company's names.
    pub traits: Map,
    /// The customer's language, if known.
    pub language: Option<Box<str>>,
    /// Why agents were asked, and what has happened since: a short story.
    pub story: Vec<Remark>,
    /// The customer's needs, strongest first, each with the reason.
    pub needs: Vec<(Box<str>, Box<str>)>,
    /// The customer's mood; none: there has been no message yet.
    pub mood: Option<Mood>,
    /// Actions taken and their outcomes, oldest first.
    pub tried: Vec<Attempt>,
    /// The number of answers that a bot has given in the last conversation.
    pub bot_answers: u32,
    /// The last lines of the last conversation, oldest first.
    pub transcript: Vec<TranscriptLine>,
    /// Open conversations and journeys, the best to resume first.
    pub interactions: Vec<OpenInteraction>,
    /// Open cases.
    pub cases: Vec<Case>,
    /// Usable preferences.
    pub preferences: BTreeMap<Box<str>, Value>,
    /// How to address them.
    pub speak: SpeakingHints,
    /// Subjects to avoid.
    pub avoid: Vec<Avoid>,
    /// The twin's next actions, best first.
    pub next: Vec<Proposed>,
    /// Recent inputs, oldest first.
    pub timeline: Vec<TimelineLine>,
}

/// A customer's mood, and the words that show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mood {
    /// −1 (bad) to 1 (good).
    pub level: f64,
    /// The trend: −1 (worse) to 1 (better).
    pub trend: f64,
    /// The urgency: 0 to 1.
    pub urgency: f64,
    /// The dissatisfaction, 0 to 1; none: the policy does not define it.
    pub dissatisfaction: Option<f64>,
    /// The last messages, oldest first.
    pub course: Vec<Felt>,
}

/// One analysed message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Felt {
    /// When it was written.
    pub at: Time,
    /// Its channel.
    pub channel: Channel,
    /// −1 (bad) to 1 (good).
    pub valence: f32,
    /// The words that show the valence.
    pub words: Vec<Box<str>>,
}

/// An action taken and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// When it was taken.
    pub at: Time,
    /// The action.
    pub action: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// The latest outcome; none: unknown.
    pub outcome: Option<OutcomeKind>,
}

/// How to address a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakingHints {
    /// The language.
    pub language: Option<Box<str>>,
    /// `gentle` or `neutral`.
    pub tone: Box<str>,
    /// The channel in which they respond best.
    pub channel: Option<Value>,
    /// The hour of their day in which they respond best, 0 to 23.
    pub hour: Option<Value>,
}

/// A subject to avoid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Avoid {
    /// The reason.
    pub why: AvoidedBecause,
    /// The subject, without details.
    pub topic: Box<str>,
}

/// Why a subject is to be avoided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AvoidedBecause {
    /// It is sensitive, and its purpose does not cover the queue.
    Sensitive,
    /// The customer has rejected it recently.
    Rejected,
    /// The customer is in distress.
    Distress,
}

/// A proposed next action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Proposed {
    /// The action.
    pub action: Box<str>,
    /// The issue it belongs to.
    pub issue: Issue,
    /// The reason, for people to read.
    pub because: Box<str>,
    /// The text to say; empty except for the best action.
    pub text: Box<str>,
    /// Its score in the arbitration.
    #[serde(serialize_with = "six_digits")]
    pub score: f64,
}

/// An open conversation or journey in a brief.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenInteraction {
    /// Its identifier.
    pub id: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Its state.
    pub state: InteractionState,
    /// The step reached.
    pub step: Value,
    /// Fields collected so far.
    pub data: Map,
    /// The channel of its last activity.
    pub channel: Channel,
    /// The time of its last activity.
    pub touched: Time,
}

/// One line of the timeline in a brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineLine {
    /// When it was processed.
    pub at: Time,
    /// The kind of input.
    pub what: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// Its content in short.
    pub text: Box<str>,
}
