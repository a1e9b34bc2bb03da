//! Makes batches durable, in order, and tells who waits for them.
//!
//! The [`Committer`] commits the [`Batch`](crate::tables::Batch)es of all partitions together and then
//! reports them as durable. While a service runs nobody else writes its store.

mod committer;

pub use committer::{CommitFigures, CommitHandle, Committer};
