use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::{Message, StatusCode, Subscriber};
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;

use super::ack_ledger::AckLedger;
use super::connection::ConnectionStatus;
use super::direct_reader::DirectReader;
use super::error::chain;
use super::malformed_headers::fetch_next;
use super::pull_buffer::PullBuffer;
use super::stream::CONSUMER;
use super::stream_identity::{LastTakenEvent, StreamIdentity};
use super::{Bus, Error, MissedEvents, delivery};
use crate::config::limits;
use crate::event::{Lane, SlowLane};

/// How long the broker keeps one request for messages.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the broker says that it still has our request.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Silence for this long means that the broker has lost our requests.
const SILENCE: Duration = Duration::from_secs(8);
/// Open requests for messages, so that the next is there before the last is used up.
const REQUESTS: usize = 2;
/// While a channel is slowed, this many times as many messages are requested: skipping one costs a
/// fraction of processing it.
const LOOK_FURTHER: usize = 4;
/// The interval at which the end of the stream is polled when it is read without the consumer.
const LOOK_AGAIN: Duration = Duration::from_millis(3);
/// Pauses between attempts to reopen: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Reads the event stream in order.
///
/// One durable consumer without a filter delivers for all partitions: filtered consumers make the broker
/// search for every message, which costs it twice the time for one filter each, and a hundred times for
/// several. Acknowledging a message acknowledges all before it, so none may be missing: the consumer's
/// own sequence has to rise by exactly one. Whenever it does not, and after each new connection,
/// everything in flight is dropped and the consumer is reset to the first event that is not durable.
/// Before that, the stream is checked to be still the same. While messages arrive that close the
/// connection on delivery, the stream is read without the consumer. Events in the slow lane are skipped.
#[derive(Debug)]
pub(super) struct MainLane {
    bus: Bus,
    /// The number of partitions.
    partitions: u16,
    pub(super) ledger: Arc<AckLedger>,
    /// The highest sequence that was ever dispatched or skipped.
    highest: u64,
    identity: StreamIdentity,
    /// The slow lane.
    lane: Arc<SlowLane>,
    /// The next sequence: after everything dispatched since the consumer was reset.
    next: u64,
    open: Option<OpenConsumer>,
    careful: Option<DirectReader>,
    is_caught_up: bool,
    /// Whether a connection was lost: the next message may be the cause.
    is_suspect: bool,
    /// Consecutive connections that were lost before anything arrived.
    stalls: u32,
    resets: Arc<AtomicU64>,
    pub(super) missed: MissedEvents,
}

/// After this many consecutive connections lost before anything arrived, the next message is taken for
/// the cause, however sound it looks.
const STALLS: u32 = 2;

/// A consumer that was reset, and the requests to it since.
#[derive(Debug)]
struct OpenConsumer {
    partitions: u16,
    consumer: Consumer<pull::Config>,
    messages: Subscriber,
    inbox: String,
    /// Requested messages that have not arrived yet.
    outstanding: usize,
    /// The next value that the consumer's sequence must have.
    expected: u64,
    /// The current message, with what the client library needs to read its position.
    frame: jetstream::Message,
    link: watch::Receiver<ConnectionStatus>,
}

/// Why the flow from a consumer ended.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("the connection was lost")]
    Lost,
    #[error("the broker was silent for too long")]
    Silent,
    #[error("the broker reports {0}")]
    Status(String),
    #[error("expected delivery {expected}, found {found}")]
    Gap { expected: u64, found: u64 },
    #[error("the delivery has no stream sequence: {0}")]
    Foreign(String),
    #[error("cannot ask for messages: {0}")]
    Ask(String),
}

/// The result of one read of the main lane.
#[derive(Debug)]
pub(super) struct MainLaneRead {
    /// Deliveries, or messages that were skipped; none if only `is_caught_up` has changed.
    pub(super) buffer: Option<PullBuffer>,
    /// Whether the stream held nothing after that.
    pub(super) is_caught_up: bool,
    /// How many messages it held after that, if known.
    pub(super) pending: Option<u64>,
}

impl MainLane {
    pub(super) async fn open(
        bus: &Bus,
        partitions: u16,
        floor: u64,
        highest: u64,
        taken: Vec<LastTakenEvent>,
        lane: Arc<SlowLane>,
    ) -> Result<MainLane, Error> {
        let mut main = MainLane {
            bus: bus.clone(),
            partitions,
            ledger: AckLedger::new(floor),
            highest: highest.max(floor),
            identity: StreamIdentity::new(taken),
            lane,
            next: floor + 1,
            open: None,
            careful: None,
            is_caught_up: false,
            is_suspect: false,
            stalls: 0,
            resets: Arc::new(AtomicU64::new(0)),
            missed: MissedEvents::default(),
        };
        main.set_back().await?;
        Ok(main)
    }

    /// The next messages: all that are ready, at most [`limits::PULL_BATCH`], or else the first that
    /// arrives; or that the connection has changed, or that nothing has arrived yet. Waits during broker
    /// outages.
    ///
    /// Cancel-safe while [`is_steady`](MainLane::is_steady).
    pub(super) async fn read(&mut self) -> Result<MainLaneRead, Error> {
        if self.careful.is_some() {
            return Ok(self.read_directly().await);
        }
        let Some(open) = self.open.as_mut() else {
            self.reopen().await?;
            return Ok(self.nothing());
        };
        let is_new = open.expected == 1;
        if !self.is_caught_up && is_new && open.consumer.cached_info().num_pending == 0 {
            self.is_caught_up = true;
            return Ok(MainLaneRead { pending: Some(0), ..self.nothing() });
        }
        let (buffer, interrupted) = open.gather(&self.bus, &self.lane, self.next).await;
        if let Some(why) = interrupted {
            tracing::info!(%why, floor = self.ledger.floor(), "the intake restarts its consumer");
            self.open = None;
            self.is_caught_up = false;
            self.is_suspect = matches!(why, Interrupted::Lost);
            if is_new && buffer.is_none() {
                self.stalls += 1;
            }
        }
        let Some(buffer) = buffer else { return Ok(self.nothing()) };
        self.stalls = 0;
        self.is_caught_up = self.open.is_some() && buffer.pending == 0;
        let pending = Some(buffer.pending);
        Ok(self.completed(buffer, pending))
    }

    fn nothing(&self) -> MainLaneRead {
        MainLaneRead { buffer: None, is_caught_up: self.is_caught_up, pending: None }
    }

    /// The next sequence to read.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The first sequence that was never dispatched or skipped.
    pub(super) fn front(&self) -> u64 {
        self.highest + 1
    }

    /// Whether the stream held nothing more at the last check.
    pub(super) fn is_caught_up(&self) -> bool {
        self.is_caught_up
    }

    /// Whether it reads by the consumer and waits for nothing else.
    pub(super) fn is_steady(&self) -> bool {
        self.open.is_some() && self.careful.is_none()
    }

    /// Sets the slow lane, whose events are skipped from now on.
    pub(super) fn pass_over(&mut self, lane: Arc<SlowLane>) {
        self.lane = lane;
    }

    /// How often the consumer was reset because of a gap or an outage.
    pub(super) fn resets(&self) -> Arc<AtomicU64> {
        self.resets.clone()
    }

    fn completed(&mut self, buffer: PullBuffer, pending: Option<u64>) -> MainLaneRead {
        if let Some((expected, found)) = buffer.gap {
            self.missed.check_gap(&self.bus, expected, found);
        }
        self.highest = self.highest.max(buffer.last_sequence);
        self.next = buffer.last_sequence + 1;
        if let Some((sequence, stored)) = buffer.last_stored {
            self.identity.remember(LastTakenEvent { sequence, stored });
        }
        MainLaneRead { buffer: Some(buffer), is_caught_up: self.is_caught_up, pending }
    }

    /// The next messages, read without the consumer; empty if nothing has arrived yet, or if the consumer
    /// should deliver again.
    async fn read_directly(&mut self) -> MainLaneRead {
        let Some(careful) = self.careful.as_mut() else { return self.nothing() };
        if careful.is_over(&self.bus) {
            (self.careful, self.is_caught_up) = (None, false);
            return self.nothing();
        }
        let found = match careful.read(&self.bus, self.ledger.floor()).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(error = %chain(&error), "cannot read around malformed messages");
                (self.careful, self.is_caught_up) = (None, false);
                return self.nothing();
            }
        };
        let pending = found.pending;
        let was_caught_up = std::mem::replace(&mut self.is_caught_up, pending == Some(0));
        if found.messages.is_empty() {
            if was_caught_up {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            return MainLaneRead { pending, ..self.nothing() };
        }
        let mut buffer = PullBuffer::behind(self.next - 1, self.partitions);
        for message in found.messages {
            let delivery = message.delivery(&self.bus);
            let channel = self.bus.channel_of(&delivery);
            match lane_of(&self.lane, channel, delivery.sequence) {
                Lane::Main => buffer.add(delivery),
                Lane::Slow => buffer.skip(delivery.sequence),
            }
        }
        self.completed(buffer, pending)
    }

    /// Resets the consumer, or starts to read without it, retrying until that succeeds.
    async fn reopen(&mut self) -> Result<(), Error> {
        let (mut pause, longest) = PAUSES;
        let mut has_complained = false;
        loop {
            // An error would mean that the connection was closed for good: the next request reports that.
            let _ = self.bus.link.wait_for(|link| link.is_up).await;
            match self.set_back().await {
                Ok(()) => {
                    self.resets.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err(error) if error.is_transient() => {
                    if !std::mem::replace(&mut has_complained, true) {
                        tracing::warn!(error = %chain(&error), "cannot read events; trying again");
                    }
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Resets the consumer to the first event that is not durable, creating it if needed, on a new
    /// connection, which has nothing in flight. If the next message is the cause of the lost connection,
    /// starts to read without the consumer.
    async fn set_back(&mut self) -> Result<(), Error> {
        let first_kept = self.identity.check(&self.bus, self.highest).await?;
        if self.highest > 0 {
            self.missed.note(self.highest + 1, first_kept);
        }
        if self.is_suspect && self.needs_direct_read().await? {
            // What was dispatched is being committed, and what follows comes after it.
            self.ledger.fall_silent();
            self.careful = Some(DirectReader::from(&self.bus, self.next));
            self.is_suspect = false;
            self.stalls = 0;
            return Ok(());
        }

        let (client, jetstream, link) = self.bus.dial("jumeau-intake").await?;
        let floor = self.ledger.restart(client.clone(), link.clone());
        let first = floor + 1;
        (self.next, self.is_suspect) = (first, false);
        let name = self.bus.subjects.events_stream();
        let what = "ask for the stream of events";
        let stream = jetstream.get_stream(&name).await.map_err(Error::request(what))?;
        let mut consumer = match stream.create_consumer(config()).await {
            Ok(consumer) => consumer,
            // An operator's consumer of this name may differ in what cannot be changed. It only holds our
            // position, which we know.
            Err(_) => {
                let _ = stream.delete_consumer(CONSUMER).await;
                stream
                    .create_consumer(config())
                    .await
                    .map_err(Error::request("create the consumer of events"))?
            }
        };
        let inbox = client.new_inbox();
        let messages =
            client.subscribe(inbox.clone()).await.map_err(Error::request("listen for events"))?;
        consumer
            .reset(Some(first))
            .await
            .map_err(Error::request("set the consumer of events back"))?;
        tracing::debug!(first, "reading events");
        let frame = jetstream::Message { context: jetstream, message: empty() };
        self.open = Some(OpenConsumer {
            partitions: self.partitions,
            consumer,
            messages,
            inbox,
            outstanding: 0,
            expected: 1,
            link,
            frame,
        });
        Ok(())
    }

    /// Whether the next message closes the connection on delivery.
    async fn needs_direct_read(&self) -> Result<bool, Error> {
        let stream = self.bus.subjects.events_stream();
        let next = fetch_next(&self.bus, &stream, self.next, ">").await?;
        let is_unreadable = next.as_ref().is_some_and(|message| !message.is_sound());
        if is_unreadable {
            tracing::info!(
                sequence = next.map(|message| message.sequence),
                "messages with malformed headers; reading around them"
            );
        }
        Ok(is_unreadable || self.stalls >= STALLS)
    }
}

/// The lane of a message, by its channel.
fn lane_of(lane: &SlowLane, channel: Option<&str>, sequence: u64) -> Lane {
    channel.map_or(Lane::Main, |channel| lane.lane_of(channel, sequence))
}

fn config() -> pull::Config {
    pull::Config {
        durable_name: Some(CONSUMER.into()),
        description: Some("all events, for the twins".into()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::All,
        ack_wait: Duration::from_secs(60),
        max_deliver: -1,
        max_ack_pending: limits::INTAKE_UNACKNOWLEDGED as i64,
        ..pull::Config::default()
    }
}

/// A placeholder for the frame before the first message.
fn empty() -> Message {
    Message {
        subject: "".into(),
        reply: None,
        payload: bytes::Bytes::new(),
        headers: None,
        status: None,
        description: None,
        length: 0,
    }
}

impl OpenConsumer {
    /// All messages that are ready from a sequence on, or else the first that arrives; and why the flow
    /// ended, if it did.
    async fn gather(
        &mut self,
        bus: &Bus,
        lane: &SlowLane,
        next: u64,
    ) -> (Option<PullBuffer>, Option<Interrupted>) {
        let mut buffer = None;
        let mut count = 0;
        loop {
            let message = if buffer.is_none() {
                if let Err(why) = self.ask(lane).await {
                    return (None, Some(why));
                }
                match self.wait().await {
                    Ok(message) => message,
                    Err(why) => return (None, Some(why)),
                }
            } else {
                match self.messages.next().now_or_never() {
                    Some(Some(message)) => message,
                    Some(None) => return (buffer, Some(Interrupted::Lost)),
                    None => return (buffer, None),
                }
            };
            if let Err(why) = self.take(bus, lane, next, message, &mut buffer) {
                return (buffer, Some(why));
            }
            count += 1;
            let skips = buffer.as_ref().map_or(0, |buffer: &PullBuffer| buffer.skips);
            // Skipping a message costs a fraction of processing one.
            let weight = count - skips + skips / LOOK_FURTHER;
            if weight >= limits::PULL_BATCH && buffer.is_some() {
                return (buffer, None);
            }
        }
    }

    /// Keeps enough requests open.
    async fn ask(&mut self, lane: &SlowLane) -> Result<(), Interrupted> {
        // A skipped message costs little but its transfer.
        let times = if lane.is_open() { LOOK_FURTHER } else { 1 };
        let batch = limits::PULL_BATCH * times;
        while self.outstanding <= batch * (REQUESTS - 1) {
            let request = pull::BatchConfig {
                batch,
                expires: Some(EXPIRES),
                idle_heartbeat: HEARTBEAT,
                ..pull::BatchConfig::default()
            };
            self.consumer
                .request_batch(request, self.inbox.as_str().into())
                .await
                .map_err(|error| Interrupted::Ask(error.to_string()))?;
            self.outstanding += batch;
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<Message, Interrupted> {
        loop {
            // Messages that arrived before the connection was lost still count.
            if let Some(message) = self.messages.next().now_or_never() {
                return message.ok_or(Interrupted::Lost);
            }
            if self.link.borrow_and_update().was_lost() {
                // Messages that arrived between the two checks.
                return self.messages.next().now_or_never().flatten().ok_or(Interrupted::Lost);
            }
            tokio::select! {
                message = tokio::time::timeout(SILENCE, self.messages.next()) => {
                    return match message {
                        Ok(message) => message.ok_or(Interrupted::Lost),
                        Err(_) => Err(Interrupted::Silent),
                    };
                }
                changed = self.link.changed() => if changed.is_err() {
                    return Err(Interrupted::Lost);
                },
            }
        }
    }

    /// Adds a message if it is the next one of the stream; handles status messages of the broker.
    fn take(
        &mut self,
        bus: &Bus,
        lane: &SlowLane,
        next: u64,
        message: Message,
        buffer: &mut Option<PullBuffer>,
    ) -> Result<(), Interrupted> {
        // The broker sends status messages to our inbox. A status on any other subject was published as
        // an event, and means nothing.
        if *message.subject == *self.inbox {
            return self.notice(&message);
        }
        self.outstanding = self.outstanding.saturating_sub(1);
        self.frame.message = message;
        let place = self.frame.info().map_err(|error| Interrupted::Foreign(error.to_string()))?;
        if place.consumer_sequence != self.expected {
            return Err(Interrupted::Gap {
                expected: self.expected,
                found: place.consumer_sequence,
            });
        }
        self.expected += 1;
        let (sequence, pending) = (place.stream_sequence, place.pending);
        let stored = delivery::stored_at(place.published);
        let reply = self.frame.message.reply.take();
        let message = &self.frame.message;
        let buffer = buffer.get_or_insert_with(|| PullBuffer::behind(next - 1, self.partitions));
        // A message that is skipped is not read further.
        let is_any_slow = !lane.channels.is_empty();
        let channel = is_any_slow.then(|| bus.subjects.channel(&message.subject)).flatten();
        match lane_of(lane, channel, sequence) {
            Lane::Main => buffer.add(delivery::read(&bus.subjects, sequence, stored, message)),
            Lane::Slow => buffer.skip(sequence),
        }
        buffer.reply = reply;
        buffer.pending = pending;
        Ok(())
    }

    fn notice(&mut self, message: &Message) -> Result<(), Interrupted> {
        match message.status {
            Some(StatusCode::IDLE_HEARTBEAT) => Ok(()),
            Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => {
                let unserved = message
                    .headers
                    .as_ref()
                    .and_then(|headers| headers.get("Nats-Pending-Messages"))
                    .and_then(|count| count.as_str().parse().ok())
                    .unwrap_or(limits::PULL_BATCH);
                self.outstanding = self.outstanding.saturating_sub(unserved);
                Ok(())
            }
            status => {
                let code = status.map_or(0, |status| status.as_u16());
                let description = message.description.as_deref().unwrap_or("no more");
                Err(Interrupted::Status(format!("{code}: {description}")))
            }
        }
    }
}
