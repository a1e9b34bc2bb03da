//! What must survive: the state of every twin, its timeline and timers, what waits to be published,
//! and how far each partition has come.
//!
//! In go [`Batch`]es, pure data that partitions build; the [`Committer`] makes those of all
//! partitions durable together, and only then says so. Out come the same rows, through [`Read`]. A failed
//! write poisons the store for good: the process stops rather than guess; [`Room`] sees a disk that
//! fills up before that. [`Memory`] is the same
//! without a disk, with faults, for simulation.
//!
//! Keys (`keys`) and records ([`codec`](crate::codec)) are stored contracts. This is the only place
//! that names rocksdb.

mod backup;
mod batch;
mod committer;
mod disk;
mod erasure;
mod error;
mod keys;
mod memory;
mod private;
mod reads;
mod room;
mod rows;
mod scour;
mod sealing;
mod tuning;
mod vault;

pub use backup::{BackedUp, Examined, examine, restore, rewrap};
pub use batch::{Batch, Change};
pub use committer::{CommitFigures, CommitHandle, Committer, Haste};
pub use disk::{Store, Usage};
pub use erasure::{Erasing, Pseudonym, Removed, Stage, Tombstone, Traces};
pub use error::Error;
pub use keys::{IndexKey, SweepKey, Table, TimerKey};
pub use memory::{Fault, Memory};
pub use private::keep_files_private;
pub use reads::{Commit, Read, Sealed, Value, Visit, VisitEach};
pub use room::{Room, Space};
pub use rows::{Journalled, KeptLesson, KeptLessons, Loaded, Meta, Milestone, Sweep, Verified};
pub use vault::is_reserved;
