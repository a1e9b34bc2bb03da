//! What a store holds, as pure data: tables, keys, rows, and batches of changes; and how it is read and
//! written, as the traits [`Read`] and [`Commit`].
//!
//! Partitions build [`Batch`]es and never see a database. [`MemoryStore`] is a store without a disk, with
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
pub use batch::{Batch, BatchOperation};
pub use erasure::{ErasureProgress, ErasureStage, Pseudonym, Removed, Tombstone, Traces};
pub use error::Error;
pub use keys::{IndexKey, ScanKey, Table, TimerKey};
pub use memory::{Fault, MemoryStore};
pub use reads::{Commit, EachRowVisitor, EncodedTwin, Read, RowValue, RowVisitor};
pub use rows::{
    JournalRow, KeptLesson, KeptLessons, Milestone, PartitionMeta, Scan, StoredTwin, Verified,
};
pub use space::DiskSpace;
pub use urgency::Urgency;
