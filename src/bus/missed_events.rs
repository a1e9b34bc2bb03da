use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Bus;

/// Counts events that expired before they were processed, because of the stream's retention or size
/// limit. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct MissedEvents(Arc<Mutex<MissedRanges>>);

#[derive(Debug, Default)]
struct MissedRanges {
    /// Counted sequences, as disjoint ranges in order.
    ranges: Vec<Range<u64>>,
    /// Their number, dropped ranges included.
    count: u64,
}

/// The number of ranges kept; nothing before them can be missed any more.
const RANGES: usize = 64;

impl MissedEvents {
    /// Missed events since the start, of both lanes; an upper bound, because some may have been erased
    /// before or processed by the other lane.
    pub fn count(&self) -> u64 {
        self.0.lock().count
    }

    /// Notes that a lane expected a sequence, but the stream holds nothing before `first_kept`.
    pub(super) fn note(&self, expected: u64, first_kept: u64) {
        if self.0.lock().add(expected..first_kept) {
            tracing::warn!(
                expected,
                first_kept,
                "events expired from the stream before they were processed; raise \
                 `streams.keep-hours` or `streams.bytes-max`"
            );
        }
    }

    /// Notes that a lane expected a sequence and found a later one. Whether those between expired or were
    /// erased is checked in the background.
    pub(super) fn check_gap(&self, bus: &Bus, expected: u64, found: u64) {
        let (missed, bus) = (self.clone(), bus.clone());
        tokio::spawn(async move {
            // Without an answer nothing is known, and the next gap is checked again.
            if let Ok(Some(state)) = bus.stream_state().await {
                missed.note(expected, state.first.min(found));
            }
        });
    }
}

impl MissedRanges {
    /// Adds missing sequences; `false` if all of them were counted before.
    fn add(&mut self, missing: Range<u64>) -> bool {
        let length = |range: &Range<u64>| range.end.saturating_sub(range.start);
        if length(&missing) == 0 {
            return false;
        }
        let touches = |range: &Range<u64>| range.start <= missing.end && missing.start <= range.end;
        let (touched, mut apart): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.ranges).into_iter().partition(touches);
        let known: u64 = touched.iter().map(length).sum();
        let all = touched
            .into_iter()
            .chain([missing])
            .reduce(|left, right| left.start.min(right.start)..left.end.max(right.end));
        let newly = all.as_ref().map_or(0, length) - known;
        apart.extend(all);
        apart.sort_unstable_by_key(|range| range.start);
        let forgotten = apart.len().saturating_sub(RANGES);
        apart.drain(..forgotten);
        self.ranges = apart;
        self.count += newly;
        newly > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_missing_sequence_is_counted_once(
            missing in prop::collection::vec((0u64..200, 0u64..20), 0..40),
        ) {
            let (mut counted, mut known) = (MissedRanges::default(), std::collections::BTreeSet::new());
            for (start, length) in missing {
                let before = known.len();
                known.extend(start..start + length);
                prop_assert_eq!(counted.add(start..start + length), known.len() > before);
                prop_assert_eq!(counted.count, known.len() as u64);
            }
        }
    }

    #[test]
    fn present_events_are_not_counted_as_missed() {
        let missed = MissedEvents::default();
        missed.note(10, 10);
        missed.note(10, 5);
        assert_eq!(missed.count(), 0);
    }
}
