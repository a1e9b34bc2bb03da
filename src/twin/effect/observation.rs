//! Observations: the outcomes of actions, for training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Customer, OutcomeKind, Time};
use crate::models::Exposure;
use crate::policy::Version;
use crate::twin::state::ArmAssignment;

/// An observation: the outcome of an action, for training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// The decision; each has at most one observation.
    pub decision: Box<str>,
    /// The customer.
    pub customer: Customer,
    /// The action.
    pub action: Box<str>,
    /// Its treatment.
    pub treatment: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// The tone.
    pub tone: Box<str>,
    /// The language of the text, as a BCP 47 tag.
    pub language: Box<str>,
    /// The version of the policy that decided.
    pub policy: Version,
    /// When it was decided.
    pub decided: Time,
    /// When there was an outcome, or it became certain that there is none.
    pub at: Time,
    /// The outcome.
    pub outcome: OutcomeKind,
    /// 1 if there was a response, 0 if not.
    pub reward: u8,
    /// The features of the choice.
    pub exposure: Exposure,
    /// The arm of an experiment that measures the uplift of the action: then it was taken, or would have been
    /// taken but for the control group, in any treatment; the reward is whether the goal was reached, and
    /// the outcome `accepted` or `ignored`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<ArmAssignment>,
}
