//! Checks the disk regularly, and tells the partitions whether it has space.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::actors::{Partitions, SetDiskSpace};
use crate::store::DiskMonitor;

/// The interval: what the fastest disk can fill meanwhile is a small part of the reserve.
const LOOK: Duration = Duration::from_millis(250);

/// Checks once, so that nothing is processed before it is known whether there is space.
pub(super) async fn check(room: &Arc<DiskMonitor>, partitions: &Partitions) {
    let checked = room.clone();
    // A check of a failing disk may take long. It does not panic.
    let Ok(Some(is_short)) = tokio::task::spawn_blocking(move || checked.check()).await else {
        return;
    };
    let space = room.space();
    if is_short {
        tracing::warn!(
            free_bytes = space.free_bytes,
            reserve_bytes = space.reserve_bytes,
            "the disk is nearly full: processing is paused until space is free"
        );
    } else {
        tracing::info!(
            free_bytes = space.free_bytes,
            "the disk has space again: processing resumes"
        );
    }
    for partition in partitions.all() {
        partition.do_send(SetDiskSpace(!is_short));
    }
}

/// Continues to check for as long as the runtime exists.
pub(super) async fn watch(room: Arc<DiskMonitor>, partitions: Partitions) {
    let mut beat = tokio::time::interval(LOOK);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        check(&room, &partitions).await;
    }
}
