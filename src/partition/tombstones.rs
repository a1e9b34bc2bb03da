//! Tombstones of erased customers, by keyed hashes: events that come after the erasure are dropped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use sha2::Sha256;

use crate::config::limits;
use crate::event::{Customer, ErasureId, Event, EventKind, Time};
use crate::tables::{Pseudonym, Tombstone};
use crate::twin::{Cause, Input};

/// The secret for marks and pseudonyms. With it, a pseudonym can be matched to a known identifier, so it
/// never leaves the store.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct StoreSecret {
    key: [u8; 32],
    is_log_plain: bool,
}

impl fmt::Debug for StoreSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Secret").finish_non_exhaustive()
    }
}

impl StoreSecret {
    /// The secret of a store.
    pub fn new(key: [u8; 32]) -> StoreSecret {
        StoreSecret { key, is_log_plain: false }
    }

    /// The same, for a service whose operator wants customers named in the log.
    pub fn with_plain_log(self, is_log_plain: bool) -> StoreSecret {
        StoreSecret { is_log_plain, ..self }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The name of a customer in the log: the beginning of their pseudonym, unless the operator wants the
    /// identifier. Nothing else may name a customer there.
    pub fn in_log(&self, customer: &Customer) -> String {
        if self.is_log_plain {
            return customer.to_string();
        }
        let mark = self.mark(customer);
        format!("~{}", hex::encode(&mark.0[..8]))
    }

    /// The pseudonym of a customer: the first half of the HMAC-SHA-256 (RFC 2104) of the identifier.
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

/// The customers who were erased and have not returned, of all partitions of a process. An event of one
/// partition may name a customer of another: an unusable one is kept with that name, unless the customer
/// is among these. A clone is the same set.
#[derive(Debug, Clone, Default)]
pub struct ErasedMarks(Arc<RwLock<HashSet<Pseudonym>>>);

impl PartialEq for ErasedMarks {
    fn eq(&self, other: &ErasedMarks) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || *self.0.read() == *other.0.read()
    }
}

impl ErasedMarks {
    fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    fn contains(&self, mark: Pseudonym) -> bool {
        self.0.read().contains(&mark)
    }

    fn add(&self, marks: impl IntoIterator<Item = Pseudonym>) {
        self.0.write().extend(marks);
    }

    fn remove(&self, marks: &[Pseudonym]) {
        if !marks.is_empty() {
            let mut known = self.0.write();
            for mark in marks {
                known.remove(mark);
            }
        }
    }
}

/// The maximum of earlier erasure ids kept per customer.
const EARLIER: usize = 16;

/// The tombstones of a partition.
#[derive(Debug)]
pub(super) struct Tombstones {
    secret: StoreSecret,
    known: HashMap<Pseudonym, Tombstone>,
    /// Those of them who have not returned, and those of all other partitions.
    everywhere: ErasedMarks,
    /// Everything up to this stream sequence is processed in all partitions.
    taken_in: u64,
    /// The latest erasure of any customer who has returned since: statements after it are not late.
    last_lifted: Time,
    /// Customers who were only forgotten, because they had not been seen for long: the erasure id, and
    /// until when the store may not have the deletion yet. Not stored: after a crash the store has the
    /// deletion, or nothing was forgotten.
    forgotten: HashMap<Pseudonym, (ErasureId, Time)>,
}

impl Tombstones {
    pub(super) fn recovered(
        secret: StoreSecret,
        known: Vec<(Pseudonym, Tombstone)>,
        everywhere: ErasedMarks,
    ) -> Tombstones {
        let erased = known.iter().filter(|(_, tombstone)| !tombstone.is_lifted);
        everywhere.add(erased.map(|(mark, _)| *mark));
        let (known, forgotten) = (known.into_iter().collect(), HashMap::new());
        let (taken_in, last_lifted) = (0, Time::MIN);
        let mut found = Tombstones { secret, known, everywhere, taken_in, last_lifted, forgotten };
        found.find_last_lifted();
        found
    }

    pub(super) fn mark(&self, customer: &Customer) -> Pseudonym {
        self.secret.mark(customer)
    }

    /// The secret by which the service recognises its own messages.
    pub(super) fn secret(&self) -> &StoreSecret {
        &self.secret
    }

    /// The name of a customer in the log.
    pub(super) fn in_log(&self, customer: &Customer) -> String {
        self.secret.in_log(customer)
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The tombstone of a customer who has not returned by `now`.
    pub(super) fn of(&self, customer: &Customer, now: Time) -> Option<&Tombstone> {
        self.known(customer, now).filter(|tombstone| !tombstone.is_lifted)
    }

    /// Whether this erasure was already applied to a customer, also if they have returned since.
    pub(super) fn is_erased_by(&self, customer: &Customer, id: ErasureId, now: Time) -> bool {
        let forgotten = self.forgotten(customer, now) == Some(id);
        forgotten || self.known(customer, now).is_some_and(|known| known.is_of(id))
    }

    /// The tombstone of a customer, also if they have returned since.
    pub(super) fn known(&self, customer: &Customer, now: Time) -> Option<&Tombstone> {
        // Most partitions have no tombstones, and a hash costs more than parsing an event.
        if self.known.is_empty() {
            return None;
        }
        self.known.get(&self.mark(customer)).filter(|tombstone| self.holds(tombstone, now))
    }

    /// Whether a tombstone has not expired, or something that was sent before it is still to come.
    fn holds(&self, tombstone: &Tombstone, now: Time) -> bool {
        now < tombstone.until || self.taken_in < tombstone.sequence
    }

    /// Sets the stream sequence up to which all partitions have processed everything.
    pub(super) fn set_taken_in(&mut self, sequence: u64) {
        self.taken_in = sequence;
    }

    /// Adds a tombstone. Returns the oldest one if it was dropped because there are too many.
    pub(super) fn put(&mut self, mark: Pseudonym, tombstone: Tombstone) -> Option<Pseudonym> {
        self.known.insert(mark, tombstone);
        self.everywhere.add([mark]);
        self.forgotten.remove(&mark);
        if self.known.len() <= limits::TOMBSTONES {
            return None;
        }
        let oldest = self.known.iter().min_by_key(|(_, known)| known.until).map(|(mark, _)| *mark);
        self.known.remove(&oldest?);
        self.everywhere.remove(oldest.as_slice());
        oldest
    }

    /// The tombstone of a customer who is erased by `id` at this stream sequence, with what is known of
    /// earlier erasures.
    pub(super) fn next(
        &self,
        mark: Pseudonym,
        id: ErasureId,
        (at, until): (Time, Time),
        sequence: u64,
    ) -> Tombstone {
        let mut earlier = Vec::new();
        if let Some(before) = self.known.get(&mark).filter(|before| self.holds(before, at)) {
            earlier.clone_from(&before.earlier);
            earlier.push(before.id);
            let most = earlier.len().saturating_sub(EARLIER);
            earlier.drain(..most);
        }
        Tombstone { id, at, until, is_lifted: false, earlier, sequence }
    }

    /// Lifts the tombstone of a customer who has returned and made a statement. Returns its pseudonym, if
    /// there was one.
    pub(super) fn lift(&mut self, customer: &Customer) -> Option<Pseudonym> {
        let mark = self.mark(customer);
        let tombstone = self.known.get_mut(&mark)?;
        tombstone.is_lifted = true;
        self.last_lifted = self.last_lifted.max(tombstone.at);
        self.everywhere.remove(&[mark]);
        Some(mark)
    }

    /// Whether any customer, in any partition, was erased and has not returned.
    pub(super) fn is_anybody_erased(&self) -> bool {
        !self.everywhere.is_empty()
    }

    /// Whether this customer, of any partition, was erased and has not returned by `now`.
    pub(super) fn is_erased(&self, customer: &Customer, now: Time) -> bool {
        let mark = self.mark(customer);
        match self.known.get(&mark) {
            Some(tombstone) => self.holds(tombstone, now) && !tombstone.is_lifted,
            None => self.everywhere.contains(mark),
        }
    }

    /// Whether an input may be from before the erasure of a customer who has returned since. Most are
    /// not, and a pseudonym costs more than parsing an event.
    pub(super) fn may_be_of_before(&self, input: &Input) -> bool {
        is_of_before(input, self.last_lifted).is_some()
    }

    fn find_last_lifted(&mut self) {
        let lifted = self.known.values().filter(|tombstone| tombstone.is_lifted);
        self.last_lifted = lifted.map(|tombstone| tombstone.at).max().unwrap_or(Time::MIN);
    }

    pub(super) fn by_mark(&self, mark: Pseudonym) -> Option<&Tombstone> {
        self.known.get(&mark)
    }

    /// Marks a customer as forgotten, for whom the store need not be asked until then.
    pub(super) fn forget(&mut self, mark: Pseudonym, id: ErasureId, until: Time) {
        self.forgotten.insert(mark, (id, until));
    }

    /// The erasure of a forgotten customer, whose deletion the store may not have yet.
    pub(super) fn forgotten(&self, customer: &Customer, now: Time) -> Option<ErasureId> {
        if self.forgotten.is_empty() {
            return None;
        }
        let (id, until) = self.forgotten.get(&self.mark(customer))?;
        (now < *until).then_some(*id)
    }

    /// Removes and returns the tombstones that have expired by `now`.
    pub(super) fn expire(&mut self, now: Time) -> Vec<Pseudonym> {
        self.forgotten.retain(|_, (_, until)| now < *until);
        let taken_in = self.taken_in;
        let over = |one: &Tombstone| one.until <= now && one.sequence <= taken_in;
        let gone: Vec<Pseudonym> =
            self.known.extract_if(|_, tombstone| over(tombstone)).map(|(mark, _)| mark).collect();
        if !gone.is_empty() {
            self.find_last_lifted();
            self.everywhere.remove(&gone);
        }
        gone
    }

    /// Extends the tombstones before which something was sent that is still to come: its consequences
    /// come even later. They are extended to `remember` after everything is processed, or up to an eighth
    /// less, so that their rows are rarely rewritten. Returns them.
    pub(super) fn prolong(&mut self, now: Time, remember: Duration) -> Vec<Pseudonym> {
        let taken_in = self.taken_in;
        let least = now + (remember - remember / 8);
        let waits = |one: &Tombstone| taken_in < one.sequence && one.until < least;
        let waiting = self.known.iter_mut().filter(|(_, tombstone)| waits(tombstone));
        waiting
            .map(|(mark, tombstone)| {
                tombstone.until = now + remember;
                *mark
            })
            .collect()
    }
}

/// Whether an erased customer returns with this input, by a statement of their own: a late event or a
/// copy of an early one does not count, whatever the clock of its channel shows.
pub(super) fn returns_after_erasure(input: &Input, tombstone: &Tombstone) -> bool {
    let Cause::Event(Event { kind: EventKind::Identify(data), time, .. }) = &input.cause else {
        return false;
    };
    data.anew && time.is_some() && input.since() > tombstone.at
}

/// Why an input belongs to the time before an erasure of a customer who has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErasedPast {
    /// Its statement is older, or another identifier forwarded it before.
    Stated,
    /// It moves the memory of another identifier, by an older statement, or moved it before the erasure:
    /// so that identifier was the same customer then.
    Moved,
}

/// Whether, and why, an input belongs to the time up to an erasure `at` a moment. It may arrive long
/// after it: a channel was offline, or its events waited in the slow lane.
pub(super) fn is_of_before(input: &Input, at: Time) -> Option<ErasedPast> {
    let Cause::Event(event) = &input.cause else { return None };
    let forwarding = event.forwarding.as_deref();
    let was_forwarded = forwarding.and_then(|one| one.at).is_some_and(|moment| moment <= at);
    match forwarding.and_then(|one| one.carried.as_ref()) {
        Some(carried) => (was_forwarded || carried.stated_at <= at).then_some(ErasedPast::Moved),
        None => (was_forwarded || input.since() <= at).then_some(ErasedPast::Stated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(until: i64) -> Tombstone {
        let (at, until) = (Time::from_ms(0), Time::from_ms(until));
        let earlier = Vec::new();
        Tombstone { id: ErasureId(1), at, until, is_lifted: false, earlier, sequence: 0 }
    }

    #[test]
    fn a_mark_is_the_same_for_the_same_customer_and_secret_only() {
        let (ada, bob) = (Customer::new("ada").unwrap(), Customer::new("bob").unwrap());
        let (one, other) = (StoreSecret::new([1; 32]), StoreSecret::new([2; 32]));
        assert_eq!(one.mark(&ada), one.mark(&ada));
        assert_ne!(one.mark(&ada), one.mark(&bob));
        assert_ne!(one.mark(&ada), other.mark(&ada));
    }

    #[test]
    fn the_log_names_customers_only_if_the_setting_allows_it() {
        let ada = Customer::new("ada").unwrap();
        let secret = StoreSecret::new([1; 32]);
        let name = secret.in_log(&ada);
        assert!(name.starts_with('~') && name.len() == 17, "{name}");
        assert!(!format!("{secret:?}").contains('1'), "nor does anything tell the secret");
        assert_eq!(secret.with_plain_log(true).in_log(&ada), "ada");
    }

    #[test]
    fn a_tombstone_holds_until_it_expires() {
        let ada = Customer::new("ada").unwrap();
        let mut tombstones =
            Tombstones::recovered(StoreSecret::default(), Vec::new(), ErasedMarks::default());
        let mark = tombstones.mark(&ada);
        assert_eq!(tombstones.put(mark, at(10)), None);
        assert!(tombstones.of(&ada, Time::from_ms(9)).is_some());
        assert!(tombstones.of(&ada, Time::from_ms(10)).is_none());
        assert_eq!(tombstones.expire(Time::from_ms(9)), []);
        assert_eq!(tombstones.expire(Time::from_ms(10)), [mark]);
        assert_eq!(tombstones.len(), 0);
    }

    #[test]
    fn a_tombstone_holds_until_all_earlier_events_are_taken_in_and_its_period_has_passed() {
        let (ada, remember) = (Customer::new("ada").unwrap(), Duration::from_millis(80));
        let mut tombstones =
            Tombstones::recovered(StoreSecret::default(), Vec::new(), ErasedMarks::default());
        let mark = tombstones.mark(&ada);
        tombstones.put(mark, Tombstone { sequence: 7, ..at(80) });
        tombstones.set_taken_in(6);
        let moment = Time::from_ms;
        assert_eq!(tombstones.prolong(moment(10), remember), [], "that takes a while");
        // The clock may advance far at once.
        assert!(tombstones.of(&ada, moment(1_000)).is_some());
        assert_eq!(tombstones.expire(moment(1_000)), []);
        assert_eq!(tombstones.prolong(moment(1_000), remember), [mark]);
        assert_eq!(tombstones.prolong(moment(1_010), remember), [], "not again at once");
        tombstones.set_taken_in(7);
        assert!(tombstones.of(&ada, moment(1_079)).is_some());
        assert_eq!(tombstones.prolong(moment(1_079), remember), []);
        assert_eq!(tombstones.expire(moment(1_080)), [mark]);
    }

    #[test]
    fn a_lifted_tombstone_drops_no_event_and_keeps_its_erasures() {
        let ada = Customer::new("ada").unwrap();
        let mut tombstones =
            Tombstones::recovered(StoreSecret::default(), Vec::new(), ErasedMarks::default());
        let (mark, now) = (tombstones.mark(&ada), Time::from_ms(5));
        tombstones.put(mark, at(10));
        assert_eq!(tombstones.lift(&ada), Some(mark));
        assert!(tombstones.of(&ada, now).is_none());
        assert!(tombstones.known(&ada, now).unwrap().is_of(ErasureId(1)));
        // After a second erasure the customer still does not return, and both erasures are known.
        let next = tombstones.next(mark, ErasureId(2), (now, Time::from_ms(20)), 0);
        tombstones.put(mark, next);
        let known = tombstones.of(&ada, now).unwrap();
        assert!([1, 2].map(ErasureId).iter().all(|id| known.is_of(*id)));
        for id in 3..100 {
            let next = tombstones.next(mark, ErasureId(id), (now, Time::from_ms(20)), 0);
            tombstones.put(mark, next);
        }
        assert_eq!(tombstones.of(&ada, now).unwrap().earlier.len(), EARLIER);
    }

    #[test]
    fn every_partition_knows_customers_erased_in_another_until_they_return_or_expire() {
        let [ada, bob] = ["ada", "bob"].map(|name| Customer::new(name).unwrap());
        let everywhere = ErasedMarks::default();
        let recovered =
            |known| Tombstones::recovered(StoreSecret::default(), known, everywhere.clone());
        let other = recovered(Vec::new());
        let mut own = recovered(vec![(other.mark(&ada), at(10))]);
        own.put(own.mark(&bob), at(20));
        let now = Time::from_ms(5);
        assert!(other.is_anybody_erased());
        assert!([&ada, &bob].iter().all(|one| other.is_erased(one, now)));
        own.lift(&ada);
        assert!(!other.is_erased(&ada, now) && other.is_erased(&bob, now));
        own.expire(Time::from_ms(20));
        assert!(!other.is_anybody_erased());
    }

    #[test]
    fn a_forgotten_customer_has_no_tombstone() {
        let ada = Customer::new("ada").unwrap();
        let mut tombstones =
            Tombstones::recovered(StoreSecret::default(), Vec::new(), ErasedMarks::default());
        tombstones.forget(tombstones.mark(&ada), ErasureId(1), Time::from_ms(10));
        assert_eq!(tombstones.forgotten(&ada, Time::from_ms(9)), Some(ErasureId(1)));
        assert_eq!(tombstones.forgotten(&ada, Time::from_ms(10)), None);
        assert!(tombstones.known(&ada, Time::from_ms(9)).is_none());
        assert_eq!(tombstones.expire(Time::from_ms(10)), []);
        assert!(tombstones.forgotten.is_empty());
    }
}
