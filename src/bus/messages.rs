use std::collections::VecDeque;
use std::time::Duration;

use super::malformed_headers::fetch_last;
use super::pages::{HeldMessage, PagedReader, ReadMessage};
use super::{Bus, Error};

/// The interval between two checks for new messages after none was found.
const LOOK: Duration = Duration::from_millis(100);

/// The messages of a stream under some subjects, one after the other, without those with malformed
/// headers, which were never processed.
#[derive(Debug)]
pub(super) struct MessageReader {
    pages: PagedReader,
    /// The last sequence to read; none: unbounded.
    last: Option<u64>,
    ready: VecDeque<HeldMessage>,
}

impl MessageReader {
    /// The messages that the stream holds now.
    pub(super) async fn now(
        bus: &Bus,
        stream: String,
        filter: String,
    ) -> Result<MessageReader, Error> {
        let last = fetch_last(bus, &stream, &filter).await?.map_or(0, |last| last.sequence);
        Ok(MessageReader { last: Some(last), ..MessageReader::from(bus, stream, filter, 1) })
    }

    /// The messages that arrive from now on.
    pub(super) async fn after(
        bus: &Bus,
        stream: String,
        filter: String,
    ) -> Result<MessageReader, Error> {
        let last = fetch_last(bus, &stream, &filter).await?.map_or(0, |last| last.sequence);
        Ok(MessageReader::from(bus, stream, filter, last + 1))
    }

    fn from(bus: &Bus, stream: String, filter: String, next: u64) -> MessageReader {
        let pages = PagedReader::from(bus, stream, filter, next);
        MessageReader { pages, last: None, ready: VecDeque::new() }
    }

    pub(super) fn bus(&self) -> &Bus {
        self.pages.bus()
    }

    /// The sequence of the next message; none if there is none now.
    pub(super) async fn peek(&mut self) -> Result<Option<u64>, Error> {
        while self.ready.is_empty() && self.last.is_none_or(|last| self.pages.next() <= last) {
            let found = self.pages.read().await?.messages;
            if found.is_empty() {
                // Nothing after the last sequence is wanted.
                if let Some(last) = self.last {
                    self.pages.go_to(last + 1);
                }
                break;
            }
            let last = self.last.unwrap_or(u64::MAX);
            let sound = found.into_iter().filter_map(|found| match found {
                ReadMessage::Sound(held) => Some(held).filter(|held| held.sequence <= last),
                ReadMessage::Unreadable(_) => None,
            });
            self.ready.extend(sound);
        }
        Ok(self.ready.front().map(|held| held.sequence))
    }

    /// Takes the message that [`peek`](MessageReader::peek) has seen.
    pub(super) fn take(&mut self) -> Option<HeldMessage> {
        self.ready.pop_front()
    }

    /// Waits for the next message.
    pub(super) async fn wait(&mut self) -> Result<HeldMessage, Error> {
        loop {
            self.peek().await?;
            if let Some(held) = self.take() {
                return Ok(held);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
