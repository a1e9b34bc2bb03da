//! Removes the data of one customer from the streams.
//!
//! A purge by subject only marks messages as deleted: their bytes stay in the broker's files until it
//! rewrites them some day. Removing a message by its sequence makes the broker overwrite it immediately,
//! so messages are removed one by one.

use std::collections::{BTreeSet, HashSet};

use async_nats::Message;
use async_nats::jetstream::stream::{DeleteMessageErrorKind, RawMessageErrorKind, Stream};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};

use super::malformed_headers::fetch_next;
use super::{Bus, Error, delivery};
use crate::contract::Addressee;
use crate::contract::{SEQUENCE, SUBJECT};
use crate::event::{Customer, Erasure, Header, decode_any_spelling, is_left_to, named_in};

/// Messages that are removed at once.
const AT_ONCE: usize = 16;

/// Subjects in the filter of one consumer.
const FILTERS_AT_ONCE: usize = 32;

/// The maximum of subjects that are searched one by one. Channels determine how many there are: with
/// more, the whole stream is searched once.
const FILTERS: usize = 256;

/// The last sequence of each stream at one time; later messages are not searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnds {
    /// Of the event stream.
    pub events: u64,
    /// Of the stream of actions.
    pub actions: u64,
    /// Of the stream of dead letters.
    pub dead: u64,
}

/// Sequences of matching messages of one kind in one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTrail {
    /// The stream.
    pub stream: String,
    /// Their kind: `events`, `actions`…
    pub what: &'static str,
    /// Their sequences.
    pub sequences: Vec<u64>,
}

impl StreamEnds {
    /// No limit.
    pub const OPEN: StreamEnds = StreamEnds { events: u64::MAX, actions: u64::MAX, dead: u64::MAX };
}

impl Bus {
    /// Requests the erasure of a customer, which gets its place among their events. The mark is the
    /// header by which the service recognises its own messages.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not accept it.
    pub async fn request_erasure(
        &self,
        erasure: &Erasure,
        mark: (&'static str, String),
    ) -> Result<(), Error> {
        let what = "publish an erasure";
        let mut headers = async_nats::HeaderMap::new();
        for (name, value) in erasure.headers().into_iter().chain([mark]) {
            headers.insert(name, value);
        }
        headers.insert("Nats-Msg-Id", erasure.message_id());
        let subject = self.subjects.forwarded(&erasure.customer);
        let sent = self.jetstream.publish_with_headers(subject, headers, bytes::Bytes::new());
        sent.await.map_err(Error::request(what))?.await.map_err(Error::request(what))?;
        Ok(())
    }

    /// The current ends of the streams.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn stream_ends(&self) -> Result<StreamEnds, Error> {
        let end = async |name: String| {
            let stream = self.stream(&name).await?;
            Ok::<u64, Error>(stream.cached_info().state.last_sequence)
        };
        let subjects = &self.subjects;
        Ok(StreamEnds {
            events: end(subjects.events_stream()).await?,
            actions: end(subjects.actions_stream()).await?,
            dead: end(subjects.dead_stream()).await?,
        })
    }

    /// Finds the messages about a customer, up to these stream ends. These include events in which their
    /// identifier was spelled differently or stood in the wrong place; events that carried the customer's
    /// memory, or an event of theirs, to another identifier; and events that link another identifier to
    /// theirs or unlink it. They also include dead letters of any of these, and events that have such a
    /// dead letter.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn trails(
        &self,
        customer: &Customer,
        partitions: u16,
        ends: StreamEnds,
    ) -> Result<Vec<MessageTrail>, Error> {
        let search = Search { bus: self, customer, ends };
        // Identifiers with which the customer shared memories or events.
        let mut others = BTreeSet::new();
        let mut trails = search.own_messages(&mut others).await?;
        let sequences = search.spelled_otherwise(partitions).await?;
        trails.push(search.of_events("events under other subjects", sequences));
        let sequences = search.messages_to_others(&mut others).await?;
        trails.push(search.of_events("messages to others", sequences));
        others.remove(customer);
        let sequences = search.links_of(&others).await?;
        trails.push(search.of_events("links of others", sequences));
        let (letters, events) = search.dead_letters().await?;
        trails.push(letters);
        let sequences = search.dead_events(events, &trails).await?;
        trails.push(search.of_events("events that became dead letters", sequences));
        Ok(trails)
    }

    /// Whether everything up to a sequence of the event stream is durable in all partitions: a message
    /// that is removed before that is not processed after a crash.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn taken_in(&self, upto: u64) -> Result<bool, Error> {
        let lag = self.lag().await?;
        let is_main_past = lag.acknowledged >= upto || lag.waiting + lag.in_flight == 0;
        Ok(is_main_past && self.slow.is_past(upto))
    }

    /// Removes messages and makes the broker overwrite them. Messages that are gone already count as
    /// removed.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn secure_delete(&self, trail: &MessageTrail) -> Result<(), Error> {
        if trail.sequences.is_empty() {
            return Ok(());
        }
        let from = self.stream(&trail.stream).await?;
        // In chunks with pauses between: the broker answers other requests about its streams only when no
        // removal waits.
        for some in trail.sequences.chunks(AT_ONCE) {
            let removals = some.iter().map(|sequence| secure_delete_one(from.clone(), *sequence));
            try_join_all(removals).await?;
        }
        Ok(())
    }

    /// Events that came after the erasure of their customers, by their sequences.
    pub fn events_of_erased(&self, sequences: Vec<u64>) -> MessageTrail {
        MessageTrail {
            stream: self.subjects.events_stream(),
            what: "events of erased customers",
            sequences,
        }
    }
}

/// The search for the messages about one customer, up to some stream ends.
struct Search<'a> {
    bus: &'a Bus,
    customer: &'a Customer,
    ends: StreamEnds,
}

impl Search<'_> {
    /// Hands over the messages of a stream under some subjects, up to a sequence.
    async fn each(
        &self,
        stream: String,
        filters: Vec<String>,
        upto: u64,
        mut each: impl FnMut(u64, Message),
    ) -> Result<(), Error> {
        let until_end = |sequence, _, message| {
            let is_wanted = sequence <= upto;
            if is_wanted {
                each(sequence, message);
            }
            is_wanted
        };
        self.bus.read_each(stream, filters, until_end).await
    }

    /// Hands over the messages of the event stream under some subjects.
    async fn in_events(
        &self,
        filters: Vec<String>,
        each: impl FnMut(u64, Message),
    ) -> Result<(), Error> {
        self.each(self.bus.subjects.events_stream(), filters, self.ends.events, each).await
    }

    /// The trail of such messages of the event stream.
    fn of_events(&self, what: &'static str, sequences: Vec<u64>) -> MessageTrail {
        MessageTrail { stream: self.bus.subjects.events_stream(), what, sequences }
    }

    /// What is stored under the customer's own subjects; adds the identifiers that their events name.
    async fn own_messages(
        &self,
        others: &mut BTreeSet<Customer>,
    ) -> Result<Vec<MessageTrail>, Error> {
        let (subjects, customer) = (&self.bus.subjects, self.customer);
        let (prefix, token) = (subjects.prefix(), customer.token());
        let mut trails = Vec::new();
        for filter in [subjects.stored_events(customer), subjects.stored_memories(Some(customer))] {
            let mut sequences = Vec::new();
            self.in_events(vec![filter], |sequence, message| {
                sequences.push(sequence);
                others.extend(named(&message));
            })
            .await?;
            trails.push(self.of_events("events", sequences));
        }
        for (what, filter) in [
            ("actions", format!("{prefix}.actions.*.*.{token}")),
            ("recalls", format!("{prefix}.recalls.*.{token}")),
            ("escalations", format!("{prefix}.escalations.*.{token}")),
            ("observations", format!("{prefix}.observations.*.{token}")),
        ] {
            let stream = subjects.actions_stream();
            let mut sequences = Vec::new();
            self.each(stream.clone(), vec![filter], self.ends.actions, |sequence, _| {
                sequences.push(sequence);
            })
            .await?;
            trails.push(MessageTrail { stream, what, sequences });
        }
        Ok(trails)
    }

    /// Events and memories that were forwarded to another identifier and name the customer; adds the
    /// identifiers on both ends.
    async fn messages_to_others(&self, others: &mut BTreeSet<Customer>) -> Result<Vec<u64>, Error> {
        let (subjects, customer) = (&self.bus.subjects, self.customer);
        let filters = vec![subjects.stored_forwarded(), subjects.stored_memories(None)];
        let mut sequences = Vec::new();
        self.in_events(filters, |sequence, message| {
            let addressee = subjects.addressee(&message.subject);
            if addressee.as_ref() != Some(customer) && names(&message, customer) {
                sequences.push(sequence);
                others.extend(named(&message).into_iter().chain(addressee));
            }
        })
        .await?;
        Ok(sequences)
    }

    /// Events of other identifiers that name the customer: they link the two, or unlink them.
    async fn links_of(&self, others: &BTreeSet<Customer>) -> Result<Vec<u64>, Error> {
        let subjects = &self.bus.subjects;
        let filters = if others.len() > FILTERS {
            vec![subjects.all_stored(None, None)]
        } else {
            others.iter().map(|one| subjects.stored_events(one)).collect()
        };
        let mut sequences = Vec::new();
        for filters in filters.chunks(FILTERS_AT_ONCE) {
            self.in_events(filters.to_vec(), |sequence, message| {
                if !subjects.is_forwarded(&message.subject) && names(&message, self.customer) {
                    sequences.push(sequence);
                }
            })
            .await?;
        }
        Ok(sequences)
    }

    /// Dead letters about the customer, and the sequences of the events that became them.
    async fn dead_letters(&self) -> Result<(MessageTrail, Vec<u64>), Error> {
        let subjects = &self.bus.subjects;
        // Their subjects contain the reason, not the customer.
        let (stream, filters) = (subjects.dead_stream(), vec![subjects.all_dead()]);
        let (mut sequences, mut events) = (Vec::new(), Vec::new());
        self.each(stream.clone(), filters, self.ends.dead, |sequence, message| {
            let header = |name| message.headers.as_ref().and_then(|headers| headers.get(name));
            let about = header(SUBJECT).map(|subject| subjects.about(subject.as_str()));
            let is_about = about.is_some_and(|about| about.contains(self.customer));
            if is_about || names(&message, self.customer) {
                sequences.push(sequence);
                let event = header(SEQUENCE).and_then(|event| event.as_str().parse::<u64>().ok());
                events.extend(event);
            }
        })
        .await?;
        Ok((MessageTrail { stream, what: "dead letters", sequences }, events))
    }

    /// Of the events that became dead letters, those that name the customer and are in no trail yet.
    /// Nothing else finds those of other customers.
    async fn dead_events(
        &self,
        mut events: Vec<u64>,
        trails: &[MessageTrail],
    ) -> Result<Vec<u64>, Error> {
        let stream = self.bus.subjects.events_stream();
        let known: HashSet<u64> = trails
            .iter()
            .filter(|trail| trail.stream == stream)
            .flat_map(|trail| trail.sequences.iter().copied())
            .collect();
        events.retain(|event| *event <= self.ends.events && !known.contains(event));
        events.sort_unstable();
        events.dedup();
        let looks: Vec<_> = events.into_iter().map(|event| self.names_at(event)).collect();
        let found: Vec<Option<u64>> =
            stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Returns the sequence if the event there names the customer. A dead letter alone proves nothing: the
    /// stream may have been recreated since, and anybody may have written the letter.
    async fn names_at(&self, sequence: u64) -> Result<Option<u64>, Error> {
        let (subjects, customer) = (&self.bus.subjects, self.customer);
        let found = fetch_next(self.bus, &subjects.events_stream(), sequence, ">").await?;
        Ok(found.filter(|found| found.sequence == sequence).and_then(|found| {
            let message = found.message_or_bare();
            let about = subjects.about(&message.subject);
            (about.contains(customer) || names(&message, customer)).then_some(sequence)
        }))
    }

    /// Events that were published for the customer under another subject than theirs: no twin has ever
    /// processed them.
    async fn spelled_otherwise(&self, partitions: u16) -> Result<Vec<u64>, Error> {
        let mut other = self.other_spellings(partitions).await?;
        let subjects = &self.bus.subjects;
        let mut sequences = Vec::new();
        let wanted: HashSet<String> = other.iter().cloned().collect();
        if other.len() > FILTERS {
            other = vec![subjects.all_events(), subjects.all_stored(None, None)];
        }
        for filters in other.chunks(FILTERS_AT_ONCE) {
            self.in_events(filters.to_vec(), |sequence, message| {
                let is_theirs = wanted.contains(message.subject.as_str());
                sequences.extend(is_theirs.then_some(sequence));
            })
            .await?;
        }
        sequences.sort_unstable();
        Ok(sequences)
    }

    /// The stored subjects that are the customer's in another spelling.
    async fn other_spellings(&self, partitions: u16) -> Result<Vec<String>, Error> {
        let what = "list the subjects of a stream";
        let (subjects, customer) = (&self.bus.subjects, self.customer);
        let stream = self.bus.stream(&subjects.events_stream()).await?;
        // Partition by partition: the broker collects a whole list before it answers.
        let mut filters = vec![subjects.all_events()];
        filters.extend((0..partitions).map(|partition| subjects.stored_in(partition)));
        let mut other = Vec::new();
        let token = customer.token();
        for filter in filters {
            let mut listed =
                stream.info_with_subjects(filter).await.map_err(Error::request(what))?;
            while let Some((stored, _)) = listed.try_next().await.map_err(Error::request(what))? {
                let place = subjects.stored(&stored);
                let is_theirs = match place.address {
                    Addressee::Twin { customer: one, .. } => {
                        *one != *token && decode_any_spelling(one) == customer.as_str()
                    }
                    Addressee::Nobody => subjects.about(&stored).contains(customer),
                    Addressee::Everybody => false,
                };
                if is_theirs {
                    other.push(stored);
                }
            }
        }
        Ok(other)
    }
}

/// Identifiers in a stored message other than its addressee.
fn named(message: &Message) -> Vec<Customer> {
    let headers = message.headers.as_ref().map(delivery::plain).unwrap_or_default();
    let headers: Vec<Header<'_>> = headers.iter().collect();
    named_in(&headers, &message.payload)
}

/// Whether a stored message names a customer other than its addressee, or contains them in a form that
/// only those who can name them recognise.
fn names(message: &Message, customer: &Customer) -> bool {
    let headers = message.headers.as_ref().map(delivery::plain).unwrap_or_default();
    let headers: Vec<Header<'_>> = headers.iter().collect();
    named_in(&headers, &message.payload).contains(customer)
        || is_left_to(customer, &headers, &message.payload)
}

async fn secure_delete_one(from: Stream, sequence: u64) -> Result<(), Error> {
    let Err(error) = from.delete_message(sequence).await else { return Ok(()) };
    // The broker reports a missing message in the same way as one that it could not remove.
    let is_refused = matches!(error.kind(), DeleteMessageErrorKind::JetStream(_));
    if is_refused && is_gone(&from, sequence).await? {
        return Ok(());
    }
    Err(Error::request("remove a message")(error))
}

async fn is_gone(from: &Stream, sequence: u64) -> Result<bool, Error> {
    match from.get_raw_message(sequence).await {
        Ok(_) => Ok(false),
        Err(error) if matches!(error.kind(), RawMessageErrorKind::NoMessageFound) => Ok(true),
        Err(error) => Err(Error::request("look for a message")(error)),
    }
}
