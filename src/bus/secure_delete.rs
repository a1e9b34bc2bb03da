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
use crate::event::{Customer, Erasure, Header, is_left_to, named_in, spelled};

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
        let subject = self.subjects.passed(&erasure.customer);
        let sent = self.jetstream.publish_with_headers(subject, headers, bytes::Bytes::new());
        sent.await.map_err(Error::request(what))?.await.map_err(Error::request(what))?;
        Ok(())
    }

    /// The current ends of the streams.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn ends(&self) -> Result<StreamEnds, Error> {
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
        let upto = ends.events;
        let (prefix, token) = (self.subjects.prefix(), customer.token());
        let subjects = &self.subjects;
        let actions = subjects.actions_stream();
        let memories = subjects.stored_memories(Some(customer));
        let wanted = [
            ("events", subjects.events_stream(), subjects.stored_events(customer), upto),
            ("events", subjects.events_stream(), memories, upto),
            ("actions", actions.clone(), format!("{prefix}.actions.*.*.{token}"), ends.actions),
            ("recalls", actions.clone(), format!("{prefix}.recalls.*.{token}"), ends.actions),
            (
                "escalations",
                actions.clone(),
                format!("{prefix}.escalations.*.{token}"),
                ends.actions,
            ),
            ("observations", actions, format!("{prefix}.observations.*.{token}"), ends.actions),
        ];
        let mut trails = Vec::new();
        // Identifiers with which the customer shared memories or events.
        let mut others = BTreeSet::new();
        for (what, stream, filter, upto) in wanted {
            let mut sequences = Vec::new();
            self.held(stream.clone(), vec![filter], |sequence, _, message| {
                let is_wanted = sequence <= upto;
                sequences.extend(is_wanted.then_some(sequence));
                if is_wanted && what == "events" {
                    others.extend(named(&message));
                }
                is_wanted
            })
            .await?;
            trails.push(MessageTrail { stream, what, sequences });
        }
        let sequences = self.spelled_otherwise(customer, partitions, upto).await?;
        let stream = subjects.events_stream();
        trails.push(MessageTrail { stream, what: "events under other subjects", sequences });

        let mut sequences = Vec::new();
        self.held(
            subjects.events_stream(),
            vec![subjects.stored_passed(), subjects.stored_memories(None)],
            |sequence, _, message| {
                let is_wanted = sequence <= upto;
                let addressee = subjects.addressee(&message.subject);
                if is_wanted && addressee.as_ref() != Some(customer) && names(&message, customer) {
                    sequences.push(sequence);
                    others.extend(named(&message).into_iter().chain(addressee));
                }
                is_wanted
            },
        )
        .await?;
        let stream = subjects.events_stream();
        trails.push(MessageTrail { stream, what: "messages to others", sequences });

        others.remove(customer);
        let filters = if others.len() > FILTERS {
            vec![subjects.all_stored(None, None)]
        } else {
            others.iter().map(|one| subjects.stored_events(one)).collect()
        };
        let mut sequences = Vec::new();
        for filters in filters.chunks(FILTERS_AT_ONCE) {
            self.held(subjects.events_stream(), filters.to_vec(), |sequence, _, message| {
                let is_wanted = sequence <= upto;
                if is_wanted && !subjects.is_passed(&message.subject) && names(&message, customer) {
                    sequences.push(sequence);
                }
                is_wanted
            })
            .await?;
        }
        let stream = subjects.events_stream();
        trails.push(MessageTrail { stream, what: "links of others", sequences });

        // Their subjects contain the reason, not the customer.
        let stream = subjects.dead_stream();
        let (mut sequences, mut died) = (Vec::new(), Vec::new());
        self.held(stream.clone(), vec![subjects.all_dead()], |sequence, _, message| {
            let is_wanted = sequence <= ends.dead;
            let header = |name| message.headers.as_ref().and_then(|headers| headers.get(name));
            let about = header(SUBJECT).map(|subject| subjects.about(subject.as_str()));
            if is_wanted
                && (about.is_some_and(|about| about.contains(customer))
                    || names(&message, customer))
            {
                sequences.push(sequence);
                died.extend(header(SEQUENCE).and_then(|event| event.as_str().parse::<u64>().ok()));
            }
            is_wanted
        })
        .await?;
        trails.push(MessageTrail { stream, what: "dead letters", sequences });

        // Nothing else finds those of other customers.
        let known: HashSet<u64> = trails
            .iter()
            .filter(|trail| trail.stream == subjects.events_stream())
            .flat_map(|trail| trail.sequences.iter().copied())
            .collect();
        died.retain(|event| *event <= upto && !known.contains(event));
        died.sort_unstable();
        died.dedup();
        let looks = died.into_iter().map(|event| self.names_at(event, customer));
        let looks: Vec<_> = looks.collect();
        let found: Vec<Option<u64>> =
            stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
        let sequences = found.into_iter().flatten().collect();
        let stream = subjects.events_stream();
        trails.push(MessageTrail { stream, what: "events that became dead letters", sequences });
        Ok(trails)
    }

    /// Returns the sequence if the event there names a customer. A dead letter alone proves nothing: the
    /// stream may have been recreated since, and anybody may have written the letter.
    async fn names_at(&self, sequence: u64, customer: &Customer) -> Result<Option<u64>, Error> {
        let found = fetch_next(self, &self.subjects.events_stream(), sequence, ">").await?;
        Ok(found.filter(|found| found.sequence == sequence).and_then(|found| {
            let message = found.message_or_bare();
            let about = self.subjects.about(&message.subject);
            (about.contains(customer) || names(&message, customer)).then_some(sequence)
        }))
    }

    /// Events that were published for a customer under another subject than theirs: no twin has ever
    /// processed them.
    async fn spelled_otherwise(
        &self,
        customer: &Customer,
        partitions: u16,
        upto: u64,
    ) -> Result<Vec<u64>, Error> {
        let what = "list the subjects of a stream";
        let subjects = &self.subjects;
        let stream = self.stream(&subjects.events_stream()).await?;
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
                        *one != *token && spelled(one) == customer.as_str()
                    }
                    Addressee::Nobody => subjects.about(&stored).contains(customer),
                    Addressee::Everybody => false,
                };
                if is_theirs {
                    other.push(stored);
                }
            }
        }
        let mut sequences = Vec::new();
        let wanted: HashSet<String> = other.iter().cloned().collect();
        if other.len() > FILTERS {
            other = vec![subjects.all_events(), subjects.all_stored(None, None)];
        }
        for filters in other.chunks(FILTERS_AT_ONCE) {
            self.held(subjects.events_stream(), filters.to_vec(), |sequence, _, message| {
                let is_wanted = sequence <= upto;
                let is_theirs = wanted.contains(message.subject.as_str());
                sequences.extend((is_wanted && is_theirs).then_some(sequence));
                is_wanted
            })
            .await?;
        }
        sequences.sort_unstable();
        Ok(sequences)
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

    /// Late events, by their sequences.
    pub fn late_events(&self, sequences: Vec<u64>) -> MessageTrail {
        MessageTrail { stream: self.subjects.events_stream(), what: "late events", sequences }
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
