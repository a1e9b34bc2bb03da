use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::arm::Arm;
use super::belief::{Belief, Prior};
use super::features::{Features, INTERCEPT};
use super::weights::{LevelWeights, WeightMessage};

/// The total prior variance of an action's feature weights, in units of the noise, before it is divided
/// among the features.
const ACTION_FEATURES: f64 = 16.0;
/// The same for a treatment: treatments of one action differ less than actions do.
const TREATMENT_FEATURES: f64 = 4.0;
/// The same for a level that several actions share: their common part is the smallest.
const SHARED_FEATURES: f64 = 2.0;
/// The prior variance of a shared level's intercept: how all its arms do beyond the policy's expectation.
const SHARED_INTERCEPT: f64 = 0.5;

/// The share of the intercepts' standard deviation that draws use. Half of it explores enough where
/// responses are rare, and wastes less where they are not: Chapelle and Li, An Empirical Evaluation of
/// Thompson Sampling, NIPS 2011, section 4, likewise draw from a narrowed posterior.
const INTERCEPTS_STRAY: f64 = 0.5;
/// The same for the features. Many of them are correlated, which separate beliefs ignore, so that their
/// variances add up to more than there is.
const FEATURES_STRAY: f64 = 0.15;

/// A value for each of some levels of arms.
pub(super) type Levels<T> = HashMap<u64, T, BuildHasherDefault<LevelHasher>>;

/// A hasher for the key of a level, which is a hash already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LevelHasher(u64);

impl Hasher for LevelHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The state of a model at one time. It is immutable and cheap to clone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// None before anything was learned.
    levels: Option<Arc<Levels<Arc<LevelWeights>>>>,
    pub(super) version: u64,
}

impl Snapshot {
    /// The empty snapshot.
    pub const fn nothing() -> Snapshot {
        Snapshot { levels: None, version: 0 }
    }

    /// Restores a stored snapshot.
    pub fn restore(
        version: u64,
        levels: impl IntoIterator<Item = (u64, LevelWeights)>,
    ) -> Snapshot {
        let levels = levels.into_iter().map(|(level, weights)| (level, Arc::new(weights)));
        Snapshot { levels: Some(Arc::new(levels.collect())), version }
    }

    /// The number of levels of arms with weights.
    pub fn levels(&self) -> usize {
        self.levels.as_ref().map_or(0, |levels| levels.len())
    }

    /// All weights, level by level, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &LevelWeights)> {
        let levels = self.levels.iter().flat_map(|levels| levels.iter());
        levels.map(|(level, weights)| (*level, &**weights))
    }

    /// The approximate size when stored, in bytes.
    pub fn bytes(&self) -> usize {
        self.iter().map(|(_, weights)| weights.bytes()).sum()
    }

    /// The weights of one level.
    pub(super) fn weights(&self, level: u64) -> Option<Arc<LevelWeights>> {
        self.levels.as_ref()?.get(&level).cloned()
    }

    /// Its version: each published snapshot has a greater one. 0 is empty.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The number of observations of an action, over all its treatments.
    pub fn observations_of_action(&self, arm: &Arm) -> f64 {
        self.level(arm.action()).map_or(0.0, |weights| weights.observations)
    }

    /// The number of observations of a treatment.
    pub fn observations(&self, arm: &Arm) -> f64 {
        self.level(arm.treatment()).map_or(0.0, |weights| weights.observations)
    }

    /// Combines what two nodes learned separately. Messages about weights are added, so the order and the
    /// grouping of nodes do not matter. The version is the greater one.
    ///
    /// A common history counts twice: a node must pass on only what it learned itself.
    #[must_use]
    pub fn plus(&self, other: &Snapshot) -> Snapshot {
        let mut sum = self.clone();
        let levels = sum.levels_mut();
        for (level, theirs) in other.levels.iter().flat_map(|levels| levels.iter()) {
            match levels.entry(*level) {
                Entry::Occupied(mut ours) => Arc::make_mut(ours.get_mut()).add(theirs),
                Entry::Vacant(free) => {
                    free.insert(Arc::clone(theirs));
                }
            }
        }
        sum.version = self.version.max(other.version);
        sum
    }

    /// The belief about a response to an arm in a situation. For many arms use an [`ArmScorer`].
    pub fn belief(&self, features: &Features, arm: &Arm, prior: Prior) -> Belief {
        self.scorer(features).belief(arm, prior)
    }

    fn level(&self, level: u64) -> Option<&LevelWeights> {
        self.levels.as_ref()?.get(&level).map(Arc::as_ref)
    }

    /// All levels, mutable: levels shared with other copies are copied first.
    pub(super) fn levels_mut(&mut self) -> &mut Levels<Arc<LevelWeights>> {
        Arc::make_mut(self.levels.get_or_insert_default())
    }

    /// A scorer of arms in one situation.
    pub fn scorer<'a>(&'a self, features: &'a Features) -> ArmScorer<'a> {
        let length = features.length();
        ArmScorer { snapshot: self, features, length, shared: Levels::default() }
    }
}

/// Scores arms in one situation; sums that several arms share are computed once.
#[derive(Debug)]
pub struct ArmScorer<'a> {
    snapshot: &'a Snapshot,
    features: &'a Features,
    length: f64,
    shared: Levels<Known>,
}

/// The sums of one level of arms in one situation.
#[derive(Debug, Clone, Copy)]
struct Known {
    features: Gaussian,
    intercept: WeightMessage,
}

impl ArmScorer<'_> {
    /// The belief about a response to an arm.
    pub fn belief(&mut self, arm: &Arm, prior: Prior) -> Belief {
        let mut sum = Belief { mean: 0.0, variance: 0.0, doubt: 0.0 };
        for level in expected(arm, prior, self.length) {
            // A treatment's own level is computed only once anyway.
            let is_own = arm.treatment == Some(level.key);
            let known = if is_own { self.know(&level) } else { self.shared(&level) };
            let intercept = posterior(known.intercept, level.intercept);
            sum.mean += known.features.mean + intercept.mean;
            sum.variance += known.features.variance + intercept.variance;
            sum.doubt += known.features.variance * FEATURES_STRAY * FEATURES_STRAY
                + intercept.variance * INTERCEPTS_STRAY * INTERCEPTS_STRAY;
        }
        sum
    }

    fn shared(&mut self, level: &LevelPrior) -> Known {
        if let Some(known) = self.shared.get(&level.key) {
            return *known;
        }
        let known = self.know(level);
        self.shared.insert(level.key, known);
        known
    }

    fn know(&self, level: &LevelPrior) -> Known {
        let Some(weights) = self.snapshot.level(level.key) else {
            let features = Gaussian { mean: 0.0, variance: level.weight.variance * self.length };
            return Known { features, intercept: WeightMessage::default() };
        };
        let scale = self.features.scale();
        let prior = 1.0 / level.weight.variance;
        let mut features = Gaussian { mean: 0.0, variance: 0.0 };
        for active in &self.features.active {
            let x = f64::from(active.share) * scale;
            // As in `posterior` for a prior mean of 0, with one division.
            let message = weights.get(active.key);
            let variance = 1.0 / (prior + f64::from(message.precision).max(0.0));
            features.mean += x * variance * f64::from(message.pull);
            features.variance += x * x * variance;
        }
        Known { features, intercept: weights.get(INTERCEPT) }
    }
}

/// The prior of one level of an arm.
pub(super) struct LevelPrior {
    pub(super) key: u64,
    pub(super) intercept: Gaussian,
    /// The prior of each feature's weight.
    pub(super) weight: Gaussian,
}

/// The levels of an arm, for features of this length. The policy's prior is that of the action: the
/// deviation of related actions from their own priors is added to it.
pub(super) fn expected(arm: &Arm, prior: Prior, length: f64) -> impl Iterator<Item = LevelPrior> {
    let level = |key, mean, intercept, features| LevelPrior {
        key,
        intercept: Gaussian { mean, variance: intercept },
        weight: Gaussian { mean: 0.0, variance: features },
    };
    let own = prior.variance / if arm.treatment.is_some() { 2.0 } else { 1.0 };
    let shared = arm.shared.len() as f64;
    let treatment = if arm.treatment.is_some() { TREATMENT_FEATURES } else { 0.0 };
    let features = ACTION_FEATURES + treatment + shared * SHARED_FEATURES;
    let variance = prior.variance + shared * SHARED_INTERCEPT + features * length;
    let action = level(arm.action, prior.mean(variance), own, ACTION_FEATURES);
    let treatment = arm.treatment.map(|key| level(key, 0.0, own, TREATMENT_FEATURES));
    let shared =
        arm.shared.iter().map(move |key| level(*key, 0.0, SHARED_INTERCEPT, SHARED_FEATURES));
    shared.chain([action]).chain(treatment)
}

/// The belief about one weight, or about a sum of weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gaussian {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// The belief about a weight after learning.
pub(super) fn posterior(message: WeightMessage, prior: Gaussian) -> Gaussian {
    // What two nodes forgot separately may leave slightly less than zero.
    let precision = 1.0 / prior.variance + f64::from(message.precision).max(0.0);
    let mean = (prior.mean / prior.variance + f64::from(message.pull)) / precision;
    Gaussian { mean, variance: 1.0 / precision }
}
