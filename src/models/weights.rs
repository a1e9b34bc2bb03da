use serde::{Deserialize, Serialize};

use super::features::INTERCEPT;
use crate::config::limits;

/// The number of scales of the prior variances, with each of which a level learns.
pub(super) const SCALE_COUNT: usize = 3;

/// The learned weights of one level of arms: for each feature and each scale of the priors a Gaussian
/// message of the observations about its weight. Features that never occurred have none.
///
/// Messages are stored in natural parameters and without the prior, so that those of two nodes can be
/// added, and forgetting is a scaling.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LevelWeights {
    /// Empty, or a power of two of slots; the low bits of a tag give the first slot of its search.
    slots: Vec<Slot>,
    used: u32,
    /// The number of observations that it was learned from.
    pub(super) observations: f64,
    /// For each scale the logarithm of the probability that it gave to the outcomes before it knew them,
    /// faded as observations are. Only the level of an action counts it, and that of all actions.
    pub(super) evidence: [f64; SCALE_COUNT],
    /// For each scale the prior variance of a feature's weight; 0 before the first observation.
    priors: [f64; SCALE_COUNT],
    /// For each scale the sum of all weights' means, each times the mass of its feature.
    sums: [f64; SCALE_COUNT],
}

/// The messages about one weight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Weight {
    /// The sum of the feature's values in all observations, whether or not they are forgotten; for the
    /// intercept their number. Halved for all together at [`MASS_MAX`].
    pub(super) mass: f32,
    /// What the observations say, at each scale of the priors.
    pub(super) messages: [WeightMessage; SCALE_COUNT],
}

/// The message of the observations about one weight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct WeightMessage {
    /// The precision that they contribute: 1/variance.
    pub(super) precision: f32,
    /// The precision times the mean that they contribute.
    pub(super) pull: f32,
}

impl WeightMessage {
    /// The precision; what two nodes forgot separately may leave slightly less than zero.
    pub(super) fn precision(self) -> f64 {
        f64::from(self.precision).max(0.0)
    }

    /// The mean of the weight, for a prior with the mean 0 and this variance.
    fn mean(self, prior: f64) -> f64 {
        f64::from(self.pull) / (1.0 / prior + self.precision())
    }
}

/// A slot of the table: half a line of a processor's cache, so that a look at one is one look at memory.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[repr(align(32))]
struct Slot {
    /// The [`tag`] of the feature; 0 for a free slot.
    tag: u32,
    weight: Weight,
}

const _: () = assert!(size_of::<Slot>() == 32);

/// The tag of the intercept.
const TAG_OF_INTERCEPT: u32 = INTERCEPT as u32;

/// What a table stores of a feature's key: the low half of the hash. Two of the
/// [`LEVEL_WEIGHTS`](limits::LEVEL_WEIGHTS) features of a level share one with a probability of 1 in 500.
fn tag(key: u64) -> u32 {
    if key == INTERCEPT { TAG_OF_INTERCEPT } else { (key as u32).max(TAG_OF_INTERCEPT + 1) }
}

/// The weights of a level as they were stored before there were scales: format 1 of their record.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WeightsOfOneScale {
    slots: Vec<(u64, WeightMessage)>,
    used: u32,
    observations: f64,
}

impl From<WeightsOfOneScale> for LevelWeights {
    /// Messages say what the observations said, without the prior, so they continue at every scale. The
    /// masses of the features were not known: they begin with none of all observations, so that means, and
    /// what is taken off for them, grow no faster than the intercept learns to make up for it.
    fn from(old: WeightsOfOneScale) -> LevelWeights {
        let slot = |(key, message): (u64, WeightMessage)| {
            let mass = if key == INTERCEPT { old.observations as f32 } else { 0.0 };
            let tag = if key == 0 { 0 } else { tag(key) };
            Slot { tag, weight: Weight { mass, messages: [message; SCALE_COUNT] } }
        };
        LevelWeights {
            slots: old.slots.into_iter().map(slot).collect(),
            used: old.used,
            observations: old.observations,
            ..LevelWeights::default()
        }
    }
}

/// The minimum number of slots of a table.
const SLOTS_MIN: usize = 16;
/// The maximum number of slots that a search visits.
const NEIGHBOURS: usize = 16;
/// The number of observations from which the means of features are certain: after so many, half of what
/// is centred is. With the first few, nothing yet tells a feature from the intercept.
const CENTRED_AFTER: f64 = 5.0;
/// At this mass of the intercept all masses are halved, so that means follow what changes, and sums of
/// small numbers stay exact.
const MASS_MAX: f32 = 65_536.0;

impl LevelWeights {
    /// The messages about the weight of a feature.
    pub(super) fn get(&self, key: u64) -> Weight {
        let tag = tag(key);
        match self.place(tag) {
            Some(place) if self.slots[place].tag == tag => self.slots[place].weight,
            _ => Weight::default(),
        }
    }

    /// The messages about the weight of the intercept.
    pub(super) fn intercept(&self) -> Weight {
        self.get(INTERCEPT)
    }

    /// What turns a mass, or a sum of them, into a mean over the observations.
    pub(super) fn averaging(&self) -> f64 {
        1.0 / (f64::from(self.get(INTERCEPT).mass) + CENTRED_AFTER)
    }

    /// At one scale the mean of all features' sums over the observations, if `averaging` is
    /// [`LevelWeights::averaging`].
    pub(super) fn offset(&self, scale: usize, averaging: f64) -> f64 {
        self.sums[scale] * averaging
    }

    /// Sets the prior variance of a feature's weight at each scale.
    pub(super) fn assume(&mut self, priors: [f64; SCALE_COUNT]) {
        if self.priors != priors {
            self.priors = priors;
            self.add_up();
        }
    }

    /// Changes the messages about a feature. Returns whether another was dropped for it: at the limit it
    /// replaces the one with the least precision among its neighbours.
    pub(super) fn change(&mut self, key: u64, change: impl FnOnce(&mut Weight)) -> bool {
        let tag = tag(key);
        let (place, left) = self.entry(tag);
        if let Some(left) = left.filter(|left| left.tag > TAG_OF_INTERCEPT) {
            self.count(&left.weight, -1.0);
        }
        let before = self.slots[place].weight;
        change(&mut self.slots[place].weight);
        let after = self.slots[place].weight;
        if tag > TAG_OF_INTERCEPT {
            self.count(&before, -1.0);
            self.count(&after, 1.0);
        } else if after.mass >= MASS_MAX {
            self.slots.iter_mut().for_each(|slot| slot.weight.mass /= 2.0);
            self.add_up();
        }
        left.is_some()
    }

    /// Adds a weight to the sums, or removes it with the sign −1.
    fn count(&mut self, weight: &Weight, sign: f64) {
        let mass = sign * f64::from(weight.mass);
        for ((sum, prior), message) in self.sums.iter_mut().zip(self.priors).zip(weight.messages) {
            *sum += mass * message.mean(prior);
        }
    }

    /// Computes the sums anew.
    fn add_up(&mut self) {
        self.sums = [0.0; SCALE_COUNT];
        for place in 0..self.slots.len() {
            let slot = self.slots[place];
            if slot.tag > TAG_OF_INTERCEPT {
                self.count(&slot.weight, 1.0);
            }
        }
    }

    /// The slot of a feature, and the one that had to leave it.
    fn entry(&mut self, tag: u32) -> (usize, Option<Slot>) {
        let crowded =
            |weights: &LevelWeights| (weights.used as usize + 1) * 4 > weights.slots.len() * 3;
        if crowded(self) && self.slots.len() < limits::LEVEL_WEIGHTS {
            self.grow();
        }
        let new = Slot { tag, weight: Weight::default() };
        match self.place(tag) {
            Some(place) if self.slots[place].tag == tag => (place, None),
            Some(place) if !crowded(self) => {
                self.used += 1;
                self.slots[place] = new;
                (place, None)
            }
            _ => {
                let place = self.weakest(tag);
                let left = std::mem::replace(&mut self.slots[place], new);
                (place, Some(left).filter(|left| left.tag != 0))
            }
        }
    }

    /// The approximate size when stored, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
    }

    /// Adds the messages of another node.
    pub(super) fn add(&mut self, other: &LevelWeights) {
        for slot in other.slots.iter().filter(|slot| slot.tag != 0) {
            let (place, _) = self.entry(slot.tag);
            let weight = &mut self.slots[place].weight;
            weight.mass += slot.weight.mass;
            for (message, theirs) in weight.messages.iter_mut().zip(slot.weight.messages) {
                message.precision += theirs.precision;
                message.pull += theirs.pull;
            }
        }
        self.observations += other.observations;
        for (evidence, theirs) in self.evidence.iter_mut().zip(other.evidence) {
            *evidence += theirs;
        }
        if self.priors == [0.0; SCALE_COUNT] {
            self.priors = other.priors;
        }
        self.add_up();
    }

    /// The slot of the feature, or the one where it would be inserted.
    fn place(&self, tag: u32) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        (0..self.slots.len())
            .map(|step| (tag as usize).wrapping_add(step) & mask)
            .find(|place| self.slots[*place].tag == tag || self.slots[*place].tag == 0)
    }

    /// The message with the least precision in the slots that a search for the feature visits.
    fn weakest(&self, tag: u32) -> usize {
        let mask = self.slots.len() - 1;
        let neighbours = (0..NEIGHBOURS).map(|step| (tag as usize).wrapping_add(step) & mask);
        // A search ends at a free slot, so nothing may be placed after one.
        let mut run = neighbours.take_while(|place| self.slots[*place].tag != 0);
        let Some(first) = run.next() else { return tag as usize & mask };
        run.fold(first, |weakest, place| {
            let precision = |place: usize| self.slots[place].weight.messages[0].precision;
            if precision(place) < precision(weakest) { place } else { weakest }
        })
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        for slot in old.into_iter().filter(|slot| slot.tag != 0) {
            if let Some(place) = self.place(slot.tag) {
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
        weights.change(known, |weight| weight.messages[0].precision = 1e6);
        let keys = 2 * limits::LEVEL_WEIGHTS as u64;
        let mut left = 0;
        for key in 0..keys {
            let has_left = weights
                .change(crate::models::seed(&[key]), |weight| weight.messages[0].precision += 1.0);
            left += u64::from(has_left);
        }
        assert!((keys - limits::LEVEL_WEIGHTS as u64..keys).contains(&left), "{left} left");
        assert_eq!(weights.get(known).messages[0].precision, 1e6);
        assert_eq!(weights.slots.len(), limits::LEVEL_WEIGHTS);
    }

    proptest! {
        #[test]
        fn a_stored_weight_is_found(keys in prop::collection::vec(1u64.., 1..300)) {
            let mut weights = LevelWeights::default();
            let mut truth = BTreeMap::new();
            for key in keys {
                weights.change(key, |weight| weight.mass += 1.0);
                *truth.entry(key).or_insert(0.0) += 1.0;
            }
            for (key, mass) in &truth {
                prop_assert_eq!(weights.get(*key).mass, *mass);
            }
            prop_assert_eq!(weights.used as usize, truth.len());
            prop_assert_eq!(weights.get(0x5EED), Weight::default());
        }
    }
}
