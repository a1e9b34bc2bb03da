use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::event::{Broadcast, Content, Customer, Delivery, Time};
use crate::past::Past;

/// A sample of customers with their histories, from one read of the stream: those with the smallest
/// hashes of their identifiers. So each customer has the same chance, regardless of activity, and the
/// same stream gives the same sample.
///
/// On a broker without roles, anybody may publish internal messages; such a message adds a customer only
/// after the service has confirmed that it is genuine, otherwise invented customers could displace real
/// ones.
#[derive(Debug)]
pub struct CustomerSample {
    size: usize,
    /// Customers with an event from a channel.
    customers: BTreeMap<Key, Past>,
    /// Earlier internal messages that are missing in their histories; by sequence.
    missing: BTreeMap<Key, Vec<u64>>,
    /// Customers with internal messages only, by sequence.
    doubtful: BTreeMap<Key, Vec<u64>>,
    broadcasts: Vec<(u64, Time, Arc<Broadcast>)>,
    seen: u64,
}

/// The order of customers: by hash, then by identifier.
type Key = (u64, Customer);

fn key(customer: &Customer) -> Key {
    (XxHash3_64::oneshot(customer.as_str().as_bytes()), customer.clone())
}

impl CustomerSample {
    /// A sample of at most this many.
    pub fn new(size: usize) -> CustomerSample {
        CustomerSample {
            size,
            customers: BTreeMap::new(),
            missing: BTreeMap::new(),
            doubtful: BTreeMap::new(),
            broadcasts: Vec::new(),
            seen: 0,
        }
    }

    /// Adds a delivery of the stream, if it is about a customer who may be in the sample.
    pub fn take(&mut self, mut delivery: Delivery) {
        self.seen += 1;
        let (sequence, stored) = (delivery.sequence, delivery.stored);
        if let Content::Broadcast(broadcast) = &delivery.content {
            self.broadcasts.push((sequence, stored, broadcast.clone()));
            return;
        }
        // An event that was unusable then is unusable now.
        let Ok(event) = delivery.read() else { return };
        let key = key(&event.customer);
        if let Some(past) = self.customers.get_mut(&key) {
            past.event(sequence, stored, event.clone());
            return;
        }
        let is_full = self.customers.len() >= self.size;
        if is_full && self.customers.last_key_value().is_none_or(|(last, _)| *last < key) {
            return;
        }
        if event.forwarding.is_some() {
            self.doubtful.entry(key).or_default().push(sequence);
            return;
        }
        if let Some(earlier) = self.doubtful.remove(&key) {
            self.missing.insert(key.clone(), earlier);
        }
        self.customers.entry(key).or_default().event(sequence, stored, event.clone());
        if is_full && let Some((last, _)) = self.customers.pop_last() {
            self.missing.remove(&last);
            if let Some((last, _)) = self.customers.last_key_value() {
                self.doubtful.split_off(last);
            }
        }
    }

    /// The number of messages.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Sequences of internal messages about customers with nothing else: if the service did not write
    /// them, these customers are not in the sample.
    pub fn doubtful(&self) -> Vec<u64> {
        self.doubtful.values().flatten().copied().collect()
    }

    /// Determines the sample: all doubtful messages except the `forged` ones count. Returns the sequences
    /// that are missing in the histories, ascending.
    pub fn settle(&mut self, forged: &[u64]) -> Vec<u64> {
        let forged: BTreeSet<u64> = forged.iter().copied().collect();
        for (key, mut sequences) in std::mem::take(&mut self.doubtful) {
            sequences.retain(|sequence| !forged.contains(sequence));
            if !sequences.is_empty() {
                self.customers.insert(key.clone(), Past::default());
                self.missing.insert(key, sequences);
            }
        }
        while self.customers.len() > self.size
            && let Some((last, _)) = self.customers.pop_last()
        {
            self.missing.remove(&last);
        }
        let mut missing: Vec<u64> = self.missing.values().flatten().copied().collect();
        missing.sort_unstable();
        missing
    }

    /// Adds a missing message to the history of a customer in the sample.
    pub fn add(&mut self, mut delivery: Delivery) {
        let (sequence, stored) = (delivery.sequence, delivery.stored);
        let Ok(event) = delivery.read() else { return };
        if let Some(past) = self.customers.get_mut(&key(&event.customer)) {
            past.event(sequence, stored, event.clone());
        }
    }

    /// The customers and their histories; broadcasts are in all of them.
    pub fn finish(self) -> Vec<(Customer, Past)> {
        let CustomerSample { customers, broadcasts, .. } = self;
        let with_broadcasts = |((_, customer), mut past): (Key, Past)| {
            for (sequence, stored, broadcast) in &broadcasts {
                past.broadcast(*sequence, *stored, broadcast.clone());
            }
            (customer, past)
        };
        customers.into_iter().map(with_broadcasts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Lane, Original};

    /// An event of a customer, from a channel or internal.
    fn delivery(sequence: u64, customer: &str, is_forwarded: bool) -> Delivery {
        let channel = if is_forwarded { "_jumeau" } else { "web" };
        let track = r#""type":"track","data":{"name":"x"}"#;
        let payload = if is_forwarded {
            format!(
                r#"{{"specversion":"1.0","id":"p","source":"jumeau","type":"jumeau.pass","data":{{
                "from":"c","via":["c"],"links":[1],"hops":1,"channel":"web","id":"x",
                "fingerprint":7,{track}}}}}"#
            )
        } else {
            format!("{{{track}}}")
        };
        let subject = format!("jumeau.events.{channel}.{customer}").into();
        let original =
            Original { subject, headers: [].into_iter().collect(), payload: payload.into() };
        let stored = Time::from_ms(1_760_000_000_000 + sequence.cast_signed());
        let content = Content::Unread;
        Delivery { sequence, lane: Lane::Main, partition: 0, stored, content, original }
    }

    /// The identifiers in a sample of this size, and the number of inputs of each, if these messages are
    /// forged.
    fn sampled(size: usize, all: &[Delivery], forged: &[u64]) -> Vec<(String, usize)> {
        let mut sample = CustomerSample::new(size);
        all.iter().for_each(|one| sample.take(one.clone()));
        let missing = sample.settle(forged);
        let missing = all.iter().filter(|one| missing.contains(&one.sequence));
        missing.for_each(|one| sample.add(one.clone()));
        let found = sample.finish().into_iter();
        found.map(|(customer, past)| (customer.to_string(), past.len())).collect()
    }

    #[test]
    fn forged_customers_take_no_place_in_the_sample() {
        let honest: Vec<Delivery> =
            (1..=40).map(|number| delivery(number, &format!("c{}", number % 20), false)).collect();
        let expected = sampled(5, &honest, &[]);
        assert_eq!(expected.len(), 5);
        let forged: Vec<Delivery> =
            (41..=400).map(|number| delivery(number, &format!("x{number}"), true)).collect();
        let sequences: Vec<u64> = forged.iter().map(|one| one.sequence).collect();
        let behind = [honest.clone(), forged.clone()].concat();
        let before = [forged.clone(), honest].concat();
        assert_eq!(sampled(5, &behind, &sequences), expected);
        assert_eq!(sampled(5, &before, &sequences), expected);
        // If the service wrote them, each customer has the same chance.
        let written = sampled(400, &behind, &[]);
        assert_eq!(written.len(), 20 + forged.len());
        assert!(sampled(20, &behind, &[]).iter().any(|(name, _)| name.starts_with('x')));
    }

    #[test]
    fn a_customer_whose_first_messages_are_internal_has_a_full_history() {
        let all = [
            delivery(1, "ann", true),
            delivery(2, "ann", false),
            delivery(3, "ann", true),
            delivery(4, "bob", true),
        ];
        assert_eq!(sampled(9, &all, &[4]), [("ann".to_owned(), 3)]);
        let both = sampled(9, &all, &[]);
        assert!(both.contains(&("ann".to_owned(), 3)) && both.contains(&("bob".to_owned(), 1)));
    }
}
