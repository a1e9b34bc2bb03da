use serde::{Deserialize, Serialize};

use crate::config::limits;

/// The learned weights of one level of arms: for each feature a Gaussian message of the observations
/// about its weight. Features that never occurred have none.
///
/// Messages are stored in natural parameters and without the prior, so that those of two nodes can be
/// added, and forgetting is a scaling.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LevelWeights {
    /// Empty, or a power of two of slots; the low bits of a key give the first slot of its search.
    slots: Vec<Slot>,
    used: u32,
    /// The number of observations that it was learned from.
    pub(super) observations: f64,
}

/// The message of the observations about one weight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct WeightMessage {
    /// The precision that they contribute: 1/variance.
    pub(super) precision: f32,
    /// The precision times the mean that they contribute.
    pub(super) pull: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Slot {
    /// The feature; 0 for a free slot.
    key: u64,
    message: WeightMessage,
}

/// The minimum number of slots of a table.
const SLOTS_MIN: usize = 16;
/// The maximum number of slots that a search visits.
const NEIGHBOURS: usize = 16;

impl LevelWeights {
    /// The message about the weight of a feature.
    pub(super) fn get(&self, key: u64) -> WeightMessage {
        match self.place(key) {
            Some(place) if self.slots[place].key == key => self.slots[place].message,
            _ => WeightMessage::default(),
        }
    }

    /// The message about a feature, mutable, and whether another was dropped for it: at the limit it
    /// replaces the one with the least precision among its neighbours.
    pub(super) fn entry(&mut self, key: u64) -> (&mut WeightMessage, bool) {
        let crowded =
            |weights: &LevelWeights| (weights.used as usize + 1) * 4 > weights.slots.len() * 3;
        if crowded(self) && self.slots.len() < limits::LEVEL_WEIGHTS {
            self.grow();
        }
        let mut has_left = false;
        let place = match self.place(key) {
            Some(place) if self.slots[place].key == key => place,
            Some(place) if !crowded(self) => {
                self.used += 1;
                self.slots[place] = Slot { key, message: WeightMessage::default() };
                place
            }
            _ => {
                let place = self.weakest(key);
                has_left = self.slots[place].key != 0;
                self.slots[place] = Slot { key, message: WeightMessage::default() };
                place
            }
        };
        (&mut self.slots[place].message, has_left)
    }

    /// The approximate size when stored, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
    }

    /// Adds the messages of another node.
    pub(super) fn add(&mut self, other: &LevelWeights) {
        for slot in other.slots.iter().filter(|slot| slot.key != 0) {
            let (message, _) = self.entry(slot.key);
            message.precision += slot.message.precision;
            message.pull += slot.message.pull;
        }
        self.observations += other.observations;
    }

    /// The slot of the feature, or the one where it would be inserted.
    fn place(&self, key: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        (0..self.slots.len())
            .map(|step| (key as usize).wrapping_add(step) & mask)
            .find(|place| self.slots[*place].key == key || self.slots[*place].key == 0)
    }

    /// The message with the least precision in the slots that a search for the feature visits.
    fn weakest(&self, key: u64) -> usize {
        let mask = self.slots.len() - 1;
        let neighbours = (0..NEIGHBOURS).map(|step| (key as usize).wrapping_add(step) & mask);
        // A search ends at a free slot, so nothing may be placed after one.
        let mut run = neighbours.take_while(|place| self.slots[*place].key != 0);
        let Some(first) = run.next() else { return key as usize & mask };
        run.fold(first, |weakest, place| {
            let precision = |place: usize| self.slots[place].message.precision;
            if precision(place) < precision(weakest) { place } else { weakest }
        })
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        for slot in old.into_iter().filter(|slot| slot.key != 0) {
            if let Some(place) = self.place(slot.key) {
                self.slots[place] = slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_table_drops_the_weight_with_the_least_evidence() {
        let mut weights = LevelWeights::default();
        let known = u64::MAX / 3;
        weights.entry(known).0.precision = 1e6;
        let keys = 2 * limits::LEVEL_WEIGHTS as u64;
        let mut left = 0;
        for key in 0..keys {
            let (message, has_left) = weights.entry(crate::models::seed(&[key]));
            message.precision += 1.0;
            left += u64::from(has_left);
        }
        assert!((keys - limits::LEVEL_WEIGHTS as u64..keys).contains(&left), "{left} left");
        assert_eq!(weights.get(known).precision, 1e6);
        assert_eq!(weights.slots.len(), limits::LEVEL_WEIGHTS);
    }

    proptest! {
        #[test]
        fn a_stored_weight_is_found(keys in prop::collection::vec(1u64.., 1..300)) {
            let mut weights = LevelWeights::default();
            let mut truth = BTreeMap::new();
            for key in keys {
                weights.entry(key).0.pull += 1.0;
                *truth.entry(key).or_insert(0.0) += 1.0;
            }
            for (key, pull) in &truth {
                prop_assert_eq!(weights.get(*key).pull, *pull);
            }
            prop_assert_eq!(weights.used as usize, truth.len());
            prop_assert_eq!(weights.get(0x5EED), WeightMessage::default());
        }
    }
}
