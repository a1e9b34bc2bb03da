use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Alternative, ArmAssignment, Brief, CandidateVerdict, Decision, EscalationState, Journalled,
    News, Stage, TrialUpdate,
};
use crate::event::{Customer, ForwardedEvent, Map, OutcomeKind, Time};
use crate::models::Exposure;
use crate::policy::{Issue, Version};

/// A side effect to perform outside the twin, after the commit of the state change.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An action to perform.
    Act(Arc<Action>),
    /// An action to take back.
    Recall(Box<Recall>),
    /// An escalation that opened or changed.
    Escalate(Box<Escalation>),
    /// An event to forward to another identifier of the customer.
    Forward(Box<ForwardedEvent>),
    /// A timer to index.
    StartTimer {
        /// Its name.
        name: Box<str>,
        /// When it fires.
        due: Time,
    },
    /// A timer to remove from the index.
    CancelTimer {
        /// Its name.
        name: Box<str>,
        /// When it would have fired.
        due: Time,
    },
    /// The whole timeline was deleted: the store deletes its separately stored blocks, and the decision
    /// records, which are as old.
    LetGo,
    /// The retention period of the customer's data has expired: delete the twin.
    Forget {
        /// When they were last seen: if they are seen again before the deletion, they are kept.
        seen: Time,
    },
    /// The decision record, kept for `why`.
    Record(Box<Decision>),
    /// An observation for training.
    Observe(Box<Observation>),
    /// An experiment update to count.
    Try(Box<TrialUpdate>),
    /// An input, or a part of one, to journal for replay, because it is not in the stream.
    Journal {
        /// The time of the input.
        at: Time,
        /// The journalled input.
        input: Box<Journalled>,
    },
}

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
}

/// Why an action was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActionReason {
    /// The need that it serves; none if a rule proposed it.
    pub need: Option<Box<str>>,
    /// The strength of that need, 0 to 1.
    pub strength: f64,
    /// The reason for the need, for people to read.
    pub because: Box<str>,
    /// Its score in the arbitration.
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

/// One escalation, or a change of its state, as agents' systems receive it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Escalation {
    /// The escalation's id, the same in all its states.
    pub id: Box<str>,
    /// The id of this message: the same in every copy.
    #[serde(skip)]
    pub message: Box<str>,
    /// The customer.
    pub customer: Customer,
    /// The queue.
    pub queue: Box<str>,
    /// The topic.
    pub topic: Box<str>,
    /// The priority, from 1 (not urgent) to 5 (immediately).
    pub priority: u8,
    /// The state.
    pub state: EscalationState,
    /// The reason, for people to read.
    pub because: Box<str>,
    /// The agent who has or had claimed it.
    pub agent: Option<Box<str>>,
    /// The agent's note for the next agent.
    pub note: Option<Box<str>>,
    /// How it was resolved, in the company's own term.
    pub outcome: Option<Box<str>>,
    /// The conversation that it concerns, if any.
    pub thread: Option<Box<str>>,
    /// When it was opened.
    pub opened: Time,
    /// The queue's next deadline; none: no further deadline.
    pub due: Option<Time>,
    /// The number of missed deadlines.
    pub level: u8,
    /// When it entered this state.
    pub at: Time,
    /// The changes since the last message about it; empty: only its state.
    pub changed: Vec<News>,
    /// The whole brief, when it opens and when an agent claims it.
    pub brief: Option<Brief>,
    /// The trace context of the event that caused it; the envelope carries it.
    #[serde(skip)]
    pub traceparent: Option<Box<str>>,
}
