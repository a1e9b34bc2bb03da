//! Identifiers that turn out to be one customer, and those that turn out not to be: whatever fails,
//! every event is counted exactly once.

use std::collections::{BTreeMap, BTreeSet};

use jumeau::event::{
    Channel, Content, Customer, Delivery, Erasure, Event, EventKind, Headers, INTERNAL,
    IdentifyData, Lane, LinkData, Original, Output, Time, UnlinkData, Value,
};
use jumeau::partition::revive;
use jumeau::tables::Read;
use jumeau::twin::{Twin, invariants};
use rand::RngExt;
use rand::rngs::StdRng;

use super::stream::{BETWEEN, Stored, insert};
use super::world::{PARTITIONS, World};

/// What of identity happens in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Nothing.
    None,
    /// Customers turn out to be one.
    Only,
    /// The same, and links, and unlinks.
    Undone,
    /// The same in bursts: a third of all that happens is a link, a tenth an unlink.
    Dense,
    /// Devices go from hand to hand among known customers.
    Hands,
    /// The same, and devices are linked to devices.
    Chains,
}

/// Fewer than the limit, which is a story of its own.
pub(crate) const LINKS_MAX: u64 = 12;
/// So few of each partition that links meet.
pub(crate) const CUSTOMERS_LINKED: usize = 3;

impl Links {
    /// Whether links come in bursts.
    pub(crate) fn is_dense(self) -> bool {
        matches!(self, Links::Dense | Links::Hands | Links::Chains)
    }

    /// For how many steps things go wrong, at most.
    pub(crate) fn troubled(self) -> u32 {
        if self.is_dense() { 3_000 } else { 600 }
    }

    /// What happens to one of the customers of a partition, if it is about identity.
    pub(crate) fn kind(self, customers: usize, rng: &mut StdRng) -> Option<EventKind> {
        let (linked, unlinked, merged) = match self {
            Links::None => return None,
            Links::Only => (0.3, 0.0, 1.0),
            Links::Undone => (0.18, 0.12, 0.5),
            Links::Dense => (0.35, 0.1, 0.4),
            Links::Hands => (0.35, 0.0, 0.0),
            Links::Chains => (0.15, 0.0, 0.0),
        };
        let what: f64 = rng.random();
        // Of those who are at hand in such a world the first of each partition is a known customer.
        let others = if self == Links::Hands { 1 } else { customers };
        let (partition, other) = (rng.random_range(0..PARTITIONS), rng.random_range(0..others));
        let other = format!("c{partition}-{other}");
        if what < linked {
            let merge = rng.random_bool(merged);
            Some(EventKind::Link(LinkData { to: other.into(), merge }))
        } else if what < linked + unlinked {
            Some(EventKind::Unlink(UnlinkData { from: other.into() }))
        } else {
            None
        }
    }
}

/// Whether this is the first customer of a partition, who says at once who it is.
pub(crate) fn is_known(customer: &Customer) -> bool {
    customer.as_str().ends_with("-0")
}

/// The first customer of each partition says who it is.
pub(crate) fn introduce(stream: &mut [Vec<Stored>], start: Time) {
    for (partition, events) in (0..PARTITIONS).zip(stream) {
        let traits = [("name", Value::from("somebody"))].into_iter().collect();
        let event = Event {
            customer: Customer::new(&format!("c{partition}-0")).unwrap(),
            channel: Channel::new("web").unwrap(),
            id: "who".into(),
            fingerprint: u64::MAX - u64::from(partition),
            time: None,
            traceparent: None,
            kind: EventKind::Identify(IdentifyData { traits, anew: false }),
            impossible: None,
            forwarding: None,
        };
        let original = Original {
            subject: format!("jumeau.events.web.c{partition}-0").into(),
            headers: Headers::default(),
            payload: b"{}".as_slice().into(),
        };
        let content = Content::Read(Ok(event));
        let delivery = Delivery {
            sequence: BETWEEN,
            lane: Lane::Main,
            partition,
            stored: start,
            content,
            original,
        };
        events.push(Stored { delivery, is_poison: false });
    }
}

/// Whether it is a memory on its way, which has a subject of its own.
pub(crate) fn is_memory(output: &Output) -> bool {
    output.subject.starts_with("jumeau.events.") && output.subject.split('.').count() > 4
}

/// What a twin forwards.
pub(crate) fn store(
    stream: &mut [Vec<Stored>],
    delivered: &[usize],
    output: &Output,
    rng: &mut StdRng,
) {
    let tokens: Vec<&str> = output.subject.split('.').collect();
    let token = tokens[3];
    let customer = Customer::from_token(token).unwrap();
    let headers = output.headers.iter().map(|(name, value)| (&**name, &**value));
    let headers: Headers = headers.collect();
    // As it is delivered.
    let subject = format!("jumeau.events.{INTERNAL}.{token}").into();
    let original = Original { subject, headers, payload: output.payload.clone() };
    let content = Erasure::read(&original).map_or(Content::Unread, Content::Erasure);
    insert(stream, delivered, &customer, content, original, rng);
}

/// Every promise that does not hold.
pub(crate) fn check(world: &World, links: Links, found: &mut Vec<String>) {
    let mut twins: BTreeMap<Customer, Box<Twin>> = BTreeMap::new();
    let mut adds: BTreeMap<Customer, usize> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut groups = Groups::default();
    let mut hands = Hands::default();
    for (partition, events) in world.stream.iter().enumerate() {
        let mut customers = BTreeSet::new();
        for stored in events {
            match &stored.delivery.content {
                Content::Unread => {
                    let token = stored.delivery.original.subject.rsplit('.').next().unwrap();
                    customers.insert(Customer::from_token(token).unwrap());
                }
                Content::Read(Ok(event)) if !stored.is_poison => {
                    customers.insert(event.customer.clone());
                    if ids.insert((event.customer.clone(), event.fingerprint)) {
                        hands.see(event, stored.delivery.stored);
                        match &event.kind {
                            EventKind::Link(told) => {
                                groups.join(event.customer.as_str(), &told.to);
                            }
                            EventKind::Unlink(_) | EventKind::Identify(_) => {}
                            _ => *adds.entry(event.customer.clone()).or_default() += 1,
                        }
                    }
                }
                Content::Broadcast(_) | Content::Erasure(_) => {}
                Content::Read(_) => world.expect_letter(&stored.delivery, found),
            }
        }
        let customers: Vec<Customer> = customers.into_iter().collect();
        let loaded = world.memory.load(partition as u16, &customers).unwrap();
        for (customer, loaded) in customers.into_iter().zip(loaded) {
            if let Some(loaded) = loaded {
                let twin = revive(customer.clone(), &loaded.state, &loaded.timeline).unwrap();
                found.extend(invariants::violations(&twin));
                if !twin.timers.is_empty() {
                    found.push(format!("{customer} has timers that never fire"));
                }
                twins.insert(customer, twin);
            }
        }
    }
    assert_eq!(world.stream.len(), usize::from(PARTITIONS));
    let counted: BTreeMap<&str, usize> =
        twins.iter().map(|(customer, twin)| (customer.as_str(), count(twin))).collect();
    let (sum, published) = (counted.values().sum::<usize>(), adds.values().sum::<usize>());
    if sum != published {
        found.push(format!("{published} events, {sum} counted: {counted:?} of {adds:?}"));
    }
    if links == Links::Hands {
        hands.check(&twins, &counted, found);
    }
    if links != Links::Only {
        return;
    }
    // Of identifiers that belong together exactly one remembers, and everything.
    let mut members: BTreeMap<String, Vec<&Customer>> = BTreeMap::new();
    for customer in twins.keys() {
        members.entry(groups.find(customer.as_str())).or_default().push(customer);
    }
    for members in members.values() {
        let survivors: Vec<&&Customer> =
            members.iter().filter(|member| twins[**member].linked_to.is_none()).collect();
        let [survivor] = survivors[..] else {
            found.push(format!("of {members:?} these survive: {survivors:?}"));
            continue;
        };
        let expected: usize = members.iter().filter_map(|member| adds.get(*member)).sum();
        if expected != counted[survivor.as_str()] {
            found.push(format!("{survivor} counts not all {expected} of {members:?}"));
        }
    }
}

/// Who has which device, and how often they should have added something.
#[derive(Default)]
struct Hands {
    /// To whom an identifier was linked last, by when that was said.
    owners: BTreeMap<Customer, String>,
    said: BTreeMap<Customer, Time>,
    /// What it gathered while it was nobody's.
    gathered: BTreeMap<Customer, usize>,
    /// What each known customer added.
    expected: BTreeMap<String, usize>,
}

impl Hands {
    /// Takes in an event, in the order of its partition.
    fn see(&mut self, event: &Event, stored: Time) {
        let who = &event.customer;
        let said = event.time.map_or(stored, |told| told.min(stored));
        let is_late = |known: &Time| said < *known;
        match &event.kind {
            EventKind::Link(_) if self.said.get(who).is_some_and(is_late) => {}
            EventKind::Link(told) if !is_known(who) => {
                self.said.insert(who.clone(), said);
                self.owners.insert(who.clone(), told.to.to_string());
                let gathered = self.gathered.remove(who).unwrap_or(0);
                *self.expected.entry(told.to.to_string()).or_default() += gathered;
            }
            EventKind::Track(_) => match self.owners.get(who) {
                Some(owner) => *self.expected.entry(owner.clone()).or_default() += 1,
                None if is_known(who) => {
                    *self.expected.entry(who.to_string()).or_default() += 1;
                }
                None => *self.gathered.entry(who.clone()).or_default() += 1,
            },
            _ => {}
        }
    }

    fn check(
        &self,
        twins: &BTreeMap<Customer, Box<Twin>>,
        counted: &BTreeMap<&str, usize>,
        found: &mut Vec<String>,
    ) {
        for (customer, twin) in twins {
            let linked_to = twin.linked_to.as_ref().map(Customer::as_str);
            let expected = self.owners.get(customer).map(String::as_str);
            if linked_to != expected {
                found.push(format!("{customer} is {linked_to:?}, last linked to {expected:?}"));
            }
            let (name, gathered) = (customer.as_str(), self.gathered.get(customer));
            let expected = self.expected.get(name).or(gathered).copied().unwrap_or(0);
            if counted[name] != expected {
                found.push(format!("{customer} counts {}, not {expected}", counted[name]));
            }
            // It has those identifiers that it was given last.
            let own: Vec<&str> = twin.identifiers.iter().map(|one| one.customer.as_str()).collect();
            let given = self.owners.iter().filter(|(_, owner)| *owner == name);
            let given: Vec<&str> = given.map(|(one, _)| one.as_str()).collect();
            if own != given {
                found.push(format!("{customer} has {own:?}, was given {given:?}"));
            }
        }
    }
}

pub(crate) fn count(twin: &Twin) -> usize {
    let known = twin.profile.preference("adds");
    known.map_or(0, |known| known.choices.iter().map(|choice| choice.count as usize).sum())
}

/// Which identifiers links have put together.
#[derive(Default)]
struct Groups(BTreeMap<String, String>);

impl Groups {
    fn find(&self, one: &str) -> String {
        let mut at = one;
        while let Some(next) = self.0.get(at) {
            at = next;
        }
        at.to_owned()
    }

    /// Puts two together; `false` if they were already.
    fn join(&mut self, one: &str, other: &str) -> bool {
        let (one, other) = (self.find(one), self.find(other));
        let is_new = one != other;
        if is_new {
            self.0.insert(one, other);
        }
        is_new
    }
}
