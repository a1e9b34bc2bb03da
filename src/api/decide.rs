//! Decide requests of channels and their replies.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{AskData, Customer, Map, Time, six_digits};
use crate::policy::Issue;
use crate::twin::Action;

/// The payload of [`verb::DECIDE`](super::verb::DECIDE): what to show to this customer now?
///
/// It counts as an event of type `ask`: the twin remembers it, and rules may react to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideRequest {
    /// The requesting channel; optional if the subject names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Box<str>>,
    /// The id of the request: a second request with the same id is a duplicate. None: this is not a
    /// duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Box<str>>,
    /// The time of the request, for a service on event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The W3C trace context of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Box<str>>,
    /// The placements, the number of actions wanted, and the current context.
    #[serde(flatten)]
    pub ask: AskData,
}

/// The reply to [`verb::DECIDE`](super::verb::DECIDE).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecideReply {
    /// The requested identifier. If it is linked to a customer, their twin decided.
    pub customer: Customer,
    /// The time, by the twin's clock.
    pub at: Time,
    /// The name of the policy.
    pub policy: Box<str>,
    /// The policy's version.
    pub version: Box<str>,
    /// The actions to show, best first in each placement; may be empty.
    pub offers: Vec<OfferedAction>,
}

/// One action to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedAction {
    /// The decision's id, which outcomes name.
    pub decision: Box<str>,
    /// The name of the action.
    pub action: Box<str>,
    /// The issue it belongs to.
    pub issue: Issue,
    /// The treatment.
    pub treatment: Box<str>,
    /// The placement; none: wherever the channel can.
    pub placement: Option<Box<str>>,
    /// The tone.
    pub tone: Box<str>,
    /// Further properties of the treatment: an image, a colour…
    pub variant: Map,
    /// The language of the text, as a BCP 47 tag.
    pub language: Box<str>,
    /// The text.
    pub text: Box<str>,
    /// Data for the channel.
    pub data: Map,
    /// The score in the arbitration.
    #[serde(serialize_with = "six_digits")]
    pub score: f64,
}

impl OfferedAction {
    /// An action in the form of the reply.
    pub fn of(action: &Arc<Action>) -> OfferedAction {
        OfferedAction {
            decision: action.decision.clone(),
            action: action.action.clone(),
            issue: action.issue,
            treatment: action.treatment.clone(),
            placement: action.placement.clone(),
            tone: action.tone.clone(),
            variant: action.variant.clone(),
            language: action.language.clone(),
            text: action.text.clone(),
            data: action.data.clone(),
            score: action.reason.score,
        }
    }
}
