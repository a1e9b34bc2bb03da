//! Decide requests of channels and their replies.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{AskData, Customer, Map, Time};
use crate::policy::Issue;
use crate::twin::Action;

/// The payload of [`verb::DECIDE`](super::verb::DECIDE): what to show to this customer now?
///
/// It counts as an event of type `ask`: the twin remembers it, and rules may answer to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecideRequest {
    /// The channel that asks; may be left out where the subject names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Box<str>>,
    /// The identifier of the request: a second one with the same is not answered anew. None: this
    /// one is no copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Box<str>>,
    /// When it is asked, for a service on event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The W3C trace context that it travels in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Box<str>>,
    /// Where there is room, how many are wanted, and the context of this moment.
    #[serde(flatten)]
    pub ask: AskData,
}

/// The answer to [`verb::DECIDE`](super::verb::DECIDE).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecideReply {
    /// The identifier that was asked about. If it is linked to a customer, their twin decided.
    pub customer: Customer,
    /// When, by the clock that twins live by.
    pub at: Time,
    /// The name of the policy.
    pub policy: Box<str>,
    /// The policy's version.
    pub version: Box<str>,
    /// What to show, best first in each place; perhaps nothing.
    pub offers: Vec<OfferedAction>,
}

/// One action to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedAction {
    /// The decision's identifier, which outcomes name.
    pub decision: Box<str>,
    /// What to do.
    pub action: Box<str>,
    /// The issue it belongs to.
    pub issue: Issue,
    /// Which of the action's treatments this is.
    pub treatment: Box<str>,
    /// Where to show it; none: wherever the channel can.
    pub placement: Option<Box<str>>,
    /// How it sounds.
    pub tone: Box<str>,
    /// What else tells the treatment apart: an image, a colour…
    pub variant: Map,
    /// The language of the text, as a BCP 47 tag.
    pub language: Box<str>,
    /// What to say.
    pub text: Box<str>,
    /// Data for the channel.
    pub data: Map,
    /// What the arbitration gave it.
    pub score: f64,
}

impl OfferedAction {
    /// An action, as whoever asked is told of it.
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
