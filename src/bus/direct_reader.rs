use std::time::Duration;

use tokio::time::Instant;

use super::pages::{MessagePage, PagedReader, ReadMessage};
use super::stream::CONSUMER;
use super::{Bus, Error};

/// Without a message with malformed headers for this long, the consumer delivers again.
const QUIET: Duration = Duration::from_secs(5);
/// The interval at which the consumer is told our position, for the broker and its tools.
const TELL: Duration = Duration::from_millis(100);

/// Reads the event stream without the consumer, because some messages make the client library close the
/// connection on delivery.
#[derive(Debug)]
pub(super) struct DirectReader {
    pages: PagedReader,
    /// The time of the last message with malformed headers.
    last_bad: Instant,
    /// The connection on which we read: on another one, the stream may be another.
    epoch: u64,
    /// The sequence up to which the consumer was told that everything is durable, and when.
    reported: (u64, Instant),
}

impl DirectReader {
    pub(super) fn from(bus: &Bus, next: u64) -> DirectReader {
        let mut pages = PagedReader::of_events(bus, "jumeau-careful", next);
        // The next message is the reason for reading directly.
        pages.expect_unreadable();
        let now = Instant::now();
        DirectReader { pages, last_bad: now, epoch: bus.link.borrow().epoch, reported: (0, now) }
    }

    /// Whether the consumer should deliver again.
    pub(super) fn is_over(&self, bus: &Bus) -> bool {
        self.last_bad.elapsed() > QUIET || bus.link.borrow().epoch != self.epoch
    }

    /// The next pull, if there is one; everything up to `floor` is durable. Cancel-safe.
    pub(super) async fn read(&mut self, bus: &Bus, floor: u64) -> Result<MessagePage, Error> {
        self.tell(bus, floor).await;
        let page = self.pages.read().await?;
        if page.messages.iter().any(|found| matches!(found, ReadMessage::Unreadable(_))) {
            self.last_bad = Instant::now();
        }
        Ok(page)
    }

    async fn tell(&mut self, bus: &Bus, floor: u64) {
        let (reported, at) = self.reported;
        if floor == reported || at.elapsed() < TELL {
            return;
        }
        let stream = bus.jetstream.get_stream_no_info(bus.subjects.events_stream()).await;
        let Ok(stream) = stream else { return };
        // Only the display of tools depends on it: we know our position.
        if stream.reset_consumer(CONSUMER, Some(floor + 1)).await.is_ok() {
            self.reported = (floor, Instant::now());
        }
    }
}
