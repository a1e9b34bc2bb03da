//! The store on the disk: the state of every twin, its timeline and timers, what waits to be published,
//! and how far each partition has come.
//!
//! The [`Committer`] makes the [`Batch`](crate::tables::Batch)es of all partitions durable together, and
//! only then says so. Rows are read through [`Read`](crate::tables::Read). A failed write poisons the
//! store for good: the process stops rather than guess; [`DiskMonitor`] sees a disk that fills up before that.
//!
//! This is the only place that names rocksdb.

mod backup;
mod committer;
mod disk;
mod disk_space;
mod purge;
mod sealing;
mod tuning;
mod vault;

pub use backup::{BackupSummary, StoreSummary, examine, restore, rewrap};
pub use committer::{CommitFigures, CommitHandle, Committer};
pub use disk::{Store, Usage};
pub use disk_space::DiskMonitor;
pub use vault::is_reserved;
