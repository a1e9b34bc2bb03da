//! Reads the slow lane: reads the stream again from its first slow-lane event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::error::chain;
use super::pages::PagedReader;
use super::{Bus, Error, MissedEvents};
use crate::config::limits;
use crate::event::{Delivery, Lane, SlowLane};

/// Pages that are read ahead of what can be taken in.
const PAGES_AHEAD: usize = 1;
/// Between two attempts to read, if the broker does not answer.
const PAUSE: Duration = Duration::from_millis(200);
/// However much others need, pages of the slow lane come at least so soon one after the other.
const PAGES_APART: Duration = Duration::from_millis(100);

/// The backlog of the slow lane. Written only by the intake, read for statistics.
#[derive(Debug, Default)]
pub(super) struct SlowGauge {
    /// The last sequence that the main lane has passed over.
    skipped: AtomicU64,
    /// Everything in the slow lane up to this sequence is durable.
    durable: AtomicU64,
}

impl SlowGauge {
    /// Begins anew: nothing waits.
    pub(super) fn reset(&self) {
        self.skipped.store(0, Ordering::Release);
        self.durable.store(0, Ordering::Release);
    }

    pub(super) fn skipped(&self, sequence: u64) {
        self.skipped.fetch_max(sequence, Ordering::AcqRel);
    }

    /// The last sequence that was passed over; 0: none.
    pub(super) fn last_skipped(&self) -> u64 {
        self.skipped.load(Ordering::Acquire)
    }

    pub(super) fn durable(&self, sequence: u64) {
        self.durable.store(sequence, Ordering::Release);
    }

    /// How many sequences behind the last event that was passed over the slow lane is: at least as many
    /// as events wait there.
    pub(super) fn behind(&self) -> u64 {
        self.last_skipped().saturating_sub(self.durable.load(Ordering::Acquire))
    }

    /// Whether everything in the slow lane up to a sequence is durable.
    pub(super) fn is_past(&self, sequence: u64) -> bool {
        self.behind() == 0 || self.durable.load(Ordering::Acquire) >= sequence
    }
}

/// What was read of the slow lane at once.
#[derive(Debug)]
pub(super) struct SlowPage {
    /// The events that waited; there may be none.
    pub(super) deliveries: Vec<Delivery>,
    /// Everything before this sequence was looked at.
    pub(super) next: u64,
    /// Pages that are not durable yet hold one each: there are few, so that they fill no queue.
    pub(super) room: OwnedSemaphorePermit,
}

/// Reads the slow lane beside the main one, on a connection of its own.
#[derive(Debug)]
pub(super) struct SlowReader {
    pages: mpsc::Receiver<(Vec<Delivery>, u64)>,
    /// Up to which sequence the main lane is, and what is in the slow lane.
    bounds: watch::Sender<(u64, Arc<SlowLane>)>,
    room: Arc<Semaphore>,
    /// When a page was handed out last.
    last_page: Instant,
}

impl SlowReader {
    /// Begins to read from this sequence on, as far as [`may_read`](SlowReader::may_read) says.
    pub(super) fn start(bus: &Bus, from: u64, missed: MissedEvents) -> SlowReader {
        let (bounds, told) = watch::channel((0, Arc::new(SlowLane::default())));
        let (send, pages) = mpsc::channel(PAGES_AHEAD);
        let task = Task {
            bus: bus.clone(),
            stream: PagedReader::of_events(bus, "jumeau-slow-lane", from),
            missed,
            bounds: told,
            pages: send,
        };
        tokio::spawn(task.run());
        let room = Arc::new(Semaphore::new(limits::SLOW_PAGES));
        SlowReader { pages, bounds, room, last_page: Instant::now() }
    }

    /// The main lane is up to this sequence. The slow lane stays behind it, so that what was sent before
    /// a channel was slowed is taken in before what was sent after it.
    pub(super) fn may_read(&self, before: u64, lane: &Arc<SlowLane>) {
        self.bounds.send_replace((before, lane.clone()));
    }

    /// The next page, once it is its turn and there is room for it; none if nobody reads any more.
    /// `keeps_up` says whether the main lane does, and `outputs` how many wait for the broker. The future
    /// may be dropped and nothing is lost.
    pub(super) async fn next(
        &mut self,
        keeps_up: bool,
        outputs: &mut watch::Receiver<usize>,
    ) -> Option<SlowPage> {
        self.turn(keeps_up, outputs).await;
        // The semaphore is never closed.
        let room = self.room.clone().acquire_owned().await.ok()?;
        let (deliveries, next) = self.pages.recv().await?;
        self.last_page = Instant::now();
        Some(SlowPage { deliveries, next, room })
    }

    /// Until it is the slow lane's turn: it takes what the others leave, and a little in any case.
    async fn turn(&self, keeps_up: bool, outputs: &mut watch::Receiver<usize>) {
        let least = tokio::time::sleep_until(self.last_page + PAGES_APART);
        if !keeps_up {
            return least.await;
        }
        tokio::select! {
            // Without a relay nothing waits.
            _ = outputs.wait_for(|waiting| *waiting <= limits::SLOW_OUTPUTS) => {}
            () = least => {}
        }
    }

    /// The next page, if it is here and there is room for it.
    pub(super) fn ready(&mut self, keeps_up: bool) -> Option<SlowPage> {
        if !keeps_up && self.last_page.elapsed() < PAGES_APART {
            return None;
        }
        let room = self.room.clone().try_acquire_owned().ok()?;
        let (deliveries, next) = self.pages.try_recv().ok()?;
        self.last_page = Instant::now();
        Some(SlowPage { deliveries, next, room })
    }
}

struct Task {
    bus: Bus,
    stream: PagedReader,
    missed: MissedEvents,
    bounds: watch::Receiver<(u64, Arc<SlowLane>)>,
    pages: mpsc::Sender<(Vec<Delivery>, u64)>,
}

impl Task {
    /// Until nobody listens any more.
    async fn run(mut self) {
        loop {
            let Some((before, lane)) = self.may_read().await else { return };
            let found = match self.read(before, &lane).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "cannot read the slow lane");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            // What holds nothing that waits is no page: those come no faster than can be taken in.
            let next = self.stream.next;
            let is_page = !found.is_empty() || next >= before;
            if is_page && self.pages.send((found, next)).await.is_err() {
                return;
            }
        }
    }

    /// Up to where may be read, once that is further than it was; none if nobody listens any more.
    async fn may_read(&mut self) -> Option<(u64, Arc<SlowLane>)> {
        let next = self.stream.next;
        let bounds = self.bounds.wait_for(|(before, _)| *before > next).await.ok()?;
        Some(bounds.clone())
    }

    /// What waits in the slow lane next, before a sequence.
    async fn read(&mut self, before: u64, lane: &SlowLane) -> Result<Vec<Delivery>, Error> {
        let next = self.stream.next;
        let mut found = self.stream.read().await?.messages;
        let first = found.first().map_or(before, |first| first.sequence().min(before));
        if first > next {
            self.missed.look(&self.bus, next, first);
        }
        // The main lane has not come to what is behind that.
        found.retain(|message| message.sequence() < before);
        self.stream.next = found.last().map_or(before, |last| last.sequence() + 1);
        found.retain(|message| {
            let channel = self.bus.subjects.channel(message.subject());
            channel.is_some_and(|one| lane.lane_of(one, message.sequence()) == Lane::Slow)
        });
        let slow = found.into_iter().map(|message| message.delivery(&self.bus));
        Ok(slow.map(|delivery| Delivery { lane: Lane::Slow, ..delivery }).collect())
    }
}
