//! Durable storage: twin states, timelines, timers, the outbox and the cursors.
//!
//! The [`Committer`] commits the [`Batch`](crate::tables::Batch)es of all partitions together and then
//! reports them as durable. Rows are read through [`Read`](crate::tables::Read). A failed write poisons
//! the store and the process stops; [`DiskMonitor`] detects a filling disk before that.
//!
//! This is the only module that uses rocksdb.

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
