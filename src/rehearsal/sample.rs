use std::collections::BTreeMap;
use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::event::{Broadcast, Content, Customer, Delivery, Time};
use crate::past::Past;

/// A sample of customers with their pasts, in one reading of the stream: those whose names have the
/// least hashes. So everybody has the same chance, however much happens to them, and the same
/// stream gives the same sample.
#[derive(Debug)]
pub struct Sample {
    size: usize,
    customers: BTreeMap<(u64, Customer), Past>,
    broadcasts: Vec<(u64, Time, Arc<Broadcast>)>,
    seen: u64,
}

impl Sample {
    /// A sample of at most so many.
    pub fn new(size: usize) -> Sample {
        let customers = BTreeMap::new();
        Sample { size, customers, broadcasts: Vec::new(), seen: 0 }
    }

    /// Takes a delivery of the stream in, if it is about somebody of the sample.
    pub fn take(&mut self, mut delivery: Delivery) {
        self.seen += 1;
        let (sequence, stored) = (delivery.sequence, delivery.stored);
        if let Content::Broadcast(told) = &delivery.content {
            self.broadcasts.push((sequence, stored, told.clone()));
            return;
        }
        // What could not be used then cannot be used now.
        let Ok(event) = delivery.read() else { return };
        let hash = XxHash3_64::oneshot(event.customer.as_str().as_bytes());
        let key = (hash, event.customer.clone());
        let is_full = self.customers.len() >= self.size;
        if is_full && !self.customers.contains_key(&key) {
            let Some(last) = self.customers.last_entry() else { return };
            if *last.key() < key {
                return;
            }
            last.remove();
        }
        self.customers.entry(key).or_default().event(sequence, stored, event.clone());
    }

    /// How many messages there were.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The customers and their pasts; what was told to everybody is in all of them.
    pub fn finish(self) -> Vec<(Customer, Past)> {
        let Sample { customers, broadcasts, .. } = self;
        let with_broadcasts = |((_, customer), mut past): ((u64, Customer), Past)| {
            for (sequence, stored, told) in &broadcasts {
                past.broadcast(*sequence, *stored, told.clone());
            }
            (customer, past)
        };
        customers.into_iter().map(with_broadcasts).collect()
    }
}
