//! Customers are erased in the middle of everything: whatever fails, nothing of them is left in the
//! store, and nothing that comes late brings them back.

use std::collections::BTreeSet;

use jumeau::event::{
    Content, Customer, Delivery, Erasure, ErasureId, Headers, INTERNAL, Original, Output,
};
use jumeau::partition::Secret;
use jumeau::store::{Pseudonym, Read, Table};
use rand::RngExt;
use rand::rngs::StdRng;

use super::stream::{Stored, partition_of};
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
            // With room before it for what twins pass on, and behind it.
            sequence: before.delivery.sequence + 200 * (number + 1),
            partition,
            stored: before.delivery.stored,
            original: original(&Erasure::wanted(customer.clone(), id)),
            content: Content::Erasure(Erasure::wanted(customer, id)),
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

/// The message that says so, as the service writes it.
fn original(erasure: &Erasure) -> Original {
    let mark = Secret::default().message_mark(&erasure.customer, Some(erasure), b"");
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
    let secret = Secret::default();
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
        let (marks, mut late) = (marks(partition), world.memory.late(partition).unwrap());
        late.sort_unstable();
        let mut gone: BTreeSet<Customer> = BTreeSet::new();
        for stored in events {
            let sequence = stored.delivery.sequence;
            let token = stored.delivery.original.subject.rsplit('.').next().unwrap();
            if let Content::Erasure(erasure) = &stored.delivery.content {
                if !marks.contains(&secret.mark(&erasure.customer)) {
                    found.push(format!("no row says that {} was erased", erasure.customer));
                }
                if is_marked(&erasure.customer) {
                    gone.insert(erasure.customer.clone());
                } else if erasure.link.is_none() {
                    found.push(format!("{} was not erased", erasure.customer));
                }
            } else if gone.iter().any(|customer| customer.token() == token)
                && late.binary_search(&sequence).is_err()
            {
                found.push(format!("event {sequence} came late for {token} and stays"));
            }
        }
    }
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Erasures) {
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
