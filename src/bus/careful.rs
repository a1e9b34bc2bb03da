use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::Instant;

use super::main_lane::CONSUMER;
use super::unreadable::fetch_next;
use super::{Bus, Error};
use crate::config::limits;
use crate::event::Delivery;

/// Without a message that the client library cannot read for so long, the consumer delivers again.
const QUIET: Duration = Duration::from_secs(5);
/// How often the consumer is told how far we are, so that the broker and its tools know.
const TELL: Duration = Duration::from_millis(100);

/// Reads the stream of events through the broker's API, because some of its messages end every
/// connection on which they are delivered.
///
/// It is about ten times slower than the consumer, but each such message costs no more than any
/// other: whoever publishes many of them makes nobody wait.
#[derive(Debug)]
pub(super) struct Careful {
    stream: String,
    /// The next sequence to ask for.
    next: u64,
    /// Messages asked for at once: one while nothing comes.
    width: usize,
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
    /// Whether the stream holds nothing more.
    pub(super) is_last: bool,
}

impl Careful {
    pub(super) fn from(bus: &Bus, next: u64) -> Careful {
        let now = Instant::now();
        Careful {
            stream: bus.subjects.events_stream(),
            next,
            width: 1,
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
        Ok(Found { deliveries, is_last })
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
