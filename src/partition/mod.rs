//! The partition: the unit of ownership, ordering, commit and recovery. No IO, no clock, no actor.
//!
//! A [`Machine`] takes in what was pulled from the stream, what was loaded, what its twins reacted
//! and what was committed, and tells its [`Host`] what to do next. The actor in `actors` is one
//! host; the simulation is another, with faults.
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
//! * A broadcast is kept in the same commit as the cursor behind it, and so is how far its wake-ups
//!   are, with what came of them. No wake-up is looked for before that commit is durable: whoever is
//!   not in the store by then comes later, and meets the broadcast by themselves.
//! * A twin is passivated only when nothing of it is on its way: no input, no commit.

mod ask;
mod campaign;
mod cell;
mod counters;
mod history;
mod host;
mod index;
mod jumps;
mod lessons;
mod letters;
mod listing;
mod machine;
mod marked;
mod outgoing;
mod progress;
mod residents;
mod results;
mod round;
mod shadow;
mod sweeps;
mod tombstones;
mod window;

pub use crate::config::settings::{Answers, TimeMode};
pub use ask::{Acted, Answer, Decided};
pub use campaign::{Campaigned, Tryout, WouldSay};
pub use cell::{Cell, Change, Done, Errand, Ordered, Panicked, Reacted, revive};
pub use counters::Counters;
pub use host::{Bounds, Cleared, Host, Loads, Pulled, Recovered, Surroundings};
pub use index::{IndexChange, rows_of};
pub use jumps::Jumps;
pub use lessons::{LESSON_EVERY, Lessons};
pub use listing::{EscalationsReply, EscalationsRequest, Listed, Listing, Place};
pub use machine::Machine;
pub use outgoing::{CloudEvent, Outgoing};
pub use progress::Progress;
pub use tombstones::{ErasedMarks, Secret};
