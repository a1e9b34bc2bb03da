use async_nats::Message;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::consumer::{Consumer, DeliverPolicy};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::try_join_all;

use super::delivery::stored_at;
use super::malformed_headers::{WrappedMessage, fetch, fetch_next};
use super::messages::MessageReader;
use super::pages::HeldMessage;
use super::{Bus, Error, fresh_id};
use crate::event::{Channel, Content, Customer, Delivery, Original, Time};
use crate::twin::Action;

/// Reading what the streams still hold.
impl Bus {
    /// Every event about a customer (or about all, if none is named) and every broadcast, in stored
    /// order. `each` returns whether to continue.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not return them.
    pub async fn past(
        &self,
        customer: Option<&Customer>,
        mut each: impl FnMut(Delivery) -> bool,
    ) -> Result<(), Error> {
        let stream = self.subjects.events_stream();
        let mut all = Vec::new();
        for filter in [
            self.subjects.all_stored(None, customer),
            self.subjects.stored_memories(customer),
            self.subjects.all_broadcasts(),
        ] {
            all.push(MessageReader::now(self, stream.clone(), filter).await?);
        }
        loop {
            // All in the order of the stream.
            let mut first = None;
            for (at, messages) in all.iter_mut().enumerate() {
                if let Some(sequence) = messages.peek().await?
                    && first.is_none_or(|(known, _)| sequence < known)
                {
                    first = Some((sequence, at));
                }
            }
            let next = first.and_then(|(_, at)| all[at].take());
            let Some(next) = next else { return Ok(()) };
            let delivery = next.delivery(self);
            // An erasure in the stream has no effect on a replay.
            if !matches!(delivery.content, Content::Erasure(_)) && !each(delivery) {
                return Ok(());
            }
        }
    }

    /// The events of these sequences, in that order; without those that the stream does not hold.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn events_at(&self, sequences: &[u64]) -> Result<Vec<Delivery>, Error> {
        let stream = self.subjects.events_stream();
        let mut found = Vec::with_capacity(sequences.len());
        for some in sequences.chunks(AT_ONCE) {
            let asked = some.iter().map(|sequence| fetch(self, &stream, *sequence));
            let held = try_join_all(asked).await?.into_iter().flatten();
            found.extend(held.map(|held| held.delivery(self)));
        }
        Ok(found)
    }

    /// New messages of the event stream: of one channel, about one customer, or all; broadcasts only if
    /// neither is named.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn arrivals(
        &self,
        channel: Option<&Channel>,
        customer: Option<&Customer>,
    ) -> Result<EventMonitor, Error> {
        let filter = match (channel, customer) {
            (None, None) => format!("{}.>", self.subjects.prefix()),
            _ => self.subjects.all_stored(channel, customer),
        };
        let messages = MessageReader::after(self, self.subjects.events_stream(), filter).await?;
        Ok(EventMonitor { messages })
    }

    /// Every action for a customer (or for all, if none is named), in the order of publication.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not return them.
    pub async fn read_actions(
        &self,
        customer: Option<&Customer>,
        mut each: impl FnMut(Action),
    ) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        struct CloudEvent {
            data: Action,
        }
        let token = customer.map_or_else(|| "*".to_owned(), Customer::token);
        let filter = format!("{}.actions.*.*.{token}", self.subjects.prefix());
        let mut messages = MessageReader::now(self, self.subjects.actions_stream(), filter).await?;
        while messages.peek().await?.is_some() {
            let Some(HeldMessage { message, .. }) = messages.take() else { break };
            // Another version may have written it.
            if let Ok(CloudEvent { data }) = serde_json::from_slice(&message.payload) {
                each(data);
            }
        }
        Ok(())
    }

    /// Writes a line of the audit, and waits until the stream has it.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not confirm it.
    pub async fn write_down(&self, act: &str, line: Bytes) -> Result<(), Error> {
        self.store(self.subjects.audit(act), line, "write to the audit").await.map(drop)
    }

    /// All lines of the audit, oldest first.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not return them.
    pub async fn written_down(&self, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
        let (stream, filters) = (self.subjects.audit_stream(), vec![self.subjects.all_audit()]);
        self.read_each(stream, filters, |_, _, message| {
            each(&message.payload);
            true
        })
        .await
    }

    /// By how many milliseconds this machine's clock is ahead of the broker's (negative: behind), within
    /// the duration of one request; none if the broker does not report its time (before 2.10).
    pub async fn ahead_of_broker_ms(&self) -> Option<i64> {
        #[derive(serde::Deserialize)]
        struct Answer {
            #[serde(rename = "ts")]
            at: Time,
        }
        let ask = format!("STREAM.INFO.{}", self.subjects.events_stream());
        let before: Time = chrono::Utc::now().into();
        let answer: Answer = self.jetstream.request(ask, &()).await.ok()?;
        let after: Time = chrono::Utc::now().into();
        // The broker answered between the two times.
        let at = answer.at.ms();
        Some(if at < before.ms() { before.ms() - at } else { (after.ms() - at).min(0) })
    }

    /// The current messages of a stream under some subjects. Malformed messages close the connection on
    /// delivery: so this has a connection of its own, and those are returned without their headers.
    ///
    /// No [`PagedReader`](super::pages::PagedReader): a page is of one filter, and an erasure looks under
    /// hundreds, of which a consumer takes many at once and reads them in one pass. A consumer reads on
    /// at the price of a connection and no page, so fewer sound messages are enough before that.
    pub(super) async fn read_each(
        &self,
        stream: String,
        filters: Vec<String>,
        mut each: impl FnMut(u64, Time, Message) -> bool,
    ) -> Result<(), Error> {
        let mut next = 1;
        loop {
            if self.flow(&stream, &filters, &mut next, &mut each).await? {
                return Ok(());
            }
            let mut sound = 0;
            // Malformed messages come in groups.
            while sound < SOUND {
                let Some(found) = self.first(&stream, &filters, next).await? else {
                    return Ok(());
                };
                sound = if found.is_sound() { sound + 1 } else { 0 };
                next = found.sequence + 1;
                let (sequence, stored) = (found.sequence, found.stored);
                if !each(sequence, stored, found.message_or_bare()) {
                    return Ok(());
                }
            }
        }
    }

    /// Reads from the sequence `next` on with a consumer; returns whether it reached the end.
    async fn flow(
        &self,
        stream: &str,
        filters: &[String],
        next: &mut u64,
        each: &mut impl FnMut(u64, Time, Message) -> bool,
    ) -> Result<bool, Error> {
        let what = "read what a stream holds";
        let (client, jetstream, mut link) = self.dial("jumeau-reader").await?;
        let stream = jetstream.get_stream(stream).await.map_err(Error::request(what))?;
        let config = OrderedConfig {
            // Without a name of its own, permissions could not distinguish it from the consumers of
            // others.
            name: Some(fresh_id()),
            filter_subjects: filters.to_vec(),
            deliver_policy: match *next {
                1 => DeliverPolicy::All,
                start_sequence => DeliverPolicy::ByStartSequence { start_sequence },
            },
            ..OrderedConfig::default()
        };
        let mut consumer: Consumer<OrderedConfig> =
            stream.create_consumer(config).await.map_err(Error::request(what))?;
        let mut left = consumer.info().await.map_err(Error::request(what))?.num_pending;
        let mut messages = consumer.messages().await.map_err(Error::request(what))?;
        let lost = async { link.wait_for(|link| link.was_lost()).await.map(drop) };
        tokio::pin!(lost);
        while left > 0 {
            let message = tokio::select! {
                biased;
                message = messages.next() => message,
                _ = &mut lost => return Ok(false),
            };
            let Some(message) = message else { return Ok(false) };
            let Ok(message) = message else { return Ok(false) };
            let info = message.info().map_err(Error::request(what))?;
            let (sequence, stored) = (info.stream_sequence, stored_at(info.published));
            left = info.pending;
            *next = sequence + 1;
            if !each(sequence, stored, message.message) {
                break;
            }
        }
        // Messages still in flight are discarded.
        let _ = client.drain().await;
        Ok(true)
    }

    /// The first message from the sequence on under one of these subjects.
    async fn first(
        &self,
        stream: &str,
        filters: &[String],
        from: u64,
    ) -> Result<Option<WrappedMessage>, Error> {
        let found = filters.iter().map(|filter| fetch_next(self, stream, from, filter));
        let found = try_join_all(found).await?.into_iter().flatten();
        Ok(found.min_by_key(|message| message.sequence))
    }
}

/// After this many sound messages in a row, the consumer continues.
const SOUND: usize = 64;
/// Single messages that are requested at once.
const AT_ONCE: usize = 16;

/// New messages of the event stream.
#[derive(Debug)]
pub struct EventMonitor {
    messages: MessageReader,
}

impl EventMonitor {
    /// Waits for the next message, as it was published.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn next(&mut self) -> Result<Original, Error> {
        let next = self.messages.wait().await?;
        Ok(next.delivery(self.messages.bus()).original)
    }
}
