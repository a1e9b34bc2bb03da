//! Customers who were erased, by keyed hashes: what comes late for them is dropped.

use std::fmt;

use hashbrown::HashMap;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::limits;
use crate::event::{Customer, Event, Kind, Time};
use crate::store::{Pseudonym, Tombstone};
use crate::twin::{Cause, Input};

/// What marks are made with. Whoever has it can tell whether a mark is of a customer whom they can
/// name, and so it never leaves the store.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret {
    key: [u8; 32],
    is_log_plain: bool,
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Secret").finish_non_exhaustive()
    }
}

impl Secret {
    /// The secret of a store.
    pub fn new(key: [u8; 32]) -> Secret {
        Secret { key, is_log_plain: false }
    }

    /// The same, for a service whose operator wants customers named in the log as they are.
    pub fn with_plain_log(self, is_log_plain: bool) -> Secret {
        Secret { is_log_plain, ..self }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// What a customer is called in the log: the beginning of their mark, unless the operator wants
    /// it otherwise. Nothing else may name a customer there.
    pub fn in_log(&self, customer: &Customer) -> String {
        if self.is_log_plain {
            return customer.to_string();
        }
        let mark = self.mark(customer);
        format!("~{}", hex::encode(&mark.0[..8]))
    }

    /// What stands for a customer who was erased: the first half of the HMAC-SHA-256 (RFC 2104) of
    /// the identifier.
    pub fn mark(&self, customer: &Customer) -> Pseudonym {
        Pseudonym(self.hash(customer.as_str().as_bytes()))
    }

    /// The first half of the HMAC-SHA-256 (RFC 2104) of a text.
    #[expect(clippy::expect_used, reason = "the message names the invariant")]
    pub fn hash(&self, text: &[u8]) -> [u8; 16] {
        let mut hash =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("a key may have any length");
        hash.update(text);
        let whole: [u8; 32] = hash.finalize().into_bytes().into();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        half
    }
}

/// The tombstones of a partition.
#[derive(Debug)]
pub(super) struct Tombstones {
    secret: Secret,
    known: HashMap<Pseudonym, Tombstone>,
}

impl Tombstones {
    pub(super) fn recovered(secret: Secret, known: Vec<(Pseudonym, Tombstone)>) -> Tombstones {
        Tombstones { secret, known: known.into_iter().collect() }
    }

    pub(super) fn mark(&self, customer: &Customer) -> Pseudonym {
        self.secret.mark(customer)
    }

    /// What the service knows its own messages by.
    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// What a customer is called in the log.
    pub(super) fn in_log(&self, customer: &Customer) -> String {
        self.secret.in_log(customer)
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The tombstone of a customer who is not to come back by `now`.
    pub(super) fn of(&self, customer: &Customer, now: Time) -> Option<&Tombstone> {
        // Most partitions never had to erase anybody, and a hash costs more than reading an event.
        if self.known.is_empty() {
            return None;
        }
        self.known.get(&self.mark(customer)).filter(|tombstone| now < tombstone.until)
    }

    /// A customer is erased. Returns the mark of one who was erased longest ago, and is forgotten
    /// because there are too many.
    pub(super) fn put(&mut self, mark: Pseudonym, tombstone: Tombstone) -> Option<Pseudonym> {
        self.known.insert(mark, tombstone);
        if self.known.len() <= limits::TOMBSTONES {
            return None;
        }
        let oldest = self.known.iter().min_by_key(|(_, known)| known.until).map(|(mark, _)| *mark);
        self.known.remove(&oldest?);
        oldest
    }

    pub(super) fn remove(&mut self, mark: Pseudonym) {
        self.known.remove(&mark);
    }

    /// Those whose time is over by `now`, and who are no longer known from here on.
    pub(super) fn expire(&mut self, now: Time) -> Vec<Pseudonym> {
        let over = |tombstone: &Tombstone| tombstone.until <= now;
        self.known.extract_if(|_, tombstone| over(tombstone)).map(|(mark, _)| mark).collect()
    }
}

/// Whether somebody who was erased comes back by this input, and says so: neither a late event nor
/// a copy of an early one does.
pub(super) fn begins_anew(input: &Input, tombstone: &Tombstone) -> bool {
    let Cause::Event(Event { kind: Kind::Identify(told), time, .. }) = &input.cause else {
        return false;
    };
    told.anew && time.is_some_and(|time| time > tombstone.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ErasureId;

    fn at(until: i64) -> Tombstone {
        let (at, until) = (Time::from_ms(0), Time::from_ms(until));
        Tombstone { id: ErasureId(1), at, until }
    }

    #[test]
    fn a_mark_is_the_same_for_the_same_customer_and_secret_only() {
        let (ada, bob) = (Customer::new("ada").unwrap(), Customer::new("bob").unwrap());
        let (one, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        assert_eq!(one.mark(&ada), one.mark(&ada));
        assert_ne!(one.mark(&ada), one.mark(&bob));
        assert_ne!(one.mark(&ada), other.mark(&ada));
    }

    #[test]
    fn the_log_does_not_name_customers_unless_it_is_wanted() {
        let ada = Customer::new("ada").unwrap();
        let secret = Secret::new([1; 32]);
        let name = secret.in_log(&ada);
        assert!(name.starts_with('~') && name.len() == 17, "{name}");
        assert!(!format!("{secret:?}").contains('1'), "nor does anything tell the secret");
        assert_eq!(secret.with_plain_log(true).in_log(&ada), "ada");
    }

    #[test]
    fn a_tombstone_holds_until_its_time_is_over() {
        let ada = Customer::new("ada").unwrap();
        let mut tombstones = Tombstones::recovered(Secret::default(), Vec::new());
        let mark = tombstones.mark(&ada);
        assert_eq!(tombstones.put(mark, at(10)), None);
        assert!(tombstones.of(&ada, Time::from_ms(9)).is_some());
        assert!(tombstones.of(&ada, Time::from_ms(10)).is_none());
        assert_eq!(tombstones.expire(Time::from_ms(9)), []);
        assert_eq!(tombstones.expire(Time::from_ms(10)), [mark]);
        assert_eq!(tombstones.len(), 0);
    }
}
