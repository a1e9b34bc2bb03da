use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::config::settings;
use crate::tables::DiskSpace;

/// Monitors the free space of the store's disk. A full disk would fail a write and end the process;
/// processing pauses before that, while there is still space for events in flight.
#[derive(Debug)]
pub struct DiskMonitor {
    path: PathBuf,
    reserve_bytes: u64,
    free_bytes: AtomicU64,
    is_short: AtomicBool,
    times: AtomicU64,
}

impl DiskMonitor {
    /// A monitor for the configured store, whose folder exists. Until the first check, space counts as
    /// sufficient.
    pub fn new(settings: &settings::StoreSettings) -> DiskMonitor {
        DiskMonitor {
            path: settings.path.clone(),
            reserve_bytes: settings.reserve_bytes,
            free_bytes: AtomicU64::new(u64::MAX),
            is_short: AtomicBool::new(false),
            times: AtomicU64::new(0),
        }
    }

    /// Checks the disk; returns whether there is too little space, if that has changed. A failed check
    /// changes nothing.
    pub fn check(&self) -> Option<bool> {
        match rustix::fs::statvfs(&self.path) {
            Ok(found) => self.take(found.f_bavail.saturating_mul(found.f_frsize)),
            Err(error) => {
                tracing::debug!(%error, "cannot read the free space of the disk");
                None
            }
        }
    }

    /// The result of the last check.
    pub fn space(&self) -> DiskSpace {
        DiskSpace {
            free_bytes: self.free_bytes.load(Ordering::Relaxed),
            reserve_bytes: self.reserve_bytes,
            is_short: self.is_short.load(Ordering::Relaxed),
            times: self.times.load(Ordering::Relaxed),
        }
    }

    fn take(&self, free_bytes: u64) -> Option<bool> {
        self.free_bytes.store(free_bytes, Ordering::Relaxed);
        let was_short = self.is_short.load(Ordering::Relaxed);
        // An eighth more ends the shortage: otherwise processing would cause it again at once.
        let needed = if was_short {
            self.reserve_bytes.saturating_add(self.reserve_bytes / 8)
        } else {
            self.reserve_bytes
        };
        let is_short = free_bytes < needed;
        self.is_short.store(is_short, Ordering::Relaxed);
        if is_short && !was_short {
            self.times.fetch_add(1, Ordering::Relaxed);
        }
        (is_short != was_short).then_some(is_short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(reserve_bytes: u64) -> DiskMonitor {
        DiskMonitor::new(&settings::StoreSettings {
            path: std::env::temp_dir(),
            reserve_bytes,
            ..settings::StoreSettings::default()
        })
    }

    #[test]
    fn space_is_short_below_the_reserve_and_enough_again_a_little_above_it() {
        let room = room(800);
        assert_eq!(room.take(1_000), None);
        assert_eq!(room.take(800), None);
        assert_eq!(room.take(799), Some(true));
        assert_eq!(room.take(10), None);
        assert_eq!(room.take(899), None, "it would be short again at once");
        assert_eq!(room.take(900), Some(false));
        assert_eq!(room.take(0), Some(true));
        let space = DiskSpace { free_bytes: 0, reserve_bytes: 800, is_short: true, times: 2 };
        assert_eq!(room.space(), space);
    }

    #[test]
    fn without_a_reserve_space_is_never_short() {
        assert_eq!(room(0).take(0), None);
    }

    #[test]
    fn the_free_space_of_a_disk_is_read() {
        let all = room(u64::MAX);
        assert_eq!(all.check(), Some(true));
        assert!(all.space().free_bytes < u64::MAX);
    }
}
