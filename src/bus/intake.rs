use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::{self, Message};
use async_nats::{StatusCode, Subscriber};
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;

use super::receipt::{Ledger, Receipt};
use super::{Bus, Error, delivery};
use crate::config::limits;
use crate::event::Delivery;

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
    ledger: Arc<Ledger>,
    /// The highest sequence taken in.
    highest: u64,
    open: Option<Open>,
    is_caught_up: bool,
    resets: Arc<AtomicU64>,
}

/// A consumer that was set back, and what was asked of it since.
#[derive(Debug)]
struct Open {
    consumer: Consumer<pull::Config>,
    messages: Subscriber,
    inbox: String,
    /// Messages asked for that did not come yet.
    outstanding: usize,
    /// What the consumer's sequence has to be next.
    expected: u64,
    link: watch::Receiver<super::connection::Link>,
    /// The connection on which we asked.
    epoch: u64,
}

/// Why the flow from a consumer ended.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("there is a new connection")]
    Reconnected,
    #[error("the connection was closed")]
    Closed,
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
    /// Opens the stream of events behind what was taken in.
    ///
    /// # Errors
    /// [`Error::Rewound`] if the stream ends before that, [`Error::Request`] if the broker refuses.
    pub async fn open(bus: &Bus, resume: Resume) -> Result<Intake, Error> {
        let ledger = Ledger::new(bus.client.clone(), resume.floor);
        let mut intake = Intake {
            bus: bus.clone(),
            ledger,
            highest: resume.highest.max(resume.floor),
            open: None,
            is_caught_up: false,
            resets: Arc::new(AtomicU64::new(0)),
        };
        intake.open = Some(intake.set_back().await?);
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
                self.reopen().await?;
                continue;
            };
            if !self.is_caught_up
                && open.consumer.cached_info().num_pending == 0
                && open.expected == 1
            {
                self.is_caught_up = true;
                return Ok(Pulled { parts: Vec::new(), is_caught_up: true });
            }
            let (gathered, interrupted) = open.gather(&self.bus).await;
            if let Some(why) = interrupted {
                tracing::info!(%why, floor = self.ledger.floor(), "the intake begins anew");
                self.open = None;
                self.is_caught_up = false;
            }
            let Some(gathered) = gathered else { continue };
            self.highest = self.highest.max(gathered.last_sequence);
            self.is_caught_up = self.open.is_some() && gathered.pending == 0;
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
            return Ok(Pulled { parts, is_caught_up: self.is_caught_up });
        }
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

    async fn reopen(&mut self) -> Result<(), Error> {
        let (mut pause, longest) = PAUSES;
        let mut has_complained = false;
        loop {
            // An error would mean that the connection was closed for good: the next request says so.
            let _ = self.bus.link.wait_for(|link| link.is_up).await;
            match self.set_back().await {
                Ok(open) => {
                    self.open = Some(open);
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

    /// Sets the consumer back to the first event that is not durable, creating it if need be.
    async fn set_back(&self) -> Result<Open, Error> {
        let link = self.bus.link.clone();
        let epoch = link.borrow().epoch;
        // From here on no acknowledgement of an earlier time is sent. The last one may be on its
        // way; it arrives before the reset below, several answers of the broker later.
        let floor = self.ledger.restart();

        // Requests of an earlier time must not swallow what comes after the reset: the broker
        // drops them once it has seen that nobody listens to their inbox any more.
        self.bus.client.flush().await.map_err(Error::request("reach the broker"))?;
        let name = self.bus.subjects.events_stream();
        let stream = self.bus.stream(&name).await?;
        let state = &stream.cached_info().state;
        if state.last_sequence < self.highest {
            return Err(Error::Rewound {
                stream: name,
                taken: self.highest,
                last: state.last_sequence,
            });
        }
        if state.messages > 0 && floor > 0 && state.first_sequence > floor + 1 {
            tracing::debug!(
                first = state.first_sequence,
                floor,
                "the stream no longer holds the first events that are not acknowledged"
            );
        }
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
        let inbox = self.bus.client.new_inbox();
        let messages = self
            .bus
            .client
            .subscribe(inbox.clone())
            .await
            .map_err(Error::request("listen for events"))?;
        consumer
            .reset(Some(floor + 1))
            .await
            .map_err(Error::request("set the consumer of events back"))?;
        tracing::debug!(floor, "reading events");
        Ok(Open { consumer, messages, inbox, outstanding: 0, expected: 1, link, epoch })
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
    parts: Vec<(u16, Vec<Delivery>)>,
    last_sequence: u64,
    /// Where the last delivery is acknowledged.
    reply: async_nats::Subject,
    /// How many messages the stream held behind it.
    pending: u64,
}

impl Open {
    /// Whatever is ready, or else the first that comes; and why there will be no more, if so.
    async fn gather(&mut self, bus: &Bus) -> (Option<Gathered>, Option<Interrupted>) {
        let mut gathered = None;
        let first = loop {
            if let Err(why) = self.ask().await {
                return (None, Some(why));
            }
            match self.wait().await {
                Err(why) => return (None, Some(why)),
                Ok(message) => match self.notice(&message) {
                    Err(why) => return (None, Some(why)),
                    Ok(false) => {}
                    Ok(true) => break message,
                },
            }
        };
        let mut frame = Message { context: bus.jetstream.clone(), message: first };
        for _ in 0..limits::PULL_BATCH {
            if let Err(why) = self.take(bus, &frame, &mut gathered) {
                return (gathered, Some(why));
            }
            frame.message = loop {
                match self.messages.next().now_or_never() {
                    None => return (gathered, None),
                    Some(None) => return (gathered, Some(Interrupted::Closed)),
                    Some(Some(message)) => match self.notice(&message) {
                        Err(why) => return (gathered, Some(why)),
                        Ok(false) => {}
                        Ok(true) => break message,
                    },
                }
            };
        }
        // One more than fits was read: it is part of this pull too.
        let last = self.take(bus, &frame, &mut gathered);
        (gathered, last.err())
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

    async fn wait(&mut self) -> Result<async_nats::Message, Interrupted> {
        loop {
            let link = *self.link.borrow_and_update();
            if link.epoch != self.epoch {
                return Err(Interrupted::Reconnected);
            }
            tokio::select! {
                biased;
                message = tokio::time::timeout(SILENCE, self.messages.next()) => {
                    return match message {
                        Ok(Some(message)) => Ok(message),
                        Ok(None) => Err(Interrupted::Closed),
                        Err(_) => Err(Interrupted::Silent),
                    };
                }
                changed = self.link.changed() => {
                    if changed.is_err() {
                        return Err(Interrupted::Closed);
                    }
                }
            }
        }
    }

    /// Whether this is a message of the stream; what the broker says besides is dealt with here.
    fn notice(&mut self, message: &async_nats::Message) -> Result<bool, Interrupted> {
        match message.status {
            None => {
                self.outstanding = self.outstanding.saturating_sub(1);
                Ok(true)
            }
            Some(StatusCode::IDLE_HEARTBEAT) => Ok(false),
            Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => {
                let unserved = message
                    .headers
                    .as_ref()
                    .and_then(|headers| headers.get("Nats-Pending-Messages"))
                    .and_then(|count| count.as_str().parse().ok())
                    .unwrap_or(limits::PULL_BATCH);
                self.outstanding = self.outstanding.saturating_sub(unserved);
                Ok(false)
            }
            Some(status) => {
                let description = message.description.as_deref().unwrap_or("no more");
                Err(Interrupted::Status(format!("{status}: {description}")))
            }
        }
    }

    /// Adds a message, if it is the next one.
    fn take(
        &mut self,
        bus: &Bus,
        frame: &jetstream::Message,
        gathered: &mut Option<Gathered>,
    ) -> Result<(), Interrupted> {
        let place = frame.info().map_err(|error| Interrupted::Foreign(error.to_string()))?;
        if place.consumer_sequence != self.expected {
            return Err(Interrupted::Gap {
                expected: self.expected,
                found: place.consumer_sequence,
            });
        }
        let Some(reply) = frame.reply.clone() else {
            return Err(Interrupted::Foreign("it cannot be acknowledged".into()));
        };
        self.expected += 1;
        let delivery = delivery::read(
            &bus.subjects,
            place.stream_sequence,
            delivery::stored_at(place.published),
            &frame.message,
        );
        let gathered = gathered.get_or_insert_with(|| Gathered {
            parts: Vec::new(),
            last_sequence: 0,
            reply: reply.clone(),
            pending: 0,
        });
        gathered.last_sequence = place.stream_sequence;
        gathered.reply = reply;
        gathered.pending = place.pending;
        match gathered.parts.iter_mut().find(|(partition, _)| *partition == delivery.partition) {
            Some((_, deliveries)) => deliveries.push(delivery),
            None => gathered.parts.push((delivery.partition, vec![delivery])),
        }
        Ok(())
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
