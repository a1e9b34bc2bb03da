//! A store that follows a commit log: the log makes commits durable, and the store applies them.

use std::sync::Arc;

use rocksdb::WriteOptions;

use super::Store;
use crate::tables::{Batch, Chain, Commit, Error, Read};

/// The store-wide row with the time at which the log was created that the store follows; it exists only if it does.
const LOG: &str = "log";

/// The store-wide row that says that everything in that log is applied and on the disk.
const LOG_ENDS: &str = "log-ends";

/// Whether a store follows a commit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowState {
    /// It does not: its own disk makes commits durable.
    Alone,
    /// It does: commits that it has yet to apply may be in the log that was created at this time, in milliseconds
    /// since 1970.
    Follows(u64),
    /// Everything in the log is applied and on the disk; the log is to be deleted.
    Leaves,
}

impl Store {
    /// Whether the store follows a commit log.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Record`].
    pub fn follow_state(&self) -> Result<FollowState, Error> {
        Ok(match (self.store_wide(LOG)?, self.store_wide(LOG_ENDS)?) {
            (None, _) => FollowState::Alone,
            (Some(_), Some(_)) => FollowState::Leaves,
            (Some(made), None) => FollowState::Follows(made),
        })
    }

    /// From now on the store follows the commit log that was created at this time, in milliseconds since 1970. Written
    /// durably.
    ///
    /// # Errors
    /// [`Error::Write`], or [`Error::Poisoned`].
    pub fn follow_log(&self, made_ms: u64) -> Result<(), Error> {
        self.set_durably(LOG, made_ms)
    }

    /// Writes everything that was applied to the disk; from now on the log is not needed. Written durably.
    ///
    /// # Errors
    /// [`Error::Write`], or [`Error::Poisoned`].
    pub fn begin_leaving_log(&self) -> Result<(), Error> {
        self.flush()?;
        self.set_durably(LOG_ENDS, 1)
    }

    /// From now on the store follows no log: it is deleted. Written durably.
    ///
    /// # Errors
    /// [`Error::Write`], or [`Error::Poisoned`].
    pub fn end_leaving_log(&self, partitions: u16) -> Result<(), Error> {
        let mut batch = Batch::new();
        Chain::all(partitions).for_each(|chain| batch.delete_log_position(chain));
        batch.delete_store_wide(LOG);
        batch.delete_store_wide(LOG_ENDS);
        self.commit(&[batch])?;
        self.sync()
    }

    fn set_durably(&self, name: &str, number: u64) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.set_store_wide(name, number);
        self.commit(&[batch])?;
        self.sync()
    }
}

/// Applies commits that the commit log has confirmed. They are in memory at first, and are lost there if the process
/// dies: then the next start applies them again. So each brings its position in the log.
#[derive(Debug)]
pub struct LogFollower(pub Arc<Store>);

impl Commit for LogFollower {
    fn commit(&self, batches: &[Batch]) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.0.commit_with(batches, &options)
    }
}
