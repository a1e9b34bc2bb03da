//! Statement times: when each value of a map was stated.

use serde::{Deserialize, Serialize};

use super::Mergeable;
use super::merge::outranks;
use crate::config::limits;
use crate::event::{Map, Time, Value};
use crate::twin::note::Notes;

/// The statement times of values. The latest statement wins, in any order of arrival, also when two
/// identifiers are merged. A removed trait keeps its statement time, so that an older statement does not
/// restore it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Dates(Vec<(Box<str>, Time)>);

/// A trait or a fact with its statement time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatedValue {
    /// Its name.
    pub name: Box<str>,
    /// Its value.
    pub value: Value,
    /// The statement time.
    pub at: Time,
}

impl DatedValue {
    /// Keeps only the latest of the removed traits.
    pub(super) fn drop_oldest_removed(traits: &mut Vec<DatedValue>, notes: &mut Notes) {
        let is_removed = |dated: &&DatedValue| dated.value == Value::Null;
        let count = traits.iter().filter(is_removed).count();
        let mut beyond = count.saturating_sub(limits::TRAITS_REMOVED);
        if beyond > 0 {
            notes.limit("TRAITS_REMOVED");
            // In eviction order: the oldest are first.
            traits.retain(|dated| {
                let leaves = beyond > 0 && dated.value == Value::Null;
                beyond -= usize::from(leaves);
                !leaves
            });
        }
    }
}

/// The path of a part of an event, below `event`.
pub(super) fn part_of(what: &str, name: &str) -> Box<str> {
    format!("{what}.{name}").into()
}

impl Dates {
    /// Records that a value was set.
    pub(in crate::twin) fn set(&mut self, name: &str, at: Time) {
        match self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(position) => self.0[position].1 = at,
            Err(position) => self.0.insert(position, (name.into(), at)),
        }
    }

    /// Records that a value was removed.
    pub(in crate::twin) fn clear(&mut self, name: &str) {
        if let Ok(position) = self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            self.0.remove(position);
        }
    }

    /// Removes every entry with this statement time.
    pub(super) fn remove_stated_at(&mut self, at: Time) {
        self.0.retain(|(_, known)| *known != at);
    }

    /// The statement time of a value.
    pub(super) fn get(&self, name: &str) -> Option<Time> {
        let found = self.0.binary_search_by(|(known, _)| (**known).cmp(name));
        found.ok().map(|position| self.0[position].1)
    }

    /// All values that have a statement time, with that time.
    pub(in crate::twin) fn iter(&self) -> impl Iterator<Item = (&str, Time)> {
        self.0.iter().map(|(name, at)| (&**name, *at))
    }

    /// The number of values with a statement time.
    pub(in crate::twin) fn len(&self) -> usize {
        self.0.len()
    }

    /// The values of a map, each with its statement time.
    pub(in crate::twin) fn with_dates(&self, map: &Map) -> Vec<DatedValue> {
        self.with_dates_or(map, Time::MIN)
    }

    /// The values of a map, each with its statement time; `otherwise` is the time of values that have
    /// none.
    pub(super) fn with_dates_or(&self, map: &Map, otherwise: Time) -> Vec<DatedValue> {
        map.iter()
            .map(|(name, value)| DatedValue {
                name: name.into(),
                value: value.clone(),
                at: self.get(name).unwrap_or(otherwise),
            })
            .collect()
    }

    /// The values of a map, each with its statement time, and null for each removed value.
    pub(in crate::twin) fn with_removed(&self, map: &Map) -> Vec<DatedValue> {
        let mut dated = self.with_dates(map);
        let removed = self.0.iter().filter(|(name, _)| map.get(name).is_none());
        dated.extend(removed.map(|(name, at)| DatedValue {
            name: name.clone(),
            value: Value::Null,
            at: *at,
        }));
        dated
    }

    /// Splits such values into a map and its statement times, including those of removed values.
    pub(in crate::twin) fn of_values_and_removed(dated: Vec<DatedValue>) -> (Map, Dates) {
        let mut dates = Dates::default();
        let mut map = Map::default();
        for DatedValue { name, value, at } in dated {
            dates.set(&name, at);
            if value != Value::Null {
                map.insert(&name, value);
            }
        }
        (map, dates)
    }

    /// Keeps only the latest of the values removed from a map. Returns whether others were dropped.
    pub(super) fn drop_oldest_removed(&mut self, map: &Map, max: usize) -> bool {
        let removed =
            |(name, at): &(Box<str>, Time)| map.get(name).is_none().then(|| (*at, name.clone()));
        let mut all: Vec<(Time, Box<str>)> = self.0.iter().filter_map(removed).collect();
        let beyond = all.len().saturating_sub(max);
        all.sort_unstable();
        all.iter().take(beyond).for_each(|(_, name)| self.clear(name));
        beyond > 0
    }

    /// Splits such values into a map and its statement times.
    pub(in crate::twin) fn of(dated: Vec<DatedValue>) -> (Map, Dates) {
        let mut dates = Dates::default();
        let mut map = Map::default();
        for DatedValue { name, value, at } in dated {
            dates.set(&name, at);
            map.insert(&name, value);
        }
        (map, dates)
    }
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
