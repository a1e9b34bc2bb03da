//! Checks regularly whether commits have room, on the disk and in the commit log, and tells the partitions.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::actors::{Partitions, SetDiskSpace};
use crate::bus::CommitLog;
use crate::store::DiskMonitor;

/// The interval: what the fastest disk can fill meanwhile is a small part of the reserve.
const LOOK: Duration = Duration::from_millis(250);

/// Who watches the room for commits.
pub(super) struct SpaceWatch {
    disk: Arc<DiskMonitor>,
    /// The commit log, if there is one.
    log: Option<CommitLog>,
    partitions: Partitions,
    /// Whether the commit log was full at the last check.
    was_full: bool,
    /// Whether the partitions were told that there is no room.
    is_held: bool,
}

impl SpaceWatch {
    /// A watch that has told the partitions nothing yet: they begin with room.
    pub(super) fn new(
        disk: Arc<DiskMonitor>,
        log: Option<CommitLog>,
        partitions: Partitions,
    ) -> SpaceWatch {
        SpaceWatch { disk, log, partitions, was_full: false, is_held: false }
    }

    /// Checks once, so that nothing is processed before it is known whether there is space.
    pub(super) async fn check(&mut self) {
        let checked = self.disk.clone();
        // A check of a failing disk may take long. It does not panic.
        let disk = tokio::task::spawn_blocking(move || checked.check()).await;
        self.tell_disk(disk.ok().flatten());
        let is_full = self.log.as_ref().is_some_and(CommitLog::is_full);
        self.tell_log(is_full);
        let is_held = is_full || self.disk.space().is_short;
        if is_held != self.is_held {
            self.is_held = is_held;
            for partition in self.partitions.all() {
                partition.do_send(SetDiskSpace(!is_held));
            }
        }
    }

    fn tell_disk(&self, changed: Option<bool>) {
        let space = self.disk.space();
        match changed {
            Some(true) => tracing::warn!(
                free_bytes = space.free_bytes,
                reserve_bytes = space.reserve_bytes,
                "the disk is nearly full: processing is paused until space is free"
            ),
            Some(false) => tracing::info!(
                free_bytes = space.free_bytes,
                "the disk has space again: processing resumes"
            ),
            None => {}
        }
    }

    fn tell_log(&mut self, is_full: bool) {
        if is_full != self.was_full {
            self.was_full = is_full;
            if is_full {
                tracing::warn!(
                    "the commit log is full: processing is paused until the broker has room for it"
                );
            } else {
                tracing::info!("the commit log has room again: processing resumes");
            }
        }
    }

    /// Continues to check for as long as the runtime exists.
    pub(super) async fn run(mut self) {
        let mut beat = tokio::time::interval(LOOK);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            self.check().await;
        }
    }
}
