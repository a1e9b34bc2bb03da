//! Reads the slow lane: reads the stream again from its first slow-lane event.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::error::chain;
use super::pages::PagedReader;
use super::{Bus, Error, MissedEvents};
use crate::config::limits;
use crate::event::{Delivery, Lane, SlowLane};

/// Pages that are read ahead of processing.
const PAGES_AHEAD: usize = 1;
/// The pause before reading again if the broker does not answer.
const PAUSE: Duration = Duration::from_millis(200);
/// However busy the other lane is, pages of the slow lane follow each other at least this soon.
const PAGES_APART: Duration = Duration::from_millis(100);

/// One page of the slow lane.
#[derive(Debug)]
pub(super) struct SlowPage {
    /// The events of the slow lane; may be empty.
    pub(super) deliveries: Vec<Delivery>,
    /// Everything before this sequence was read.
    pub(super) next: u64,
    /// A permit of each page until it is durable: there are few, so that pages fill no queue.
    pub(super) room: OwnedSemaphorePermit,
}

/// Reads the slow lane beside the main one, on a connection of its own.
#[derive(Debug)]
pub(super) struct SlowReader {
    pages: mpsc::Receiver<(Vec<Delivery>, u64)>,
    /// The position of the main lane, and the slow lane.
    bounds: watch::Sender<(u64, Arc<SlowLane>)>,
    room: Arc<Semaphore>,
    /// When a page was last dispatched.
    last_page: Instant,
}

impl SlowReader {
    /// Starts to read from this sequence on, as far as [`may_read`](SlowReader::may_read) allows.
    pub(super) fn start(bus: &Bus, from: u64, missed: MissedEvents) -> SlowReader {
        let (bounds, receiver) = watch::channel((0, Arc::new(SlowLane::default())));
        let (send, pages) = mpsc::channel(PAGES_AHEAD);
        let task = Task {
            bus: bus.clone(),
            stream: PagedReader::of_events(bus, "jumeau-slow-lane", from),
            missed,
            bounds: receiver,
            pages: send,
        };
        tokio::spawn(task.run());
        let room = Arc::new(Semaphore::new(limits::SLOW_PAGES));
        SlowReader { pages, bounds, room, last_page: Instant::now() }
    }

    /// Sets the position of the main lane. The slow lane stays behind it, so that events from before a
    /// channel was slowed are processed before those from after it.
    pub(super) fn may_read(&self, before: u64, lane: &Arc<SlowLane>) {
        self.bounds.send_replace((before, lane.clone()));
    }

    /// The next page, once it is its turn and a permit is free; none if the reader has ended. `keeps_up`
    /// says whether the main lane keeps up, and `outputs` how many outputs wait for the broker.
    /// Cancel-safe.
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

    /// Waits for the slow lane's turn: it gets the capacity that the main lane leaves, and a little in
    /// any case.
    async fn turn(&self, keeps_up: bool, outputs: &mut watch::Receiver<usize>) {
        let least = tokio::time::sleep_until(self.last_page + PAGES_APART);
        if !keeps_up {
            return least.await;
        }
        tokio::select! {
            // Without a relay no output waits.
            _ = outputs.wait_for(|waiting| *waiting <= limits::SLOW_OUTPUTS) => {}
            () = least => {}
        }
    }

    /// The next page, if it has been read and a permit is free.
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
    /// Runs until no receiver is left.
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
            // A page without slow-lane events is not sent: pages come no faster than they are processed.
            let next = self.stream.next();
            let is_page = !found.is_empty() || next >= before;
            if is_page && self.pages.send((found, next)).await.is_err() {
                return;
            }
        }
    }

    /// The limit of reading, once it has risen; none if no receiver is left.
    async fn may_read(&mut self) -> Option<(u64, Arc<SlowLane>)> {
        let next = self.stream.next();
        let bounds = self.bounds.wait_for(|(before, _)| *before > next).await.ok()?;
        Some(bounds.clone())
    }

    /// The next events of the slow lane before a sequence.
    async fn read(&mut self, before: u64, lane: &SlowLane) -> Result<Vec<Delivery>, Error> {
        let next = self.stream.next();
        let mut found = self.stream.read().await?.messages;
        let first = found.first().map_or(before, |first| first.sequence().min(before));
        if first > next {
            self.missed.check_gap(&self.bus, next, first);
        }
        // The main lane has not reached later ones.
        found.retain(|message| message.sequence() < before);
        self.stream.go_to(found.last().map_or(before, |last| last.sequence() + 1));
        found.retain(|message| {
            let channel = self.bus.subjects.channel(message.subject());
            channel.is_some_and(|one| lane.lane_of(one, message.sequence()) == Lane::Slow)
        });
        let slow = found.into_iter().map(|message| message.delivery(&self.bus));
        Ok(slow.map(|delivery| Delivery { lane: Lane::Slow, ..delivery }).collect())
    }
}
