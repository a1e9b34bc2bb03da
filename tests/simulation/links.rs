//! Identifiers that turn out to be one customer, and those that turn out not to be: whatever fails,
//! every event is counted exactly once.

use std::collections::{BTreeMap, BTreeSet};

use jumeau::event::{Content, Customer, Erasure, Headers, Kind, Original, Output};
use jumeau::partition::revive;
use jumeau::store::Read;
use jumeau::twin::{Twin, invariants};
use rand::rngs::StdRng;

use super::stream::{Stored, insert};
use super::world::{PARTITIONS, World};

/// What of identity happens in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Nothing.
    None,
    /// Links; and the broker sometimes forgets an id that it has had.
    Only,
    /// Links, and unlinks.
    Undone,
}

/// Fewer than the limit, which is a story of its own.
pub(crate) const LINKS_MAX: usize = 12;
/// So few of each partition that links meet.
pub(crate) const CUSTOMERS_LINKED: usize = 3;
/// What a twin passes on.
pub(crate) fn store(
    stream: &mut [Vec<Stored>],
    delivered: &[usize],
    output: &Output,
    rng: &mut StdRng,
) {
    let token = output.subject.rsplit('.').next().unwrap();
    let customer = Customer::from_token(token).unwrap();
    let headers = output.headers.iter().map(|(name, value)| (&**name, &**value));
    let headers: Headers = headers.collect();
    let original =
        Original { subject: output.subject.clone(), headers, payload: output.payload.clone() };
    let content = Erasure::read(&original).map_or(Content::Unread, Content::Erasure);
    insert(stream, delivered, &customer, content, original, rng);
}

/// Every promise that does not hold.
pub(crate) fn check(world: &World, links: Links, found: &mut Vec<String>) {
    let mut twins: BTreeMap<Customer, Box<Twin>> = BTreeMap::new();
    let mut adds: BTreeMap<Customer, usize> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut groups = Groups::default();
    // Where a circle of links closes on its way, a copy may come past the memory that knows it.
    let (mut copies, mut is_circle) = (world.seen.doubled as usize, false);
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
                        match &event.kind {
                            Kind::Link(told) => {
                                is_circle |= !groups.join(event.customer.as_str(), &told.to);
                            }
                            Kind::Unlink(_) => {}
                            _ => *adds.entry(event.customer.clone()).or_default() += 1,
                        }
                    } else {
                        copies += 1;
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
    let most = |published: usize| published + if is_circle { copies } else { 0 };
    if !(published..=most(published)).contains(&sum) {
        found.push(format!("{published} events, {sum} counted: {counted:?} of {adds:?}"));
    }
    if links == Links::Undone {
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
        if !(expected..=most(expected)).contains(&counted[survivor.as_str()]) {
            found.push(format!("{survivor} counts not all {expected} of {members:?}"));
        }
    }
}

fn count(twin: &Twin) -> usize {
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
