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

mod act;
mod activity;
mod aggregate;
mod brief;
mod broadcast;
mod case;
mod consent;
mod contact;
mod counterfactual;
mod dates;
mod decay;
mod decide;
mod deferred;
mod dissatisfaction;
mod effect;
mod erase;
mod escalation;
mod guard;
mod identity;
mod input;
mod interaction;
pub mod invariants;
mod learn;
mod memory;
mod merge;
mod need;
mod outcome;
mod ownership;
mod perceive;
mod preference;
mod profile;
mod reaction;
mod recall;
mod recent;
mod resume;
mod retention;
mod sentiment;
mod signal;
mod situation;
mod state;
mod timeline;
mod timer;
mod trial;
mod understand;
mod view;
mod world;

pub use activity::{Activity, Forecast};
pub use aggregate::{AggregateState, Counted, Counter, Window};
pub use brief::{
    Attempt, Avoid, AvoidedBecause, Brief, Felt, Mood, OpenInteraction, Proposed, SpeakingHints,
    TimelineLine,
};
pub use broadcast::{Broadcasts, EndedBroadcasts, LiveBroadcast, Meeting};
pub use case::Case;
pub use consent::Consent;
pub use contact::{Contact, ContactOutcome, Presentation};
pub use counterfactual::{Counterfactual, CounterfactualChange, Factor, counterfactuals};
pub use dates::{DatedValue, Dates};
pub use decide::{Alternative, Candidate, CandidateVerdict, Decision, ScoreFactors, Stage};
pub use dissatisfaction::{Dissatisfaction, Problem};
pub use effect::{Action, ActionReason, Effect, Escalation, Observation, Recall};
pub use erase::{ErasedTwin, behind};
pub use escalation::{EscalationRecord, EscalationState, News, Remark, WaitingEscalation};
pub use guard::{Derived, Guard};
pub use identity::Identifier;
pub use input::{Answered, Asked, Cause, Fired, HandedOver, Input, Journalled, Woken};
pub use interaction::{Interaction, Pause, PausedBy, TranscriptLine};
pub use learn::ZONE;
pub use memory::{Memory, PastEntry};
pub use need::Need;
pub use ownership::{OwnershipRecord, RelinkCounter, UnlinkRecord};
pub use preference::{Choice, Declared, Forgotten, Preference};
pub use profile::Profile;
pub use reaction::{InputResult, Note, Reaction, react};
pub use recent::{Recent, WINDOW};
pub use sentiment::{HeardMessage, Sentiment, URGENCY_HALF_LIFE, ValenceTrend};
pub use signal::Signal;
pub use state::{Record, Twin};
pub use timeline::{Block, Entry, EntryKind, Packed, Timeline, TimelineEnd};
pub use timer::Timer;
pub use trial::{ArmAssignment, Trial, TrialUpdate};
pub use world::{MatchedRules, World};
