use std::sync::atomic::{AtomicU64, Ordering};

/// The backlog of the slow lane. Written only by the intake, read for statistics.
#[derive(Debug, Default)]
pub(super) struct SlowGauge {
    /// The last sequence that the main lane has skipped.
    skipped: AtomicU64,
    /// Everything in the slow lane up to this sequence is durable.
    durable: AtomicU64,
}

impl SlowGauge {
    /// Resets it to empty.
    pub(super) fn reset(&self) {
        self.skipped.store(0, Ordering::Release);
        self.durable.store(0, Ordering::Release);
    }

    pub(super) fn skipped(&self, sequence: u64) {
        self.skipped.fetch_max(sequence, Ordering::AcqRel);
    }

    /// The last sequence that was skipped; 0: none.
    pub(super) fn last_skipped(&self) -> u64 {
        self.skipped.load(Ordering::Acquire)
    }

    pub(super) fn durable(&self, sequence: u64) {
        self.durable.store(sequence, Ordering::Release);
    }

    /// The number of sequences between the last skipped event and the slow lane's position: an upper
    /// bound of the events that wait there.
    pub(super) fn behind(&self) -> u64 {
        self.last_skipped().saturating_sub(self.durable.load(Ordering::Acquire))
    }

    /// Whether everything in the slow lane up to a sequence is durable.
    pub(super) fn is_past(&self, sequence: u64) -> bool {
        self.behind() == 0 || self.durable.load(Ordering::Acquire) >= sequence
    }
}
