use std::time::Duration;

use lru::LruCache;

use super::host::Bounds;
use crate::event::{Customer, Time};

/// The twins of a partition in memory: active ones, and resting ones, which have had no input for a
/// while. The least recently used is passivated first.
pub(super) struct TwinCache<A> {
    active: LruCache<Customer, CachedTwin<A>>,
    resting: LruCache<Customer, CachedTwin<A>>,
    bytes: u64,
    /// The time of the last housekeeping, by which idle twins are chosen.
    tidied: Time,
}

/// A twin in memory.
pub(super) struct CachedTwin<A> {
    pub(super) address: A,
    /// Its approximate size in bytes.
    bytes: u32,
    /// The last commit that contains a change of it.
    ticket: u64,
    /// When it was last active, by the same clock.
    tidied: Time,
}

impl<A> TwinCache<A> {
    pub(super) fn new() -> TwinCache<A> {
        TwinCache {
            active: LruCache::unbounded(),
            resting: LruCache::unbounded(),
            bytes: 0,
            tidied: Time::MIN,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.active.len() + self.resting.len()
    }

    /// The number of resting twins.
    pub(super) fn resting(&self) -> usize {
        self.resting.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The address of a twin, if it is in memory.
    pub(super) fn address(&self, customer: &Customer) -> Option<&A> {
        let resident = self.active.peek(customer).or_else(|| self.resting.peek(customer));
        resident.map(|resident| &resident.address)
    }

    /// Adds a twin that was loaded for a commit.
    pub(super) fn enter(&mut self, customer: Customer, address: A, ticket: u64) {
        let resident = CachedTwin { address, bytes: 0, ticket, tidied: self.tidied };
        self.active.put(customer, resident);
    }

    /// Marks a twin as needed for a commit, before which it is not passivated; `false` if it is not in
    /// memory.
    pub(super) fn claim(&mut self, customer: &Customer, ticket: u64) -> bool {
        let tidied = self.tidied;
        if let Some(resident) = self.active.get_mut(customer) {
            (resident.ticket, resident.tidied) = (ticket, tidied);
            return true;
        }
        let Some((customer, mut resident)) = self.resting.pop_entry(customer) else { return false };
        (resident.ticket, resident.tidied) = (ticket, tidied);
        self.active.put(customer, resident);
        true
    }

    /// Records the size of a twin.
    pub(super) fn weigh(&mut self, customer: &Customer, bytes: u32) {
        let resident = match self.active.peek_mut(customer) {
            Some(resident) => Some(resident),
            None => self.resting.peek_mut(customer),
        };
        if let Some(resident) = resident {
            self.bytes = self.bytes - u64::from(resident.bytes) + u64::from(bytes);
            resident.bytes = bytes;
        }
    }

    /// Records the size of a resting twin, unless it is active again already.
    pub(super) fn weigh_resting(&mut self, customer: &Customer, bytes: u32) {
        if self.resting.contains(customer) {
            self.weigh(customer, bytes);
        }
    }

    /// Removes a twin.
    pub(super) fn remove(&mut self, customer: &Customer) {
        if let Some(gone) = self.active.pop(customer).or_else(|| self.resting.pop(customer)) {
            self.bytes -= u64::from(gone.bytes);
        }
    }

    /// Sets the time to `now`; returns the twins, at most `limit`, that have not been active for longer
    /// than `after` and rest from now on.
    pub(super) fn tidy(&mut self, now: Time, after: Duration, limit: usize) -> Vec<Customer> {
        self.tidied = now;
        let mut coldest = Vec::new();
        while coldest.len() < limit
            && let Some((_, next)) = self.active.peek_lru()
            && now.since(next.tidied) > after
            && let Some((customer, resident)) = self.active.pop_lru()
        {
            coldest.push(customer.clone());
            self.resting.put(customer, resident);
        }
        coldest
    }

    /// Passivates the least recently used twin if there are too many; one that is not completely durable
    /// stays.
    pub(super) fn passivate(&mut self, bounds: &Bounds, durable: u64) -> bool {
        if self.len() <= bounds.resident_twins_max && self.bytes <= bounds.resident_bytes_max as u64
        {
            return false;
        }
        let from = if self.resting.is_empty() { &mut self.active } else { &mut self.resting };
        if from.peek_lru().is_none_or(|(_, coldest)| coldest.ticket > durable) {
            return false;
        }
        if let Some((_, gone)) = from.pop_lru() {
            self.bytes -= u64::from(gone.bytes);
        }
        true
    }
}
