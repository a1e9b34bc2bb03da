//! Makes batches durable, in order, and tells who waits for them.
//!
//! Batches are submitted through a [`CommitHandle`]. What makes them durable is chosen by `store.durability`: the
//! [`Committer`] writes those of all partitions to the store together, with one sync; the [`LogCommitter`] appends
//! those of each chain to the commit log, and the store applies what the log has confirmed. While a service runs
//! nobody else writes its store.

mod committer;
mod handle;
mod log_committer;

pub use committer::Committer;
pub use handle::CommitHandle;
pub use log_committer::{ClaimedChains, LogCommitter, LogEraser};
