use serde::{Deserialize, Serialize};

use crate::event::{Map, Time, Value};

/// Since when traits and facts are as they are: of two values the newer one counts when two
/// identifiers turn out to be one customer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dates(Vec<(Box<str>, Time)>);

/// A trait or a fact, with the time since which it is so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Its name.
    pub name: Box<str>,
    /// Its value.
    pub value: Value,
    /// Since when.
    pub at: Time,
}

impl Dates {
    /// Notes that a value was set.
    pub(super) fn set(&mut self, name: &str, at: Time) {
        match self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(position) => self.0[position].1 = at,
            Err(position) => self.0.insert(position, (name.into(), at)),
        }
    }

    /// Notes that a value is gone.
    pub(super) fn clear(&mut self, name: &str) {
        if let Ok(position) = self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            self.0.remove(position);
        }
    }

    /// Since when a value is as it is.
    pub(super) fn get(&self, name: &str) -> Option<Time> {
        let found = self.0.binary_search_by(|(known, _)| (**known).cmp(name));
        found.ok().map(|position| self.0[position].1)
    }

    /// Every value that has a date, and the date.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Time)> {
        self.0.iter().map(|(name, at)| (&**name, *at))
    }

    /// How many values have a date.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The values of a map, each with its date.
    pub(super) fn told(&self, map: &Map) -> Vec<Told> {
        self.told_or(map, Time::MIN)
    }

    /// The values of a map, each with its date; those that have none are as of `otherwise`.
    pub(super) fn told_or(&self, map: &Map, otherwise: Time) -> Vec<Told> {
        map.iter()
            .map(|(name, value)| Told {
                name: name.into(),
                value: value.clone(),
                at: self.get(name).unwrap_or(otherwise),
            })
            .collect()
    }

    /// A map, and its dates, of such values.
    pub(super) fn of(told: Vec<Told>) -> (Map, Dates) {
        let mut dates = Dates::default();
        let mut map = Map::default();
        for Told { name, value, at } in told {
            dates.set(&name, at);
            map.insert(&name, value);
        }
        (map, dates)
    }
}
