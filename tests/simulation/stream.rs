//! What the stream holds: events of a few customers, and whatever else channels send.

use std::collections::BTreeSet;
use std::time::Duration;

use jumeau::event::{
    Channel, Content, Customer, Delivery, Event, EventKind, Headers, Lane, NamedData, Original,
    Reason, Rejection, Time, Value,
};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::links::{self, Links};
use super::world::{CUSTOMERS, PARTITIONS};

/// Sequences of a partition between two events: room for what comes in later.
pub(crate) const BETWEEN: u64 = 1_000_000;

/// An event as the stream holds it.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) delivery: Delivery,
    /// Its handler panics.
    pub(crate) is_poison: bool,
}

/// The identities of the events whose handler panics.
pub(crate) fn poison(events: &[Stored]) -> BTreeSet<u64> {
    let poison = events.iter().filter(|stored| stored.is_poison);
    poison
        .filter_map(|stored| match &stored.delivery.content {
            Content::Read(Ok(event)) => Some(event.fingerprint),
            _ => None,
        })
        .collect()
}

pub(crate) fn is_add(delivery: &Delivery) -> bool {
    matches!(&delivery.content, Content::Read(Ok(Event { kind: EventKind::Track(_), .. })))
}

pub(crate) fn number_of(delivery: &Delivery) -> i64 {
    match &delivery.content {
        Content::Read(Ok(Event {
            kind: EventKind::Track(NamedData { properties, .. }), ..
        })) => properties.get("number").and_then(Value::as_number).unwrap_or(0.0) as i64,
        _ => 0,
    }
}

/// Events of a few customers, some of them twice, some of no use, some poison.
pub(crate) fn stream(rng: &mut StdRng, start: Time, links: Links) -> Vec<Vec<Stored>> {
    // Linked, all might end in one twin, which remembers no more than so many.
    match links {
        Links::None => made(rng, start, links, CUSTOMERS, 1..80),
        Links::Dense | Links::Hands => {
            let customers = rng.random_range(2..=4);
            made(rng, start, links, customers, 60..400)
        }
        Links::Chains => {
            let customers = rng.random_range(2..=3);
            made(rng, start, links, customers, 30..120)
        }
        Links::Only | Links::Undone => made(rng, start, links, links::CUSTOMERS_LINKED, 1..36),
    }
}

/// Fewer than `most` events of so many customers of each partition.
pub(crate) fn stream_of(
    rng: &mut StdRng,
    start: Time,
    customers: usize,
    most: u64,
) -> Vec<Vec<Stored>> {
    made(rng, start, Links::None, customers, 1..most)
}

fn made(
    rng: &mut StdRng,
    start: Time,
    links: Links,
    customers: usize,
    most: std::ops::Range<u64>,
) -> Vec<Vec<Stored>> {
    let mut stream: Vec<Vec<Stored>> = vec![Vec::new(); usize::from(PARTITIONS)];
    let mut stored = start;
    let events = rng.random_range(most);
    let mut linked = 0;
    // So that the identities of all that comes are remembered.
    let pause_ms = if links.is_dense() { 300 } else { 2_000 };
    let mut earlier: Vec<(u16, Delivery, bool)> = Vec::new();
    if matches!(links, Links::Hands | Links::Chains) {
        links::introduce(&mut stream, start);
    }
    for sequence in 1..=events {
        stored = stored + Duration::from_millis(rng.random_range(0..pause_ms));
        let copy = rng.random_bool(0.1).then(|| earlier.choose(rng).cloned()).flatten();
        let (partition, mut delivery, is_poison) = match copy {
            Some(copy) => copy,
            None => {
                let partition = rng.random_range(0..PARTITIONS);
                let customer = rng.random_range(0..customers);
                let is_poison = rng.random_bool(0.03);
                let mut new = event(partition, customer, sequence, rng);
                let links_max = if links.is_dense() { u64::MAX } else { links::LINKS_MAX };
                if let Content::Read(Ok(event)) = &mut new.content
                    && linked < links_max
                    && let Some(kind) = links.kind(customers, rng)
                {
                    linked += 1;
                    event.kind = kind;
                    // Half of them come late, some behind what was said after them.
                    let late = Duration::from_millis(rng.random_range(0..5_000));
                    let comes_late = links.is_dense() && rng.random_bool(0.5);
                    event.time = comes_late.then(|| stored - late);
                }
                (partition, new, is_poison)
            }
        };
        // A copy of a poison event is the same event; it is buried again.
        delivery.sequence = (sequence + 1) * BETWEEN;
        delivery.stored = stored;
        earlier.push((partition, delivery.clone(), is_poison));
        stream[usize::from(partition)].push(Stored { delivery, is_poison });
    }
    stream
}

pub(crate) fn event(partition: u16, customer: usize, sequence: u64, rng: &mut StdRng) -> Delivery {
    let read = if rng.random_bool(0.05) {
        Err(Rejection::new(Reason::BadJson, "not even close"))
    } else {
        let properties = [("number", Value::Int(rng.random_range(0..100)))].into_iter().collect();
        Ok(Event {
            customer: Customer::new(&format!("c{partition}-{customer}")).unwrap(),
            channel: Channel::new("web").unwrap(),
            id: format!("id-{sequence}").into(),
            fingerprint: sequence,
            time: None,
            traceparent: None,
            kind: EventKind::Track(NamedData { name: "Add".into(), properties }),
            impossible: None,
            forwarding: None,
        })
    };
    Delivery {
        sequence,
        lane: Lane::Main,
        partition,
        stored: Time::MIN,
        content: Content::Read(read),
        original: Original {
            subject: format!("jumeau.events.web.c{partition}-{customer}").into(),
            headers: Headers::default(),
            payload: b"{}".as_slice().into(),
        },
    }
}

/// What comes in later is stored somewhere behind what was delivered, and behind what came in later
/// before it.
pub(crate) fn insert(
    stream: &mut [Vec<Stored>],
    delivered: &[usize],
    customer: &Customer,
    content: Content,
    original: Original,
    rng: &mut StdRng,
) {
    let partition = partition_of(customer);
    let events = &mut stream[usize::from(partition)];
    let is_late = |stored: &Stored| !stored.delivery.sequence.is_multiple_of(BETWEEN);
    let last = events.iter().rposition(is_late).map_or(0, |last| last + 1);
    let earliest = last.max(delivered[usize::from(partition)]);
    let at = rng.random_range(earliest..=events.len().min(earliest + 3));
    let before = at.checked_sub(1).map(|before| &events[before].delivery);
    let (sequence, stored) = match (before, events.first()) {
        (Some(before), _) => (before.sequence + 1, before.stored),
        (None, Some(first)) => (1, first.delivery.stored),
        (None, None) => (1, Time::from_ms(1_700_000_000_000)),
    };
    let delivery = Delivery { sequence, lane: Lane::Main, partition, stored, content, original };
    events.insert(at, Stored { delivery, is_poison: false });
}

/// Customers of this world carry their partition in their name.
pub(crate) fn partition_of(customer: &Customer) -> u16 {
    customer.as_str()[1..2].parse().unwrap()
}
