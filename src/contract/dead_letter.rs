use std::hash::Hasher;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::Subjects;
use crate::config::limits;
use crate::event::{Original, Output, Rejection, cut};

const REASON: &str = Output::REASON;
pub(crate) const DETAIL: &str = "Jumeau-Detail";
pub(crate) const SEQUENCE: &str = "Jumeau-Sequence";
pub(crate) const PARTITION: &str = "Jumeau-Partition";
pub(crate) const SUBJECT: &str = "Jumeau-Subject";
pub(crate) const MESSAGE_ID: &str = "Jumeau-Msg-Id";
const DROPPED: &str = "Jumeau-Headers-Dropped";
/// The length of a payload before it was truncated to the broker's maximum.
pub(crate) const TRUNCATED: &str = "Jumeau-Truncated";

/// The dead letter of an unusable event: its bytes as they were published, and the reason.
///
/// The original headers stay, except those with a meaning to the broker or to us (its `Nats-Msg-Id`
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
    // If a subject may mean several customers, the first, which stands where the customer should.
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

/// The same id for each copy of one dead letter, and another one after the stream was recreated.
fn id(sequence: u64, original: &Original) -> String {
    let mut hasher = XxHash3_64::default();
    hasher.write(original.subject.as_bytes());
    // No subject contains this byte, so no two pairs hash the same input.
    hasher.write(&[0xFF]);
    hasher.write(&original.payload);
    format!("dead-{sequence}-{:016x}", hasher.finish())
}

/// Whether a header of this name has a meaning to the broker or to us.
pub(crate) fn is_reserved(name: &str) -> bool {
    ["Nats-", "Jumeau-"].iter().any(|prefix| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// A text as the value of a header: one line of bounded length.
fn one_line(text: &str) -> Box<str> {
    let text = cut(text, limits::DEAD_HEADER_BYTES);
    if text.chars().any(char::is_control) {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().into()
    } else {
        text.trim().into()
    }
}

/// The headers of a dead letter on `<prefix>.dead.<reason>`; its payload is that of the event, byte for
/// byte. Headers of the event are added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadHeaders {
    /// The reason in one word: the last token of the subject.
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
    /// The customer of the event as a subject token, if any.
    #[serde(rename = "Jumeau-Customer", skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// How many of the event's headers were dropped, if any, in decimal digits.
    #[serde(rename = "Jumeau-Headers-Dropped", skip_serializing_if = "Option::is_none")]
    pub dropped: Option<String>,
    /// The original length of the event's payload in bytes, if only its beginning is kept, in decimal
    /// digits.
    #[serde(rename = "Jumeau-Truncated", skip_serializing_if = "Option::is_none")]
    pub truncated: Option<String>,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::Reason;

    fn original(headers: &[(&str, &str)]) -> Original {
        Original {
            subject: "jumeau.events.web.anna".into(),
            headers: headers.iter().copied().collect(),
            payload: Bytes::from_static(b"{"),
        }
    }

    fn letter_of(original: &Original) -> Output {
        let rejection = Rejection::new(Reason::BadJson, "expected JSON,\nfound: `{`");
        dead_letter(&Subjects::default(), 3, 17, original, &rejection)
    }

    #[test]
    fn a_dead_letter_says_why_and_keeps_what_was_published() {
        let letter = letter_of(&original(&[
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
        let letter = letter_of(&original(&[("a", &long), ("b", "1"), ("c", "12345")]));
        assert!(letter.headers.iter().any(|(name, _)| &**name == "b"));
        assert!(letter.headers.iter().all(|(name, _)| &**name != "c"));
        assert!(letter.headers.contains(&(DROPPED.into(), "1".into())));
    }

    #[test]
    fn the_same_event_has_the_same_dead_letter_and_another_has_another() {
        let first = original(&[]);
        assert_eq!(letter_of(&first).id, letter_of(&first).id);
        let second = Original { payload: Bytes::from_static(b"}"), ..original(&[]) };
        assert_ne!(letter_of(&first).id, letter_of(&second).id);
    }
}
