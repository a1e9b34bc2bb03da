//! Merging the memories of two identifiers.
//!
//! Every rule is commutative and associative, so the order of links does not matter: the newest value
//! wins (on a tie, the greater text), counts are added, sets are united. Beyond a limit, entries are
//! evicted by [`Mergeable::rank`]; then the order can matter, because evicted entries cannot return.

use serde::Serialize;

use crate::event::Time;
use crate::twin::note::Notes;

/// An entry that can be merged.
pub(in crate::twin) trait Mergeable: Clone + PartialEq {
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
pub(in crate::twin) enum Compared {
    /// Entries that the other has, too.
    Known,
    /// Entries that the other does not have.
    Unknown,
}

impl Compared {
    /// The selected entries of `own`.
    pub(in crate::twin) fn of<T: Mergeable>(self, own: &[T], other: &[T]) -> Vec<T> {
        let is_known = |own: &T| other.iter().any(|item| item.is_same(own));
        own.iter().filter(|own| is_known(own) == (self == Compared::Known)).cloned().collect()
    }
}

/// Removes what came with `brought`, restores `beneath`, and returns what is given back. Later changes
/// stay.
pub(in crate::twin) fn part<T: Mergeable>(
    own: &mut Vec<T>,
    brought: &[T],
    beneath: &[T],
) -> Vec<T> {
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
pub(super) fn outranks<T: Serialize>(
    (own_at, own): (Time, &T),
    (other_at, other): (Time, &T),
) -> bool {
    other_at > own_at || (other_at == own_at && text(other) > text(own))
}

#[cfg(test)]
mod tests;
