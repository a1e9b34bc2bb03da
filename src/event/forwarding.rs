//! What one twin sends another: an event that came to an identifier of the same customer, and with
//! a `link` or an `unlink` the memory that moves.
//!
//! It travels through the stream of events, on the channel [`INTERNAL`] that no other may use, so
//! that it is as durable and as ordered as any event. It keeps the identity of the event that it
//! passes on: a twin that knows that one recognises the copy. A memory that moves has an identity of
//! its own.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use twox_hash::{XxHash3_64, XxHash3_128};

use super::fingerprint::fingerprint;
use super::{Channel, Customer, Event, EventKind, EventType, Reason, Rejection, Time, cut, json};
use crate::config::limits;

/// The channel of what twins send each other. What is published there without the service's mark is
/// refused, and brokers that have permissions keep the channel for the service.
pub const INTERNAL: &str = "_jumeau";

/// The type of the envelope.
const TYPE: &str = "jumeau.pass";

/// How an event came to a twin, if not straight from its channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Forwarding {
    /// The identifier that passed it on first: the one that was meant, or whose memory it is.
    pub from: Customer,
    /// The identifiers by which it came, each once, the last one last.
    pub via: Vec<Customer>,
    /// For each of them the number of the link by which it passed it on: see
    /// [`Twin::epoch`](crate::twin::Twin::epoch).
    pub links: Vec<u64>,
    /// How often it was passed on.
    pub hops: u32,
    /// What moves with it.
    pub carried: Option<CarriedMemory>,
    /// When it was passed on last; none while it is not written.
    pub at: Option<Time>,
    /// The identity of the message, the same in every copy; 0 while it is not written.
    pub message: u64,
}

/// What moves from twin to twin.
#[derive(Debug, Clone, PartialEq)]
pub struct CarriedMemory {
    /// What is to become of it.
    pub sense: TransferKind,
    /// The number of the link that it is about.
    pub epoch: u64,
    /// When the `link` or `unlink` was said by which it moves.
    pub said: Time,
    /// The memory, as JSON; what it says is for the twin to judge. With [`TransferKind::Leaves`] the hash of
    /// the identifier's new customer.
    pub memory: Box<str>,
}

/// Why something moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferKind {
    /// An identifier is linked: its memory becomes the other's.
    Joins,
    /// A memory goes back to the identifier from which it came, because of an `unlink` or because it
    /// was one too many.
    Returns,
    /// A memory that could not go back: it stays with whoever it reaches, and brings no identifier.
    Rests,
    /// No memory: an identifier belongs to another customer from now on.
    Leaves,
}

/// What stands for the identifier's new customer with [`TransferKind::Leaves`]: no name, but who has one can
/// tell whether it is theirs.
pub fn stand_in(customer: &str) -> u64 {
    XxHash3_64::oneshot(customer.as_bytes())
}

impl CarriedMemory {
    /// Whether a memory is lost if this is.
    pub fn is_memory(&self) -> bool {
        self.sense != TransferKind::Leaves
    }
}

/// An event as it is to be passed on.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardedEvent {
    /// The message's identifier: the same in every copy.
    pub id: Box<str>,
    /// To whom.
    pub to: Customer,
    /// Whose memory comes with it, if one does: what follows must not overtake it.
    pub memory_of: Option<Customer>,
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
    /// When it was said, if before it was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sense: Option<TransferKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    memory: Option<&'a RawValue>,
}

impl ForwardedEvent {
    /// The message that passes an event on to `to`, which was taken in at `at`.
    ///
    /// # Errors
    /// If the event or the memory has no JSON form.
    pub fn new(
        event: &Event,
        passed: &Forwarding,
        fingerprint: u64,
        to: &Customer,
        at: Time,
    ) -> Result<ForwardedEvent, serde_json::Error> {
        let carried = passed.carried.as_ref();
        let memory: Option<&RawValue> =
            carried.map(|carried| serde_json::from_str(&carried.memory)).transpose()?;
        let said = carried.map_or(event.time, |carried| Some(carried.said));
        let said = said.filter(|said| *said < at);
        let id = identifier(passed, fingerprint, to);
        let envelope = Envelope {
            specversion: "1.0",
            id: &id,
            source: "jumeau",
            kind: TYPE,
            subject: to,
            time: at,
            traceparent: event.traceparent.as_deref(),
            data: Data {
                from: passed.from.clone(),
                via: passed.via.clone(),
                links: passed.links.clone(),
                hops: passed.hops,
                channel: event.channel.as_str().into(),
                id: (&*event.id).into(),
                fingerprint,
                kind: event.kind.event_type(),
                data: Cow::Owned(event.kind.to_json()?),
                said,
                sense: carried.map(|carried| carried.sense),
                epoch: carried.map(|carried| carried.epoch),
                memory,
            },
        };
        let payload = serde_json::to_vec(&envelope)?;
        Ok(ForwardedEvent {
            to: to.clone(),
            memory_of: carried.filter(|one| one.is_memory()).map(|_| passed.from.clone()),
            traceparent: event.traceparent.clone(),
            payload,
            id,
        })
    }
}

/// The same for the same step on the same way, and for no other.
fn identifier(passed: &Forwarding, fingerprint: u64, to: &Customer) -> Box<str> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(&fingerprint.to_le_bytes());
    bytes.extend_from_slice(&passed.hops.to_le_bytes());
    if let Some(carried) = &passed.carried {
        bytes.push(carried.sense as u8 + 1);
        bytes.extend_from_slice(&carried.epoch.to_le_bytes());
    }
    for (customer, link) in passed.via.iter().zip(&passed.links) {
        bytes.extend_from_slice(customer.as_str().as_bytes());
        bytes.push(0xFF);
        bytes.extend_from_slice(&link.to_le_bytes());
    }
    bytes.extend_from_slice(to.as_str().as_bytes());
    format!("p{:032x}", XxHash3_128::oneshot(&bytes)).into()
}

/// The event within a message on the channel [`INTERNAL`]: its envelope's type and data.
///
/// # Errors
/// A [`Rejection`], for whatever no twin has written.
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
    if found.links.len() != found.via.len() {
        return Err(bad("something that does not know its way"));
    }
    for customer in found.via.iter().chain([&found.from]) {
        Customer::new(customer.as_str()).map_err(|error| bad(&error))?;
    }
    if found.id.is_empty() || found.id.len() > limits::EVENT_ID_BYTES {
        return Err(bad(&format!("an id of {} bytes", found.id.len())));
    }
    let said = found.said.or(time);
    let carried = match (found.sense, found.epoch, found.memory, said) {
        (Some(sense), Some(epoch), Some(memory), Some(said)) => {
            Some(CarriedMemory { sense, epoch, said, memory: memory.get().into() })
        }
        (None, None, None, _) => None,
        _ => return Err(bad("a memory that does not know what is to become of it")),
    };
    if carried.is_some() && !matches!(found.kind, EventType::Link | EventType::Unlink) {
        return Err(bad("a memory with an event that moves none"));
    }
    Ok(Event {
        customer,
        channel: Channel::new(&found.channel).map_err(|error| bad(&error))?,
        id: found.id.into(),
        fingerprint: found.fingerprint,
        // A memory moves now, whenever that was said.
        time: if carried.is_some() { time } else { said },
        impossible: None,
        traceparent,
        kind: EventKind::parse(found.kind, Some(found.data.get()))?,
        passed: Some(Box::new(Forwarding {
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
