//! What the stream holds: events of a few customers, and whatever else channels send.

use std::time::Duration;

use jumeau::event::{
    Channel, Content, Customer, Delivery, Event, Headers, Kind, Link, Named, Original, Reason,
    Rejection, Time, Unlink, Value,
};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::links::{self, Links};
use super::world::{CUSTOMERS, PARTITIONS};

/// Sequences of a partition between two events: room for what comes in later.
pub(crate) const BETWEEN: u64 = 1_000;

/// An event as the stream holds it.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) delivery: Delivery,
    /// Its handler panics.
    pub(crate) is_poison: bool,
}

pub(crate) fn is_add(delivery: &Delivery) -> bool {
    matches!(&delivery.content, Content::Read(Ok(Event { kind: Kind::Track(_), .. })))
}

pub(crate) fn number_of(delivery: &Delivery) -> i64 {
    match &delivery.content {
        Content::Read(Ok(Event { kind: Kind::Track(Named { properties, .. }), .. })) => {
            properties.get("number").and_then(Value::as_number).unwrap_or(0.0) as i64
        }
        _ => 0,
    }
}

/// Events of a few customers, some of them twice, some of no use, some poison.
pub(crate) fn stream(rng: &mut StdRng, start: Time, links: Links) -> Vec<Vec<Stored>> {
    // Linked, all might end in one twin, which remembers no more than so many.
    match links {
        Links::None => made(rng, start, links, CUSTOMERS, 80),
        _ => made(rng, start, links, links::CUSTOMERS_LINKED, 36),
    }
}

/// Fewer than `most` events of so many customers of each partition.
pub(crate) fn stream_of(
    rng: &mut StdRng,
    start: Time,
    customers: usize,
    most: u64,
) -> Vec<Vec<Stored>> {
    made(rng, start, Links::None, customers, most)
}

fn made(
    rng: &mut StdRng,
    start: Time,
    links: Links,
    customers: usize,
    most: u64,
) -> Vec<Vec<Stored>> {
    let mut stream: Vec<Vec<Stored>> = vec![Vec::new(); usize::from(PARTITIONS)];
    let mut stored = start;
    let events = rng.random_range(1..most);
    let mut linked = 0;
    let mut earlier: Vec<(u16, Delivery, bool)> = Vec::new();
    for sequence in 1..=events {
        stored = stored + Duration::from_millis(rng.random_range(0..2_000));
        let copies = if links == Links::Undone { 0.0 } else { 0.1 };
        let copy = rng.random_bool(copies).then(|| earlier.choose(rng).cloned()).flatten();
        let (partition, mut delivery, is_poison) = match copy {
            Some(copy) => copy,
            None => {
                let partition = rng.random_range(0..PARTITIONS);
                let customer = rng.random_range(0..customers);
                let is_poison = rng.random_bool(0.03);
                let mut new = event(partition, customer, sequence, rng);
                if links != Links::None
                    && linked < links::LINKS_MAX
                    && rng.random_bool(0.3)
                    && let Content::Read(Ok(event)) = &mut new.content
                {
                    linked += 1;
                    let other = format!(
                        "c{}-{}",
                        rng.random_range(0..PARTITIONS),
                        rng.random_range(0..links::CUSTOMERS_LINKED)
                    );
                    let is_unlink = links == Links::Undone && rng.random_bool(0.4);
                    event.kind = if is_unlink {
                        Kind::Unlink(Unlink { from: other.into() })
                    } else {
                        Kind::Link(Link { to: other.into() })
                    };
                }
                (partition, new, is_poison)
            }
        };
        // A copy of a poison event is the same event; it is buried again.
        delivery.sequence = sequence * BETWEEN;
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
            kind: Kind::Track(Named { name: "Add".into(), properties }),
            passed: None,
        })
    };
    Delivery {
        sequence,
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
    let partition = partition(customer);
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
    let delivery = Delivery { sequence, partition, stored, content, original };
    events.insert(at, Stored { delivery, is_poison: false });
}

/// Customers of this world carry their partition in their name.
fn partition(customer: &Customer) -> u16 {
    customer.as_str()[1..2].parse().unwrap()
}
