//! What a stream holds, page by page.
//!
//! A consumer would do, too, but whoever may make one may have the broker deliver wherever they like:
//! where the broker has roles, nobody but the service may. The requests of this file say nothing of
//! where to, and the broker answers them without a trace.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use futures::StreamExt;
use serde::Serialize;
use tokio::time::timeout;

use super::unreadable::{fetch_last, fetch_next};
use super::{Bus, Error, delivery};
use crate::event::{Delivery, Time};

/// Messages of one page, at most.
const MESSAGES: usize = 256;
/// Bytes of one page, about; one message always fits.
const BYTES: usize = 4 << 20;
/// Between two looks for what may have come, if nothing had.
const LOOK: Duration = Duration::from_millis(100);

const WHAT: &str = "read what a stream holds";

/// What the broker adds to the headers of a message.
const SEQUENCE: &str = "Nats-Sequence";
const STORED: &str = "Nats-Time-Stamp";
const SUBJECT: &str = "Nats-Subject";
const PENDING: &str = "Nats-Num-Pending";
const ADDED: [&str; 6] = ["Nats-Stream", SUBJECT, SEQUENCE, STORED, PENDING, "Nats-Last-Sequence"];

/// What is asked for many messages.
#[derive(Serialize)]
struct AskPage<'a> {
    seq: u64,
    next_by_subj: &'a str,
    batch: usize,
    max_bytes: usize,
}

/// A message that a stream holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) sequence: u64,
    pub(super) stored: Time,
    /// How many messages the stream held behind it then, if the broker has said so.
    pub(super) pending: Option<u64>,
    /// As it was published, but under the subject that it is stored under.
    pub(super) message: Message,
}

/// Reads the messages of a stream under some subjects, in their order.
#[derive(Debug)]
pub(super) struct Pages {
    bus: Bus,
    stream: String,
    filter: String,
    next: u64,
    /// The last sequence that is read; none: whatever comes.
    last: Option<u64>,
    ready: VecDeque<Held>,
    /// So many messages more are read one by one, because the client library gives the connection up
    /// over the headers of some.
    careful: usize,
}

impl Pages {
    /// What the stream holds now.
    pub(super) async fn now(bus: &Bus, stream: String, filter: String) -> Result<Pages, Error> {
        let mut pages = Pages::after(bus, stream, filter).await?;
        pages.last = Some(pages.next - 1);
        pages.next = 1;
        Ok(pages)
    }

    /// What comes from this sequence on.
    pub(super) fn from(bus: &Bus, stream: String, filter: String, next: u64) -> Pages {
        Pages {
            bus: bus.clone(),
            stream,
            filter,
            next,
            last: None,
            ready: VecDeque::new(),
            careful: 0,
        }
    }

    /// What comes from now on.
    pub(super) async fn after(bus: &Bus, stream: String, filter: String) -> Result<Pages, Error> {
        let mut pages = Pages::from(bus, stream, filter, 1);
        let last = fetch_last(bus, &pages.stream, &pages.filter).await?;
        pages.next = last.map_or(0, |last| last.sequence) + 1;
        Ok(pages)
    }

    /// The sequence of the next message; none if there is none now.
    pub(super) async fn peek(&mut self) -> Result<Option<u64>, Error> {
        if self.ready.is_empty() && self.last.is_none_or(|last| self.next <= last) {
            let mut found = match self.careful {
                0 => match self.page().await {
                    Ok(found) => found,
                    Err(_) => {
                        self.careful = MESSAGES;
                        self.sound().await?
                    }
                },
                _ => self.sound().await?,
            };
            let last = self.last.unwrap_or(u64::MAX);
            found.retain(|held| held.sequence <= last);
            // Beyond the last there is nothing to look for.
            self.next = found.last().map_or_else(
                || self.last.map_or(self.next, |last| last + 1),
                |held| held.sequence + 1,
            );
            self.ready = found.into();
        }
        Ok(self.ready.front().map(|held| held.sequence))
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The message that [`peek`](Pages::peek) has seen.
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

    /// The next messages, as many as fit.
    pub(super) async fn page(&self) -> Result<Vec<Held>, Error> {
        let page = AskPage {
            seq: self.next,
            next_by_subj: &self.filter,
            batch: MESSAGES,
            max_bytes: BYTES,
        };
        let client = &self.bus.client;
        let payload = serde_json::to_vec(&page).map_err(Error::request(WHAT))?;
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.map_err(Error::request(WHAT))?;
        let mut link = self.bus.link.clone();
        // One that was just made may not have said so yet.
        let epoch = link.borrow_and_update().epoch.max(1);
        let api = format!("$JS.API.DIRECT.GET.{}", self.stream);
        let sent = client.publish_with_reply(api, inbox, Bytes::from(payload)).await;
        sent.map_err(Error::request(WHAT))?;
        let patience = Duration::from_millis(self.bus.settings.request_timeout_ms);
        let mut found = Vec::new();
        loop {
            let answer = tokio::select! {
                biased;
                // What comes on another connection may lack what came before it.
                _ = link.changed() => {
                    let now = *link.borrow_and_update();
                    if now.is_up && now.epoch <= epoch {
                        continue;
                    }
                    None
                }
                answer = timeout(patience, answers.next()) => answer.map_err(Error::request(WHAT))?,
            };
            let Some(answer) = answer else { return Err(failed("the connection was lost")) };
            // A publisher may have written a status, too; no answer without a message has a sequence.
            let is_message = answer.headers.as_ref().is_some_and(|one| one.get(SEQUENCE).is_some());
            match answer.status {
                _ if is_message => {
                    let before = found.last().map_or(0, |held: &Held| held.sequence);
                    let (held, behind) = held(answer)?;
                    if behind != Some(before) {
                        return Err(failed("a page of a stream with a gap"));
                    }
                    found.push(held);
                }
                // The end of a page, or nothing found.
                Some(status) if matches!(status.as_u16(), 204 | 404) => return Ok(found),
                status => {
                    let status = status.map_or(0, |status| status.as_u16());
                    let said = answer.description.unwrap_or_default();
                    return Err(failed(&format!("the broker answers {status} {said}")));
                }
            }
        }
    }

    /// The next message whose headers can be read; what was published with others was never taken in.
    async fn sound(&mut self) -> Result<Vec<Held>, Error> {
        loop {
            let next = fetch_next(&self.bus, &self.stream, self.next, &self.filter).await?;
            let Some(wrapped) = next else { return Ok(Vec::new()) };
            self.careful = self.careful.saturating_sub(1);
            let (sequence, stored) = (wrapped.sequence, wrapped.stored);
            self.next = sequence + 1;
            if let Ok(message) = wrapped.message() {
                return Ok(vec![Held { sequence, stored, pending: None, message }]);
            }
        }
    }
}

/// A page of the stream of events from a sequence on, and how many more it held then, if that is known.
pub(super) async fn read_events(
    bus: &Bus,
    from: u64,
) -> Result<(Vec<Delivery>, Option<u64>), Error> {
    let stream = bus.subjects.events_stream();
    let held = Pages::from(bus, stream, ">".to_owned(), from).page().await?;
    let pending = held.last().and_then(|last| last.pending);
    let read =
        |held: Held| delivery::read(&bus.subjects, held.sequence, held.stored, &held.message);
    Ok((held.into_iter().map(read).collect(), pending))
}

fn failed(said: &str) -> Error {
    Error::request(WHAT)(std::io::Error::other(said.to_owned()))
}

/// Takes off what the broker added. Whoever published the message may have written headers of the same
/// names: the broker's stand behind those. Beside it the sequence of the message before it in the page; 0:
/// it is the first.
fn held(mut message: Message) -> Result<(Held, Option<u64>), Error> {
    let mut headers = HeaderMap::new();
    let mut added: [Option<String>; ADDED.len()] = Default::default();
    for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
        let written: &str = name.as_ref();
        let of_broker = ADDED.iter().position(|known| *known == written);
        let of_publisher = values.len() - usize::from(of_broker.is_some()).min(values.len());
        for (at, value) in values.iter().enumerate() {
            match of_broker.filter(|_| at >= of_publisher) {
                Some(of_broker) => added[of_broker] = Some(value.as_str().to_owned()),
                None => headers.append(name.clone(), value.clone()),
            }
        }
    }
    let [_, subject, sequence, stored, pending, behind] = added;
    let pending = pending.and_then(|pending| pending.parse().ok());
    let behind = behind.and_then(|behind| behind.parse().ok());
    let sequence = sequence.and_then(|sequence| sequence.parse().ok());
    let stored = stored.and_then(|stored| Time::parse(&stored));
    let (Some(subject), Some(sequence), Some(stored)) = (subject, sequence, stored) else {
        return Err(failed("a message of a stream without its subject, sequence and time"));
    };
    message.subject = subject.into();
    message.reply = None;
    message.headers = (!headers.is_empty()).then_some(headers);
    Ok((Held { sequence, stored, pending, message }, behind))
}
