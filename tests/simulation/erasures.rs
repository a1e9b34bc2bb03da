//! Customers are erased in the middle of everything: whatever fails, nothing of them is left in the
//! store, and nothing that comes later brings them back.

use std::collections::BTreeSet;
use std::time::Duration;

use jumeau::event::{
    Channel, Content, Customer, Delivery, Erasure, ErasureId, Event, EventKind, Headers, INTERNAL,
    IdentifyData, Lane, LinkData, Map, NamedData, Original, Output, Time, Value,
};
use jumeau::partition::StoreSecret;
use jumeau::tables::{Pseudonym, Read, Table};
use rand::RngExt;
use rand::rngs::StdRng;

use super::links;
use super::stream::{BETWEEN, Stored, partition_of};
use super::world::{CUSTOMERS, PARTITIONS, World};

/// Erases a few customers somewhere in the stream.
pub(crate) fn insert(stream: &mut [Vec<Stored>], customers: usize, rng: &mut StdRng) {
    for number in 0..rng.random_range(1..=3u64) {
        let partition = rng.random_range(0..PARTITIONS);
        let customer = rng.random_range(0..customers.min(CUSTOMERS));
        let customer = Customer::new(&format!("c{partition}-{customer}")).unwrap();
        let events = &mut stream[usize::from(partition)];
        let at = rng.random_range(0..=events.len());
        let Some(before) = at.checked_sub(1).and_then(|at| events.get(at)) else { continue };
        let id = ErasureId(u128::from(number) + 1);
        let delivery = Delivery {
            // With room before it for what twins forward, and behind it.
            sequence: before.delivery.sequence + 200 * (number + 1),
            lane: Lane::Main,
            partition,
            stored: before.delivery.stored,
            original: original(&Erasure::requested(customer.clone(), id)),
            content: Content::Erasure(Erasure::requested(customer, id)),
        };
        events.insert(at, Stored { delivery, is_poison: false });
        // Several in one gap would have to be told apart.
        if stream[usize::from(partition)]
            .windows(2)
            .any(|pair| pair[0].delivery.sequence >= pair[1].delivery.sequence)
        {
            stream[usize::from(partition)].remove(at);
        }
    }
}

/// Erases one to whom devices are linked, a cookie through a tablet, and has them come back soon after
/// it. The tablet is a stranger's sooner or later.
pub(crate) fn insert_returns(stream: &mut [Vec<Stored>], rng: &mut StdRng) {
    let first = rng.random_range(0..PARTITIONS);
    let name = |partition, number| Customer::new(&format!("c{partition}-{number}")).unwrap();
    let tablets = (first + 1) % PARTITIONS;
    let (tablet, cookie) = (name(tablets, 1), name((first + 2) % PARTITIONS, 1));
    let (customer, stranger) = (name(first, 0), name(tablets, 0));
    let link = |to: &Customer| EventKind::Link(LinkData { to: to.as_str().into(), merge: false });
    put(stream, &tablet, 1, link(&customer));
    put(stream, &cookie, 1, link(&tablet));
    let most = stream[usize::from(tablets)].len();
    put(stream, &tablet, rng.random_range(2..=most), link(&stranger));

    let events = &mut stream[usize::from(first)];
    let at = rng.random_range(1..=events.len());
    let stored = events[at - 1].delivery.stored;
    let erasure = Erasure::requested(customer.clone(), ErasureId(1));
    let original = original(&erasure);
    let content = Content::Erasure(erasure);
    let delivery =
        Delivery { sequence: 0, lane: Lane::Main, partition: first, stored, content, original };
    events.insert(at, Stored { delivery, is_poison: false });
    let back = rng.random_range(at + 1..=events.len().min(at + 4));
    let traits = [("name", Value::from("somebody"))].into_iter().collect();
    put(stream, &customer, back, EventKind::Identify(IdentifyData { traits, anew: true }));
    // A copy of the message comes after that.
    let events = &mut stream[usize::from(first)];
    let again = rng.random_range(back + 1..=events.len());
    let mut copy = events[at].clone();
    copy.delivery.stored = events[again - 1].delivery.stored;
    events.insert(again, copy);

    for (partition, events) in (0..PARTITIONS).zip(stream) {
        // With room before each for what twins forward.
        for (number, event) in (1..).zip(events) {
            let later = Duration::from_millis(number);
            let delivery = &mut event.delivery;
            // Each a moment after the one before: what comes after an erasure was said after it.
            delivery.stored = delivery.stored + later;
            if let Content::Read(Ok(told)) = &mut delivery.content {
                told.time = told.time.map(|time| time + later);
            }
            let number = number * u64::from(PARTITIONS) + u64::from(partition);
            delivery.sequence = number * BETWEEN;
        }
    }
}

/// Puts an event of a customer into the stream, said a moment after what comes before it.
fn put(stream: &mut [Vec<Stored>], customer: &Customer, at: usize, kind: EventKind) {
    let partition = partition_of(customer);
    let events = &mut stream[usize::from(partition)];
    let stored = events[at - 1].delivery.stored;
    events.insert(at, said(customer, events.len() as u64, stored, kind));
}

/// An event of a customer, said a moment after it was stored.
fn said(customer: &Customer, number: u64, stored: Time, kind: EventKind) -> Stored {
    let partition = partition_of(customer);
    let number = u64::from(partition) << 32 | number;
    let event = Event {
        customer: customer.clone(),
        channel: Channel::new("web").unwrap(),
        id: format!("put-{number}").into(),
        fingerprint: 1 << 48 | number,
        time: Some(stored + Duration::from_millis(1)),
        traceparent: None,
        impossible: None,
        kind,
        forwarding: None,
    };
    let original = Original {
        subject: format!("jumeau.events.web.{customer}").into(),
        headers: Headers::default(),
        payload: b"{}".as_slice().into(),
    };
    let content = Content::Read(Ok(event));
    let delivery = Delivery { sequence: 0, lane: Lane::Main, partition, stored, content, original };
    Stored { delivery, is_poison: false }
}

/// Somebody who was not seen for long is forgotten, and comes back at once; so does a cookie, which has
/// added something before it was linked to them.
pub(crate) fn forgotten(start: Time) -> Vec<Vec<Stored>> {
    let name = |name| Customer::new(name).unwrap();
    let (customer, cookie) = (name("c0-0"), name("c1-1"));
    let add = || EventKind::Track(NamedData { name: "Add".into(), properties: Map::default() });
    let link = EventKind::Link(LinkData { to: "c0-0".into(), merge: false });
    let erasure = Erasure::of_absent(customer.clone(), start);
    let mut forget = said(&customer, 2, start, add());
    forget.delivery.original = original(&erasure);
    forget.delivery.content = Content::Erasure(erasure);
    let later = start + Duration::from_millis(500);
    let mut stream = vec![
        vec![said(&customer, 1, start, add()), forget, said(&customer, 3, later, add())],
        vec![said(&cookie, 1, later, add()), said(&cookie, 2, later, link)],
        Vec::new(),
    ];
    for events in &mut stream {
        for (number, event) in (1..).zip(events) {
            event.delivery.sequence = number * BETWEEN;
        }
    }
    // What is forwarded comes behind it.
    stream[0][1].delivery.sequence += 200;
    stream
}

/// The customer of [`back`], a cookie of theirs, and one that is theirs only since.
const BACK: [&str; 3] = ["c0-0", "c1-1", "c2-1"];

/// Somebody is erased and comes back. Only then comes what was said before: by a channel that was not
/// connected, by the slow lane, and that a cookie, which nobody knew to be theirs, is theirs.
pub(crate) fn back(start: Time) -> Vec<Vec<Stored>> {
    let [customer, cookie, newer] = BACK.map(|name| Customer::new(name).unwrap());
    let second = |second: u64| start + Duration::from_secs(second);
    let add = || EventKind::Track(NamedData { name: "Add".into(), properties: Map::default() });
    let link = || EventKind::Link(LinkData { to: customer.as_str().into(), merge: false });
    let traits = [("name", Value::from("somebody"))].into_iter().collect();
    let anew = EventKind::Identify(IdentifyData { traits, anew: true });
    let erasure = Erasure::requested(customer.clone(), ErasureId(1));
    let mut erase = said(&customer, 2, second(10), add());
    erase.delivery.original = original(&erasure);
    erase.delivery.content = Content::Erasure(erasure);
    let when = |mut stored: Stored, time: Option<Time>, lane| {
        if let Content::Read(Ok(event)) = &mut stored.delivery.content {
            event.time = time;
        }
        stored.delivery.lane = lane;
        stored
    };
    let mut stream = vec![
        vec![
            said(&customer, 1, second(0), add()),
            erase,
            said(&customer, 3, second(20), anew),
            // Said before, stored after.
            when(said(&customer, 4, second(21), add()), Some(second(5)), Lane::Main),
            // Stored before, taken in after.
            when(said(&customer, 5, second(6), add()), None, Lane::Slow),
            when(said(&customer, 6, second(22), add()), None, Lane::Main),
        ],
        vec![
            said(&cookie, 1, second(1), add()),
            when(said(&cookie, 2, second(30), link()), Some(second(2)), Lane::Main),
        ],
        vec![
            when(said(&newer, 1, second(25), link()), Some(second(25)), Lane::Main),
            when(said(&newer, 2, second(7), add()), None, Lane::Slow),
            when(said(&newer, 3, second(26), add()), None, Lane::Main),
        ],
    ];
    for events in &mut stream {
        for (number, event) in (1..).zip(events) {
            event.delivery.sequence = number * BETWEEN;
        }
    }
    stream
}

/// Somebody is erased, somebody else goes on, and half a year later comes what the slow lane has of the
/// first.
pub(crate) fn behind(start: Time) -> Vec<Vec<Stored>> {
    let [customer, other] = ["c0-0", "c0-1"].map(|name| Customer::new(name).unwrap());
    let day = |day: u64| start + Duration::from_secs(day * 86_400);
    let add = || EventKind::Track(NamedData { name: "Add".into(), properties: Map::default() });
    let erasure = Erasure::requested(customer.clone(), ErasureId(1));
    let mut erase = said(&customer, 2, day(1), add());
    erase.delivery.original = original(&erasure);
    erase.delivery.content = Content::Erasure(erasure);
    let mut slow = said(&customer, 4, day(0), add());
    slow.delivery.lane = Lane::Slow;
    let later = |number| said(&other, number, day(180), add());
    let mut events = vec![said(&customer, 1, day(0), add()), erase, later(3), slow, later(5)];
    for (number, event) in (1..).zip(&mut events) {
        event.delivery.sequence = number * BETWEEN;
    }
    vec![events, Vec::new(), Vec::new()]
}

/// Nothing of before is there again, nor is the cookie; what they did since is, and the newer one.
pub(crate) fn check_back(world: &World) -> Vec<String> {
    let [customer, cookie, newer] = BACK.map(|name| Customer::new(name).unwrap());
    let mut found = world.found.clone();
    let counted = world.twin(0, &customer).map(|twin| links::count(&twin));
    if counted != Some(2) {
        found.push(format!("{counted:?} are counted, and not the two of since"));
    }
    if world.twin(2, &newer).is_none_or(|twin| twin.linked_to != Some(customer)) {
        found.push(format!("{newer} is not theirs any more"));
    }
    if let Some(twin) = world.twin(1, &cookie) {
        found.push(format!("a cookie of before is there: {twin:?}"));
    }
    found
}

/// Nothing of those who come back is lost.
pub(crate) fn check_forgotten(world: &World) -> Vec<String> {
    let twin = world.twin(0, &Customer::new("c0-0").unwrap());
    let counted = twin.map_or(0, |twin| links::count(&twin));
    let lost = (counted != 2).then(|| format!("{counted} of 2 are counted"));
    world.found.iter().cloned().chain(lost).collect()
}

/// Of known customers, to whom alone devices were linked, those are erased who wanted to be. They are
/// there again from when they said so, with all that came for them since.
pub(crate) fn check_returns(world: &World, found: &mut Vec<String>) {
    let secret = StoreSecret::default();
    for (partition, events) in (0..PARTITIONS).zip(&world.stream) {
        let customer = Customer::new(&format!("c{partition}-0")).unwrap();
        let is_back = |stored: &Stored| matches!(&stored.delivery.content, Content::Read(Ok(Event { kind: EventKind::Identify(told), .. })) if told.anew);
        let (mut is_erased, mut since) = (false, 0);
        for (at, stored) in events.iter().enumerate() {
            is_erased |= matches!(&stored.delivery.content, Content::Erasure(erasure)
                if erasure.customer == customer && erasure.link.is_none() && erasure.of.is_none() && stored.delivery.sequence.is_multiple_of(BETWEEN));
            if is_back(stored) {
                since = at;
            }
        }
        let tombstones = world.memory.tombstones(partition).unwrap();
        let is_marked = tombstones.iter().any(|(mark, _)| *mark == secret.mark(&customer));
        if is_marked != is_erased {
            found.push(format!("{customer} wanted to be erased: {is_erased}, was: {is_marked}"));
        }
        let is_theirs = |event: &&Event| {
            event.customer == customer && matches!(event.kind, EventKind::Track(_))
        };
        let own = events[since..].iter().filter(|stored| !stored.is_poison);
        let own = own.filter_map(|stored| match &stored.delivery.content {
            Content::Read(Ok(event)) => Some(event),
            _ => None,
        });
        let added: BTreeSet<u64> = own.filter(is_theirs).map(|event| event.fingerprint).collect();
        let counted = world.twin(partition, &customer).map(|twin| links::count(&twin));
        if counted.is_none_or(|counted| counted < added.len()) {
            found.push(format!("{customer} counts {counted:?} of {} since", added.len()));
        }
    }
}

/// The message that says so, as the service writes it.
fn original(erasure: &Erasure) -> Original {
    let mark = StoreSecret::default().message_mark(&erasure.customer, Some(erasure), b"");
    let headers = erasure.headers().into_iter().chain([(Output::MARK, mark)]);
    let headers: Vec<(&str, String)> = headers.collect();
    let headers: Headers = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    let subject = format!("jumeau.events.{INTERNAL}.{}", erasure.customer).into();
    Original { subject, headers, payload: b"".as_slice().into() }
}

impl World {
    /// Customers who are erased somewhere in the stream.
    pub(crate) fn erased(&self) -> BTreeSet<Customer> {
        let all = self.stream.iter().flatten();
        all.filter_map(|stored| match &stored.delivery.content {
            Content::Erasure(erasure) => Some(erasure.customer.clone()),
            _ => None,
        })
        .collect()
    }
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// Nobody who was erased is found in any row, but in the one that says what is still to be done
/// outside; and of every erasure there is such a row.
pub(crate) fn check(world: &World, found: &mut Vec<String>) {
    let secret = StoreSecret::default();
    // One that was found to be somebody else's by now is not erased; a row says so all the same.
    let is_marked = |customer: &Customer| {
        let tombstones = world.memory.tombstones(partition_of(customer)).unwrap();
        tombstones.iter().any(|(mark, _)| *mark == secret.mark(customer))
    };
    let mut erased = world.erased();
    erased.retain(is_marked);
    let marks = |partition| -> BTreeSet<Pseudonym> {
        let rows = world.memory.erasing(partition).unwrap();
        rows.into_iter().map(|(_, erasing)| erasing.mark).collect()
    };
    for (partition, events) in (0..PARTITIONS).zip(&world.stream) {
        let (marks, mut dropped) =
            (marks(partition), world.memory.events_of_erased(partition).unwrap());
        dropped.sort_unstable();
        let mut gone: BTreeSet<Customer> = BTreeSet::new();
        for stored in events {
            let sequence = stored.delivery.sequence;
            let token = stored.delivery.original.subject.rsplit('.').next().unwrap();
            if let Content::Erasure(erasure) = &stored.delivery.content {
                if !marks.contains(&secret.mark(&erasure.customer)) {
                    found.push(format!("no row says that {} was erased", erasure.customer));
                }
                let must_be = erasure.link.is_none() && erasure.of.is_none();
                if !is_marked(&erasure.customer) && must_be {
                    found.push(format!("{} was not erased", erasure.customer));
                }
                // Of one that was about a link that is over nothing came, and it was let go.
                if is_marked(&erasure.customer) && dropped.binary_search(&sequence).is_err() {
                    gone.insert(erasure.customer.clone());
                }
            } else if gone.iter().any(|customer| customer.token() == token)
                && dropped.binary_search(&sequence).is_err()
            {
                found.push(format!("event {sequence} came after the erasure of {token} and stays"));
            }
        }
    }
    for table in Table::ALL.iter().copied().filter(|table| *table != Table::Erasures) {
        let scanned = world.memory.scan(table, &[], &[u8::MAX; 2], &mut |key, value| {
            for customer in &erased {
                if contains(key, customer.as_str()) || contains(value, customer.as_str()) {
                    let text = String::from_utf8_lossy(value).into_owned();
                    found.push(format!("{customer} is in {}: {text}", table.name()));
                }
            }
            Ok(true)
        });
        scanned.unwrap();
    }
}
