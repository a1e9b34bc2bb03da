//! A channel that floods the stream waits in the slow lane, and all others pass it: whatever fails, every
//! event is taken in once, by the lane that is its own, and those of one channel in their order.

use std::cell::RefCell;
use std::rc::Rc;

use jumeau::event::{Channel, Content, Delivery, Lane, MainPlace, SlowLane};
use jumeau::tables::{MemoryStore, Read};
use rand::RngExt;
use rand::rngs::StdRng;

use super::stream::Stored;
use super::world::PARTITIONS;

/// The channel that is slowed now and then.
const LOUD: &str = "shop";

/// Marks a token of the slow lane.
const SLOW: u64 = 1 << 63;

/// What the intake knows of both lanes.
#[derive(Default)]
pub(crate) struct Lanes {
    /// What waits in the slow lane, as every partition writes it down with its commits.
    pub(crate) lane: Rc<RefCell<SlowLane>>,
    /// Up to where each partition's slow lane was read,
    pulled: Vec<usize>,
    /// and is acknowledged.
    acknowledged: Vec<usize>,
    /// The last event of the slow lane that each partition has said to be durable.
    durable: [u64; PARTITIONS as usize],
}

/// Gives half of the events to the channel that is slowed.
pub(crate) fn share_out(stream: &mut [Vec<Stored>]) {
    for stored in stream.iter_mut().flatten() {
        let original = &mut stored.delivery.original;
        let is_loud = match &mut stored.delivery.content {
            // A copy is of the same channel.
            Content::Read(Ok(event)) if event.fingerprint % 2 == 0 => {
                event.channel = Channel::new(LOUD).unwrap();
                true
            }
            Content::Read(Err(_)) => true,
            _ => false,
        };
        if is_loud {
            original.subject = original.subject.replace(".web.", ".shop.").into();
        }
    }
}

fn lane_of(lane: &SlowLane, delivery: &Delivery) -> Lane {
    let channel = delivery.original.subject.rsplit('.').nth(1).unwrap();
    lane.lane_of(channel, delivery.sequence)
}

/// The first event behind this sequence.
fn behind(events: &[Stored], sequence: u64) -> usize {
    events.partition_point(|stored| stored.delivery.sequence <= sequence)
}

/// Up to which sequence before `front` everything is durable in every partition, each being durable up to
/// a place in its own events.
fn floor_of(stream: &[Vec<Stored>], durable: &[usize], front: u64) -> u64 {
    let first_open = |(events, upto): (&Vec<Stored>, &usize)| {
        events.get(*upto).map_or(front, |stored| stored.delivery.sequence.min(front))
    };
    stream.iter().zip(durable).map(first_open).min().unwrap_or(front) - 1
}

/// How far the one reader of all partitions is, whose main lane was read up to a place in the events of
/// each.
fn place(lane: &SlowLane, stream: &[Vec<Stored>], pulled: &[usize], front: u64) -> MainPlace {
    let passed_over = |(events, upto): (&Vec<Stored>, &usize)| {
        let before = events[..*upto].iter().rev().map(|stored| &stored.delivery);
        before.into_iter().find(|one| lane_of(lane, one) == Lane::Slow).map(|one| one.sequence)
    };
    let skipped = stream.iter().zip(pulled).filter_map(passed_over).max().unwrap_or(0);
    MainPlace { next: floor_of(stream, pulled, front) + 1, front, skipped }
}

impl Lanes {
    /// What is known again after a start; and up to where the main lane of each partition is read.
    pub(crate) fn recover(&mut self, memory: &MemoryStore, stream: &[Vec<Stored>]) -> Vec<usize> {
        let metas: Vec<_> = (0..PARTITIONS).map(|one| memory.meta(one).unwrap()).collect();
        for (meta, durable) in metas.iter().zip(self.durable) {
            assert!(meta.slow_cursor >= durable, "{} of the slow lane is kept", meta.slow_cursor);
        }
        let lane = SlowLane::newest(metas.iter().map(|meta| meta.slow_lane.clone()));
        let lowest = metas.iter().map(|meta| meta.cursor).min().unwrap_or(0);
        let main_floor = lane.main_floor.max(lowest);
        self.pulled = stream.iter().map(|events| behind(events, lane.floor)).collect();
        self.acknowledged = self.pulled.clone();
        self.lane = Rc::new(RefCell::new(lane));
        stream.iter().map(|events| behind(events, main_floor)).collect()
    }

    /// Slows the loud channel, or ends that, or forgets that it was slowed, if it may: `delivered` is up
    /// to where each partition's main lane was ever read, `pulled` to where it is, and `acknowledged` to
    /// where it is durable.
    pub(crate) fn turn(
        &mut self,
        stream: &[Vec<Stored>],
        [delivered, pulled, acknowledged]: [&[usize]; 3],
        rng: &mut StdRng,
        opens: bool,
    ) -> bool {
        let mut lane = self.lane.borrow_mut();
        let last = |upto: &[usize]| {
            let last = |(events, upto): (&Vec<Stored>, &usize)| {
                upto.checked_sub(1).map_or(0, |last| events[last].delivery.sequence)
            };
            stream.iter().zip(upto).map(last).collect::<Vec<u64>>()
        };
        let front = last(delivered).into_iter().max().unwrap_or(0) + 1;
        // Not up to the front: what twins forward is stored before it in this world, behind what their own
        // partition was given.
        let main_floor = last(acknowledged).into_iter().min().unwrap_or(0);
        lane.main_floor = lane.main_floor.max(main_floor);
        if lane.is_open() {
            lane.floor = lane.floor.max(floor_of(stream, &self.acknowledged, front));
            let place = place(&lane, stream, pulled, front);
            if place.may_close(lane.floor) && (!opens || rng.random_bool(0.2)) {
                lane.close(front);
            }
        } else if lane.channels.is_empty() && opens && rng.random_bool(0.05) {
            lane.slow(LOUD, front);
            for (at, events) in stream.iter().enumerate() {
                self.pulled[at] = behind(events, front - 1);
                self.acknowledged[at] = self.pulled[at];
            }
            return true;
        }
        lane.forget(main_floor);
        false
    }

    /// What of these events is the main lane's.
    pub(crate) fn main(&self, events: &[Stored]) -> Vec<Delivery> {
        let lane = self.lane.borrow();
        let deliveries = events.iter().map(|stored| stored.delivery.clone());
        deliveries.filter(|one| lane_of(&lane, one) == Lane::Main).collect()
    }

    /// What a partition's slow lane has next, and its token: nothing beyond where the main one is.
    pub(crate) fn slow(
        &mut self,
        at: usize,
        events: &[Stored],
        before: usize,
        count: usize,
        is_reset: bool,
    ) -> (Vec<Delivery>, u64) {
        let lane = self.lane.borrow();
        if is_reset {
            self.pulled[at] = self.acknowledged[at];
        }
        let from = self.pulled[at];
        // Nobody reads a lane that is closed.
        let count = if lane.is_open() { count } else { 0 };
        let upto = (from + count).min(before).max(from);
        self.pulled[at] = upto;
        let deliveries = events[from..upto].iter().map(|stored| stored.delivery.clone());
        let deliveries = deliveries.filter(|one| lane_of(&lane, one) == Lane::Slow);
        let slow = deliveries.map(|one| Delivery { lane: Lane::Slow, ..one }).collect();
        (slow, SLOW | upto as u64)
    }

    /// Takes a token of the slow lane; `false` if it is none.
    pub(crate) fn acknowledge(&mut self, at: usize, events: &[Stored], token: u64) -> bool {
        if token & SLOW == 0 {
            return false;
        }
        let upto = (token & !SLOW) as usize;
        let newly = events.get(self.acknowledged[at]..upto).unwrap_or_default();
        let lane = self.lane.borrow();
        let slow = newly.iter().rfind(|one| lane_of(&lane, &one.delivery) == Lane::Slow);
        if let Some(slow) = slow {
            self.durable[at] = slow.delivery.sequence;
        }
        self.acknowledged[at] = self.acknowledged[at].max(upto);
        true
    }

    /// Whether nothing waits any more.
    pub(crate) fn is_empty(&self) -> bool {
        !self.lane.borrow().is_open()
    }
}
