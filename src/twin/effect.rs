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

/// Something to be done outside the twin, once the change that it belongs to is durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An action to perform.
    Act(Arc<Action>),
    /// An action to take back.
    Recall(Box<Recall>),
    /// An escalation that opened or changed.
    Escalate(Box<Escalation>),
    /// An event to pass on to another identifier of the customer.
    Forward(Box<ForwardedEvent>),
    /// A timer to index.
    StartTimer {
        /// Its name.
        name: Box<str>,
        /// When it fires.
        due: Time,
    },
    /// A timer to take out of the index.
    CancelTimer {
        /// Its name.
        name: Box<str>,
        /// When it would have fired.
        due: Time,
    },
    /// Nothing of the timeline is remembered any more: what a store keeps of it beside the state
    /// goes, and so do the records of decisions, which are as old.
    LetGo,
    /// The customer has not been seen for so long that nothing is to be kept of them.
    Forget {
        /// When they were seen last: if they are seen again before it comes to that, they stay.
        seen: Time,
    },
    /// The arbitration, to keep for whoever asks why.
    Record(Box<Decision>),
    /// An answer to learn from.
    Observe(Box<Observation>),
    /// A step of an experiment to count.
    Try(Box<TrialUpdate>),
    /// Something to keep for replay: it was a part of the input, and is not in the stream.
    Journal {
        /// The time of the input.
        at: Time,
        /// What it was.
        input: Box<Journalled>,
    },
}

/// One action to perform, as integrators get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    /// The decision's identifier, which outcomes name; the same in every copy.
    pub decision: Box<str>,
    /// For whom.
    pub customer: Customer,
    /// What to do.
    pub action: Box<str>,
    /// The issue it belongs to.
    pub issue: Issue,
    /// Where to say it.
    pub channel: Box<str>,
    /// Which of the action's treatments this is.
    pub treatment: Box<str>,
    /// How it sounds.
    pub tone: Box<str>,
    /// Where to show it, if a channel asked for something to show there.
    #[serde(default)]
    pub placement: Option<Box<str>>,
    /// What else tells the treatment apart: an image, a colour…
    #[serde(default)]
    pub variant: Map,
    /// The language of the text, as a BCP 47 tag.
    pub language: Box<str>,
    /// What to say.
    pub text: Box<str>,
    /// What whoever performs it needs to know.
    pub data: Map,
    /// When it was decided.
    pub at: Time,
    /// Why.
    pub reason: ActionReason,
    /// The trace context of the event that led to it; the envelope carries it.
    #[serde(skip)]
    pub traceparent: Option<Box<str>>,
}

/// One action to take back, as integrators get it: it no longer fits, and nobody has seen it yet as
/// far as the twin knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recall {
    /// The recall's identifier, the same in every copy.
    pub recall: Box<str>,
    /// The decision that led to the action.
    pub decision: Box<str>,
    /// For whom it is.
    pub customer: Customer,
    /// The action.
    pub action: Box<str>,
    /// Where it was to be said.
    pub channel: Box<str>,
    /// When it was recalled.
    pub at: Time,
    /// The stage of a decision that it would not pass any more.
    pub stage: Stage,
    /// Why not.
    pub because: CandidateVerdict,
    /// The policy.
    pub policy: Box<str>,
    /// The policy's version.
    pub version: Version,
    /// The trace context of the event that led to it; the envelope carries it.
    #[serde(skip)]
    pub traceparent: Option<Box<str>>,
}

/// What came of an action, to be learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// The decision; there is one observation of it.
    pub decision: Box<str>,
    /// Who was spoken to.
    pub customer: Customer,
    /// What was done.
    pub action: Box<str>,
    /// In which of its treatments.
    pub treatment: Box<str>,
    /// Where it was said.
    pub channel: Box<str>,
    /// How it sounded.
    pub tone: Box<str>,
    /// The language of the text, as a BCP 47 tag.
    pub language: Box<str>,
    /// The version of the policy that decided.
    pub policy: Version,
    /// When it was decided.
    pub decided: Time,
    /// When it was answered, or known that there is no answer.
    pub at: Time,
    /// The answer.
    pub outcome: OutcomeKind,
    /// 1 if there was a response, 0 if not.
    pub reward: u8,
    /// What the choice went by.
    pub exposure: Exposure,
}

/// Why an action was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActionReason {
    /// The need that it serves; none if a rule proposed it.
    pub need: Option<Box<str>>,
    /// The strength of that need, 0 to 1.
    pub strength: f64,
    /// Why the twin has that need, in words for people.
    pub because: Box<str>,
    /// What the arbitration gave it.
    pub score: f64,
    /// The policy.
    pub policy: Box<str>,
    /// The policy's version.
    pub version: Version,
    /// The actions that were not taken, and why not.
    pub instead_of: Vec<Alternative>,
    /// The arms of experiments that it was decided under.
    #[serde(default)]
    pub arms: Vec<ArmAssignment>,
}

/// One escalation, or a change of its state, as people's desks get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Escalation {
    /// The escalation's identifier, the same through all its states.
    pub id: Box<str>,
    /// The identifier of this message: the same in every copy.
    #[serde(skip)]
    pub message: Box<str>,
    /// Whose it is.
    pub customer: Customer,
    /// The queue of people.
    pub queue: Box<str>,
    /// What it is about.
    pub topic: Box<str>,
    /// 1 (whenever) to 5 (now).
    pub priority: u8,
    /// Where it stands.
    pub state: EscalationState,
    /// Why, in words for people.
    pub because: Box<str>,
    /// Who holds or held it.
    pub agent: Option<Box<str>>,
    /// What the agent left for whoever goes on.
    pub note: Option<Box<str>>,
    /// How it was settled, in the company's word.
    pub outcome: Option<Box<str>>,
    /// The conversation that it is about; none: it has none.
    pub thread: Option<Box<str>>,
    /// When it was opened.
    pub opened: Time,
    /// When the next promise of the queue is broken; none: nobody promised anything more.
    pub due: Option<Time>,
    /// How many promises were broken.
    pub level: u8,
    /// When it came to this state.
    pub at: Time,
    /// What is new since the last message about it; nothing: its state.
    pub changed: Vec<News>,
    /// The whole story, when it opens and when an agent takes it.
    pub brief: Option<Brief>,
    /// The trace context of the event that led to it; the envelope carries it.
    #[serde(skip)]
    pub traceparent: Option<Box<str>>,
}
