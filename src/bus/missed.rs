use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Bus;

/// Counts the events that left the stream before they were taken in: it keeps them for too short a time,
/// or too few of them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Missed {
    main: Arc<Lane>,
    slow: Arc<Lane>,
}

impl Missed {
    /// How many have been missed since the start; at most, as some of those that are gone may have been
    /// erased before, or belong to the other lane.
    pub fn count(&self) -> u64 {
        self.main.count.load(Ordering::Relaxed) + self.slow.count.load(Ordering::Relaxed)
    }

    pub(super) fn main(&self) -> &Arc<Lane> {
        &self.main
    }

    pub(super) fn slow(&self) -> &Arc<Lane> {
        &self.slow
    }
}

/// What one lane has missed.
#[derive(Debug, Default)]
pub(super) struct Lane {
    count: AtomicU64,
    /// Everything before this sequence is counted.
    before: AtomicU64,
}

impl Lane {
    /// The lane expected a sequence, and the stream holds nothing before `first_kept`.
    pub(super) fn note(&self, expected: u64, first_kept: u64) {
        let counted = self.before.fetch_max(first_kept, Ordering::Relaxed);
        let missed = first_kept.saturating_sub(expected.max(counted));
        if missed > 0 {
            self.count.fetch_add(missed, Ordering::Relaxed);
            tracing::warn!(
                expected,
                first_kept,
                "events left the stream before they were taken in; keep them for longer"
            );
        }
    }

    /// The lane expected a sequence and found a later one. Whether those between have left the stream or
    /// were erased is seen a moment later, and nobody waits for it.
    pub(super) fn look(self: &Arc<Lane>, bus: &Bus, expected: u64, found: u64) {
        if self.before.load(Ordering::Relaxed) >= found {
            return;
        }
        let (lane, bus) = (self.clone(), bus.clone());
        tokio::spawn(async move {
            // Without an answer nothing is known, and the next gap is looked at again.
            if let Ok(Some(standing)) = bus.standing().await {
                lane.note(expected, standing.first.min(found));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_once_by_each_lane() {
        let missed = Missed::default();
        missed.main().note(10, 10);
        assert_eq!(missed.count(), 0);
        missed.main().note(10, 15);
        missed.main().note(10, 15);
        missed.main().note(10, 18);
        assert_eq!(missed.count(), 8);
        missed.slow().note(5, 18);
        assert_eq!(missed.count(), 21);
    }
}
