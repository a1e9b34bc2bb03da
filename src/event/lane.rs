//! The main lane and the slow lane.
//!
//! The stream is one queue, so a flooding channel would delay all others. Its events therefore go to the
//! slow lane, where others overtake them. Order is kept within a channel and within a lane.

/// The lane of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// Every event, in stream order.
    #[default]
    Main,
    /// The events of channels that flood the stream, in stream order among themselves.
    Slow,
}

/// A channel whose events go to the slow lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowedChannel {
    /// The channel, as a subject token.
    pub channel: Box<str>,
    /// The first stream sequence that goes to the slow lane.
    pub from: u64,
    /// The first sequence that no longer does; none: the channel is still slowed.
    pub until: Option<u64>,
}

impl SlowedChannel {
    fn is_over(&self, main_floor: u64) -> bool {
        self.until.is_some_and(|until| until <= main_floor + 1)
    }
}

/// Which events are in the slow lane, and the progress of both lanes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlowLane {
    /// Incremented with every change of `channels`.
    pub version: u64,
    /// The slowed channels.
    pub channels: Vec<SlowedChannel>,
    /// Everything in the slow lane up to this sequence is durable in every partition.
    pub floor: u64,
    /// Everything in the main lane up to this sequence is durable in every partition.
    pub main_floor: u64,
}

impl SlowLane {
    /// The lane of an event.
    pub fn lane_of(&self, channel: &str, sequence: u64) -> Lane {
        let is_in = |slowed: &SlowedChannel| {
            *slowed.channel == *channel
                && sequence >= slowed.from
                && slowed.until.is_none_or(|until| sequence < until)
        };
        if self.channels.iter().any(is_in) { Lane::Slow } else { Lane::Main }
    }

    /// The channels whose events go to the slow lane now, as subject tokens.
    pub fn slowed(&self) -> impl Iterator<Item = &str> {
        let open = self.channels.iter().filter(|slowed| slowed.until.is_none());
        open.map(|slowed| &*slowed.channel)
    }

    /// Whether any events go to the slow lane now.
    pub fn is_open(&self) -> bool {
        self.slowed().next().is_some()
    }

    /// The sequence up to which everything in both lanes is durable in every partition.
    pub fn taken_in(&self) -> u64 {
        if self.is_open() { self.main_floor.min(self.floor) } else { self.main_floor }
    }

    /// Slows a channel: from this sequence on, its events go to the slow lane. No partition has received
    /// the sequence yet.
    pub fn slow(&mut self, channel: &str, from: u64) {
        if !self.is_open() {
            // No earlier event is in the slow lane.
            self.floor = self.floor.max(from.saturating_sub(1));
        }
        self.channels.push(SlowedChannel { channel: channel.into(), from, until: None });
        self.version += 1;
    }

    /// Ends the slow lane: from this sequence on, all channels use the main lane. No partition has
    /// received the sequence yet, and all slow-lane events are durable.
    pub fn close(&mut self, until: u64) {
        let open = self.channels.iter_mut().filter(|slowed| slowed.until.is_none());
        open.for_each(|slowed| slowed.until = Some(until));
        self.version += 1;
    }

    /// Whether [`forget`](SlowLane::forget) would remove anything.
    pub fn is_any_over(&self, main_floor: u64) -> bool {
        self.channels.iter().any(|slowed| slowed.is_over(main_floor))
    }

    /// Removes ended entries: the main lane never delivers them again, because they are durable.
    pub fn forget(&mut self, main_floor: u64) {
        self.main_floor = self.main_floor.max(main_floor);
        let before = self.channels.len();
        self.channels.retain(|slowed| !slowed.is_over(self.main_floor));
        self.version += u64::from(self.channels.len() < before);
    }

    /// The current state, from what each partition recorded in its own commits: of the channels, the
    /// latest version; of the floors, the highest.
    pub fn newest(all: impl IntoIterator<Item = SlowLane>) -> SlowLane {
        all.into_iter().fold(SlowLane::default(), |known, other| {
            let floor = known.floor.max(other.floor);
            let main_floor = known.main_floor.max(other.main_floor);
            let newer = if other.version > known.version { other } else { known };
            SlowLane { floor, main_floor, ..newer }
        })
    }
}

/// The read position of the main lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MainPlace {
    /// The next sequence to read.
    pub next: u64,
    /// The first sequence never read. After a redelivery, `next` is lower.
    pub front: u64,
    /// The last sequence that it skipped; 0: none.
    pub skipped: u64,
}

impl MainPlace {
    /// Whether no redelivery is pending, so that everything unprocessed was skipped.
    pub fn is_at_front(self) -> bool {
        self.next == self.front
    }

    /// Whether the slow lane may close at `front`: everything unprocessed was skipped, and the skipped
    /// events are durable because they are at or below `floor`.
    pub fn may_close(self, floor: u64) -> bool {
        self.is_at_front() && self.skipped <= floor
    }
}

/// The slow-lane state that a partition committed last, so that it writes only changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WrittenLane {
    version: u64,
    floor: u64,
    main_floor: u64,
}

/// The change of the slow lane in a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneChange {
    /// The slowed channels and the progress of both lanes.
    All,
    /// The progress of both lanes.
    Floors,
    /// The progress of the main lane.
    MainFloor,
}

impl WrittenLane {
    /// The change for the next commit; none if it is already recorded.
    pub fn next(&mut self, lane: &SlowLane) -> Option<LaneChange> {
        let SlowLane { version, floor, main_floor, .. } = *lane;
        let now = WrittenLane { version, floor, main_floor };
        let last = std::mem::replace(self, now);
        if now.version != last.version {
            Some(LaneChange::All)
        } else if now.floor != last.floor {
            Some(LaneChange::Floors)
        } else {
            (now != last).then_some(LaneChange::MainFloor)
        }
    }
}

/// A partition's cursors: the last processed sequence of each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursors {
    /// The cursor of the main lane.
    pub main: u64,
    /// The cursor of the slow lane.
    pub slow: u64,
}

impl Cursors {
    /// Advances to a sequence; `false` if it was already processed.
    pub fn advance(&mut self, lane: Lane, sequence: u64) -> bool {
        let cursor = match lane {
            Lane::Main => &mut self.main,
            Lane::Slow => &mut self.slow,
        };
        let is_new = sequence > *cursor;
        *cursor = sequence.max(*cursor);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_in_the_slow_lane_from_one_sequence_until_another() {
        let mut lane = SlowLane::default();
        lane.slow("shop", 10);
        let of = |lane: &SlowLane, channel, sequences: [u64; 4]| {
            sequences.map(|sequence| lane.lane_of(channel, sequence) == Lane::Slow)
        };
        assert_eq!(of(&lane, "shop", [9, 10, 20, 99]), [false, true, true, true]);
        assert_eq!(of(&lane, "web", [9, 10, 20, 99]), [false; 4]);
        assert_eq!((lane.is_open(), lane.floor), (true, 9));
        lane.close(20);
        assert_eq!(of(&lane, "shop", [9, 10, 20, 99]), [false, true, false, false]);
        assert!(!lane.is_open());
    }

    #[test]
    fn a_closed_slow_lane_is_kept_while_the_main_lane_may_redeliver() {
        let mut lane = SlowLane::default();
        lane.slow("shop", 10);
        lane.close(20);
        lane.forget(18);
        assert_eq!(lane.lane_of("shop", 19), Lane::Slow);
        lane.forget(19);
        assert_eq!((lane.channels.len(), lane.main_floor, lane.version), (0, 19, 3));
    }

    #[test]
    fn the_slow_lane_closes_once_all_skipped_events_are_durable() {
        let place = MainPlace { next: 30, front: 30, skipped: 20 };
        assert!(place.may_close(20) && !place.may_close(19));
        assert!(!MainPlace { next: 25, ..place }.may_close(20), "it is to be delivered again");
    }

    #[test]
    fn a_commit_writes_only_the_changed_records_of_the_slow_lane() {
        let (mut lane, mut written) = (SlowLane::default(), WrittenLane::default());
        assert_eq!(written.next(&lane), None, "there never was one");
        lane.slow("shop", 10);
        assert_eq!(written.next(&lane), Some(LaneChange::All));
        assert_eq!(written.next(&lane), None);
        lane.floor = 15;
        assert_eq!(written.next(&lane), Some(LaneChange::Floors));
        lane.close(20);
        assert_eq!(written.next(&lane), Some(LaneChange::All));
        lane.main_floor = 30;
        assert_eq!(written.next(&lane), Some(LaneChange::MainFloor));
        assert_eq!(written.next(&lane), None);
    }

    #[test]
    fn the_newest_record_of_the_slow_lane_wins_with_the_highest_floor() {
        let mut older = SlowLane { main_floor: 30, ..SlowLane::default() };
        older.slow("shop", 10);
        let mut newer = SlowLane { main_floor: 5, ..older.clone() };
        newer.slow("web", 12);
        newer.floor = 15;
        for order in [[older.clone(), newer.clone()], [newer.clone(), older]] {
            let found = SlowLane::newest(order);
            assert_eq!(found, SlowLane { main_floor: 30, ..newer.clone() });
        }
    }
}
