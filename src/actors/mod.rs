//! The actors: thin shells around the plain structs of `partition`. With `app`, the only room that
//! names actix.
//!
//! A partition and its twins live on one arbiter, which is one thread: between them nothing is
//! locked and nothing waits. Whatever is slow happens elsewhere and comes back as a message: the
//! store is read on blocking threads, written by the committer, the bus has threads of its own.

mod clock;
mod desk;
mod directory;
mod eraser;
mod glance;
mod learner;
mod lookup;
mod partition;
mod shell;
mod twin;

pub use clock::Clock;
pub use directory::{Address, Partitions};
pub use eraser::{Eraser, EraserTask, Erasures};
pub use glance::{Glance, GlanceBroadcasts, GlanceResults};
pub use learner::{Figures, Impatient, LearnerThread};
pub use lookup::{Decisions, Journal, Lessons, Marks, Tried, TryCampaign, WhatWaits};
pub use partition::{
    Advance, AskTwin, Confirmed, Durable, End, Fatal, HasAdvanced, HoldSweeps, Inspect, IsDrained,
    PartitionActor, Pull, SetModels, SetPolicy, SetRoom, Setup, Sight,
};
