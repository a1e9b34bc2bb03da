//! The content of a store as pure data: tables, keys, rows, and batches of changes; read and written
//! through the traits [`Read`] and [`Commit`].
//!
//! Partitions build [`Batch`]es and never use a database. [`MemoryStore`] is an in-memory store with
//! fault injection, for simulation; the one on disk is in `store`. Keys (`keys`) and records
//! ([`codec`](crate::codec)) are stored contracts.

mod batch;
mod chain;
mod erasure;
mod error;
pub(crate) mod keys;
mod memory;
mod reads;
mod rows;
mod space;
mod table;
mod urgency;

pub use batch::{Batch, BatchOperation};
pub use chain::{Chain, LogPosition};
pub use erasure::{ErasureProgress, ErasureStage, Pseudonym, Removed, Tombstone, Traces};
pub use error::Error;
pub use keys::{IndexKey, ScanKey, TimerKey};
pub use memory::{Fault, MemoryStore};
pub use reads::{Commit, EachRowVisitor, EncodedTwin, Read, RowValue, RowVisitor};
pub use rows::{
    JournalRow, KeptLesson, KeptLessons, Milestone, PartitionMeta, Scan, StoredTwin, Verified,
};
pub use space::DiskSpace;
pub use table::Table;
pub use urgency::Urgency;
