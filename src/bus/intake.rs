use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::ack_ledger::{AckHandle, AckLedger};
use super::channel_shares::ChannelShares;
use super::main_lane::{MainLane, MainLaneRead};
use super::malformed_headers::fetch_last;
use super::pull_buffer::PullBuffer;
use super::slow_lane::{SlowPage, SlowReader};
use super::stream_identity::LastTakenEvent;
use super::{Bus, Error, MissedEvents, Relay};
use crate::config::limits;
use crate::event::{Content, Delivery, MainPlace, SlowLane};

/// One pull: the available events, in stream order within each partition.
#[derive(Debug)]
pub struct PulledBatch {
    /// The deliveries, by partition; none if only [`PulledBatch::is_caught_up`] has changed.
    pub parts: Vec<PartitionPull>,
    /// Whether the stream had no further events when the last of these was sent, except in the slow lane.
    /// Applies to every partition, also those without events in this pull.
    pub is_caught_up: bool,
}

/// One partition's share of a pull.
#[derive(Debug)]
pub struct PartitionPull {
    /// The partition.
    pub partition: u16,
    /// Its deliveries, at least one, in the order of the stream, all of one lane. Some may come again:
    /// events at or below the partition's cursor of that lane must be skipped.
    pub deliveries: Vec<Delivery>,
    /// To be acknowledged when all of it is durable.
    pub receipt: AckHandle,
}

/// Where the intake resumes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResumePoint {
    /// Everything of the main lane at or below this sequence is durable in every partition.
    pub floor: u64,
    /// The highest cursor: nothing above it was ever processed.
    pub highest: u64,
    /// The last processed event of each partition, to identify the stream.
    pub taken: Vec<LastTakenEvent>,
    /// The slow lane.
    pub lane: SlowLane,
    /// Whether the slow lane may be used; not on event time, which needs all events in order.
    pub may_slow: bool,
}

impl ResumePoint {
    /// From the cursors of all partitions and a stored floor ([`Intake::floor`]), which is ahead of the
    /// cursor of an idle partition.
    pub fn from(cursors: impl IntoIterator<Item = u64>, floor: u64) -> ResumePoint {
        let (lowest, highest) = cursors
            .into_iter()
            .fold((u64::MAX, 0), |(low, high), cursor| (low.min(cursor), high.max(cursor)));
        let floor = floor.max(if highest == 0 { 0 } else { lowest });
        ResumePoint { floor, highest, ..ResumePoint::default() }
    }
}

/// The only reader of the event stream, with two lanes.
///
/// While the partitions keep up, the main lane reads everything in stream order. When they fall behind,
/// the main lane skips events of the channels that recently sent most; the slow lane reads these again at
/// the pace of processing. When the slow lane is empty, the channels return to the main lane.
#[derive(Debug)]
pub struct Intake {
    bus: Bus,
    /// The number of partitions.
    partitions: u16,
    main: MainLane,
    /// The reader of the slow lane, while that has events.
    slow: Option<SlowReader>,
    slow_ledger: Arc<AckLedger>,
    /// The slow lane; the same value is in `floor`.
    lane: Arc<SlowLane>,
    floor: Floor,
    /// The number of messages after the main lane's position, if known.
    pending: Option<u64>,
    /// Whether the last report said that the main lane is at the end of the stream.
    said_caught_up: bool,
    /// Since when the main lane waits for the slow one to empty.
    closing_since: Option<Instant>,
    /// Recent channels, sampled while the partitions were behind.
    shares: ChannelShares,
    /// Channels found at the end of the stream.
    ahead: mpsc::UnboundedReceiver<Box<str>>,
    look_ahead: mpsc::UnboundedSender<Box<str>>,
    /// The stream's backlog when a channel was last slowed: once that is read, it shows whether slowing
    /// was enough.
    patience: u64,
    /// The number of outputs that wait for the broker.
    outputs: watch::Receiver<usize>,
    may_slow: bool,
}

/// The maximum time for which the main lane waits for the slow one to empty.
const CLOSING_MAX: Duration = Duration::from_millis(200);

impl Intake {
    /// Opens the event stream after the processed events, for this many partitions.
    ///
    /// # Errors
    /// [`Error::Rewound`], [`Error::Rewritten`] or [`Error::Gone`] if the stream does not hold the
    /// processed events, [`Error::Request`] if the broker refuses.
    pub async fn open(bus: &Bus, partitions: u16, resume: ResumePoint) -> Result<Intake, Error> {
        let ResumePoint { floor, highest, taken, lane, may_slow } = resume;
        let floor = floor.max(lane.main_floor);
        let lane = Arc::new(lane);
        let main = MainLane::open(bus, partitions, floor, highest, taken, lane.clone()).await?;
        let slow_ledger = AckLedger::new(lane.floor);
        let shared = Arc::new(Mutex::new(lane.clone()));
        let (look_ahead, ahead) = mpsc::unbounded_channel();
        let mut intake = Intake {
            bus: bus.clone(),
            partitions,
            floor: Floor { main: main.ledger.clone(), slow: slow_ledger.clone(), lane: shared },
            main,
            slow: None,
            slow_ledger,
            lane,
            pending: None,
            said_caught_up: false,
            closing_since: None,
            shares: ChannelShares::default(),
            ahead,
            look_ahead,
            patience: 0,
            outputs: watch::channel(0).1,
            may_slow,
        };
        bus.slow.reset();
        if intake.lane.is_open() {
            // Which of these were skipped before the start is unknown; at most all.
            intake.bus.slow.skipped(intake.main.next() - 1);
            intake.read_slowly();
        }
        Ok(intake)
    }

    /// The next pull: all available events, at most [`limits::PULL_BATCH`], or else the first that
    /// arrives. Waits during broker outages.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Rewound`], [`Error::Rewritten`], [`Error::Another`] or [`Error::Gone`] if it is no longer
    /// the same stream. Other errors are retried.
    pub async fn next(&mut self) -> Result<PulledBatch, Error> {
        loop {
            self.settle();
            let (is_closing, keeps_up) = (self.is_closing(), self.keeps_up());
            let is_steady = self.main.is_steady();
            let read = match &mut self.slow {
                Some(slow) if is_steady => tokio::select! {
                    read = self.main.read(), if !is_closing => read?,
                    page = slow.next(keeps_up, &mut self.outputs) => {
                        let Some(page) = page else {
                            unreachable!("who reads the slow lane ends when nobody listens any more")
                        };
                        return Ok(self.dispatch_page(page));
                    }
                    () = self.slow_ledger.risen() => continue,
                    () = tokio::time::sleep(CLOSING_MAX), if is_closing => continue,
                },
                // A new connection takes several steps, which a page of the slow lane must not interrupt.
                slow => {
                    if let Some(page) = slow.as_mut().and_then(|slow| slow.ready(keeps_up)) {
                        return Ok(self.dispatch_page(page));
                    }
                    self.main.read().await?
                }
            };
            let is_news =
                std::mem::replace(&mut self.said_caught_up, read.is_caught_up) != read.is_caught_up;
            if read.buffer.is_some() || is_news {
                return Ok(self.dispatch_main(read));
            }
            self.pending = read.pending;
        }
    }

    /// From now on the slow lane pauses while many outputs wait: outputs are published in order, and
    /// those of all other channels would wait behind those of a flooding one.
    pub fn spare(&mut self, relay: &Relay) {
        self.outputs = relay.depths();
    }

    /// The positions of both lanes, to be stored with the next commit and passed in [`ResumePoint`] after
    /// a restart. They may lag, and only rise.
    pub fn floor(&self) -> Floor {
        self.floor.clone()
    }

    /// How often the consumer was reset because of a gap or an outage.
    pub fn resets(&self) -> Arc<AtomicU64> {
        self.main.resets()
    }

    /// Events that expired before they were processed.
    pub fn missed(&self) -> MissedEvents {
        self.main.missed.clone()
    }

    fn dispatch_main(&mut self, read: MainLaneRead) -> PulledBatch {
        let MainLaneRead { buffer, is_caught_up, pending } = read;
        self.pending = pending;
        let Some(buffer) = buffer else {
            return PulledBatch { parts: Vec::new(), is_caught_up };
        };
        self.bus.slow.skipped(buffer.skipped);
        if self.may_slow {
            self.weigh(&buffer);
        }
        if let Some(slow) = &self.slow {
            slow.may_read(self.main.next(), &self.lane);
        }
        let ledger = self.main.ledger.clone();
        PulledBatch { parts: dispatch(&ledger, buffer, None), is_caught_up }
    }

    fn dispatch_page(&mut self, page: SlowPage) -> PulledBatch {
        let mut buffer = PullBuffer::behind(0, self.partitions);
        page.deliveries.into_iter().for_each(|delivery| buffer.add(delivery));
        buffer.last_sequence = page.next - 1;
        let parts = dispatch(&self.slow_ledger, buffer, Some(page.room));
        PulledBatch { parts, is_caught_up: self.main.is_caught_up() }
    }

    /// Slows the loudest channels if the partitions do not keep up.
    fn weigh(&mut self, buffer: &PullBuffer) {
        let now = Instant::now();
        let Some(pending) = self.pending else { return };
        if pending < limits::SLOW_BEHIND as u64 {
            self.shares.clear();
            let firsts = buffer.parts.iter().filter_map(|(_, deliveries)| deliveries.first());
            firsts.for_each(|one| self.shares.see(self.bus.channel_of(one), now));
            return;
        }
        if buffer.last_sequence < self.patience {
            return;
        }
        self.shares.count_slowed(buffer.skips as u64);
        let deliveries = buffer.parts.iter().flat_map(|(_, deliveries)| deliveries);
        deliveries.for_each(|one| self.shares.count(self.bus.channel_of(one), now));
        if self.shares.total() < limits::SLOW_SAMPLE as u64 {
            return;
        }
        while let Ok(channel) = self.ahead.try_recv() {
            self.shares.see(Some(&channel), now);
        }
        let slowed: Vec<&str> = self.lane.slowed().collect();
        let mut channels = self.shares.loudest(&slowed, now);
        self.shares.clear();
        channels.truncate(limits::SLOW_CHANNELS.saturating_sub(self.lane.channels.len()));
        if channels.is_empty() {
            self.sample_last_event();
            return;
        }
        let (from, behind) = (self.main.front(), pending);
        tracing::warn!(
            channels = channels.join(", "),
            behind,
            "overload: the channels that send most move to the slow lane; all others stay in the \
             main lane"
        );
        self.patience = buffer.last_sequence + behind;
        if !self.lane.is_open() {
            self.slow_ledger.pass(from - 1);
        }
        self.change_lane(|lane| channels.iter().for_each(|channel| lane.slow(channel, from)));
        if self.slow.is_none() {
            self.read_slowly();
        }
    }

    /// Looks up the channel of the last event in the stream: it may wait behind all others, and the main
    /// lane would see it only then.
    fn sample_last_event(&self) {
        let (bus, found) = (self.bus.clone(), self.look_ahead.clone());
        tokio::spawn(async move {
            let stream = bus.subjects.events_stream();
            // Without an answer the next sample tries again.
            let Ok(Some(last)) = fetch_last(&bus, &stream, ">").await else { return };
            if let Some(channel) = bus.subjects.channel(&last.subject) {
                // The intake may have ended.
                let _ = found.send(channel.into());
            }
        });
    }

    /// Changes the slow lane and shares it with everything that reads it.
    fn change_lane(&mut self, change: impl FnOnce(&mut SlowLane)) {
        change(Arc::make_mut(&mut self.lane));
        self.main.pass_over(self.lane.clone());
        *self.floor.lane.lock() = self.lane.clone();
    }

    /// Starts or restarts the reader of the slow lane.
    fn read_slowly(&mut self) {
        let slow = SlowReader::start(&self.bus, self.slow_ledger.floor() + 1, self.missed());
        slow.may_read(self.main.next(), &self.lane);
        self.slow = Some(slow);
    }

    /// Whether the slow lane holds so little that the main lane should wait a moment until it is empty.
    fn is_closing(&mut self) -> bool {
        let is_near = self.slow.is_some()
            && self.keeps_up()
            && self.place().is_at_front()
            && self.bus.slow.behind() <= limits::NEARLY_DONE as u64;
        if !is_near {
            self.closing_since = None;
            return false;
        }
        self.closing_since.get_or_insert_with(Instant::now).elapsed() < CLOSING_MAX
    }

    /// Whether the main lane has little of the stream left to read.
    fn keeps_up(&self) -> bool {
        self.pending.is_some_and(|pending| pending <= limits::NEARLY_DONE as u64)
    }

    fn place(&self) -> MainPlace {
        MainPlace {
            next: self.main.next(),
            front: self.main.front(),
            skipped: self.bus.slow.last_skipped(),
        }
    }

    /// Ends the slow lane if it is empty, and removes what is finished.
    fn settle(&mut self) {
        if self.lane.channels.is_empty() {
            return;
        }
        let floor = self.slow_ledger.floor();
        self.bus.slow.durable(floor);
        let place = self.place();
        if self.slow.is_some() && self.keeps_up() && place.may_close(floor) {
            tracing::info!("the slow lane is empty: all channels are back in the main lane");
            self.change_lane(|lane| lane.close(place.front));
            self.slow = None;
        }
        let main_floor = self.main.ledger.floor();
        if self.lane.is_any_over(main_floor) {
            self.change_lane(|lane| lane.forget(main_floor));
        }
    }
}

impl Bus {
    /// The channel of a delivery, as a subject token.
    pub(super) fn channel_of<'a>(&self, delivery: &'a Delivery) -> Option<&'a str> {
        let subject = &delivery.original.subject;
        match &delivery.content {
            Content::Unread | Content::Erasure(_) => subject.channel(),
            Content::Read(_) | Content::Broadcast(_) => self.subjects.channel(subject),
        }
    }
}

fn dispatch(
    ledger: &Arc<AckLedger>,
    buffer: PullBuffer,
    room: Option<tokio::sync::OwnedSemaphorePermit>,
) -> Vec<PartitionPull> {
    let waiting = buffer.parts.len();
    let pull = ledger.enter(buffer.last_sequence, buffer.reply, waiting, room);
    let part = |(partition, deliveries)| PartitionPull {
        partition,
        deliveries,
        receipt: AckHandle::new(ledger, &pull),
    };
    buffer.parts.into_iter().map(part).collect()
}

/// A handle to read the position of an [`Intake`].
#[derive(Debug, Clone)]
pub struct Floor {
    main: Arc<AckLedger>,
    slow: Arc<AckLedger>,
    lane: Arc<Mutex<Arc<SlowLane>>>,
}

impl Floor {
    /// The sequence up to which everything of both lanes is durable in every partition; 0: nothing.
    pub fn taken_in(&self) -> u64 {
        self.slow_lane().taken_in()
    }

    /// The slow lane, with lower bounds of both lanes' positions.
    pub fn slow_lane(&self) -> SlowLane {
        // In this order, so that the lane is as it was at these positions, or later.
        let (main_floor, floor) = (self.main.floor(), self.slow.floor());
        let lane = self.lane.lock().clone();
        let (main_floor, floor) = (lane.main_floor.max(main_floor), lane.floor.max(floor));
        SlowLane { floor, main_floor, ..(*lane).clone() }
    }

    /// The channels with events in the slow lane, as subject tokens.
    pub fn slowed(&self) -> Vec<Box<str>> {
        let lane = self.lane.lock().clone();
        lane.slowed().map(Into::into).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_resumes_after_the_lowest_cursor_or_the_floor() {
        let at = |floor, highest| ResumePoint { floor, highest, ..ResumePoint::default() };
        assert_eq!(ResumePoint::from([], 0), at(0, 0));
        assert_eq!(ResumePoint::from([0, 0], 0), at(0, 0));
        assert_eq!(ResumePoint::from([5, 9, 7], 0), at(5, 9));
        assert_eq!(ResumePoint::from([0, 9, 7], 6), at(6, 9));
    }
}
