use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::{Message, StatusCode, Subject, Subscriber};
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;

use super::careful::Careful;
use super::connection::Link;
use super::identity::{Identity, Taken};
use super::receipt::{Ledger, Receipt};
use super::unreadable::fetch_next;
use super::{Bus, Error, delivery, partition_of};
use crate::config::limits;
use crate::event::{Content, Customer, Delivery, Time};

/// The name of the durable consumer of the stream of events.
pub(super) const CONSUMER: &str = "twins";

/// How long the broker keeps one request for messages.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the broker says that it still has our request.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// No sign of life for so long means that the broker has lost our requests.
const SILENCE: Duration = Duration::from_secs(8);
/// Requests for messages that are open at once, so that the next is there before the last is empty.
const REQUESTS: usize = 2;
/// How soon an end of the stream is looked at again where it is read without the consumer.
const LOOK_AGAIN: Duration = Duration::from_millis(3);
/// Pauses between attempts to begin anew: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What was ready in the stream of events, in its order within each partition.
#[derive(Debug)]
pub struct Pulled {
    /// The deliveries, by partition; none if only [`Pulled::is_caught_up`] is news.
    pub parts: Vec<Part>,
    /// Whether the stream held nothing more when the last of these was sent. True for every
    /// partition, also for those that have no part in this pull.
    pub is_caught_up: bool,
}

/// One partition's share of a pull.
#[derive(Debug)]
pub struct Part {
    /// The partition.
    pub partition: u16,
    /// Its deliveries, at least one, in the order of the stream. Some may come again: whatever is
    /// at or below the highest sequence that the partition has taken in is to be skipped.
    pub deliveries: Vec<Delivery>,
    /// To be told when all of it is durable.
    pub receipt: Receipt,
}

/// What is already taken in when the intake opens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resume {
    /// Everything at or below this sequence is durable in every partition.
    pub floor: u64,
    /// Nothing above this sequence was ever taken in: the highest of all cursors.
    pub highest: u64,
    /// The last event that each partition has taken in, by which the stream is known again.
    pub taken: Vec<Taken>,
}

impl Resume {
    /// From the cursors of all partitions: what each has taken in; and from a floor that was read
    /// from [`Intake::floor`] earlier, which is ahead of the cursor of an idle partition.
    pub fn from(cursors: impl IntoIterator<Item = u64>, floor: u64) -> Resume {
        let (lowest, highest) = cursors
            .into_iter()
            .fold((u64::MAX, 0), |(low, high), cursor| (low.min(cursor), high.max(cursor)));
        let floor = floor.max(if highest == 0 { 0 } else { lowest });
        Resume { floor, highest, taken: Vec::new() }
    }
}

/// The one reader of the stream of events.
///
/// One durable consumer without a filter delivers for all partitions: filtered consumers make the
/// broker search for every message, which costs it twice the time for one filter each, and a
/// hundred times for several. Acknowledging a message acknowledges all before it, so none may be
/// missing: the consumer's own sequence has to rise by exactly one, and whenever it does not (and
/// after each new connection) everything on its way is dropped and the consumer set back to the
/// first event that is not durable. Before that, the stream has to show that it is still the one
/// whose events were taken in. While somebody publishes messages that end the connection on which
/// they come, the stream is read without the consumer.
#[derive(Debug)]
pub struct Intake {
    bus: Bus,
    /// How many partitions there are.
    partitions: u16,
    ledger: Arc<Ledger>,
    /// The highest sequence taken in.
    highest: u64,
    identity: Identity,
    /// What comes next: behind everything handed out since the consumer was set back.
    next: u64,
    open: Option<Open>,
    careful: Option<Careful>,
    is_caught_up: bool,
    /// Whether a connection was lost: the next message may be why.
    is_suspect: bool,
    /// How often in a row a connection was lost before anything came.
    stalls: u32,
    resets: Arc<AtomicU64>,
}

/// So many connections lost in a row before anything came: the next message is why, sound as it may
/// look.
const STALLS: u32 = 2;

/// A consumer that was set back, and what was asked of it since.
#[derive(Debug)]
struct Open {
    partitions: u16,
    consumer: Consumer<pull::Config>,
    messages: Subscriber,
    inbox: String,
    /// Messages asked for that did not come yet.
    outstanding: usize,
    /// What the consumer's sequence has to be next.
    expected: u64,
    /// The message at hand, with what the client library needs to read its place.
    frame: jetstream::Message,
    link: watch::Receiver<Link>,
}

/// Why the flow from a consumer ended.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("the connection was lost")]
    Lost,
    #[error("the broker was silent for too long")]
    Silent,
    #[error("the broker says {0}")]
    Status(String),
    #[error("expected delivery {expected}, found {found}")]
    Gap { expected: u64, found: u64 },
    #[error("the delivery has no place in the stream: {0}")]
    Foreign(String),
    #[error("cannot ask for messages: {0}")]
    Ask(String),
}

impl Intake {
    /// Opens the stream of events behind what was taken in, for so many partitions.
    ///
    /// # Errors
    /// [`Error::Rewound`], [`Error::Rewritten`] or [`Error::Gone`] if the stream does not hold what was
    /// taken in, [`Error::Request`] if the broker refuses.
    pub async fn open(bus: &Bus, partitions: u16, resume: Resume) -> Result<Intake, Error> {
        let mut intake = Intake {
            bus: bus.clone(),
            partitions,
            ledger: Ledger::new(resume.floor),
            highest: resume.highest.max(resume.floor),
            identity: Identity::new(resume.taken),
            next: resume.floor + 1,
            open: None,
            careful: None,
            is_caught_up: false,
            is_suspect: false,
            stalls: 0,
            resets: Arc::new(AtomicU64::new(0)),
        };
        intake.set_back().await?;
        Ok(intake)
    }

    /// What comes next: at once whatever is ready, at most [`limits::PULL_BATCH`] deliveries, or
    /// else the first that arrives. Waits for as long as the broker is gone.
    ///
    /// The future may be dropped and nothing is lost.
    ///
    /// # Errors
    /// [`Error::Rewound`], [`Error::Rewritten`], [`Error::Another`] or [`Error::Gone`] if the stream is
    /// not the one any more whose events were taken in. Everything else is tried again.
    pub async fn next(&mut self) -> Result<Pulled, Error> {
        loop {
            if self.careful.is_some() {
                if let Some(pulled) = self.read_carefully().await {
                    return Ok(pulled);
                }
                continue;
            }
            let Some(open) = self.open.as_mut() else {
                self.reopen().await?;
                continue;
            };
            let is_new = open.expected == 1;
            if !self.is_caught_up && is_new && open.consumer.cached_info().num_pending == 0 {
                self.is_caught_up = true;
                return Ok(Pulled { parts: Vec::new(), is_caught_up: true });
            }
            let (gathered, interrupted) = open.gather(&self.bus).await;
            if let Some(why) = interrupted {
                tracing::info!(%why, floor = self.ledger.floor(), "the intake begins anew");
                self.open = None;
                self.is_caught_up = false;
                self.is_suspect = matches!(why, Interrupted::Lost);
                if is_new && gathered.is_none() {
                    self.stalls += 1;
                }
            }
            let Some(gathered) = gathered else { continue };
            self.stalls = 0;
            self.is_caught_up = self.open.is_some() && gathered.pending == 0;
            return Ok(self.hand_out(gathered));
        }
    }

    /// What comes next in the stream, read without the consumer; none if nothing came yet, or if the
    /// consumer should deliver again.
    async fn read_carefully(&mut self) -> Option<Pulled> {
        let careful = self.careful.as_mut()?;
        if careful.is_over(&self.bus) {
            self.careful = None;
            return None;
        }
        let found = match careful.read(&self.bus, self.ledger.floor()).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(error = %chain(&error), "cannot read around messages");
                self.careful = None;
                return None;
            }
        };
        let was_caught_up = std::mem::replace(&mut self.is_caught_up, found.is_last);
        let Some(last) = found.deliveries.last() else {
            if !was_caught_up {
                return Some(Pulled { parts: Vec::new(), is_caught_up: true });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            return None;
        };
        let mut gathered = Gathered::new(self.partitions, last.sequence, None);
        found.deliveries.into_iter().for_each(|delivery| gathered.add(delivery));
        Some(self.hand_out(gathered))
    }

    fn hand_out(&mut self, gathered: Gathered) -> Pulled {
        self.highest = self.highest.max(gathered.last_sequence);
        self.next = gathered.last_sequence + 1;
        self.identity
            .remember(Taken { sequence: gathered.last_sequence, stored: gathered.last_stored });
        let waiting = gathered.parts.len();
        let pull = self.ledger.enter(gathered.last_sequence, gathered.reply, waiting);
        let parts = gathered
            .parts
            .into_iter()
            .map(|(partition, deliveries)| Part {
                partition,
                deliveries,
                receipt: Receipt::new(&self.ledger, &pull),
            })
            .collect();
        Pulled { parts, is_caught_up: self.is_caught_up }
    }

    /// The sequence up to which everything is durable in every partition, to be stored with the
    /// next commit and given to [`Resume::from`] after a restart. It may lag, and only rises.
    pub fn floor(&self) -> Floor {
        Floor { ledger: self.ledger.clone() }
    }

    /// How often the consumer was set back because something was missing or the broker was gone.
    pub fn resets(&self) -> Arc<AtomicU64> {
        self.resets.clone()
    }

    /// Sets the consumer back, or begins to read without it, until that succeeds.
    async fn reopen(&mut self) -> Result<(), Error> {
        let (mut pause, longest) = PAUSES;
        let mut has_complained = false;
        loop {
            // An error would mean that the connection was closed for good: the next request says so.
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

    /// Sets the consumer back to the first event that is not durable, creating it if need be, on a
    /// new connection: nothing of an earlier time is on its way there. If the next message is why the
    /// last connection was lost, begins to read without the consumer.
    async fn set_back(&mut self) -> Result<(), Error> {
        let first_kept = self.identity.check(&self.bus, self.highest).await?;
        if self.highest > 0 && first_kept > self.highest + 1 {
            tracing::warn!(
                taken = self.highest,
                first_kept,
                "events left the stream before they were taken in; keep them for longer"
            );
        }
        if self.is_suspect && self.is_to_be_read_carefully().await? {
            // What was handed out is on its way to the disk, and what follows comes behind it.
            self.ledger.fall_silent();
            self.careful = Some(Careful::from(&self.bus, self.next));
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
            // An operator's consumer of this name may differ in what cannot be changed. All that
            // it knows is where we are, and that we know ourselves.
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
        self.open = Some(Open {
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

    /// Whether the next message ends the connection on which it comes.
    async fn is_to_be_read_carefully(&self) -> Result<bool, Error> {
        let stream = self.bus.subjects.events_stream();
        let next = fetch_next(&self.bus, &stream, self.next, ">").await?;
        let is_unreadable = next.as_ref().is_some_and(|message| !message.is_sound());
        if is_unreadable {
            tracing::info!(
                sequence = next.map(|message| message.sequence),
                "somebody publishes headers that cannot be read; reading around them"
            );
        }
        Ok(is_unreadable || self.stalls >= STALLS)
    }
}

/// Reads the floor of an [`Intake`] from anywhere.
#[derive(Debug, Clone)]
pub struct Floor {
    ledger: Arc<Ledger>,
}

impl Floor {
    /// The sequence up to which everything is durable in every partition; 0: nothing.
    pub fn get(&self) -> u64 {
        self.ledger.floor()
    }
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

/// Contiguous deliveries.
struct Gathered {
    /// How many partitions there are.
    partitions: u16,
    parts: Vec<(u16, Vec<Delivery>)>,
    last_sequence: u64,
    /// When the stream stored the last delivery.
    last_stored: Time,
    /// Where the last delivery is acknowledged.
    reply: Option<Subject>,
    /// How many messages the stream held behind it.
    pending: u64,
}

impl Gathered {
    fn new(partitions: u16, last_sequence: u64, reply: Option<Subject>) -> Gathered {
        let last_stored = Time::default();
        Gathered { partitions, parts: Vec::new(), last_sequence, last_stored, reply, pending: 0 }
    }

    /// Adds a delivery to the part of its partition; a broadcast to that of every partition.
    fn add(&mut self, delivery: Delivery) {
        self.last_stored = delivery.stored;
        if matches!(delivery.content, Content::Broadcast(_)) {
            for partition in 0..self.partitions {
                self.add_to(partition, Delivery { partition, ..delivery.clone() });
            }
        } else {
            // The subject of a memory names a partition, and anybody may have published it: a twin has
            // one owner, whatever a subject says.
            let token = delivery.original.subject.rsplit('.').next().unwrap_or_default();
            let partition = match Customer::from_token(token) {
                Ok(customer) if delivery.original.is_internal() => {
                    partition_of(&customer, self.partitions)
                }
                _ => Some(delivery.partition).filter(|named| *named < self.partitions),
            };
            let partition = partition.unwrap_or(0);
            self.add_to(partition, Delivery { partition, ..delivery });
        }
    }

    fn add_to(&mut self, partition: u16, delivery: Delivery) {
        match self.parts.iter_mut().find(|(known, _)| *known == partition) {
            Some((_, deliveries)) => deliveries.push(delivery),
            None => self.parts.push((partition, vec![delivery])),
        }
    }
}

/// What stands in a frame before the first message does.
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

impl Open {
    /// Whatever is ready, or else the first that comes; and why there will be no more, if so.
    async fn gather(&mut self, bus: &Bus) -> (Option<Gathered>, Option<Interrupted>) {
        let mut gathered = None;
        let mut count = 0;
        loop {
            let message = if gathered.is_none() {
                if let Err(why) = self.ask().await {
                    return (None, Some(why));
                }
                match self.wait().await {
                    Ok(message) => message,
                    Err(why) => return (None, Some(why)),
                }
            } else {
                match self.messages.next().now_or_never() {
                    Some(Some(message)) => message,
                    Some(None) => return (gathered, Some(Interrupted::Lost)),
                    None => return (gathered, None),
                }
            };
            if let Err(why) = self.take(bus, message, &mut gathered) {
                return (gathered, Some(why));
            }
            count += 1;
            if count >= limits::PULL_BATCH && gathered.is_some() {
                return (gathered, None);
            }
        }
    }

    /// Keeps enough requests open.
    async fn ask(&mut self) -> Result<(), Interrupted> {
        while self.outstanding <= limits::PULL_BATCH * (REQUESTS - 1) {
            let request = pull::BatchConfig {
                batch: limits::PULL_BATCH,
                expires: Some(EXPIRES),
                idle_heartbeat: HEARTBEAT,
                ..pull::BatchConfig::default()
            };
            self.consumer
                .request_batch(request, self.inbox.as_str().into())
                .await
                .map_err(|error| Interrupted::Ask(error.to_string()))?;
            self.outstanding += limits::PULL_BATCH;
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<Message, Interrupted> {
        loop {
            // What arrived before the connection was lost still counts.
            if let Some(message) = self.messages.next().now_or_never() {
                return message.ok_or(Interrupted::Lost);
            }
            if self.link.borrow_and_update().was_lost() {
                // What came between the two looks.
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

    /// Adds a message, if it is the next one of the stream; deals with what the broker says besides.
    fn take(
        &mut self,
        bus: &Bus,
        message: Message,
        gathered: &mut Option<Gathered>,
    ) -> Result<(), Interrupted> {
        // The broker itself speaks to our inbox. A status on any other subject was published as an
        // event, and means nothing.
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
        let delivery = delivery::read(
            &bus.subjects,
            place.stream_sequence,
            delivery::stored_at(place.published),
            &self.frame.message,
        );
        let (sequence, pending) = (place.stream_sequence, place.pending);
        let reply = self.frame.message.reply.take();
        let gathered = gathered.get_or_insert_with(|| Gathered::new(self.partitions, 0, None));
        gathered.add(delivery);
        gathered.last_sequence = sequence;
        gathered.reply = reply;
        gathered.pending = pending;
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

/// An error and its sources, for one line of the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_resumes_behind_the_lowest_cursor_or_the_floor() {
        let at = |floor, highest| Resume { floor, highest, taken: Vec::new() };
        assert_eq!(Resume::from([], 0), at(0, 0));
        assert_eq!(Resume::from([0, 0], 0), at(0, 0));
        assert_eq!(Resume::from([5, 9, 7], 0), at(5, 9));
        assert_eq!(Resume::from([0, 9, 7], 6), at(6, 9));
    }
}
