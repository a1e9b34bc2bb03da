//! Events whose headers the client library cannot read.
//!
//! The broker stores whatever header block a publisher sends. The library drops the connection over
//! some of them, or ends, and the event would come again and again on the next one. So where a
//! connection is lost twice before anything came, the next events are fetched through the broker's
//! API, which wraps them, and those that are to blame are passed on as rejections.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Bus, Error};
use crate::config::limits;
use crate::event::{Content, Delivery, Headers, Original, Reason, Rejection, Time};

#[derive(Serialize)]
struct Ask {
    seq: u64,
    next_by_subj: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    message: Wrapped,
}

#[derive(Deserialize)]
struct Wrapped {
    subject: String,
    seq: u64,
    time: String,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

/// The events from the sequence `first` on whose headers cannot be read, up to the first that is
/// sound; usually none.
pub(super) async fn read(bus: &Bus, first: u64) -> Result<Vec<Delivery>, Error> {
    const WHAT: &str = "read an event through the broker's interface";
    let api = format!("STREAM.MSG.GET.{}", bus.subjects.events_stream());
    let mut found: Vec<Delivery> = Vec::new();
    while found.len() < limits::PULL_BATCH {
        let seq = found.last().map_or(first, |delivery| delivery.sequence + 1);
        let ask = Ask { seq, next_by_subj: ">" };
        let wrapped = match bus.jetstream.request(api.clone(), &ask).await {
            Ok(Response::Ok(Answer { message })) => message,
            Ok(Response::Err { error }) if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => {
                break;
            }
            Ok(Response::Err { error }) => return Err(Error::request(WHAT)(error)),
            Err(error) => return Err(Error::request(WHAT)(error)),
        };
        let headers = STANDARD.decode(&wrapped.hdrs).map_err(Error::request(WHAT))?;
        let Err(fault) = check(&headers) else { break };
        let place = bus.subjects.stored(&wrapped.subject);
        found.push(Delivery {
            sequence: wrapped.seq,
            partition: place.partition,
            stored: Time::parse(&wrapped.time).unwrap_or_default(),
            content: Content::Read(Err(Rejection::new(
                Reason::BadEnvelope,
                format!(
                    "expected headers as NATS has them (`NATS/1.0`, then lines `name: value` in \
                     UTF-8), found {fault}"
                ),
            ))),
            original: Original {
                subject: bus.subjects.published(&place, &wrapped.subject),
                headers: Headers::default(),
                payload: STANDARD
                    .decode(&wrapped.data)
                    .map(Bytes::from)
                    .map_err(Error::request(WHAT))?,
            },
        });
    }
    Ok(found)
}

/// Whether a header block is what every reader takes; what is wrong with it.
fn check(block: &[u8]) -> Result<(), &'static str> {
    if block.is_empty() {
        return Ok(());
    }
    let text = std::str::from_utf8(block).map_err(|_| "bytes that are not UTF-8")?;
    let mut lines = text.split("\r\n");
    let version = lines.next().and_then(|line| line.strip_prefix("NATS/1.0"));
    let status = version.ok_or("another first line")?.trim();
    let code = status.split(' ').next().unwrap_or_default();
    if !code.is_empty() && (code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err("a status that is no number");
    }
    for line in lines.filter(|line| !line.is_empty()) {
        if line.contains(['\r', '\n']) {
            return Err("a line that is broken within");
        }
        // Not folded either: nobody writes that any more, and readers differ.
        let (name, _) = line.split_once(':').ok_or("a line without a colon")?;
        if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a name that is none");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_headers_are_told_from_others() {
        for sound in [
            "",
            "NATS/1.0\r\n\r\n",
            "NATS/1.0 503 No Responders\r\n\r\n",
            "NATS/1.0\r\nNats-Msg-Id: 1\r\nx:y\r\n\r\n",
        ] {
            assert_eq!(check(sound.as_bytes()), Ok(()), "{sound:?}");
        }
        for broken in [
            &b"nonsense\r\n\r\n"[..],
            b"NATS/1.0\r\nx\r\n\r\n",
            b"NATS/1.0\r\nx: \xFF\r\n\r\n",
            b"NATS/1.0\r\nx: a\rb\r\n\r\n",
            b"NATS/1.0\r\nx y: a\r\n\r\n",
            b"NATS/1.0 many\r\n\r\n",
        ] {
            assert!(check(broken).is_err(), "{broken:?}");
        }
    }
}
