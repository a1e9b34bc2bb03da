use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::attribute::{ContentMode, attribute, bad as bad_envelope, header, is_json, without_nul};
use super::fingerprint::fingerprint;
use super::json::{self, JsonError};
use super::{
    AskData, Channel, Customer, EventKind, Forwarding, Header, Reason, Rejection, Time, cut,
};
use crate::config::limits;

/// A fact that a channel reports about one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The customer it is about.
    pub customer: Customer,
    /// The channel that reports it.
    pub channel: Channel,
    /// Its identifier, unique within its channel and source.
    pub id: Box<str>,
    /// A hash of channel, source and id, by which a twin recognises a duplicate. The channel is included
    /// because channels choose their ids independently.
    pub fingerprint: u64,
    /// When it happened, if the channel gives a time.
    pub time: Option<Time>,
    /// The time that the channel gave, if it is impossible (no clock can have shown it); such an event
    /// has no time.
    pub impossible: Option<Time>,
    /// The W3C trace context, propagated to resulting actions.
    pub traceparent: Option<Box<str>>,
    /// The data.
    pub kind: EventKind,
    /// The route, if another identifier of the customer forwarded it.
    pub forwarding: Option<Box<Forwarding>>,
}

impl Event {
    /// Creates the event of a channel's request through the API.
    ///
    /// # Errors
    /// [`Reason::BadData`] or [`Reason::BadEnvelope`], if a limit is exceeded.
    pub fn asked(
        customer: Customer,
        channel: Channel,
        id: Box<str>,
        time: Option<Time>,
        traceparent: Option<Box<str>>,
        ask: AskData,
    ) -> Result<Event, Rejection> {
        Event::requested(customer, channel, id, time, traceparent, EventKind::Ask(ask))
    }

    /// Creates the event of a person's request through the API.
    ///
    /// # Errors
    /// [`Reason::BadData`] or [`Reason::BadEnvelope`], if a limit is exceeded.
    pub fn requested(
        customer: Customer,
        channel: Channel,
        id: Box<str>,
        time: Option<Time>,
        traceparent: Option<Box<str>>,
        kind: EventKind,
    ) -> Result<Event, Rejection> {
        if id.is_empty() || id.len() > limits::EVENT_ID_BYTES {
            let (most, found) = (limits::EVENT_ID_BYTES, id.len());
            return Err(bad_envelope(&format!("`id` has {found} bytes; 1 to {most} fit")));
        }
        kind.checked()?;
        let (time, impossible) = possible(time);
        Ok(Event {
            // No channel has an empty name, so no event of the stream has the same fingerprint.
            fingerprint: fingerprint([b"", channel.as_str().as_bytes(), id.as_bytes()]),
            customer,
            channel,
            id,
            time,
            impossible,
            traceparent: traceparent.filter(|trace| trace.len() == TRACEPARENT_BYTES),
            kind,
            forwarding: None,
        })
    }
}

/// The length of a W3C traceparent of version 00; other versions are not propagated.
const TRACEPARENT_BYTES: usize = 55;

/// The parsed attributes of an envelope.
pub(super) struct Opened<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) id: Cow<'a, str>,
    pub(super) fingerprint: u64,
    /// The customer that the envelope names.
    pub(super) subject: Option<Cow<'a, str>>,
    pub(super) time: Option<Time>,
    /// The time that it gives, if that is impossible.
    pub(super) impossible: Option<Time>,
    pub(super) traceparent: Option<Box<str>>,
    pub(super) data: Option<Cow<'a, str>>,
}

/// Checks that the payload of a message is text within the limit.
///
/// # Errors
/// [`Reason::TooLarge`] or [`Reason::BadJson`].
pub(super) fn payload(payload: &[u8], bytes_max: usize) -> Result<Cow<'_, str>, Rejection> {
    if payload.len() > bytes_max {
        return Err(Rejection::new(
            Reason::TooLarge,
            format!(
                "expected a payload of at most {} bytes, found {}; send a reference instead",
                bytes_max,
                payload.len()
            ),
        ));
    }
    json::text(payload).map_err(|misread| {
        Rejection::new(Reason::BadJson, format!("expected JSON in UTF-8, found {misread}"))
    })
}

/// Parses the envelope of a message of any type from its headers and its payload (from [`payload`]).
///
/// # Errors
/// A [`Rejection`] if the payload or the envelope cannot be used.
pub(super) fn open<'a>(
    channel: &str,
    headers: &[Header<'a>],
    text: &'a str,
    sequence: u64,
) -> Result<Opened<'a>, Rejection> {
    let envelope = match ContentMode::of(headers)? {
        ContentMode::Binary => binary_mode(headers, text)?,
        ContentMode::Structured => structured_mode(text)?,
    };
    if let Some(version) = &envelope.specversion
        && version != "1.0"
    {
        return Err(bad_envelope(&format!("specversion `{}`", cut(version, 16))));
    }
    if let (Some(media), Some(_)) = (&envelope.datacontenttype, &envelope.data)
        && !media.trim_ascii().is_empty()
        && !is_json(media)
    {
        return Err(bad_envelope(&format!(
            "data of the content type `{}`; send `application/json` (the default)",
            cut(media, 64).escape_debug()
        )));
    }

    let id = envelope.id.or_else(|| header(headers, "Nats-Msg-Id").map(without_nul));
    let id = id.unwrap_or_else(|| Cow::Owned(format!("seq-{sequence}")));
    let source = envelope.source.unwrap_or_default();
    for (field, found) in [("id", &id), ("source", &source)] {
        if found.len() > limits::EVENT_ID_BYTES {
            return Err(bad_envelope(&format!(
                "`{field}` has {} bytes; at most {} fit",
                found.len(),
                limits::EVENT_ID_BYTES
            )));
        }
    }
    if id.is_empty() {
        return Err(bad_envelope("`id` is empty"));
    }
    let time = match envelope.time.as_deref() {
        None => None,
        Some(text) => Some(Time::parse(text).ok_or_else(|| {
            bad_envelope(&format!(
                "`time` is `{}`, not an RFC 3339 time such as 2026-11-22T09:30:00Z",
                cut(text, 64)
            ))
        })?),
    };
    let (time, impossible) = possible(time);
    let traceparent =
        envelope.traceparent.or_else(|| header(headers, "traceparent").map(Cow::Borrowed));
    Ok(Opened {
        fingerprint: fingerprint([channel.as_bytes(), source.as_bytes(), id.as_bytes()]),
        kind: envelope.kind,
        id,
        // An empty `subject` names no customer.
        subject: envelope.subject.filter(|subject| !subject.is_empty()),
        time,
        impossible,
        traceparent: traceparent.filter(|trace| trace.len() == TRACEPARENT_BYTES).map(Into::into),
        data: envelope.data,
    })
}

struct Envelope<'a> {
    specversion: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    kind: Cow<'a, str>,
    subject: Option<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
    traceparent: Option<Cow<'a, str>>,
    /// The content type of the data; none: JSON.
    datacontenttype: Option<Cow<'a, str>>,
    data: Option<Cow<'a, str>>,
}

fn structured_mode(text: &str) -> Result<Envelope<'_>, Rejection> {
    /// A text, borrowed unless it contains escapes: serde does not borrow in `Option<Cow<str>>`.
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    impl<'a> Text<'a> {
        fn plain(text: Option<Text<'a>>) -> Option<Cow<'a, str>> {
            text.map(|Text(text)| text)
        }
    }

    /// The attributes that are used; others, extensions among them, are ignored.
    #[derive(Deserialize)]
    #[serde(expecting = "an object")]
    struct Attributes<'a> {
        #[serde(borrow, default)]
        specversion: Option<Text<'a>>,
        #[serde(borrow, default)]
        id: Option<Text<'a>>,
        #[serde(borrow, default)]
        source: Option<Text<'a>>,
        #[serde(borrow, default, rename = "type")]
        kind: Option<Text<'a>>,
        #[serde(borrow, default)]
        subject: Option<Text<'a>>,
        #[serde(borrow, default)]
        time: Option<Text<'a>>,
        #[serde(borrow, default)]
        traceparent: Option<Text<'a>>,
        #[serde(borrow, default)]
        datacontenttype: Option<Text<'a>>,
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
        #[serde(borrow, default)]
        data_base64: Option<Text<'a>>,
    }

    let found: Attributes<'_> = json::read(text).map_err(|misread: JsonError| {
        if misread.is_no_json() {
            Rejection::new(Reason::BadJson, format!("expected JSON, found: {misread}"))
        } else if text.trim_ascii_start().starts_with('[') {
            bad_envelope("a list; publish each event as a message of its own")
        } else {
            bad_envelope(&misread.to_string())
        }
    })?;
    let Some(kind) = found.kind else {
        return Err(bad_envelope("no `type`"));
    };
    let data = match (found.data, found.data_base64) {
        (None, None) => None,
        (Some(data), None) => Some(data.get().into()),
        (None, Some(Text(encoded))) => decoded(&encoded)?.map(Cow::Owned),
        (Some(_), Some(_)) => {
            return Err(bad_envelope("both `data` and `data_base64`; an event has one of them"));
        }
    };
    Ok(Envelope {
        specversion: Text::plain(found.specversion),
        id: Text::plain(found.id),
        source: Text::plain(found.source),
        kind: kind.0,
        subject: Text::plain(found.subject),
        time: Text::plain(found.time),
        traceparent: Text::plain(found.traceparent),
        datacontenttype: Text::plain(found.datacontenttype),
        data,
    })
}

/// Decodes the JSON in `data_base64`; none if it is empty.
fn decoded(encoded: &str) -> Result<Option<String>, Rejection> {
    let bytes = STANDARD.decode(encoded).map_err(|error| {
        bad_envelope(&format!(
            "`data_base64` that is not standard Base64 with padding (RFC 4648, section 4): {error}"
        ))
    })?;
    let text = json::text(&bytes).map_err(|misread| {
        bad_envelope(&format!("in `data_base64` {misread}; data must be JSON"))
    })?;
    Ok(Some(text.into_owned()).filter(|text| !text.trim_ascii().is_empty()))
}

fn binary_mode<'a>(headers: &[Header<'a>], text: &'a str) -> Result<Envelope<'a>, Rejection> {
    let attribute = |name| attribute(headers, name);
    let Some(kind) = attribute("type")? else {
        return Err(bad_envelope("a header `ce-specversion`, but no `ce-type`"));
    };
    // As in the HTTP binding, and as an ordinary attribute.
    let content = || header(headers, "Content-Type").filter(|media| !media.trim_ascii().is_empty());
    Ok(Envelope {
        specversion: attribute("specversion")?,
        id: attribute("id")?,
        source: attribute("source")?,
        kind,
        subject: attribute("subject")?,
        time: attribute("time")?,
        traceparent: attribute("traceparent")?,
        datacontenttype: attribute("datacontenttype")?.or_else(|| content().map(Cow::Borrowed)),
        data: Some(text).filter(|text| !text.trim_ascii().is_empty()).map(Cow::Borrowed),
    })
}

/// Separates a given time into a possible and an impossible one.
fn possible(time: Option<Time>) -> (Option<Time>, Option<Time>) {
    (
        time.filter(|time| *time >= Time::EARLIEST_PLAUSIBLE),
        time.filter(|time| *time < Time::EARLIEST_PLAUSIBLE),
    )
}
