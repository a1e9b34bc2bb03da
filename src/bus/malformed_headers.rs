//! Messages with malformed headers.
//!
//! The broker stores any header block, and the client library closes the connection on some of them. The
//! broker's message API returns single messages encoded as JSON, which is safe; it is used to read around
//! malformed messages and to read one at a known sequence.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::response::Response;
use async_nats::{HeaderMap, HeaderName, HeaderValue, Message, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Bus, Error, delivery};
use crate::event::{Content, Delivery, Headers, Lane, Original, Reason, Rejection, Time};

const REQUEST: &str = "read a message through the broker's interface";

#[derive(Serialize)]
#[serde(untagged)]
enum Ask<'a> {
    At { seq: u64 },
    Next { seq: u64, next_by_subj: &'a str },
    Last { last_by_subj: &'a str },
}

#[derive(Deserialize)]
struct Answer {
    message: StoredMessage,
}

#[derive(Deserialize)]
struct StoredMessage {
    subject: String,
    seq: u64,
    time: String,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

/// A message of a stream, as it was stored.
#[derive(Debug)]
pub(super) struct WrappedMessage {
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) stored: Time,
    headers: Vec<u8>,
    payload: Bytes,
}

/// The message of this sequence; none if there is none.
pub(super) async fn fetch(
    bus: &Bus,
    stream: &str,
    sequence: u64,
) -> Result<Option<WrappedMessage>, Error> {
    ask(bus, stream, &Ask::At { seq: sequence }).await
}

/// The first message from the sequence on, under subjects that match; none if there is none.
pub(super) async fn fetch_next(
    bus: &Bus,
    stream: &str,
    sequence: u64,
    subjects: &str,
) -> Result<Option<WrappedMessage>, Error> {
    ask(bus, stream, &Ask::Next { seq: sequence, next_by_subj: subjects }).await
}

/// The last message under subjects that match; none if there is none.
pub(super) async fn fetch_last(
    bus: &Bus,
    stream: &str,
    subjects: &str,
) -> Result<Option<WrappedMessage>, Error> {
    ask(bus, stream, &Ask::Last { last_by_subj: subjects }).await
}

async fn ask(bus: &Bus, stream: &str, ask: &Ask<'_>) -> Result<Option<WrappedMessage>, Error> {
    let envelope = match bus.jetstream.request(format!("STREAM.MSG.GET.{stream}"), ask).await {
        Ok(Response::Ok(Answer { message })) => message,
        Ok(Response::Err { error }) if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => {
            return Ok(None);
        }
        Ok(Response::Err { error }) => return Err(Error::request(REQUEST)(error)),
        Err(error) => return Err(Error::request(REQUEST)(error)),
    };
    let decode = |text: &str| STANDARD.decode(text).map_err(Error::request(REQUEST));
    Ok(Some(WrappedMessage {
        sequence: envelope.seq,
        stored: Time::parse(&envelope.time).unwrap_or_default(),
        headers: decode(&envelope.hdrs)?,
        payload: decode(&envelope.data)?.into(),
        subject: envelope.subject,
    }))
}

impl WrappedMessage {
    /// The message as the library would have parsed it; as an error, what is wrong with its headers.
    pub(super) fn message(&self) -> Result<Message, &'static str> {
        let headers = parse(&self.headers)?;
        Ok(self.with(headers))
    }

    /// The message, without its headers if they are malformed.
    pub(super) fn message_or_bare(&self) -> Message {
        self.with(parse(&self.headers).unwrap_or_default())
    }

    fn with(&self, headers: HeaderMap) -> Message {
        Message {
            subject: self.subject.as_str().into(),
            reply: None,
            payload: self.payload.clone(),
            headers: (!headers.is_empty()).then_some(headers),
            status: None,
            description: None,
            length: self.payload.len(),
        }
    }

    /// The message as an event; rejected if its headers are malformed.
    pub(super) fn delivery(&self, bus: &Bus) -> Delivery {
        let fault = match self.message() {
            Ok(message) => {
                return delivery::read(&bus.subjects, self.sequence, self.stored, &message);
            }
            Err(fault) => fault,
        };
        let place = bus.subjects.stored(&self.subject);
        Delivery {
            sequence: self.sequence,
            lane: Lane::Main,
            partition: place.partition,
            stored: self.stored,
            content: Content::Read(Err(Rejection::new(
                Reason::BadEnvelope,
                format!(
                    "expected headers as NATS has them (`NATS/1.0`, then lines `name: value` in \
                     UTF-8), found {fault}"
                ),
            ))),
            original: Original {
                subject: bus.subjects.published(&place, &self.subject),
                headers: Headers::default(),
                payload: self.payload.clone(),
            },
        }
    }

    /// Whether every client accepts its headers.
    pub(super) fn is_sound(&self) -> bool {
        parse(&self.headers).is_ok()
    }
}

/// The headers of a block, as the library parses them; as an error, what is wrong with a block on which
/// it closes the connection.
fn parse(block: &[u8]) -> Result<HeaderMap, &'static str> {
    let mut headers = HeaderMap::new();
    if block.is_empty() {
        return Ok(headers);
    }
    let text = std::str::from_utf8(block).map_err(|_| "bytes that are not UTF-8")?;
    let mut lines = text.lines().peekable();
    let version = lines.next().and_then(|line| line.strip_prefix("NATS/1.0"));
    let status = version.ok_or("another first line")?.trim();
    let code = status.split(' ').next().unwrap_or_default();
    if !code.is_empty() && code.parse::<StatusCode>().is_err() {
        return Err("a status that is no number");
    }
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
        let name: HeaderName = name.parse().map_err(|_| "a name that is none")?;
        let mut value = value.trim_start().to_owned();
        while let Some(folded) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.push_str(folded);
        }
        let value: HeaderValue =
            value.trim_end().parse().map_err(|_| "a line that is broken within")?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_headers_are_distinguished_from_malformed_ones() {
        for sound in [
            "",
            "NATS/1.0\r\n\r\n",
            "NATS/1.0 503 No Responders\r\n\r\n",
            "NATS/1.0\r\nNats-Msg-Id: 1\r\nx:y\r\n\r\n",
            "NATS/1.0\r\nx: one\r\n two\r\n\r\n",
        ] {
            assert!(parse(sound.as_bytes()).is_ok(), "{sound:?}");
        }
        for broken in [
            &b"nonsense\r\n\r\n"[..],
            b"NATS/1.0\r\nx\r\n\r\n",
            b"NATS/1.0\r\nx: \xFF\r\n\r\n",
            b"NATS/1.0\r\nx: a\rb\r\n\r\n",
            b"NATS/1.0\r\nx y: a\r\n\r\n",
            b"NATS/1.0 many\r\n\r\n",
        ] {
            assert!(parse(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn headers_are_read_as_the_library_reads_them() {
        let headers = parse(b"NATS/1.0\r\nNats-Msg-Id:  7 \r\nce-id:a:b\r\nx: 1\r\nx: 2\r\n\r\n");
        let headers = headers.unwrap();
        let plain = delivery::plain(&headers);
        let read: Vec<_> = plain.iter().collect();
        assert_eq!(read, [("Nats-Msg-Id", "7"), ("ce-id", "a:b"), ("x", "1"), ("x", "2")]);
    }
}
