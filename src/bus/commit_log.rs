//! The stream of commits: one subject for each chain.
//!
//! What a message means, and which ones count, is in [`log`](crate::log).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, ErrorCode};
use bytes::Bytes;

use super::error::chain as error_chain;
use super::malformed_headers::{WrappedMessage, fetch, fetch_last, fetch_next};
use super::pages::{PagedReader, ReadMessage};
use super::stream::is_missing;
use super::stream_identity::created_ms;
use super::{Bus, Error, log_headers};
use crate::config::{limits, settings};
use crate::log::{AppendVerdict, ChainEnd, ChainWriter, LogHeader, LogMessage, MessageKind, Part};
use crate::tables::{Chain, LogPosition};

/// The pause before a message is sent again: after the first failure,
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// and at most.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The broker remembers ids for this long. It only saves a look at the tail of the chain: the sequence that a message
/// must follow keeps it from being stored twice after any time.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// What is appended until the log is trimmed, and as much again meanwhile.
const BYTES_MIN: u64 = 2 * limits::LOG_TRIM_BYTES as u64;

/// The stream of commits. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CommitLog {
    bus: Bus,
    /// How many chains the broker has no room for.
    full: Arc<AtomicU32>,
}

/// What the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogContent {
    /// When it was created, in milliseconds since 1970.
    pub made: u64,
    /// Its messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first sequence that it holds.
    pub first: u64,
    /// The last sequence that it assigned.
    pub last: u64,
}

/// Reads the messages of all chains in the order of the stream.
#[derive(Debug)]
pub struct LogReading {
    log: CommitLog,
    pages: PagedReader,
    upto: u64,
    ready: VecDeque<ReadMessage>,
}

/// A message of the log.
#[derive(Debug)]
pub struct ReadLogMessage {
    /// Its chain.
    pub chain: Chain,
    /// Its sequence in the stream.
    pub sequence: u64,
    header: LogHeader,
    payload: Bytes,
}

impl ReadLogMessage {
    /// The message as a [`ChainReader`](crate::log::ChainReader) reads it.
    pub fn message(&self) -> LogMessage<'_> {
        LogMessage { sequence: self.sequence, header: &self.header, payload: &self.payload }
    }
}

/// Counts a chain as full while the broker has no room for its message.
struct RoomGuard<'a> {
    full: &'a AtomicU32,
    is_full: bool,
}

impl RoomGuard<'_> {
    fn set(&mut self, is_full: bool) {
        match (self.is_full, is_full) {
            (false, true) => _ = self.full.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.full.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
        self.is_full = is_full;
    }
}

impl Drop for RoomGuard<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// What the broker answered to a message.
enum AppendAnswer {
    Stored(u64),
    /// It does not follow the last message of its chain.
    NotLast,
    /// The stream has no room, or its disk.
    Full,
    /// No stream listens there: it was deleted, or the broker is not ready.
    NoStream,
    /// It may be stored or not.
    Unknown,
}

impl Bus {
    /// The stream of commits, which need not exist.
    pub fn commit_log(&self) -> CommitLog {
        CommitLog { bus: self.clone(), full: Arc::default() }
    }
}

impl CommitLog {
    /// Whether the broker refuses commits because it has no room for them.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed) > 0
    }

    /// What the log holds; none if there is no such stream.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn content(&self) -> Result<Option<LogContent>, Error> {
        match self.bus.jetstream.get_stream(self.stream()).await {
            Ok(stream) => {
                let info = stream.cached_info();
                let state = &info.state;
                Ok(Some(LogContent {
                    made: created_ms(info),
                    messages: state.messages,
                    bytes: state.bytes,
                    first: state.first_sequence,
                    last: state.last_sequence,
                }))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(Error::request("ask for the commit log")(error)),
        }
    }

    /// Creates the stream if there is none, and checks it if there is.
    ///
    /// # Errors
    /// [`Error::Stream`] if it would lose commits, [`Error::Request`] if the broker refuses.
    pub async fn create(&self, settings: &settings::StreamSettings) -> Result<(), Error> {
        let wanted = Config {
            name: self.stream(),
            description: Some("commits: what the store has yet to keep, by partition".into()),
            subjects: vec![self.bus.subjects.all_log()],
            retention: RetentionPolicy::Limits,
            // A full log refuses commits, so that none is lost, and the service waits.
            discard: DiscardPolicy::New,
            num_replicas: settings.replicas.into(),
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            ..Config::default()
        };
        let kept = wanted.clone();
        self.bus.ensure_stream(wanted).await?;
        let found = self.bus.stream(&kept.name).await?.cached_info().config.clone();
        let differs = |what, expected: &str, found: String| {
            let remedy = "change the stream";
            let expected = expected.to_owned();
            Err(Error::Stream { stream: kept.name.clone(), what, expected, found, remedy })
        };
        if found.discard != DiscardPolicy::New {
            return differs("to discard", "new messages when it is full", "old ones".into());
        }
        let most = u64::try_from(found.max_bytes).unwrap_or(0);
        if most > 0 && most < BYTES_MIN {
            let expected = format!("{BYTES_MIN} bytes, or no limit");
            return differs("room for at least", &expected, format!("{most}"));
        }
        if found.storage != StorageType::File {
            return differs("to keep messages", "in files", "in memory".into());
        }
        if !found.max_age.is_zero() || found.max_messages_per_subject > 0 {
            let expected = "until the service deletes it";
            return differs("to keep a message", expected, "a limit of age or number".into());
        }
        Ok(())
    }

    /// Deletes the stream, if it exists.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer or refuses.
    pub async fn delete(&self) -> Result<(), Error> {
        if self.content().await?.is_none() {
            return Ok(());
        }
        let deleted = self.bus.jetstream.delete_stream(self.stream()).await;
        deleted.map(drop).map_err(Error::request("delete the commit log"))
    }

    /// The last message of a chain; none if it has none.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer, [`Error::Log`] if a message is not of a service.
    pub async fn end(&self, chain: Chain) -> Result<Option<ChainEnd>, Error> {
        let subject = self.bus.subjects.log(chain);
        let last = fetch_last(&self.bus, &self.stream(), &subject).await?;
        last.map(|last| self.read_end(&last)).transpose()
    }

    /// The message of this sequence, and its chain; none if the log does not hold it.
    ///
    /// # Errors
    /// As [`end`](CommitLog::end).
    pub async fn at(&self, sequence: u64) -> Result<Option<(Chain, ChainEnd)>, Error> {
        let Some(found) = fetch(&self.bus, &self.stream(), sequence).await? else {
            return Ok(None);
        };
        let chain = self.bus.subjects.chain(&found.subject);
        let chain = chain.ok_or_else(|| self.strange(sequence))?;
        Ok(Some((chain, self.read_end(&found)?)))
    }

    /// Appends a claim with this epoch, whatever the last message of the chain is; returns its header, and its position.
    /// `start` is unique to the start of a service.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer or refuses, [`Error::Denied`] if we may not publish there.
    pub async fn claim(
        &self,
        chain: Chain,
        epoch: u64,
        start: u64,
    ) -> Result<(LogHeader, LogPosition), Error> {
        let what = "claim a chain of the commit log";
        let header = LogHeader::claim(chain, epoch, start);
        let (subject, headers) = (self.bus.subjects.log(chain), log_headers::write(&header));
        let denied = self.bus.publishing_denied(&subject);
        let sent = self.bus.jetstream.publish_with_headers(subject.clone(), headers, Bytes::new());
        let stored = sent.await.map_err(Error::request(what))?;
        tokio::select! {
            stored = stored => {
                let sequence = stored.map_err(Error::request(what))?.sequence;
                Ok((header, LogPosition { sequence, epoch }))
            }
            // The broker does not answer then.
            denied = denied => Err(Error::Denied { denied }),
        }
    }

    /// Appends a record behind the writer's last message, in as many messages as it needs, and waits until the broker
    /// has confirmed them: through outages, and while the log is full.
    ///
    /// # Errors
    /// [`Error::Superseded`] if another service has claimed the chain, [`Error::Log`] if the log does not hold what it
    /// should. Nothing may be appended then.
    pub async fn append(
        &self,
        writer: &mut ChainWriter,
        kind: MessageKind,
        record: Bytes,
    ) -> Result<(), Error> {
        let most =
            self.bus.client.max_payload().saturating_sub(log_headers::HEADER_BYTES_MAX).max(1);
        // A record is limited to some megabytes.
        let of = record.len().div_ceil(most).max(1) as u32;
        let mut rest = record;
        for number in 1..=of {
            let payload = rest.split_to(most.min(rest.len()));
            self.append_message(writer, kind, Part { number, of }, &payload).await?;
        }
        Ok(())
    }

    async fn append_message(
        &self,
        writer: &mut ChainWriter,
        kind: MessageKind,
        part: Part,
        payload: &Bytes,
    ) -> Result<(), Error> {
        let mut pause = PAUSE_MIN;
        let mut room = RoomGuard { full: &self.full, is_full: false };
        loop {
            let header = writer.header(kind, part);
            let answer = self.send(writer.chain(), &header, payload).await;
            room.set(matches!(answer, AppendAnswer::Full));
            match answer {
                AppendAnswer::Stored(sequence) => {
                    writer.confirmed(sequence);
                    return Ok(());
                }
                AppendAnswer::NotLast => match self.tail(writer).await {
                    Ok(tail) => match writer.judge(&tail) {
                        AppendVerdict::IsThere(sequence) => {
                            writer.confirmed(sequence);
                            return Ok(());
                        }
                        AppendVerdict::SendAgain => continue,
                        AppendVerdict::Superseded(_) => {
                            let prefix = self.bus.subjects.prefix().to_owned();
                            return Err(Error::Superseded { prefix });
                        }
                        AppendVerdict::Broken => return Err(self.broken(writer)),
                    },
                    Err(error) if error.is_transient() => {
                        tracing::debug!(error = %error_chain(&error), "cannot read the commit log");
                    }
                    Err(error) => return Err(error),
                },
                AppendAnswer::NoStream => {
                    if matches!(self.content().await, Ok(None)) {
                        return Err(self.broken(writer));
                    }
                }
                AppendAnswer::Full | AppendAnswer::Unknown => {}
            }
            self.wait(pause).await;
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }

    /// Sends a message, and waits for the answer, or until the connection was made anew: then no answer comes.
    async fn send(&self, chain: Chain, header: &LogHeader, payload: &Bytes) -> AppendAnswer {
        let (subject, headers) = (self.bus.subjects.log(chain), log_headers::write(header));
        let mut link = self.bus.link.clone();
        let epoch = link.borrow_and_update().epoch;
        let sent = self.bus.jetstream.publish_with_headers(subject, headers, payload.clone());
        let confirmed = match sent.await {
            Ok(confirmed) => confirmed,
            Err(error) => return read_answer(&error),
        };
        let is_anew = link.wait_for(|status| status.is_up && status.epoch > epoch.max(1));
        tokio::select! {
            biased;
            confirmed = confirmed => match confirmed {
                Ok(confirmed) => AppendAnswer::Stored(confirmed.sequence),
                Err(error) => read_answer(&error),
            },
            _ = is_anew => AppendAnswer::Unknown,
        }
    }

    /// Waits before a message is sent again; not longer than until the connection is made anew.
    async fn wait(&self, pause: Duration) {
        let mut link = self.bus.link.clone();
        let epoch = link.borrow_and_update().epoch;
        let is_anew = link.wait_for(|status| status.is_up && status.epoch > epoch.max(1));
        // Either end of the wait is one.
        let _ = tokio::time::timeout(pause, is_anew).await;
    }

    /// The messages of the writer's chain from the last one that it knows on, up to the first that decides whose the
    /// chain is.
    async fn tail(&self, writer: &ChainWriter) -> Result<Vec<ChainEnd>, Error> {
        let (stream, subject) = (self.stream(), self.bus.subjects.log(writer.chain()));
        let known = writer.position();
        let mut tail: Vec<ChainEnd> = Vec::new();
        let mut next = known.sequence;
        while let Some(found) = fetch_next(&self.bus, &stream, next, &subject).await? {
            let end = self.read_end(&found)?;
            next = end.sequence + 1;
            let is_known = end.sequence == known.sequence;
            let is_void = end.header.kind == MessageKind::Claim && end.header.epoch <= known.epoch;
            tail.push(end);
            if !is_known && !is_void {
                break;
            }
        }
        Ok(tail)
    }

    /// Reads the messages behind a sequence, up to another.
    pub fn read(&self, behind: u64, upto: u64) -> LogReading {
        let all = self.bus.subjects.all_log();
        let pages = PagedReader::from(&self.bus, self.stream(), all, behind + 1);
        LogReading { log: self.clone(), pages, upto, ready: VecDeque::new() }
    }

    /// Deletes the messages before a sequence, of all chains.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer or refuses.
    pub async fn trim(&self, before: u64) -> Result<(), Error> {
        // The broker takes 0 for everything.
        if before <= 1 {
            return Ok(());
        }
        let stream = self.bus.stream(&self.stream()).await?;
        let purged = stream.purge().sequence(before).await;
        purged.map(drop).map_err(Error::request("trim the commit log"))
    }

    /// Deletes the messages of one chain before a sequence.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer or refuses.
    pub async fn trim_chain(&self, chain: Chain, before: u64) -> Result<(), Error> {
        if before <= 1 {
            return Ok(());
        }
        let stream = self.bus.stream(&self.stream()).await?;
        let purged = stream.purge().sequence(before).filter(self.bus.subjects.log(chain)).await;
        purged.map(drop).map_err(Error::request("trim the commit log"))
    }

    /// An error: the log is not what it should be.
    pub fn mismatch(&self, expected: String, found: String) -> Error {
        let remedy = "restore the log's stream, or restore a store backup, or run `jumeau adopt` to continue with what \
                      the store has";
        Error::Log { stream: self.stream(), expected, found, remedy }
    }

    fn stream(&self) -> String {
        self.bus.subjects.log_stream()
    }

    fn broken(&self, writer: &ChainWriter) -> Error {
        let LogPosition { sequence, .. } = writer.position();
        self.mismatch(
            format!("message {sequence} to be in chain {}, which was confirmed", writer.chain()),
            "that messages were deleted".into(),
        )
    }

    fn strange(&self, sequence: u64) -> Error {
        let found = format!("message {sequence} of another program");
        self.mismatch("only messages of the service".into(), found)
    }

    fn read_end(&self, found: &WrappedMessage) -> Result<ChainEnd, Error> {
        let sequence = found.sequence;
        let message = found.message().map_err(|_| self.strange(sequence))?;
        let header = log_headers::read(message.headers.as_ref());
        header.map(|header| ChainEnd { sequence, header }).ok_or_else(|| self.strange(sequence))
    }
}

fn read_answer(error: &PublishError) -> AppendAnswer {
    match error.kind() {
        PublishErrorKind::WrongLastSequence => AppendAnswer::NotLast,
        PublishErrorKind::StreamNotFound => AppendAnswer::NoStream,
        _ => {
            let source = std::error::Error::source(error);
            let refused = source.and_then(|source| source.downcast_ref::<jetstream::Error>());
            let code = refused.map(jetstream::Error::error_code);
            tracing::debug!(error = %error_chain(error), "a commit was not confirmed");
            match code {
                Some(
                    ErrorCode::STREAM_STORE_FAILED
                    | ErrorCode::STORAGE_RESOURCES_EXCEEDED
                    | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
                    | ErrorCode::MEMORY_RESOURCES_EXCEEDED
                    | ErrorCode::INSUFFICIENT_RESOURCES,
                ) => AppendAnswer::Full,
                _ => AppendAnswer::Unknown,
            }
        }
    }
}

impl LogReading {
    /// The next message; none at the end.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer, [`Error::Log`] if a message is not of a service.
    pub async fn next(&mut self) -> Result<Option<ReadLogMessage>, Error> {
        if self.ready.is_empty() && self.pages.next() <= self.upto {
            self.ready.extend(self.pages.read().await?.messages);
        }
        let Some(found) = self.ready.pop_front() else { return Ok(None) };
        let sequence = found.sequence();
        if sequence > self.upto {
            return Ok(None);
        }
        let ReadMessage::Sound(held) = found else { return Err(self.log.strange(sequence)) };
        let header = log_headers::read(held.message.headers.as_ref());
        let chain = self.log.bus.subjects.chain(&held.message.subject);
        match (header, chain) {
            (Some(header), Some(chain)) => {
                Ok(Some(ReadLogMessage { chain, sequence, header, payload: held.message.payload }))
            }
            _ => Err(self.log.strange(sequence)),
        }
    }
}
