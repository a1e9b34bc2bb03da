//! The twin: what is known of one customer, and how it reacts. Pure.
//!
//! In comes one [`Input`] with its time; out goes a [`Reaction`]: the twin's state has changed, and
//! what is to be done outside is there as data ([`Effect`]). No clock, no IO, no chance: the same
//! inputs under the same policy give the same reactions, byte for byte.
//!
//! ```text
//! input ─▶ perceive ─▶ understand ─▶ decide ─▶ act ─▶ reaction
//!          validate,    rules raise   one       texts,
//!          fold into    and satisfy   arbitra-  timers,
//!          the state    needs         tion      escalations
//! ```

mod act;
mod activity;
mod brief;
mod broadcast;
mod case;
mod consent;
mod contact;
mod context;
mod dates;
mod decay;
mod decide;
mod dissatisfaction;
mod effect;
mod erase;
mod escalation;
mod flip;
mod guard;
mod hand;
mod held;
mod identity;
mod input;
mod interaction;
pub mod invariants;
mod learn;
mod memory;
mod merge;
mod need;
mod outcome;
mod perceive;
mod preference;
mod profile;
mod reaction;
mod recall;
mod recent;
mod resume;
mod retention;
mod sentiment;
mod situation;
mod state;
mod tally;
mod timeline;
mod timer;
mod trial;
mod understand;
mod view;
mod world;

pub use activity::{Activity, Forecast};
pub use brief::{
    Attempt, Avoid, AvoidedBecause, Brief, Felt, Mood, OpenInteraction, Proposed, Speak,
    TimelineLine,
};
pub use broadcast::{Broadcasts, Meeting, Over, Shared};
pub use case::Case;
pub use consent::Consent;
pub use contact::{Contact, ContactOutcome, Shown};
pub use context::Signal;
pub use dates::{Dates, Told};
pub use decide::{Alternative, Candidate, Decision, Stage, Verdict as CandidateVerdict, Weights};
pub use dissatisfaction::{Dissatisfaction, Problem};
pub use effect::{Action, Effect, Escalation, Observation, Reason, Recall};
pub use erase::{Erased, behind};
pub use escalation::{Escalated, EscalationState, News, Remark, Waiting};
pub use flip::{Change, Factor, Flip, flips};
pub use guard::{Derived, Guard};
pub use hand::{Hand, Moves, Parted};
pub use identity::Identifier;
pub use input::{Answered, Asked, Cause, Fired, HandedOver, Input, Journalled, Woken};
pub use interaction::{Interaction, Line, Pause, PausedBy};
pub use learn::ZONE;
pub use memory::{Memory, Past};
pub use need::Need;
pub use preference::{Choice, Declared, Forgotten, Preference};
pub use profile::Profile;
pub use reaction::{Note, Reaction, Verdict, react};
pub use recent::{Recent, WINDOW};
pub use sentiment::{Course, Heard, Sentiment, URGENCY_HALF_LIFE};
pub use state::{Record, Twin};
pub use tally::{Counted, Counter, Tallies, Window};
pub use timeline::{Block, End, Entry, Packed, Timeline, What};
pub use timer::Timer;
pub use trial::{Trial, Tried, Under};
pub use world::{Followed, World};
