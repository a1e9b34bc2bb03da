//! Actions and recalls, as integrators receive them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Alternative, CandidateVerdict, Stage};
use crate::event::{Customer, Map, Time, six_digits};
use crate::policy::{Issue, Version};
use crate::twin::state::ArmAssignment;

/// One action to perform, as integrators receive it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    /// The decision's id, to which outcomes refer; the same in every copy.
    pub decision: Box<str>,
    /// The customer.
    pub customer: Customer,
    /// The action.
    pub action: Box<str>,
    /// The issue it belongs to.
    pub issue: Issue,
    /// The channel.
    pub channel: Box<str>,
    /// The action's treatment.
    pub treatment: Box<str>,
    /// The tone.
    pub tone: Box<str>,
    /// The placement, if a channel requested one.
    #[serde(default)]
    pub placement: Option<Box<str>>,
    /// The treatment's creative attributes: an image, a colour…
    #[serde(default)]
    pub variant: Map,
    /// The language of the text, as a BCP 47 tag.
    pub language: Box<str>,
    /// The text.
    pub text: Box<str>,
    /// Data for the integrator.
    pub data: Map,
    /// When it was decided.
    pub at: Time,
    /// The reason.
    pub reason: ActionReason,
    /// The trace context of the event that caused it; the envelope carries it.
    #[serde(skip)]
    pub traceparent: Option<Box<str>>,
}

/// A recall, as integrators receive it: the action no longer fits and, as far as the twin knows, has not
/// been seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recall {
    /// The recall's id, the same in every copy.
    pub recall: Box<str>,
    /// The decision of the action.
    pub decision: Box<str>,
    /// The customer.
    pub customer: Customer,
    /// The action.
    pub action: Box<str>,
    /// The channel of the action.
    pub channel: Box<str>,
    /// When it was recalled.
    pub at: Time,
    /// The stage of a decision that it would no longer pass.
    pub stage: Stage,
    /// The verdict of that stage.
    pub because: CandidateVerdict,
    /// The policy.
    pub policy: Box<str>,
    /// The policy's version.
    pub version: Version,
    /// The trace context of the event that caused it; the envelope carries it.
    #[serde(skip)]
    pub traceparent: Option<Box<str>>,
}

/// Why an action was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActionReason {
    /// The need that it serves; none if a rule proposed it.
    pub need: Option<Box<str>>,
    /// The strength of that need, 0 to 1.
    #[serde(serialize_with = "six_digits")]
    pub strength: f64,
    /// The reason for the need, for people to read.
    pub because: Box<str>,
    /// Its score in the arbitration.
    #[serde(serialize_with = "six_digits")]
    pub score: f64,
    /// The policy.
    pub policy: Box<str>,
    /// The policy's version.
    pub version: Version,
    /// The actions that were not chosen, with the reasons.
    pub instead_of: Vec<Alternative>,
    /// The customer's arms of experiments at the time.
    #[serde(default)]
    pub arms: Vec<ArmAssignment>,
}
