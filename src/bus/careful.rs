use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::Instant;

use super::main_lane::CONSUMER;
use super::pages::read_events;
use super::unreadable::fetch_next;
use super::{Bus, Error};
use crate::config::limits;
use crate::event::Delivery;

/// Without a message that the client library cannot read for so long, the consumer delivers again.
const QUIET: Duration = Duration::from_secs(5);
/// How often the consumer is told how far we are, so that the broker and its tools know.
const TELL: Duration = Duration::from_millis(100);

/// After a page whose messages the client library cannot all read, so many are read one by one.
const ONE_BY_ONE: usize = 256;

/// Reads the stream of events through the broker's API, because some of its messages end every
/// connection on which they are delivered.
///
/// While much waits it reads by pages, on a connection of its own, and around a page that ends it one by
/// one: that is about ten times slower than the consumer, but each such message costs no more than any
/// other: whoever publishes many of them makes nobody wait.
#[derive(Debug)]
pub(super) struct Careful {
    stream: String,
    /// The next sequence to ask for.
    next: u64,
    /// Messages asked for at once: one while nothing comes.
    width: usize,
    /// So many messages more are read one by one.
    one_by_one: usize,
    /// Where pages come.
    pages: Option<Bus>,
    /// How many messages the stream holds behind the last one, if that is known.
    pending: Option<u64>,
    /// When the last message came that the library cannot read.
    last_bad: Instant,
    /// The connection on which we ask: on another one, the stream may be another.
    epoch: u64,
    /// Up to which sequence the consumer was told that everything is durable, and when.
    told: (u64, Instant),
}

/// What is next in the stream.
pub(super) struct Found {
    pub(super) deliveries: Vec<Delivery>,
    /// How many messages the stream holds behind these, if that is known; 0: nothing more.
    pub(super) pending: Option<u64>,
}

impl Careful {
    pub(super) fn from(bus: &Bus, next: u64) -> Careful {
        let now = Instant::now();
        Careful {
            stream: bus.subjects.events_stream(),
            next,
            width: 1,
            // The next message is why we are here.
            one_by_one: ONE_BY_ONE,
            pages: None,
            pending: None,
            last_bad: now,
            epoch: bus.link.borrow().epoch,
            told: (0, now),
        }
    }

    /// Whether the consumer should deliver again.
    pub(super) fn is_over(&self, bus: &Bus) -> bool {
        self.last_bad.elapsed() > QUIET || bus.link.borrow().epoch != self.epoch
    }

    /// What comes next, if anything does; everything up to `floor` is durable. The future may be
    /// dropped, and nothing is lost.
    pub(super) async fn read(&mut self, bus: &Bus, floor: u64) -> Result<Found, Error> {
        self.tell(bus, floor).await;
        if self.one_by_one == 0 && self.width == limits::WRAPPED_AT_ONCE {
            match self.read_page(bus).await {
                Ok(found) if !found.deliveries.is_empty() => return Ok(found),
                // Nothing is there, or whoever answers is a copy of the stream that is behind.
                Ok(_) => self.width = 1,
                Err(_) => (self.pages, self.one_by_one) = (None, ONE_BY_ONE),
            }
        }
        self.read_one_by_one(bus).await
    }

    async fn read_page(&mut self, bus: &Bus) -> Result<Found, Error> {
        let pages = match &self.pages {
            Some(pages) => pages,
            None => self.pages.insert(bus.beside("jumeau-careful").await?),
        };
        let (deliveries, pending) = read_events(pages, self.next).await?;
        if let Some(last) = deliveries.last() {
            (self.next, self.pending) = (last.sequence + 1, pending);
        }
        Ok(Found { deliveries, pending })
    }

    async fn read_one_by_one(&mut self, bus: &Bus) -> Result<Found, Error> {
        let ahead = 0..self.width as u64;
        let asked = ahead.map(|ahead| fetch_next(bus, &self.stream, self.next + ahead, ">"));
        let answers = try_join_all(asked).await?;
        let is_last = answers.iter().any(Option::is_none);
        let mut deliveries = Vec::with_capacity(answers.len());
        // Behind an end, there may be messages that were stored a moment later; but then some may
        // have come between, too.
        for message in answers.into_iter().map_while(|answer| answer) {
            // Where sequences are missing, several requests are answered by the same message.
            if message.sequence < self.next {
                continue;
            }
            self.next = message.sequence + 1;
            if !message.is_sound() {
                self.last_bad = Instant::now();
            }
            deliveries.push(message.delivery(bus));
        }
        self.width = if is_last { 1 } else { (2 * self.width).min(limits::WRAPPED_AT_ONCE) };
        self.one_by_one = self.one_by_one.saturating_sub(deliveries.len());
        let read = deliveries.len() as u64;
        let left = self.pending.map(|pending| pending.saturating_sub(read));
        self.pending = if is_last { Some(0) } else { left.filter(|left| *left > 0) };
        Ok(Found { deliveries, pending: self.pending })
    }

    async fn tell(&mut self, bus: &Bus, floor: u64) {
        let (told, at) = self.told;
        if floor == told || at.elapsed() < TELL {
            return;
        }
        let stream = bus.jetstream.get_stream_no_info(&self.stream).await;
        let Ok(stream) = stream else { return };
        // Only what tools show depends on it: where we are we know ourselves.
        if stream.reset_consumer(CONSUMER, Some(floor + 1)).await.is_ok() {
            self.told = (floor, Instant::now());
        }
    }
}
