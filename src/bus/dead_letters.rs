use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use futures::TryStreamExt;

use super::{Bus, Error, delivery};
use crate::config::limits;
use crate::contract::{DETAIL, MESSAGE_ID, PARTITION, SEQUENCE, SUBJECT, TRUNCATED, is_reserved};
use crate::event::{Original, Output, Reason, Time};

/// A dead letter as an operator reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its sequence in the stream of dead letters, which identifies it.
    pub sequence: u64,
    /// When it was published.
    pub stored: Time,
    /// The reason, as in its subject.
    pub reason: String,
    /// What was expected, what was found, and what to do.
    pub detail: String,
    /// The sequence of the event in its stream.
    pub event_sequence: u64,
    /// The partition that the event belonged to.
    pub partition: u16,
    /// The length of the event's payload, if this is only its beginning.
    pub truncated: Option<u64>,
    /// The published event, as far as it was kept.
    pub original: Original,
}

impl Bus {
    /// The first dead letters after the sequence `after`, at most `limit`, optionally of one reason.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn dead_letters(
        &self,
        reason: Option<Reason>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let stream = self.stream(&self.subjects.dead_stream()).await?;
        let filter = match reason {
            Some(reason) => self.subjects.dead(reason),
            None => self.subjects.all_dead(),
        };
        let mut found = Vec::new();
        let mut next = after.saturating_add(1);
        while found.len() < limit.min(limits::DEAD_LETTERS_LISTED) {
            let request = stream.raw_message_builder().sequence(next).next_by_subject(&filter);
            match request.send().await {
                Ok(message) => {
                    next = message.sequence + 1;
                    found.push(self.read_dead_letter(message));
                }
                Err(error) if matches!(error.kind(), RawMessageErrorKind::NoMessageFound) => break,
                Err(error) => return Err(Error::request("read dead letters")(error)),
            }
        }
        Ok(found)
    }

    /// One dead letter.
    ///
    /// # Errors
    /// [`Error::NoDeadLetter`] if there is none of this sequence, [`Error::Request`] if the broker
    /// does not answer.
    pub async fn dead_letter(&self, sequence: u64) -> Result<DeadLetter, Error> {
        let stream = self.stream(&self.subjects.dead_stream()).await?;
        match stream.get_raw_message(sequence).await {
            Ok(message) => Ok(self.read_dead_letter(message)),
            Err(error) if matches!(error.kind(), RawMessageErrorKind::NoMessageFound) => {
                Err(Error::NoDeadLetter { sequence })
            }
            Err(error) => Err(Error::request("read a dead letter")(error)),
        }
    }

    /// The number of dead letters, by the last token of their subject.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn dead_letter_counts(&self) -> Result<Vec<(String, u64)>, Error> {
        let stream = self.stream(&self.subjects.dead_stream()).await?;
        let what = "count dead letters";
        let mut subjects = stream
            .info_with_subjects(self.subjects.all_dead())
            .await
            .map_err(Error::request(what))?;
        let mut counts = Vec::new();
        while let Some((subject, count)) =
            subjects.try_next().await.map_err(Error::request(what))?
        {
            let reason = subject.rsplit('.').next().unwrap_or_default();
            counts.push((reason.to_owned(), count as u64));
        }
        counts.sort();
        Ok(counts)
    }

    /// Publishes the event of a dead letter again as it was first published, and removes the dead letter;
    /// returns the sequence of the event in its stream. If the reason persists, a new dead letter is
    /// written.
    ///
    /// # Errors
    /// [`Error::NoDeadLetter`], [`Error::NoRetry`] if a part of the event is missing, [`Error::Request`]
    /// if the broker does not answer.
    pub async fn retry_dead_letter(&self, sequence: u64) -> Result<u64, Error> {
        self.retry_corrected(sequence, None).await
    }

    /// As [`retry_dead_letter`](Bus::retry_dead_letter), with another payload in place of the event's, if
    /// one is given. The subject and the headers stay: it concerns the same customer in the same channel.
    /// An event that still cannot be used is not published.
    ///
    /// # Errors
    /// As [`retry_dead_letter`](Bus::retry_dead_letter), and [`Error::Unusable`].
    pub async fn retry_corrected(
        &self,
        sequence: u64,
        mended: Option<Bytes>,
    ) -> Result<u64, Error> {
        let mut letter = self.dead_letter(sequence).await?;
        let (is_cut, is_mended) = (letter.truncated.is_some(), mended.is_some());
        if is_cut && !is_mended {
            return Err(Error::NoRetry { sequence, why: "only its beginning was stored" });
        }
        if let Some(payload) = mended {
            letter.original.payload = payload;
            let is_broadcast = letter.original.subject.starts_with(&self.subjects.broadcast(""));
            let read = if is_broadcast {
                letter.original.broadcast(letter.event_sequence).map(drop)
            } else {
                letter.original.parse(letter.event_sequence).map(drop)
            };
            read.map_err(|rejection| Error::Unusable { sequence, rejection })?;
        }
        if letter.original.headers.get(Output::CARRIES_MEMORY).is_some() {
            // The stream would hold the event twice.
            return Err(Error::NoRetry {
                sequence,
                why: "it is the memory of a twin and was returned to its identifier; publish its \
                      `link` or `unlink` again instead",
            });
        }
        let what = "publish the event of a dead letter again";
        let mut headers = delivery::to_headers(letter.original.headers.iter());
        // The event keeps its id. An event without one gets one, and stays the same event however often
        // it is retried.
        if headers.get("Nats-Msg-Id").is_none() {
            headers.insert("Nats-Msg-Id", format!("retry-{sequence}-{}", letter.stored.ms()));
        }
        let ack = self
            .jetstream
            .publish_with_headers(
                letter.original.subject.to_string(),
                headers,
                letter.original.payload,
            )
            .await
            .map_err(Error::request(what))?
            .await
            .map_err(Error::request(what))?;
        let stream = self.stream(&self.subjects.dead_stream()).await?;
        stream
            .delete_message(sequence)
            .await
            .map_err(Error::request("remove a dead letter that was retried"))?;
        Ok(ack.sequence)
    }

    fn read_dead_letter(&self, message: StreamMessage) -> DeadLetter {
        let all = delivery::plain(&message.headers);
        let own = |name: &str| all.get(name);
        let number = |name: &str| all.get(name).and_then(|value| value.parse().ok());
        let headers = all
            .iter()
            .filter(|(name, _)| !is_reserved(name))
            .chain(own(MESSAGE_ID).map(|id| ("Nats-Msg-Id", id)))
            .collect();
        DeadLetter {
            sequence: message.sequence,
            stored: delivery::stored_at(message.time),
            reason: message.subject.rsplit('.').next().unwrap_or_default().to_owned(),
            detail: own(DETAIL).unwrap_or_default().into(),
            event_sequence: number(SEQUENCE).unwrap_or(0),
            partition: number(PARTITION).and_then(|found| found.try_into().ok()).unwrap_or(0),
            truncated: number(TRUNCATED),
            original: Original {
                subject: own(SUBJECT).unwrap_or_default().into(),
                headers,
                payload: Bytes::from(message.payload.to_vec()),
            },
        }
    }
}
