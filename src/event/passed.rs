//! What one twin sends another: an event that came to an identifier of the same customer, and with
//! a `link` or an `unlink` the memory that moves.
//!
//! It travels through the stream of events, on the channel [`INTERNAL`] that no other may use, so
//! that it is as durable, as ordered and as unique as any event. It keeps the identity of the event
//! that it passes on: a twin that knows that one recognises the copy.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use twox_hash::XxHash3_128;

use super::{Channel, Customer, Event, EventType, Kind, Reason, Rejection, Time, cut, json};
use crate::config::limits;

/// The channel of what twins send each other. Who may publish there can move memories: brokers
/// that have permissions are to keep it for the service.
pub const INTERNAL: &str = "_jumeau";

/// The type of the envelope.
const TYPE: &str = "jumeau.pass";

/// How an event came to a twin, if not straight from its channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    /// The identifiers by which it came: first the one that was meant. With a memory all of them,
    /// in order.
    pub via: Vec<Customer>,
    /// With a memory, the identity of the link by which each of them passed it on.
    pub links: Vec<u64>,
    /// How often it was passed on.
    pub hops: u32,
    /// The memory that comes with it.
    pub carried: Option<Carried>,
}

/// A memory on its way from twin to twin.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// It goes back to where it came from, because of an `unlink` or because it was refused.
    pub is_return: bool,
    /// The memory, as JSON; what it says is for the twin to judge.
    pub memory: Box<str>,
}

/// An event as it is to be passed on.
#[derive(Debug, Clone, PartialEq)]
pub struct PassOn {
    /// The message's identifier: the same in every copy.
    pub id: Box<str>,
    /// To whom.
    pub to: Customer,
    /// Whether a memory comes with it, which what follows must not overtake.
    pub carries_memory: bool,
    /// The trace context that it travels in.
    pub traceparent: Option<Box<str>>,
    /// The message.
    pub payload: Vec<u8>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: &'a Customer,
    time: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    data: Data<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data<'a> {
    via: Vec<Customer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<u64>,
    hops: u32,
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    fingerprint: u64,
    #[serde(rename = "type")]
    kind: EventType,
    #[serde(borrow)]
    data: Cow<'a, RawValue>,
    /// When it was said, if before it was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said: Option<Time>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_return: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    memory: Option<&'a RawValue>,
}

impl PassOn {
    /// The message that passes an event on to `to`, which was taken in at `at`.
    ///
    /// # Errors
    /// If the event or the memory has no JSON form.
    pub fn new(
        event: &Event,
        passed: &Passed,
        fingerprint: u64,
        to: &Customer,
        at: Time,
    ) -> Result<PassOn, serde_json::Error> {
        let memory = passed.carried.as_ref().map(|carried| &*carried.memory);
        let memory: Option<&RawValue> = memory.map(serde_json::from_str).transpose()?;
        let is_return = passed.carried.as_ref().is_some_and(|carried| carried.is_return);
        let said = event.time.filter(|said| *said < at && memory.is_none());
        let id = identifier(passed, fingerprint, to, (at, said), is_return);
        let envelope = Envelope {
            specversion: "1.0",
            id: &id,
            source: "jumeau",
            kind: TYPE,
            subject: to,
            time: at,
            traceparent: event.traceparent.as_deref(),
            data: Data {
                via: passed.via.clone(),
                links: passed.links.clone(),
                hops: passed.hops,
                channel: event.channel.as_str().into(),
                id: (&*event.id).into(),
                fingerprint,
                kind: event.kind.event_type(),
                data: Cow::Owned(event.kind.to_json()?),
                said,
                is_return,
                memory,
            },
        };
        let payload = serde_json::to_vec(&envelope)?;
        Ok(PassOn {
            to: to.clone(),
            carries_memory: memory.is_some(),
            traceparent: event.traceparent.clone(),
            payload,
            id,
        })
    }
}

/// The same for the same step on the same way, and for no other.
fn identifier(
    passed: &Passed,
    fingerprint: u64,
    to: &Customer,
    (at, said): (Time, Option<Time>),
    is_return: bool,
) -> Box<str> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(&fingerprint.to_le_bytes());
    bytes.extend_from_slice(&at.ms().to_le_bytes());
    // Two copies that a twin took in at one moment may have been said at two.
    bytes.extend_from_slice(&said.unwrap_or(at).ms().to_le_bytes());
    bytes.extend_from_slice(&passed.hops.to_le_bytes());
    bytes.push(u8::from(is_return));
    for customer in passed.via.iter().chain([to]) {
        bytes.extend_from_slice(customer.as_str().as_bytes());
        bytes.push(0xFF);
    }
    format!("p{:032x}", XxHash3_128::oneshot(&bytes)).into()
}

/// The event within a message on the channel [`INTERNAL`]: its envelope's type and data.
///
/// # Errors
/// A [`Rejection`], for whatever no twin has written.
pub(super) fn read(
    kind: &str,
    data: Option<&str>,
    customer: Customer,
    time: Option<Time>,
    traceparent: Option<Box<str>>,
) -> Result<Event, Rejection> {
    if kind != TYPE {
        return Err(Rejection::new(
            Reason::BadSubject,
            format!(
                "expected `{TYPE}` on the channel `{INTERNAL}`, which twins use among themselves, \
                 found `{}`; use a channel name of your own",
                cut(kind, 64)
            ),
        ));
    }
    let bad = |found: &str| {
        let expected = "what a twin passes on to another";
        Rejection::new(Reason::BadData, format!("expected {expected}, found: {found}"))
    };
    let Some(data) = data else { return Err(bad("no data")) };
    let found: Data<'_> = json::read(data).map_err(|misread| bad(&misread.to_string()))?;
    if found.via.is_empty() || found.via.len() > limits::PASSES {
        return Err(bad(&format!("{} identifiers on the way", found.via.len())));
    }
    for via in &found.via {
        Customer::new(via.as_str()).map_err(|error| bad(&error))?;
    }
    if found.id.is_empty() || found.id.len() > limits::EVENT_ID_BYTES {
        return Err(bad(&format!("an id of {} bytes", found.id.len())));
    }
    let carried = found
        .memory
        .map(|memory| Carried { is_return: found.is_return, memory: memory.get().into() });
    if carried.is_some() && found.links.len() != found.via.len() {
        return Err(bad("a memory that does not know its way"));
    }
    if carried.is_some() && !matches!(found.kind, EventType::Link | EventType::Unlink) {
        return Err(bad("a memory with an event that moves none"));
    }
    Ok(Event {
        customer,
        channel: Channel::new(&found.channel).map_err(|error| bad(&error))?,
        id: found.id.into(),
        fingerprint: found.fingerprint,
        time: found.said.or(time),
        traceparent,
        kind: Kind::parse(found.kind, Some(found.data.get()))?,
        passed: Some(Box::new(Passed {
            via: found.via,
            links: found.links,
            hops: found.hops,
            carried,
        })),
    })
}
