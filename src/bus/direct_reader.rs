use std::time::Duration;

use tokio::time::Instant;

use super::main_lane::CONSUMER;
use super::pages::{MessagePage, PagedReader, ReadMessage};
use super::{Bus, Error};

/// Without a message that the client library cannot read for so long, the consumer delivers again.
const QUIET: Duration = Duration::from_secs(5);
/// How often the consumer is told how far we are, so that the broker and its tools know.
const TELL: Duration = Duration::from_millis(100);

/// Reads the event stream without the consumer, because some messages make the client library close the
/// connection on delivery.
#[derive(Debug)]
pub(super) struct DirectReader {
    pages: PagedReader,
    /// When the last message came that the library cannot read.
    last_bad: Instant,
    /// The connection on which we ask: on another one, the stream may be another.
    epoch: u64,
    /// Up to which sequence the consumer was told that everything is durable, and when.
    told: (u64, Instant),
}

impl DirectReader {
    pub(super) fn from(bus: &Bus, next: u64) -> DirectReader {
        let mut pages = PagedReader::of_events(bus, "jumeau-careful", next);
        // The next message is why we are here.
        pages.expect_unreadable();
        let now = Instant::now();
        DirectReader { pages, last_bad: now, epoch: bus.link.borrow().epoch, told: (0, now) }
    }

    /// Whether the consumer should deliver again.
    pub(super) fn is_over(&self, bus: &Bus) -> bool {
        self.last_bad.elapsed() > QUIET || bus.link.borrow().epoch != self.epoch
    }

    /// What comes next, if anything does; everything up to `floor` is durable. The future may be
    /// dropped, and nothing is lost.
    pub(super) async fn read(&mut self, bus: &Bus, floor: u64) -> Result<MessagePage, Error> {
        self.tell(bus, floor).await;
        let page = self.pages.read().await?;
        if page.messages.iter().any(|found| matches!(found, ReadMessage::Unreadable(_))) {
            self.last_bad = Instant::now();
        }
        Ok(page)
    }

    async fn tell(&mut self, bus: &Bus, floor: u64) {
        let (told, at) = self.told;
        if floor == told || at.elapsed() < TELL {
            return;
        }
        let stream = bus.jetstream.get_stream_no_info(bus.subjects.events_stream()).await;
        let Ok(stream) = stream else { return };
        // Only what tools show depends on it: where we are we know ourselves.
        if stream.reset_consumer(CONSUMER, Some(floor + 1)).await.is_ok() {
            self.told = (floor, Instant::now());
        }
    }
}
