use crate::bus::CommitLog;
use crate::commit::{CommitHandle, Committer, LogCommitter, LogEraser};

/// What makes commits durable, by `store.durability`.
pub(super) enum Commits {
    /// The store's disk.
    Disk(Committer),
    /// The commit log.
    Log(LogCommitter),
}

impl Commits {
    pub(super) fn handle(&self) -> CommitHandle {
        match self {
            Commits::Disk(committer) => committer.handle(),
            Commits::Log(committer) => committer.handle(),
        }
    }

    /// What erases from the commit log, if there is one.
    pub(super) fn eraser(&self) -> Option<LogEraser> {
        match self {
            Commits::Disk(_) => None,
            Commits::Log(committer) => Some(committer.eraser()),
        }
    }

    /// The commit log, if there is one.
    pub(super) fn log(&self) -> Option<CommitLog> {
        match self {
            Commits::Disk(_) => None,
            Commits::Log(committer) => Some(committer.log()),
        }
    }

    /// Makes durable what still waits, and ends.
    pub(super) async fn close(self) {
        match self {
            Commits::Disk(committer) => committer.close(),
            Commits::Log(committer) => committer.close().await,
        }
    }
}
