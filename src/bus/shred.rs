//! Taking what is about one customer out of the streams.
//!
//! A purge by subject only marks messages as gone: their bytes stay in the broker's files until it
//! rewrites them some day. Removing a message by its sequence has the broker overwrite it at once,
//! and so that is what is done, message by message.

use async_nats::jetstream::stream::{DeleteMessageErrorKind, RawMessageErrorKind, Stream};
use futures::{StreamExt, TryStreamExt, stream};

use super::dead::SUBJECT;
use super::{Bus, Error};
use crate::event::{Customer, Erasure};

/// Messages that are being removed at once.
const AT_ONCE: usize = 64;

/// Messages of one kind in one stream, by their sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// The stream.
    pub stream: String,
    /// What they are: `events`, `actions`…
    pub what: &'static str,
    /// Where they are.
    pub sequences: Vec<u64>,
}

impl Bus {
    /// Has a customer erased: the wish gets its place among their events.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not take it.
    pub async fn wish_erased(&self, erasure: &Erasure) -> Result<(), Error> {
        let what = "publish an erasure";
        let mut headers = async_nats::HeaderMap::new();
        for (name, value) in erasure.headers() {
            headers.insert(name, value);
        }
        headers.insert("Nats-Msg-Id", erasure.message_id());
        let subject = self.subjects.passed(&erasure.customer);
        let sent = self.jetstream.publish_with_headers(subject, headers, bytes::Bytes::new());
        sent.await.map_err(Error::request(what))?.await.map_err(Error::request(what))?;
        Ok(())
    }

    /// Where messages about a customer are: events up to the sequence `upto`, and whatever else
    /// there is now, dead letters of their events among it.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn trails(&self, customer: &Customer, upto: u64) -> Result<Vec<Trail>, Error> {
        let (prefix, token) = (self.subjects.prefix(), customer.token());
        let subjects = &self.subjects;
        let actions = subjects.actions_stream();
        let wanted = [
            ("events", subjects.events_stream(), format!("{prefix}.partition.*.*.{token}"), upto),
            ("actions", actions.clone(), format!("{prefix}.actions.*.*.{token}"), u64::MAX),
            ("recalls", actions.clone(), format!("{prefix}.recalls.*.{token}"), u64::MAX),
            ("escalations", actions.clone(), format!("{prefix}.escalations.*.{token}"), u64::MAX),
            ("observations", actions, format!("{prefix}.observations.*.{token}"), u64::MAX),
        ];
        let mut trails = Vec::new();
        for (what, stream, filter, upto) in wanted {
            let mut sequences = Vec::new();
            self.held(stream.clone(), vec![filter], |sequence, _, _| {
                let is_wanted = sequence <= upto;
                sequences.extend(is_wanted.then_some(sequence));
                is_wanted
            })
            .await?;
            trails.push(Trail { stream, what, sequences });
        }
        // Their subjects say why they are dead, and not whose they were.
        let stream = subjects.dead_stream();
        let mut sequences = Vec::new();
        self.held(stream.clone(), vec![subjects.all_dead()], |sequence, _, message| {
            let subject = message.headers.as_ref().and_then(|headers| headers.get(SUBJECT));
            let is_own = |subject: &str| subject.rsplit('.').next() == Some(&token);
            if subject.is_some_and(|subject| is_own(subject.as_str())) {
                sequences.push(sequence);
            }
            true
        })
        .await?;
        trails.push(Trail { stream, what: "dead letters", sequences });
        Ok(trails)
    }

    /// Removes messages, and has the broker overwrite them. Those that are gone already are.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn shred(&self, trail: &Trail) -> Result<(), Error> {
        if trail.sequences.is_empty() {
            return Ok(());
        }
        let from = self.stream(&trail.stream).await?;
        let removals: Vec<_> =
            trail.sequences.iter().map(|sequence| shred_one(from.clone(), *sequence)).collect();
        stream::iter(removals)
            .buffer_unordered(AT_ONCE)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await
    }

    /// Events that came late, by their sequences.
    pub fn late_events(&self, sequences: Vec<u64>) -> Trail {
        Trail { stream: self.subjects.events_stream(), what: "late events", sequences }
    }
}

async fn shred_one(from: Stream, sequence: u64) -> Result<(), Error> {
    let Err(error) = from.delete_message(sequence).await else { return Ok(()) };
    // Of a message that is gone the broker says the same as of one that it could not remove.
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
