//! Durable storage: twin states, timelines, timers, the outbox and the cursors.
//!
//! Rows are written through [`Commit`](crate::tables::Commit) and read through [`Read`](crate::tables::Read).
//! A failed write poisons the store and the process stops; [`DiskMonitor`] detects a filling disk before that.
//!
//! This is the only module that uses rocksdb.

mod backup;
mod disk;
mod disk_space;
mod log_follower;
mod purge;
mod sealing;
mod tuning;
mod vault;

pub use backup::{BackupSummary, StoreSummary, examine, restore, rewrap};
pub use disk::{Store, Usage};
pub use disk_space::DiskMonitor;
pub use log_follower::{FollowState, LogFollower};
pub use vault::is_reserved;
