use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::{Message, StatusCode, Subject, Subscriber};
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;

use super::connection::Link;
use super::receipt::{Ledger, Receipt};
use super::{Bus, Error, delivery, unreadable};
use crate::config::limits;
use crate::event::{Content, Delivery};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resume {
    /// Everything at or below this sequence is durable in every partition.
    pub floor: u64,
    /// Nothing above this sequence was ever taken in: the highest of all cursors.
    pub highest: u64,
}

impl Resume {
    /// From the cursors of all partitions: what each has taken in; and from a floor that was read
    /// from [`Intake::floor`] earlier, which is ahead of the cursor of an idle partition.
    pub fn from(cursors: impl IntoIterator<Item = u64>, floor: u64) -> Resume {
        let (lowest, highest) = cursors
            .into_iter()
            .fold((u64::MAX, 0), |(low, high), cursor| (low.min(cursor), high.max(cursor)));
        Resume { floor: floor.max(if highest == 0 { 0 } else { lowest }), highest }
    }
}

/// The one reader of the stream of events.
///
/// One durable consumer without a filter delivers for all partitions: filtered consumers make the
/// broker search for every message, which costs it twice the time for one filter each, and a
/// hundred times for several. Acknowledging a message acknowledges all before it, so none may be
/// missing: the consumer's own sequence has to rise by exactly one, and whenever it does not (and
/// after each new connection) everything on its way is dropped and the consumer set back to the
/// first event that is not durable.
#[derive(Debug)]
pub struct Intake {
    bus: Bus,
    /// How many partitions there are.
    partitions: u16,
    ledger: Arc<Ledger>,
    /// The highest sequence taken in.
    highest: u64,
    open: Option<Open>,
    is_caught_up: bool,
    /// How often in a row a connection was lost before anything came.
    stalls: u32,
    resets: Arc<AtomicU64>,
}

/// So many connections lost in a row before anything came: the next message may be why.
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
    /// [`Error::Rewound`] if the stream ends before that, [`Error::Request`] if the broker refuses.
    pub async fn open(bus: &Bus, partitions: u16, resume: Resume) -> Result<Intake, Error> {
        let mut intake = Intake {
            bus: bus.clone(),
            partitions,
            ledger: Ledger::new(resume.floor),
            highest: resume.highest.max(resume.floor),
            open: None,
            is_caught_up: false,
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
    /// [`Error::Rewound`] if the stream was set back to before what was taken in. Everything else
    /// is tried again.
    pub async fn next(&mut self) -> Result<Pulled, Error> {
        loop {
            let Some(open) = self.open.as_mut() else {
                if let Some(pulled) = self.reopen().await? {
                    return Ok(pulled);
                }
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

    fn hand_out(&mut self, gathered: Gathered) -> Pulled {
        self.highest = self.highest.max(gathered.last_sequence);
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

    /// Sets the consumer back until that succeeds. Returns what had to be read without it.
    async fn reopen(&mut self) -> Result<Option<Pulled>, Error> {
        let (mut pause, longest) = PAUSES;
        let mut has_complained = false;
        loop {
            // An error would mean that the connection was closed for good: the next request says so.
            let _ = self.bus.link.wait_for(|link| link.is_up).await;
            match self.set_back().await {
                Ok(pulled) => {
                    self.resets.fetch_add(1, Ordering::Relaxed);
                    return Ok(pulled);
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
    /// new connection: nothing of an earlier time is on its way there.
    async fn set_back(&mut self) -> Result<Option<Pulled>, Error> {
        let (client, jetstream, link) = self.bus.dial("jumeau-intake").await?;
        let floor = self.ledger.restart(client.clone());
        let name = self.bus.subjects.events_stream();
        let what = "ask for the stream of events";
        let stream = jetstream.get_stream(&name).await.map_err(Error::request(what))?;
        let state = &stream.cached_info().state;
        let (first_kept, last) = (state.first_sequence, state.last_sequence);
        if self.highest > 0 && first_kept > self.highest + 1 {
            tracing::warn!(
                taken = self.highest,
                first_kept,
                "events left the stream before they were taken in; keep them for longer"
            );
        }
        if last < self.highest {
            return Err(Error::Rewound { stream: name, taken: self.highest, last });
        }
        let unreadable = if self.stalls < STALLS {
            Vec::new()
        } else {
            unreadable::read(&self.bus, floor + 1).await?
        };
        let first = unreadable.last().map_or(floor, |delivery| delivery.sequence) + 1;

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
        let Some(last) = unreadable.last() else { return Ok(None) };
        tracing::warn!(
            first = floor + 1,
            last = last.sequence,
            "events with headers that cannot be read were passed over by hand"
        );
        let mut gathered = Gathered::new(self.partitions, last.sequence, None);
        unreadable.into_iter().for_each(|delivery| gathered.add(delivery));
        Ok(Some(self.hand_out(gathered)))
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
    /// Where the last delivery is acknowledged.
    reply: Option<Subject>,
    /// How many messages the stream held behind it.
    pending: u64,
}

impl Gathered {
    fn new(partitions: u16, last_sequence: u64, reply: Option<Subject>) -> Gathered {
        Gathered { partitions, parts: Vec::new(), last_sequence, reply, pending: 0 }
    }

    /// Adds a delivery to the part of its partition; a broadcast to that of every partition.
    fn add(&mut self, delivery: Delivery) {
        if matches!(delivery.content, Content::Broadcast(_)) {
            for partition in 0..self.partitions {
                self.add_to(partition, Delivery { partition, ..delivery.clone() });
            }
        } else {
            self.add_to(delivery.partition, delivery);
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
                return Err(Interrupted::Lost);
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
        assert_eq!(Resume::from([], 0), Resume { floor: 0, highest: 0 });
        assert_eq!(Resume::from([0, 0], 0), Resume { floor: 0, highest: 0 });
        assert_eq!(Resume::from([5, 9, 7], 0), Resume { floor: 5, highest: 9 });
        assert_eq!(Resume::from([0, 9, 7], 6), Resume { floor: 6, highest: 9 });
    }
}
