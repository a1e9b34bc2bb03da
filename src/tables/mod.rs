//! What a store holds, as pure data: tables, keys, rows, and batches of changes; and how it is read and
//! written, as the traits [`Read`] and [`Commit`].
//!
//! Partitions build [`Batch`]es and never see a database. [`Memory`] is a store without a disk, with
//! faults, for simulation; the one on the disk is in `store`. Keys (`keys`) and records
//! ([`codec`](crate::codec)) are stored contracts.

mod batch;
mod erasure;
mod error;
pub(crate) mod keys;
mod memory;
mod reads;
mod rows;
mod space;
mod urgency;

#[cfg(feature = "engine")]
pub(crate) use batch::FLOOR;
pub use batch::{Batch, Change};
pub use erasure::{Erasing, Pseudonym, Removed, Stage, Tombstone, Traces};
pub use error::Error;
pub use keys::{IndexKey, SweepKey, Table, TimerKey};
pub use memory::{Fault, Memory};
pub use reads::{Commit, Read, Sealed, Value, Visit, VisitEach};
pub use rows::{Journalled, KeptLesson, KeptLessons, Loaded, Meta, Milestone, Sweep, Verified};
pub use space::Space;
pub use urgency::Urgency;
