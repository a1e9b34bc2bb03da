//! Merging the memories of two identifiers.
//!
//! Every rule is commutative and associative, so the order of links does not matter: the newest value
//! wins (on a tie, the greater text), counts are added, sets are united. Beyond a limit, entries are
//! evicted by [`Mergeable::rank`]; then the order can matter, because evicted entries cannot return.

use std::cmp::Reverse;

use serde::Serialize;

use super::dates::DatedValue;
use super::memory::PastEntry;
use super::reaction::Notes;
use super::{
    Activity, Case, Consent, Contact, Counter, EscalationRecord, Interaction, Meeting, Need,
    Preference, Problem, Signal, Timer, Trial, Window,
};
use crate::event::{Time, Value};

/// An entry that can be merged.
pub(super) trait Mergeable: Clone + PartialEq {
    /// Whether both are about the same item.
    fn is_same(&self, other: &Self) -> bool;
    /// Merges the same item of another identifier.
    fn merge(&mut self, other: &Self);
    /// The eviction order: the lowest leave first. No two items of a list have the same rank.
    fn rank(&self) -> impl Ord;
}

/// Merges two lists.
pub(super) fn join<T: Mergeable>(
    own: &mut Vec<T>,
    other: Vec<T>,
    limit: &'static str,
    max: usize,
    notes: &mut Notes,
) {
    if other.is_empty() {
        return;
    }
    for item in other {
        match own.iter_mut().find(|known| known.is_same(&item)) {
            Some(known) => known.merge(&item),
            None => own.push(item),
        }
    }
    own.sort_by(|left, right| left.rank().cmp(&right.rank()));
    if own.len() > max {
        notes.limit(limit);
        own.drain(..own.len() - max);
    }
}

/// Selects entries of one list by whether the other has them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// Entries that the other has, too.
    Known,
    /// Entries that the other does not have.
    Unknown,
}

impl Compared {
    /// The selected entries of `own`.
    pub(super) fn of<T: Mergeable>(self, own: &[T], other: &[T]) -> Vec<T> {
        let is_known = |own: &T| other.iter().any(|item| item.is_same(own));
        own.iter().filter(|own| is_known(own) == (self == Compared::Known)).cloned().collect()
    }
}

/// Removes what came with `brought`, restores `beneath`, and returns what is given back. Later changes
/// stay.
pub(super) fn part<T: Mergeable>(own: &mut Vec<T>, brought: &[T], beneath: &[T]) -> Vec<T> {
    let mut back = Vec::new();
    for item in brought {
        let before = beneath.iter().find(|before| before.is_same(item));
        let mut expected = item.clone();
        if let Some(before) = before {
            expected.merge(before);
        }
        let unchanged = own.iter().position(|known| known.is_same(item) && *known == expected);
        if let Some(position) = unchanged {
            match before {
                Some(before) => own[position] = before.clone(),
                None => drop(own.remove(position)),
            }
            back.push(item.clone());
        }
    }
    back
}

/// The text by which values with the same time are compared.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Whether `other` outranks `own`: it is newer, or has the same time and is greater as text.
fn outranks<T: Serialize>((own_at, own): (Time, &T), (other_at, other): (Time, &T)) -> bool {
    other_at > own_at || (other_at == own_at && text(other) > text(own))
}

impl Mergeable for DatedValue {
    fn is_same(&self, other: &DatedValue) -> bool {
        self.name == other.name
    }

    fn merge(&mut self, other: &DatedValue) {
        if outranks((self.at, self), (other.at, other)) {
            self.clone_from(other);
        }
    }

    fn rank(&self) -> impl Ord {
        (self.value != Value::Null, self.at, &*self.name)
    }
}

impl Mergeable for Consent {
    fn is_same(&self, other: &Consent) -> bool {
        self.is_about(&other.purpose, other.channel.as_deref())
    }

    fn merge(&mut self, other: &Consent) {
        // On a tie, a "no" outranks a "yes".
        let order = |one: &Consent| (one.at, !one.granted);
        let is_equal = order(other) == order(self);
        if order(other) > order(self) || (is_equal && text(other) > text(self)) {
            self.clone_from(other);
        }
    }

    /// If a "no" were evicted, it could become a "never asked".
    fn rank(&self) -> impl Ord {
        (!self.granted, self.at, &*self.purpose, self.channel.as_deref())
    }
}

impl Mergeable for Preference {
    fn is_same(&self, other: &Preference) -> bool {
        self.key == other.key
    }

    fn merge(&mut self, other: &Preference) {
        Preference::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.stays(), &*self.key)
    }
}

impl Preference {
    /// Removes the choices, and the declared value if that is unchanged, that came with `brought`;
    /// returns what is given back.
    fn part(&mut self, brought: &Preference, beneath: Option<&Preference>) -> Preference {
        let mut back = brought.clone();
        // Evidence that was deleted meanwhile, or has moved elsewhere, is not given back.
        back.choices.retain_mut(|gone| {
            let Some(known) = self.choices.iter_mut().find(|known| known.value == gone.value)
            else {
                return false;
            };
            let mut faded = gone.clone();
            faded.fade(known.at, self.half_life);
            known.weight = (known.weight - faded.weight).max(0.0);
            known.against = (known.against - faded.against).max(0.0);
            gone.count = gone.count.min(known.count);
            known.count -= gone.count;
            known.evidence.retain(|shown| !gone.evidence.contains(shown));
            true
        });
        // The difference of sums may leave a tiny remainder.
        self.choices.retain(|choice| choice.count > 0 || choice.weight.max(choice.against) > 1e-9);
        let mut expected = brought.clone();
        if let Some(before) = beneath {
            Preference::merge(&mut expected, before);
        }
        if self.declared == expected.declared {
            self.declared = beneath.and_then(|before| before.declared.clone());
        } else {
            back.declared = None;
        }
        if self.forgotten == expected.forgotten {
            self.forgotten = beneath.and_then(|before| before.forgotten);
        } else {
            back.forgotten = None;
        }
        back
    }
}

/// Like [`part`], for preferences: where there are new choices since, counts are subtracted.
pub(super) fn part_preferences(
    own: &mut Vec<Preference>,
    brought: &[Preference],
    beneath: &[Preference],
) -> Vec<Preference> {
    let mut back = part(own, brought, beneath);
    for one in Compared::Unknown.of(brought, &back) {
        let before = beneath.iter().find(|before| before.is_same(&one));
        if let Some(known) = own.iter_mut().find(|known| known.is_same(&one)) {
            back.push(known.part(&one, before));
        }
    }
    let says = |known: &Preference| {
        known.declared.is_some() || known.forgotten.is_some() || !known.choices.is_empty()
    };
    own.retain(says);
    back.retain(says);
    back
}

impl Mergeable for Signal {
    fn is_same(&self, other: &Signal) -> bool {
        self.name == other.name
    }

    fn merge(&mut self, other: &Signal) {
        if outranks((self.at, self), (other.at, other)) {
            self.clone_from(other);
        }
    }

    fn rank(&self) -> impl Ord {
        (self.stale_at.unwrap_or(Time::MAX), self.at, &*self.name)
    }
}

impl Mergeable for Interaction {
    fn is_same(&self, other: &Interaction) -> bool {
        self.id == other.id
    }

    fn merge(&mut self, other: &Interaction) {
        Interaction::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.state.is_open(), self.touched, &*self.id)
    }
}

impl Mergeable for Case {
    fn is_same(&self, other: &Case) -> bool {
        self.id == other.id
    }

    fn merge(&mut self, other: &Case) {
        Case::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.is_open(), self.touched, &*self.id)
    }
}

impl Mergeable for Need {
    fn is_same(&self, other: &Need) -> bool {
        self.name == other.name
    }

    /// The result has the greater strength, with its reason, and the later expiry.
    fn merge(&mut self, other: &Need) {
        let is_stronger =
            (other.strength.to_bits(), &other.evidence) > (self.strength.to_bits(), &self.evidence);
        if is_stronger {
            self.strength = other.strength;
            self.evidence.clone_from(&other.evidence);
        }
        self.raised = self.raised.min(other.raised);
        self.until = self.until.max(other.until);
    }

    fn rank(&self) -> impl Ord {
        // The bits of positive numbers have the same order as the numbers.
        (self.strength.to_bits(), &*self.name)
    }
}

impl Mergeable for Contact {
    fn is_same(&self, other: &Contact) -> bool {
        self.decision == other.decision
    }

    fn merge(&mut self, other: &Contact) {
        if let Some(came) = other.outcome
            && self.outcome.is_none_or(|own| outranks((own.at, &own), (came.at, &came)))
        {
            self.outcome = Some(came);
        }
        // If one of the two has an outcome, it was learned from.
        if other.shown.is_none() {
            self.shown = None;
        }
    }

    fn rank(&self) -> impl Ord {
        (self.at, &*self.decision)
    }
}

impl Mergeable for EscalationRecord {
    fn is_same(&self, other: &EscalationRecord) -> bool {
        self.id == other.id
    }

    fn merge(&mut self, other: &EscalationRecord) {
        if outranks((self.touched, self), (other.touched, other)) {
            self.clone_from(other);
        }
    }

    fn rank(&self) -> impl Ord {
        (self.is_open(), self.touched, &*self.id)
    }
}

impl Mergeable for Meeting {
    fn is_same(&self, other: &Meeting) -> bool {
        self.id == other.id
    }

    /// The first one wins: a twin receives a broadcast once.
    fn merge(&mut self, other: &Meeting) {
        self.at = self.at.min(other.at);
    }

    fn rank(&self) -> impl Ord {
        (self.at, self.id)
    }
}

impl Mergeable for Timer {
    fn is_same(&self, other: &Timer) -> bool {
        self.name == other.name
    }

    /// The one with the earlier due time, so that nothing is missed.
    fn merge(&mut self, other: &Timer) {
        if (other.due, text(other)) < (self.due, text(self)) {
            self.clone_from(other);
        }
    }

    fn rank(&self) -> impl Ord {
        (Reverse(self.due), &*self.name)
    }
}

impl Mergeable for Window {
    fn is_same(&self, other: &Window) -> bool {
        self.name == other.name
    }

    fn merge(&mut self, other: &Window) {
        Window::merge(self, other.clone());
    }

    fn rank(&self) -> impl Ord {
        (self.entries.last().map(|entry| entry.at), &*self.name)
    }
}

impl Mergeable for Counter {
    fn is_same(&self, other: &Counter) -> bool {
        self.name == other.name
    }

    fn merge(&mut self, other: &Counter) {
        Counter::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.at, &*self.name)
    }
}

impl Mergeable for Activity {
    fn is_same(&self, other: &Activity) -> bool {
        self.name == other.name
    }

    fn merge(&mut self, other: &Activity) {
        Activity::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.last, &*self.name)
    }
}

impl Mergeable for Problem {
    fn is_same(&self, other: &Problem) -> bool {
        Problem::is_same(self, other)
    }

    /// A case is a problem from the time of its first report.
    fn merge(&mut self, other: &Problem) {
        self.at = self.at.min(other.at);
    }

    fn rank(&self) -> impl Ord {
        (self.at, &*self.topic, self.case.as_deref())
    }
}

impl Mergeable for Trial {
    fn is_same(&self, other: &Trial) -> bool {
        self.experiment == other.experiment
    }

    /// The arm that the customer entered first wins.
    fn merge(&mut self, other: &Trial) {
        if (other.since, &other.arm) < (self.since, &self.arm) {
            self.since = other.since;
            self.arm.clone_from(&other.arm);
        }
        self.reached |= other.reached;
        self.value += other.value;
    }

    fn rank(&self) -> impl Ord {
        (self.since, &*self.experiment)
    }
}

impl Mergeable for PastEntry {
    fn is_same(&self, other: &PastEntry) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// Both identifiers received the same input: the first time wins.
    fn merge(&mut self, other: &PastEntry) {
        if (other.at, text(other)) < (self.at, text(self)) {
            self.clone_from(other);
        }
    }

    fn rank(&self) -> impl Ord {
        (self.at, self.fingerprint)
    }
}

#[cfg(test)]
mod tests;
