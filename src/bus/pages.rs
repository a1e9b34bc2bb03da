//! Reads the messages of a stream page by page, and around messages that close the connection.
//!
//! A consumer would work too, but permission to create one allows delivery to any subject, so with roles
//! only the service has it. These direct-get requests need no such permission and leave no state in the
//! broker.

use std::time::Duration;

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::try_join_all;
use serde::Serialize;
use tokio::time::timeout;

use super::error::chain;
use super::malformed_headers::{WrappedMessage, fetch_next};
use super::{Bus, Error, delivery};
use crate::config::limits;
use crate::event::{Delivery, Time};

/// Maximum messages of one page.
const MESSAGES: usize = 256;
/// Approximate maximum bytes of one page; one message always fits.
const BYTES: usize = 4 << 20;
/// After this many sound messages in a row, pages are requested again: malformed messages come in groups,
/// and each costs a connection and the page.
const SOUND: usize = 1_000;

const REQUEST: &str = "read what a stream holds";

/// A header that the broker adds to a message.
const SEQUENCE: &str = "Nats-Sequence";
const STORED: &str = "Nats-Time-Stamp";
const SUBJECT: &str = "Nats-Subject";
const PENDING: &str = "Nats-Num-Pending";
const ADDED: [&str; 6] = ["Nats-Stream", SUBJECT, SEQUENCE, STORED, PENDING, "Nats-Last-Sequence"];

/// A request for many messages.
#[derive(Serialize)]
struct AskPage<'a> {
    seq: u64,
    next_by_subj: &'a str,
    batch: usize,
    max_bytes: usize,
}

/// A message in a stream.
#[derive(Debug)]
pub(super) struct HeldMessage {
    pub(super) sequence: u64,
    pub(super) stored: Time,
    /// How many messages the stream held after it then, if the broker has reported that.
    pub(super) pending: Option<u64>,
    /// The message as it was published, but under the subject that it is stored under.
    pub(super) message: Message,
}

/// A message in a stream.
#[derive(Debug)]
pub(super) enum ReadMessage {
    Sound(HeldMessage),
    /// Its headers are malformed.
    Unreadable(WrappedMessage),
}

/// One page of messages.
#[derive(Debug, Default)]
pub(super) struct MessagePage {
    /// The next messages in order; empty if there are none.
    pub(super) messages: Vec<ReadMessage>,
    /// How many messages the stream held after these, if known; 0: none.
    pub(super) pending: Option<u64>,
}

/// Reads the messages of a stream under some subjects, in order.
///
/// While much waits it reads by pages. After a message that closes the connection it reads one by one,
/// until a thousand in a row were sound. That is about ten times slower, but each such message costs no
/// more than any other, so publishing many of them delays nobody.
#[derive(Debug)]
pub(super) struct PagedReader {
    bus: Bus,
    /// The name of the connection for pages, if it is a separate one; a malformed message closes it.
    name: Option<&'static str>,
    /// That connection, once it was needed.
    own: Option<Bus>,
    stream: String,
    filter: String,
    /// The next sequence to request.
    next: u64,
    /// How many single messages are requested at once: few while few arrive.
    width: usize,
    /// How many more sound messages are read one by one.
    one_by_one: usize,
    /// The number of messages after the last one, if known.
    pending: Option<u64>,
}

impl PagedReader {
    /// The messages from this sequence on, on the connection of the caller.
    pub(super) fn from(bus: &Bus, stream: String, filter: String, next: u64) -> PagedReader {
        PagedReader {
            bus: bus.clone(),
            name: None,
            own: None,
            stream,
            filter,
            next,
            width: limits::WRAPPED_AT_ONCE,
            one_by_one: 0,
            pending: None,
        }
    }

    /// All events from this sequence on, on a connection of its own.
    pub(super) fn of_events(bus: &Bus, name: &'static str, next: u64) -> PagedReader {
        let stream = bus.subjects.events_stream();
        PagedReader { name: Some(name), ..PagedReader::from(bus, stream, ">".to_owned(), next) }
    }

    /// Marks the next message as one that closes a connection.
    pub(super) fn expect_unreadable(&mut self) {
        self.one_by_one = SOUND;
    }

    /// The next sequence to read.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Continues at a sequence. How many messages wait behind it is not known until the broker says so.
    pub(super) fn go_to(&mut self, sequence: u64) {
        if sequence != self.next {
            (self.next, self.pending) = (sequence, None);
        }
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The next page, if there is one. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub(super) async fn read(&mut self) -> Result<MessagePage, Error> {
        if self.one_by_one == 0 && self.width == limits::WRAPPED_AT_ONCE {
            match self.page().await {
                Ok(held) if !held.is_empty() => {
                    self.next = held.last().map_or(self.next, |last| last.sequence + 1);
                    self.pending = held.last().and_then(|last| last.pending);
                    let messages = held.into_iter().map(ReadMessage::Sound).collect();
                    return Ok(MessagePage { messages, pending: self.pending });
                }
                // Nothing is there, or a replica of the stream that lags has answered: only the leader is
                // authoritative for the end.
                Ok(_) => self.width = 1,
                Err(error) => {
                    tracing::debug!(
                        error = %chain(&error),
                        "cannot read a page of messages; reading them one by one"
                    );
                    self.one_by_one = SOUND;
                }
            }
        }
        self.read_one_by_one().await
    }

    async fn read_one_by_one(&mut self) -> Result<MessagePage, Error> {
        let ahead = 0..self.width as u64;
        let asked =
            ahead.map(|ahead| fetch_next(&self.bus, &self.stream, self.next + ahead, &self.filter));
        let answers = try_join_all(asked).await?;
        let is_last = answers.iter().any(Option::is_none);
        let mut messages = Vec::with_capacity(answers.len());
        // Messages after an end may have been stored a moment later; but then others may have come
        // between, too.
        for message in answers.into_iter().map_while(|answer| answer) {
            // Where sequences are missing, the same message answers several requests.
            if message.sequence < self.next {
                continue;
            }
            self.next = message.sequence + 1;
            self.one_by_one = match message.message() {
                Ok(read) => {
                    let (sequence, stored) = (message.sequence, message.stored);
                    let held = HeldMessage { sequence, stored, pending: None, message: read };
                    messages.push(ReadMessage::Sound(held));
                    self.one_by_one.saturating_sub(1)
                }
                Err(_) => {
                    messages.push(ReadMessage::Unreadable(message));
                    SOUND
                }
            };
        }
        self.width = if is_last { 1 } else { (2 * self.width).min(limits::WRAPPED_AT_ONCE) };
        let read = messages.len() as u64;
        let left = self.pending.map(|pending| pending.saturating_sub(read));
        self.pending = if is_last { Some(0) } else { left.filter(|left| *left > 0) };
        Ok(MessagePage { messages, pending: self.pending })
    }

    /// The next messages, as many as fit in a page.
    async fn page(&mut self) -> Result<Vec<HeldMessage>, Error> {
        let bus = match (self.name, &mut self.own) {
            (None, _) => &self.bus,
            (Some(_), Some(own)) => own,
            (Some(name), none) => none.insert(self.bus.on_own_connection(name).await?),
        };
        let page = AskPage {
            seq: self.next,
            next_by_subj: &self.filter,
            batch: MESSAGES,
            max_bytes: BYTES,
        };
        let client = &bus.client;
        let payload = serde_json::to_vec(&page).map_err(Error::request(REQUEST))?;
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.map_err(Error::request(REQUEST))?;
        let mut link = bus.link.clone();
        // A new connection may not have reported its epoch yet.
        let epoch = link.borrow_and_update().epoch.max(1);
        let api = format!("$JS.API.DIRECT.GET.{}", self.stream);
        let sent = client.publish_with_reply(api, inbox, Bytes::from(payload)).await;
        sent.map_err(Error::request(REQUEST))?;
        let patience = Duration::from_millis(bus.settings.request_timeout_ms);
        let mut found = Vec::new();
        loop {
            let answer = tokio::select! {
                biased;
                // Messages on another connection may lack those before them.
                _ = link.changed() => {
                    let now = *link.borrow_and_update();
                    if now.is_up && now.epoch <= epoch {
                        continue;
                    }
                    None
                }
                answer = timeout(patience, answers.next()) => answer.map_err(Error::request(REQUEST))?,
            };
            let Some(answer) = answer else { return Err(failed("the connection was lost")) };
            // A publisher may have written a status header, too; a reply without a message has no
            // sequence.
            let is_message = answer.headers.as_ref().is_some_and(|one| one.get(SEQUENCE).is_some());
            match answer.status {
                _ if is_message => {
                    let before = found.last().map_or(0, |held: &HeldMessage| held.sequence);
                    let (held, behind) = unwrap_message(answer)?;
                    if behind != Some(before) {
                        return Err(failed("a page of a stream with a gap"));
                    }
                    found.push(held);
                }
                // The end of a page, or nothing found.
                Some(status) if matches!(status.as_u16(), 204 | 404) => return Ok(found),
                status => {
                    let status = status.map_or(0, |status| status.as_u16());
                    let description = answer.description.unwrap_or_default();
                    return Err(failed(&format!("the broker answers {status} {description}")));
                }
            }
        }
    }
}

impl ReadMessage {
    pub(super) fn sequence(&self) -> u64 {
        match self {
            ReadMessage::Sound(held) => held.sequence,
            ReadMessage::Unreadable(wrapped) => wrapped.sequence,
        }
    }

    /// The subject that it is stored under.
    pub(super) fn subject(&self) -> &str {
        match self {
            ReadMessage::Sound(held) => &held.message.subject,
            ReadMessage::Unreadable(wrapped) => &wrapped.subject,
        }
    }

    /// The message as an event; rejected if its headers are malformed.
    pub(super) fn delivery(self, bus: &Bus) -> Delivery {
        match self {
            ReadMessage::Sound(held) => held.delivery(bus),
            ReadMessage::Unreadable(wrapped) => wrapped.delivery(bus),
        }
    }
}

impl HeldMessage {
    pub(super) fn delivery(self, bus: &Bus) -> Delivery {
        delivery::read(&bus.subjects, self.sequence, self.stored, &self.message)
    }
}

fn failed(description: &str) -> Error {
    Error::request(REQUEST)(std::io::Error::other(description.to_owned()))
}

/// Removes the headers that the broker added. The publisher may have written headers of the same names:
/// the broker's stand after those. Also returns the sequence of the message before it in the page; 0: it
/// is the first.
fn unwrap_message(mut message: Message) -> Result<(HeldMessage, Option<u64>), Error> {
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
    Ok((HeldMessage { sequence, stored, pending, message }, behind))
}
