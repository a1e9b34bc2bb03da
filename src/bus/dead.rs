use std::hash::Hasher;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use futures::TryStreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::{Bus, Error, Subjects, delivery};
use crate::config::limits;
use crate::event::{Original, Output, Reason, Rejection, Time, cut};

const REASON: &str = Output::REASON;
const DETAIL: &str = "Jumeau-Detail";
pub(super) const SEQUENCE: &str = "Jumeau-Sequence";
const PARTITION: &str = "Jumeau-Partition";
pub(super) const SUBJECT: &str = "Jumeau-Subject";
const MESSAGE_ID: &str = "Jumeau-Msg-Id";
const DROPPED: &str = "Jumeau-Headers-Dropped";
/// The length that a payload had before it was cut to what the broker takes.
pub(super) const TRUNCATED: &str = "Jumeau-Truncated";

/// The dead letter of an event that could not be used: its bytes as they were published, and why.
///
/// The original headers stay, except those that the broker or we give a meaning (its `Nats-Msg-Id`
/// becomes `Jumeau-Msg-Id`), and those beyond [`limits::DEAD_HEADER_BYTES`], which are counted.
pub fn dead_letter(
    subjects: &Subjects,
    partition: u16,
    sequence: u64,
    original: &Original,
    rejection: &Rejection,
) -> Output {
    let mut headers: Vec<(Box<str>, Box<str>)> = vec![
        (REASON.into(), rejection.reason.token().into()),
        (DETAIL.into(), one_line(&rejection.detail)),
        (SEQUENCE.into(), sequence.to_string().into()),
        (PARTITION.into(), partition.to_string().into()),
        (SUBJECT.into(), one_line(&original.subject)),
    ];
    // Of several that a subject may mean the first, which stands where the customer should.
    if let Some(customer) = subjects.about(&original.subject).first() {
        headers.push((Output::CUSTOMER.into(), customer.token().into()));
    }
    let mut bytes = 0;
    let mut dropped = 0_usize;
    for (name, value) in original.headers.iter() {
        let name = if name.eq_ignore_ascii_case("Nats-Msg-Id") { MESSAGE_ID } else { name };
        if is_reserved(name) && name != MESSAGE_ID {
            continue;
        }
        bytes += name.len() + value.len();
        if bytes > limits::DEAD_HEADER_BYTES || !is_header_name(name) {
            dropped += 1;
        } else {
            headers.push((name.into(), one_line(value)));
        }
    }
    if dropped > 0 {
        headers.push((DROPPED.into(), dropped.to_string().into()));
    }
    Output {
        id: id(sequence, original).into(),
        subject: subjects.dead(rejection.reason).into(),
        headers: headers.into(),
        payload: original.payload.clone(),
    }
}

/// The same for each copy of one dead letter, and different after the stream was made anew.
fn id(sequence: u64, original: &Original) -> String {
    let mut hasher = XxHash3_64::default();
    hasher.write(original.subject.as_bytes());
    // No subject holds this byte, so no two pairs read the same.
    hasher.write(&[0xFF]);
    hasher.write(&original.payload);
    format!("dead-{sequence}-{:016x}", hasher.finish())
}

fn is_reserved(name: &str) -> bool {
    ["Nats-", "Jumeau-"].iter().any(|prefix| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// A text as the value of a header: one line, of bounded length.
fn one_line(text: &str) -> Box<str> {
    let text = cut(text, limits::DEAD_HEADER_BYTES);
    if text.chars().any(char::is_control) {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().into()
    } else {
        text.trim().into()
    }
}

/// The headers of a dead letter, as it is published on `<prefix>.dead.<reason>`; its payload is that of
/// the event, byte for byte. Headers of the event stand beside them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadHeaders {
    /// Why, in a word: the last token of the subject.
    #[serde(rename = "Jumeau-Reason")]
    pub reason: String,
    /// What was expected, what was found, and what to do.
    #[serde(rename = "Jumeau-Detail")]
    pub detail: String,
    /// The event's sequence in the stream of events, in decimal digits.
    #[serde(rename = "Jumeau-Sequence")]
    #[schemars(regex(pattern = r"^[0-9]+$"))]
    pub sequence: String,
    /// The partition that the event belonged to, in decimal digits.
    #[serde(rename = "Jumeau-Partition")]
    #[schemars(regex(pattern = r"^[0-9]+$"))]
    pub partition: String,
    /// The subject on which the event was published.
    #[serde(rename = "Jumeau-Subject")]
    pub subject: String,
    /// The event's `Nats-Msg-Id`, if it had one.
    #[serde(rename = "Jumeau-Msg-Id", skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The customer whom the event is about, as a token of a subject, if it is about one.
    #[serde(rename = "Jumeau-Customer", skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// How many of the event's headers were dropped, if any, in decimal digits.
    #[serde(rename = "Jumeau-Headers-Dropped", skip_serializing_if = "Option::is_none")]
    pub dropped: Option<String>,
    /// The bytes that the event's payload had, if only its beginning is kept, in decimal digits.
    #[serde(rename = "Jumeau-Truncated", skip_serializing_if = "Option::is_none")]
    pub truncated: Option<String>,
}

/// A dead letter as an operator reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its sequence in the stream of dead letters, by which it is called.
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
    /// What was published, as far as it was kept.
    pub original: Original,
}

impl Bus {
    /// The first dead letters behind the sequence `after`, at most `limit`; of one reason, or all.
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

    /// How many dead letters there are, by the last token of their subject.
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

    /// Publishes the event of a dead letter again, as it was published at first, and removes the
    /// dead letter; returns the sequence of the event in its stream. If the reason persists, a new
    /// dead letter comes of it.
    ///
    /// # Errors
    /// [`Error::NoDeadLetter`], [`Error::NoRetry`] if a part of the event is missing,
    /// [`Error::Request`] if the broker does not answer.
    pub async fn retry_dead_letter(&self, sequence: u64) -> Result<u64, Error> {
        self.retry_mended(sequence, None).await
    }

    /// As [`retry_dead_letter`](Bus::retry_dead_letter), with another payload in place of the
    /// event's, if there is one. The subject and the headers stay: it is about the same customer in
    /// the same channel. What cannot be used once more is not published.
    ///
    /// # Errors
    /// As [`retry_dead_letter`](Bus::retry_dead_letter), and [`Error::Unusable`].
    pub async fn retry_mended(&self, sequence: u64, mended: Option<Bytes>) -> Result<u64, Error> {
        let mut letter = self.dead_letter(sequence).await?;
        let (is_cut, is_mended) = (letter.truncated.is_some(), mended.is_some());
        if is_cut && !is_mended {
            return Err(Error::NoRetry { sequence, why: "only the beginning of it was kept" });
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
            // It would be there twice.
            return Err(Error::NoRetry {
                sequence,
                why: "it is a twin's memory, which went back where it came from; publish its \
                      `link` or `unlink` again instead",
            });
        }
        let what = "publish the event of a dead letter again";
        let mut headers = delivery::to_headers(letter.original.headers.iter());
        // It keeps its identity: an event that has none gets one, and is the same event however often
        // this is tried.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn original(headers: &[(&str, &str)]) -> Original {
        Original {
            subject: "jumeau.events.web.anna".into(),
            headers: headers.iter().copied().collect(),
            payload: Bytes::from_static(b"{"),
        }
    }

    fn bury(original: &Original) -> Output {
        let rejection = Rejection::new(Reason::BadJson, "expected JSON,\nfound: `{`");
        dead_letter(&Subjects::default(), 3, 17, original, &rejection)
    }

    #[test]
    fn a_dead_letter_says_why_and_keeps_what_was_published() {
        let letter = bury(&original(&[
            ("Nats-Msg-Id", "e1"),
            ("nats-expected-stream", "X"),
            ("Jumeau-Reason", "forged"),
            ("ce-type", "track"),
            ("no:name", "x"),
        ]));
        let headers: Vec<String> =
            letter.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        insta::assert_snapshot!(
            format!("{} {}\n{}", letter.id, letter.subject, headers.join("\n")),
            @r"
        dead-17-d4f9dfaa3bc2e06d jumeau.dead.bad-json
        Jumeau-Reason: bad-json
        Jumeau-Detail: expected JSON, found: `{`
        Jumeau-Sequence: 17
        Jumeau-Partition: 3
        Jumeau-Subject: jumeau.events.web.anna
        Jumeau-Customer: anna
        Jumeau-Msg-Id: e1
        ce-type: track
        Jumeau-Headers-Dropped: 1
        "
        );
        assert_eq!(letter.payload, "{");
    }

    #[test]
    fn headers_beyond_the_limit_are_counted_and_not_kept() {
        let long = "x".repeat(limits::DEAD_HEADER_BYTES - 4);
        let letter = bury(&original(&[("a", &long), ("b", "1"), ("c", "12345")]));
        assert!(letter.headers.iter().any(|(name, _)| &**name == "b"));
        assert!(letter.headers.iter().all(|(name, _)| &**name != "c"));
        assert!(letter.headers.contains(&(DROPPED.into(), "1".into())));
    }

    #[test]
    fn the_same_event_has_the_same_dead_letter_and_another_has_another() {
        let first = original(&[]);
        assert_eq!(bury(&first).id, bury(&first).id);
        let second = Original { payload: Bytes::from_static(b"}"), ..original(&[]) };
        assert_ne!(bury(&first).id, bury(&second).id);
    }
}
