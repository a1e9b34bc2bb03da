//! The twin: the state of one customer and its pure reaction function.
//!
//! Takes one [`Input`] with its time; changes the state and returns a [`Reaction`], with side effects as
//! data ([`Effect`]). No clock, no IO, no randomness: the same inputs under the same policy give the same
//! reactions, byte for byte.
//!
//! ```text
//! input ─▶ perceive ─▶ understand ─▶ decide ─▶ act ─▶ reaction
//!          validate,    rules raise   one       texts,
//!          fold into    and satisfy   arbitra-  timers,
//!          the state    needs         tion      escalations
//! ```
//!
//! No layer uses a higher one, and the four stages do not use each other; `tests/imports.rs` keeps it so.
//! From above: `react`, the way of an input, and `counterfactual`; the stages, and beside them `identity`
//! (links and memories that move), `escalation` and `brief`, which a stage may use; `moment`, the
//! surroundings of one reaction; `fold`, the changes of the state, and `invariants`; `effect`, what a
//! reaction hands out; `state`, what is known; `input` and `note`.

mod act;
mod brief;
mod counterfactual;
mod decide;
mod effect;
mod escalation;
mod fold;
mod identity;
mod input;
pub mod invariants;
mod moment;
mod note;
mod perceive;
mod react;
mod state;
mod understand;

pub use counterfactual::{Counterfactual, CounterfactualChange, Factor, counterfactuals};
pub use effect::{
    Action, ActionReason, Alternative, Attempt, Avoid, AvoidedBecause, Brief, Candidate,
    CandidateGoal, CandidateVerdict, Decision, Effect, Escalation, Felt, InputResult, Mood, News,
    Observation, OpenInteraction, Proposed, Reaction, Recall, ScoreFactors, SpeakingHints, Stage,
    StageCounts, TimelineLine,
};
pub use escalation::WaitingEscalation;
pub use identity::{ErasedTwin, behind};
pub use input::{Answered, Asked, Cause, Fired, HandedOver, Input, Journalled, WINDOW, Woken};
pub use moment::{
    Broadcasts, Dissatisfaction, EndedBroadcasts, LiveBroadcast, MatchedRules, World,
};
pub use note::Note;
pub use react::react;
pub use state::{
    Activity, AggregateState, ArmAssignment, AwaitedGoal, Block, Case, Choice, Consent, Contact,
    ContactOutcome, Counted, Counter, DatedValue, Dates, Declared, Derived, Entry, EntryKind,
    EscalationRecord, EscalationState, Forecast, Forgotten, GraveMatter, Guard, HeardMessage,
    Identifier, Interaction, Measurement, Meeting, Memory, Need, OwnershipRecord, Packed,
    PastEntry, Pause, PausedBy, Preference, Presentation, Problem, Profile, Recent, Record,
    RelinkCounter, Remark, Sentiment, Signal, Timeline, TimelineEnd, Timer, TranscriptLine, Trial,
    TrialUpdate, Twin, URGENCY_HALF_LIFE, UnlinkRecord, ValenceTrend, Window, ZONE,
};
