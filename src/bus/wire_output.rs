//! An output within the broker's maximum message size.

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;

use super::delivery;
use crate::contract::TRUNCATED;
use crate::event::Output;

/// An output as it is sent.
pub(super) struct WireOutput {
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    pub(super) is_truncated: bool,
}

/// The output within `bytes_max`, headers included: a dead letter is truncated, any other output is
/// `None` if it is larger.
pub(super) fn fit(output: &Output, bytes_max: usize, is_dead: bool) -> Option<WireOutput> {
    let mut headers =
        delivery::to_headers(output.headers.iter().map(|(name, value)| (&**name, &**value)));
    headers.insert(NATS_MESSAGE_ID, one_header(&output.id)?);
    let header_bytes = |headers: &HeaderMap| {
        let lines = headers.iter().flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| name.len() + value.as_str().len() + 4)
        });
        // The version line before them, and the empty line after.
        lines.sum::<usize>() + 12
    };
    if header_bytes(&headers) + output.payload.len() <= bytes_max {
        return Some(WireOutput { headers, payload: output.payload.clone(), is_truncated: false });
    }
    if !is_dead {
        return None;
    }
    headers.insert(TRUNCATED, output.payload.len().to_string());
    let room = bytes_max.checked_sub(header_bytes(&headers))?;
    let payload = output.payload.slice(..room.min(output.payload.len()));
    Some(WireOutput { headers, payload, is_truncated: true })
}

/// A text that is valid as the value of a header, if it is.
fn one_header(text: &str) -> Option<HeaderValue> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(subject: &str, bytes: usize) -> Output {
        Output {
            id: "o-1".into(),
            subject: subject.into(),
            headers: Box::new([("a".into(), "b".into())]),
            payload: vec![b'x'; bytes].into(),
        }
    }

    #[test]
    fn an_output_that_fits_is_published_unchanged() {
        let fitting = fit(&output("jumeau.actions.app.open.anna", 100), 1_000, false).unwrap();
        assert!(!fitting.is_truncated);
        assert_eq!(fitting.payload.len(), 100);
    }

    #[test]
    fn a_dead_letter_is_cut_to_the_brokers_maximum_and_says_so() {
        let fitting = fit(&output("jumeau.dead.too-large", 1_000), 1_000, true).unwrap();
        assert!(fitting.is_truncated);
        // "NATS/1.0", "a: b", "Nats-Msg-Id: o-1", "Jumeau-Truncated: 1000", and an empty line.
        assert_eq!(fitting.payload.len(), 1_000 - (10 + 6 + 18 + 24 + 2));
        assert_eq!(fitting.headers.get(TRUNCATED).unwrap().as_str(), "1000");
    }

    #[test]
    fn any_other_output_that_is_too_large_is_dropped() {
        assert!(fit(&output("jumeau.actions.app.open.anna", 1_000), 1_000, false).is_none());
    }

    #[test]
    fn a_dead_letter_whose_headers_leave_no_room_is_dropped() {
        assert!(fit(&output("jumeau.dead.too-large", 1_000), 20, true).is_none());
    }
}
