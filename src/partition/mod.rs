//! The partition: the unit of ownership, ordering, commit and recovery. No IO, no clock, no actor.
//!
//! A [`Machine`] receives pulled events, loaded rows, reactions of its twins and completed commits, and
//! tells its [`Host`] what to do next. The actor in `actors` is one host; the simulation is another, with
//! faults.
//!
//! ```text
//! pulled ─▶ round: timers due, then events ─▶ load passive twins ─▶ twins react
//!                                                                      │
//! acknowledge, publish ◀─ committed ◀─ one batch: states, outputs, timers, cursor
//! ```
//!
//! Invariants:
//! * The cursor moves in the same commit as everything that the events below it changed.
//! * Nothing is published or acknowledged before its commit.
//! * A broadcast is stored in the same commit as its cursor, and its scan position in the same commit as
//!   the reactions it caused. A scan starts only after the broadcast's commit is durable: twins not in
//!   the store by then are newer and receive it with their next input.
//! * A twin is passivated only when it has no input and no commit in flight.

mod ask;
mod campaign;
mod cell;
mod counters;
mod dead_letter_budget;
mod host;
mod index;
mod jumps;
mod lesson_retention;
mod listing;
mod machine;
mod message_mark;
mod outgoing;
mod progress;
mod results;
mod round;
mod scans;
mod shadow;
mod surroundings;
mod timer_window;
mod tombstones;
mod training;
mod twin_cache;

pub use crate::config::settings::{Answers, TimeMode};
pub use ask::{AgentActAnswer, AskAnswer, DecisionAnswer};
pub use campaign::{CampaignCounts, CampaignPreview, CampaignTrial, UnknownNames};
pub use cell::{
    BatchFailure, BatchReactions, BatchResult, HandlerPanic, IndexedInput, OversizedTwin,
    TwinBatch, TwinCell, TwinChange, revive,
};
pub use counters::Counters;
pub use host::{Bounds, Cleared, Host, Loads, Pulled, Recovered};
pub use index::{IndexChange, rows_of};
pub use jumps::ClockJumps;
pub use listing::{EscalationsReply, EscalationsRequest, ListPosition, ListedEscalation, Listing};
pub use machine::Machine;
pub use outgoing::{CloudEvent, Outgoing};
pub use progress::Progress;
pub use surroundings::Surroundings;
pub use tombstones::{ErasedMarks, StoreSecret};
pub use training::{LESSON_EVERY, Trainer};
