use std::collections::VecDeque;
use std::time::Duration;

use super::pages::{Found, Held, Pages};
use super::unreadable::fetch_last;
use super::{Bus, Error};

/// Between two looks for what may have come, if nothing had.
const LOOK: Duration = Duration::from_millis(100);

/// The messages of a stream under some subjects, one after the other; without those whose headers cannot
/// be read, which were never taken in.
#[derive(Debug)]
pub(super) struct Messages {
    pages: Pages,
    /// The last sequence that is read; none: whatever comes.
    last: Option<u64>,
    ready: VecDeque<Held>,
}

impl Messages {
    /// What the stream holds now.
    pub(super) async fn now(bus: &Bus, stream: String, filter: String) -> Result<Messages, Error> {
        let last = fetch_last(bus, &stream, &filter).await?.map_or(0, |last| last.sequence);
        Ok(Messages { last: Some(last), ..Messages::from(bus, stream, filter, 1) })
    }

    /// What comes from now on.
    pub(super) async fn after(
        bus: &Bus,
        stream: String,
        filter: String,
    ) -> Result<Messages, Error> {
        let last = fetch_last(bus, &stream, &filter).await?.map_or(0, |last| last.sequence);
        Ok(Messages::from(bus, stream, filter, last + 1))
    }

    fn from(bus: &Bus, stream: String, filter: String, next: u64) -> Messages {
        let pages = Pages::from(bus, stream, filter, next);
        Messages { pages, last: None, ready: VecDeque::new() }
    }

    pub(super) fn bus(&self) -> &Bus {
        self.pages.bus()
    }

    /// The sequence of the next message; none if there is none now.
    pub(super) async fn peek(&mut self) -> Result<Option<u64>, Error> {
        while self.ready.is_empty() && self.last.is_none_or(|last| self.pages.next <= last) {
            let found = self.pages.read().await?.messages;
            if found.is_empty() {
                // Beyond the last there is nothing to look for.
                self.pages.next = self.last.map_or(self.pages.next, |last| last + 1);
                break;
            }
            let last = self.last.unwrap_or(u64::MAX);
            let sound = found.into_iter().filter_map(|found| match found {
                Found::Sound(held) => Some(held).filter(|held| held.sequence <= last),
                Found::Unreadable(_) => None,
            });
            self.ready.extend(sound);
        }
        Ok(self.ready.front().map(|held| held.sequence))
    }

    /// The message that [`peek`](Messages::peek) has seen.
    pub(super) fn take(&mut self) -> Option<Held> {
        self.ready.pop_front()
    }

    /// The next message, once there is one.
    pub(super) async fn wait(&mut self) -> Result<Held, Error> {
        loop {
            self.peek().await?;
            if let Some(held) = self.take() {
                return Ok(held);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
