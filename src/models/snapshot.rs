use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::arm::Arm;
use super::belief::{Belief, Prior};
use super::features::{Features, INTERCEPT};
use super::weights::{LevelWeights, WeightMessage};

/// The prior variance of the features' weights of an action together, in units of the noise, before
/// they are shared out among the features.
const ACTION_FEATURES: f64 = 16.0;
/// Likewise of a treatment: what tells it from others of its action is less than what tells actions
/// apart.
const TREATMENT_FEATURES: f64 = 4.0;
/// Likewise of a level that several actions share: what they have in common is the least.
const SHARED_FEATURES: f64 = 2.0;
/// The prior variance of how all arms of a shared level do beyond what the policy expects of them.
const SHARED_INTERCEPT: f64 = 0.5;

/// How much of a deviation of the intercepts a draw may stray. Half of it explores enough where
/// responses are rare, and wastes less where they are not: Chapelle and Li, An Empirical Evaluation
/// of Thompson Sampling, NIPS 2011, section 4, likewise draw from a narrowed posterior.
const INTERCEPTS_STRAY: f64 = 0.5;
/// Likewise of the features. Many of them say the same, of which beliefs that are kept apart know
/// nothing, so that their variances add up to more than there is.
const FEATURES_STRAY: f64 = 0.15;

/// Something for each of some levels of arms.
pub(super) type Levels<T> = HashMap<u64, T, BuildHasherDefault<LevelHasher>>;

/// The name of a level is a hash already.
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

/// What a model knows at one moment. It never changes; a copy of it costs nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// None before anything is learned.
    levels: Option<Arc<Levels<Arc<LevelWeights>>>>,
    pub(super) version: u64,
}

impl Snapshot {
    /// The snapshot that knows nothing.
    pub const fn nothing() -> Snapshot {
        Snapshot { levels: None, version: 0 }
    }

    /// A snapshot as it was kept.
    pub fn restore(
        version: u64,
        levels: impl IntoIterator<Item = (u64, LevelWeights)>,
    ) -> Snapshot {
        let levels = levels.into_iter().map(|(level, weights)| (level, Arc::new(weights)));
        Snapshot { levels: Some(Arc::new(levels.collect())), version }
    }

    /// How many levels of arms something is known of.
    pub fn levels(&self) -> usize {
        self.levels.as_ref().map_or(0, |levels| levels.len())
    }

    /// All that is known, level by level, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &LevelWeights)> {
        let levels = self.levels.iter().flat_map(|levels| levels.iter());
        levels.map(|(level, weights)| (*level, &**weights))
    }

    /// About how many bytes all of it takes where it is kept.
    pub fn bytes(&self) -> usize {
        self.iter().map(|(_, weights)| weights.bytes()).sum()
    }

    /// What is known on one level.
    pub(super) fn weights(&self, level: u64) -> Option<Arc<LevelWeights>> {
        self.levels.as_ref()?.get(&level).cloned()
    }

    /// Which one this is: each that is published has a greater one. 0 knows nothing.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// How many observations of an action there are, over all its treatments.
    pub fn observations_of_action(&self, arm: &Arm) -> f64 {
        self.level(arm.action()).map_or(0.0, |weights| weights.observations)
    }

    /// How many observations of a treatment there are.
    pub fn observations(&self, arm: &Arm) -> f64 {
        self.level(arm.treatment()).map_or(0.0, |weights| weights.observations)
    }

    /// What two nodes learned apart, together. As messages about weights add up, the order and the
    /// grouping in which nodes are put together do not matter. The version is the greater.
    ///
    /// What both have from a common past counts twice: a node hands on what it learned itself.
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

    /// How likely a response to an arm is in a situation. Of many arms ask a [`ArmScorer`].
    pub fn belief(&self, features: &Features, arm: &Arm, prior: Prior) -> Belief {
        self.weigher(features).belief(arm, prior)
    }

    fn level(&self, level: u64) -> Option<&LevelWeights> {
        self.levels.as_ref()?.get(&level).map(Arc::as_ref)
    }

    /// All levels, to be changed: what other copies share is copied first.
    pub(super) fn levels_mut(&mut self) -> &mut Levels<Arc<LevelWeights>> {
        Arc::make_mut(self.levels.get_or_insert_default())
    }

    /// Weighs one arm after the other in one situation.
    pub fn weigher<'a>(&'a self, features: &'a Features) -> ArmScorer<'a> {
        let length = features.length();
        ArmScorer { snapshot: self, features, length, shared: Levels::default() }
    }
}

/// Weighs arms in one situation; what several arms share is added up once.
#[derive(Debug)]
pub struct ArmScorer<'a> {
    snapshot: &'a Snapshot,
    features: &'a Features,
    length: f64,
    shared: Levels<Known>,
}

/// What is known of one level of arms in one situation.
#[derive(Debug, Clone, Copy)]
struct Known {
    features: Gaussian,
    intercept: WeightMessage,
}

impl ArmScorer<'_> {
    /// How likely a response to an arm is.
    pub fn belief(&mut self, arm: &Arm, prior: Prior) -> Belief {
        let mut sum = Belief { mean: 0.0, variance: 0.0, doubt: 0.0 };
        for level in expected(arm, prior, self.length) {
            // A treatment is weighed once.
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
            // As `posterior` has it for a prior mean of 0, with one division.
            let message = weights.get(active.key);
            let variance = 1.0 / (prior + f64::from(message.precision).max(0.0));
            features.mean += x * variance * f64::from(message.pull);
            features.variance += x * x * variance;
        }
        Known { features, intercept: weights.get(INTERCEPT) }
    }
}

/// What is expected on one level of an arm before anything is learned.
pub(super) struct LevelPrior {
    pub(super) key: u64,
    pub(super) intercept: Gaussian,
    /// Of the weight of each feature.
    pub(super) weight: Gaussian,
}

/// The levels of an arm, for features of this length. What the policy says is the action's: what
/// others of its kind do beyond what the policy said of them is added to it.
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

/// What is believed of one weight, or of a sum of some.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gaussian {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// What is believed of a weight after what was learned of it.
pub(super) fn posterior(message: WeightMessage, prior: Gaussian) -> Gaussian {
    // What two nodes forgot apart may leave a little less than nothing.
    let precision = 1.0 / prior.variance + f64::from(message.precision).max(0.0);
    let mean = (prior.mean / prior.variance + f64::from(message.pull)) / precision;
    Gaussian { mean, variance: 1.0 / precision }
}
