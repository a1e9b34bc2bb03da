//! The messages by which twins forward events: how they are built, and how they are read.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use twox_hash::XxHash3_128;

use super::fingerprint::fingerprint;
use super::{
    CarriedMemory, Channel, Customer, Event, EventKind, EventType, Forwarding, INTERNAL, Reason,
    Rejection, Time, TransferKind, cut, json,
};
use crate::config::limits;

/// The CloudEvents type of a forwarded event.
const TYPE: &str = "jumeau.pass";

/// An event to be forwarded.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardedEvent {
    /// The message id: the same for every copy.
    pub id: Box<str>,
    /// The receiver.
    pub to: Customer,
    /// The identifier whose memory it carries, if any; later messages must not overtake it.
    pub memory_of: Option<Customer>,
    /// The trace context.
    pub traceparent: Option<Box<str>>,
    /// The message.
    pub payload: Vec<u8>,
}

#[derive(Serialize)]
struct ForwardedEnvelope<'a> {
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
    from: Customer,
    via: Vec<Customer>,
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
    /// When it was stated, if before it was processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "sense")]
    transfer: Option<TransferKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    memory: Option<&'a RawValue>,
}

impl ForwardedEvent {
    /// Builds the message that forwards an event, processed at `at`, to `to`.
    ///
    /// # Errors
    /// If the event or the memory cannot be written as JSON.
    pub fn new(
        event: &Event,
        forwarding: &Forwarding,
        fingerprint: u64,
        to: &Customer,
        at: Time,
    ) -> Result<ForwardedEvent, serde_json::Error> {
        let carried = forwarding.carried.as_ref();
        let memory: Option<&RawValue> =
            carried.map(|carried| serde_json::from_str(&carried.memory)).transpose()?;
        let stated_at = carried.map_or(event.time, |carried| Some(carried.stated_at));
        let stated_at = stated_at.filter(|stated_at| *stated_at < at);
        let id = identifier(forwarding, fingerprint, to);
        let envelope = ForwardedEnvelope {
            specversion: "1.0",
            id: &id,
            source: "jumeau",
            kind: TYPE,
            subject: to,
            time: at,
            traceparent: event.traceparent.as_deref(),
            data: Data {
                from: forwarding.from.clone(),
                via: forwarding.via.clone(),
                links: forwarding.links.clone(),
                hops: forwarding.hops,
                channel: event.channel.as_str().into(),
                id: (&*event.id).into(),
                fingerprint,
                kind: event.kind.event_type(),
                data: Cow::Owned(event.kind.to_json()?),
                said: stated_at,
                transfer: carried.map(|carried| carried.kind),
                epoch: carried.map(|carried| carried.epoch),
                memory,
            },
        };
        let payload = serde_json::to_vec(&envelope)?;
        Ok(ForwardedEvent {
            to: to.clone(),
            memory_of: carried.filter(|one| one.is_memory()).map(|_| forwarding.from.clone()),
            traceparent: event.traceparent.clone(),
            payload,
            id,
        })
    }
}

/// The message id: the same for the same hop on the same route, and for no other.
fn identifier(forwarding: &Forwarding, fingerprint: u64, to: &Customer) -> Box<str> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(&fingerprint.to_le_bytes());
    bytes.extend_from_slice(&forwarding.hops.to_le_bytes());
    if let Some(carried) = &forwarding.carried {
        bytes.push(carried.kind as u8 + 1);
        bytes.extend_from_slice(&carried.epoch.to_le_bytes());
    }
    for (customer, link) in forwarding.via.iter().zip(&forwarding.links) {
        bytes.extend_from_slice(customer.as_str().as_bytes());
        bytes.push(0xFF);
        bytes.extend_from_slice(&link.to_le_bytes());
    }
    bytes.extend_from_slice(to.as_str().as_bytes());
    format!("p{:032x}", XxHash3_128::oneshot(&bytes)).into()
}

/// Parses the event in a message on the channel [`INTERNAL`] from its envelope's type and data.
///
/// # Errors
/// A [`Rejection`] if the message was not written by a twin.
pub(super) fn read(
    kind: &str,
    message: &str,
    data: Option<&str>,
    customer: Customer,
    time: Option<Time>,
    traceparent: Option<Box<str>>,
) -> Result<Event, Rejection> {
    if kind != TYPE {
        return Err(Rejection::new(
            Reason::BadSubject,
            format!(
                "expected `{TYPE}` on the internal channel `{INTERNAL}`, found `{}`; use another \
                 channel name",
                cut(kind, 64)
            ),
        ));
    }
    let bad = |found: &str| {
        let expected = "a forwarded event";
        Rejection::new(Reason::BadData, format!("expected {expected}, found: {found}"))
    };
    let Some(data) = data else { return Err(bad("no data")) };
    let found: Data<'_> = json::read(data).map_err(|misread| bad(&misread.to_string()))?;
    if found.via.is_empty() || found.via.len() > limits::FORWARDING_HOPS {
        return Err(bad(&format!("{} identifiers in the route", found.via.len())));
    }
    if found.links.len() != found.via.len() {
        return Err(bad("a forwarded event without its route"));
    }
    for customer in found.via.iter().chain([&found.from]) {
        Customer::new(customer.as_str()).map_err(|error| bad(&error))?;
    }
    if found.id.is_empty() || found.id.len() > limits::EVENT_ID_BYTES {
        return Err(bad(&format!("an id of {} bytes", found.id.len())));
    }
    let stated_at = found.said.or(time);
    let carried = match (found.transfer, found.epoch, found.memory, stated_at) {
        (Some(kind), Some(epoch), Some(memory), Some(stated_at)) => {
            Some(CarriedMemory { kind, epoch, stated_at, memory: memory.get().into() })
        }
        (None, None, None, _) => None,
        _ => return Err(bad("a memory without its transfer kind")),
    };
    if carried.is_some() && !matches!(found.kind, EventType::Link | EventType::Unlink) {
        return Err(bad("a memory with an event that carries none"));
    }
    Ok(Event {
        customer,
        channel: Channel::new(&found.channel).map_err(|error| bad(&error))?,
        id: found.id.into(),
        fingerprint: found.fingerprint,
        // A memory moves now, whatever the statement time.
        time: if carried.is_some() { time } else { stated_at },
        impossible: None,
        traceparent,
        kind: EventKind::parse(found.kind, Some(found.data.get()))?,
        forwarding: Some(Box::new(Forwarding {
            from: found.from,
            via: found.via,
            links: found.links,
            hops: found.hops,
            carried,
            at: time,
            message: fingerprint([message.as_bytes()]),
        })),
    })
}
