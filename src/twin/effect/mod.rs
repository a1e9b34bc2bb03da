//! What a reaction hands out: effects and records, as data. Nothing here changes a twin.

pub(super) mod action;
pub(super) mod brief;
pub(super) mod decision;
pub(super) mod escalation;
pub(super) mod id;
pub(super) mod observation;
pub(super) mod reaction;
mod stage;

pub use action::{Action, ActionReason, Recall};
pub use brief::{
    Attempt, Avoid, AvoidedBecause, Brief, Felt, Mood, OpenInteraction, Proposed, SpeakingHints,
    TimelineLine,
};
pub use decision::{
    Alternative, Candidate, CandidateGoal, CandidateVerdict, Decision, ScoreFactors,
};
pub use escalation::{Escalation, News};
pub use observation::Observation;
pub use reaction::{InputResult, Reaction};
pub use stage::{Stage, StageCounts};

use std::sync::Arc;

use crate::event::{ForwardedEvent, Time};
use crate::twin::input::Journalled;
use crate::twin::state::TrialUpdate;

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
