use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

use super::arm::Arm;
use super::belief::{Belief, Prior};
use super::features::Features;
use super::normal::quantile;
use super::weights::{LevelWeights, SCALE_COUNT, Weight, WeightMessage};

/// The scales at which the weights of features are learned side by side: the total prior variance of an
/// action's feature weights, in units of the noise, before it is divided among the features. Wide priors
/// suit situations that tell responses apart, narrow ones situations that tell little. Each action learns
/// from its outcomes, and from those of the others, which of them suits it: [`Prediction::mixed`]. At the
/// last one features tell next to nothing.
const VARIANCES: [f64; SCALE_COUNT] = [8.0, 0.5, 0.01];
/// The rate at which outcomes count as evidence for a scale. What an action learns from are the customers
/// for whom it was chosen, and of those each scale expects much the same; counted in full, a few dozen of
/// them would settle what is believed of all others. Grünwald and van Ommen, Inconsistency of Bayesian
/// Inference for Misspecified Linear Models, and a Proposal for Repairing It, Bayesian Analysis 12 (2017).
const EVIDENCE_RATE: f64 = 0.5;
/// How much less probable than the best one a scale is at most held to be because of the outcomes of other
/// actions, as a natural logarithm. So a new action begins with the scale that suits the others, and some
/// dozens of outcomes of its own still decide otherwise.
const EVIDENCE_OF_OTHERS: f64 = 6.0;
/// A scale that is less probable than the best one by more than this, as a natural logarithm, does not take
/// part in a decision: one in two hundred.
const EVIDENCE_THAT_COUNTS: f64 = 5.3;
/// After so many observations of a value, half of what is known of all values is held against it.
const KNOWN_AFTER: f64 = 10.0;
/// The part of it that a treatment has: treatments of one action differ less than actions do.
const TREATMENT_SHARE: f64 = 0.25;
/// The same for a level that several actions share: their common part is the smallest.
const SHARED_SHARE: f64 = 0.125;
/// The prior variance of a shared level's intercept: how all its arms do beyond the policy's expectation.
const SHARED_INTERCEPT: f64 = 0.5;

/// The share of the standard deviation of the features' part that draws use; the intercepts are drawn
/// whole. Each decision draws anew, and what is uncertain about one customer is averaged out over all of
/// them: an arm that is as good as another is tried often enough by its intercept. Chapelle and Li, An
/// Empirical Evaluation of Thompson Sampling, NIPS 2011, section 4, likewise draw from a narrowed
/// posterior.
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
        let shared = Levels::default();
        ArmScorer { snapshot: self, features, length, averages_unknown: false, shared }
    }

    /// Scores the sides of goals in one situation. Where its values were hardly ever observed, it counts as the
    /// average: what the two sides differ by is read as a share, and not only as an order as between actions, for
    /// which the same values are unknown.
    pub fn goal_scorer<'a>(&'a self, features: &'a Features) -> ArmScorer<'a> {
        ArmScorer { averages_unknown: true, ..self.scorer(features) }
    }
}

/// Scores arms in one situation; sums that several arms share are computed once.
#[derive(Debug)]
pub struct ArmScorer<'a> {
    snapshot: &'a Snapshot,
    features: &'a Features,
    length: f64,
    /// Whether values that were hardly ever observed count as the average.
    averages_unknown: bool,
    shared: Levels<Known>,
}

/// The sums of one level of arms in one situation.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The prior variance of the features' part at each scale, for priors of variance 1: the squares of
    /// the features, less what all situations have in common.
    length: f64,
    features: [Gaussian; SCALE_COUNT],
    intercept: Weight,
}

/// What is expected of an arm in a situation, at each scale of the priors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prediction {
    pub(super) beliefs: [Belief; SCALE_COUNT],
    /// The mean of the prior of the action's intercept.
    pub(super) priors: [f64; SCALE_COUNT],
    /// For each scale the logarithm of how probable the outcomes make it, but for a common constant.
    evidence: [f64; SCALE_COUNT],
}

impl Prediction {
    /// The belief, with each scale as probable as the outcomes so far make it: Bayesian model averaging
    /// over the scale of the priors, by the probabilities that each gave to the outcomes before it knew
    /// them (Dawid, Statistical Theory: The Prequential Approach, Journal of the Royal Statistical
    /// Society A 147, 1984).
    pub(super) fn mixed(&self) -> Belief {
        let mut counted = (0..SCALE_COUNT).filter(|scale| self.evidence[*scale].is_finite());
        if let (Some(only), None) = (counted.next(), counted.next()) {
            return self.beliefs[only];
        }
        let most = self.evidence.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let chances = self.evidence.map(|evidence| libm::exp(evidence - most));
        let all: f64 = chances.iter().sum();
        // Probabilities are averaged, not scores: one scale that goes far astray would drag the mean of the
        // scores along, and an arm would never be tried again.
        let mut propensity = 0.0;
        let mut mixed = Belief { mean: 0.0, variance: 0.0, doubt: 0.0 };
        for (belief, chance) in self.beliefs.iter().zip(chances) {
            let share = chance / all;
            propensity += share * belief.propensity();
            mixed.variance += share * belief.variance;
            mixed.doubt += share * belief.doubt;
        }
        mixed.mean = quantile(propensity) * (1.0 + mixed.variance).sqrt();
        mixed
    }
}

impl ArmScorer<'_> {
    /// The belief about a response to an arm.
    pub fn belief(&mut self, arm: &Arm, prior: Prior) -> Belief {
        let mut evidence = self.evidence(arm);
        let most = evidence.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for evidence in evidence.iter_mut().filter(|it| **it < most - EVIDENCE_THAT_COUNTS) {
            *evidence = f64::NEG_INFINITY;
        }
        self.predict_by(arm, prior, evidence).mixed()
    }

    /// What each scale of the priors expects.
    pub(super) fn predict(&mut self, arm: &Arm, prior: Prior) -> Prediction {
        self.predict_by(arm, prior, self.evidence(arm))
    }

    /// For each scale the logarithm of how probable the outcomes make it, but for a common constant: those
    /// of an action, with those of all actions as a prior. Without it an action with few outcomes, which say
    /// little about the scale, goes on believing what it made of noise.
    fn evidence(&self, arm: &Arm) -> [f64; SCALE_COUNT] {
        let of = |level| self.snapshot.level(level).map_or([0.0; SCALE_COUNT], |it| it.evidence);
        let (mut own, all) = (of(arm.action), arm.widest().map_or([0.0; SCALE_COUNT], of));
        let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (own, all) in own.iter_mut().zip(all) {
            let of_others = (EVIDENCE_RATE * (all - most)).max(-EVIDENCE_OF_OTHERS);
            *own = EVIDENCE_RATE * *own + of_others;
        }
        own
    }

    /// What each scale expects; of those without a finite evidence nothing is computed.
    fn predict_by(&mut self, arm: &Arm, prior: Prior, evidence: [f64; SCALE_COUNT]) -> Prediction {
        let counted = evidence.map(f64::is_finite);
        let known: SmallVec<[(LevelPrior, Known); 6]> = levels(arm, prior)
            .map(|level| {
                let known = if arm.treatment == Some(level.key) {
                    // It is computed only once anyway.
                    self.know(&level, counted)
                } else if level.key == arm.action {
                    // All treatments of an action count the same scales.
                    self.shared(&level, counted)
                } else {
                    self.shared(&level, [true; SCALE_COUNT])
                };
                (level, known)
            })
            .collect();
        let mut beliefs = [Belief { mean: 0.0, variance: 0.0, doubt: 0.0 }; SCALE_COUNT];
        let mut priors = [0.0; SCALE_COUNT];
        for scale in (0..SCALE_COUNT).filter(|scale| counted[*scale]) {
            let (belief, mean) = (&mut beliefs[scale], &mut priors[scale]);
            let variance = |(level, known): &(LevelPrior, Known)| {
                level.intercept + level.weights[scale] * known.length
            };
            // The policy's prior is that of the action: the deviation of related actions from their own
            // priors is added to it.
            *mean = prior.mean(known.iter().map(variance).sum());
            for (level, known) in &known {
                let features = known.features[scale];
                let intercept =
                    posterior(known.intercept.messages[scale], level.intercept(arm, *mean));
                belief.mean += features.mean + intercept.mean;
                belief.variance += features.variance + intercept.variance;
                belief.doubt +=
                    features.variance * FEATURES_STRAY * FEATURES_STRAY + intercept.variance;
            }
        }
        Prediction { beliefs, priors, evidence }
    }

    fn shared(&mut self, level: &LevelPrior, counted: [bool; SCALE_COUNT]) -> Known {
        if let Some(known) = self.shared.get(&level.key) {
            return *known;
        }
        let known = self.know(level, counted);
        self.shared.insert(level.key, known);
        known
    }

    /// The features' part is centred: less its mean over all observations of the level. Bins of one value
    /// add up to the same in every situation, and would repeat the intercept: with each outcome, separate
    /// beliefs would move the level of the arm by as many steps as there are values, and follow the
    /// latest outcomes. For a situation of unknown values that would be the average less what the known ones have:
    /// where they are to count as the average, the mean is taken away in the share of those that are known.
    fn know(&self, level: &LevelPrior, counted: [bool; SCALE_COUNT]) -> Known {
        let Some(weights) = self.snapshot.level(level.key) else {
            let length = self.length;
            let features = level.weights.map(|it| Gaussian { mean: 0.0, variance: it * length });
            return Known { length, features, intercept: Weight::default() };
        };
        let factor = self.features.scale();
        let priors = level.weights.map(|variance| 1.0 / variance);
        let averaging = weights.averaging();
        let mut length = 0.0;
        let mut features = [Gaussian { mean: 0.0, variance: 0.0 }; SCALE_COUNT];
        for active in &self.features.active {
            let x = f64::from(active.share) * factor;
            let weight = weights.get(active.key);
            let square = x * (x - f64::from(weight.mass) * averaging).max(0.0);
            length += square;
            for scale in (0..SCALE_COUNT).filter(|scale| counted[*scale]) {
                let (sum, message) = (&mut features[scale], weight.messages[scale]);
                // As in `posterior` for a prior mean of 0, with one division.
                let variance = 1.0 / (priors[scale] + message.precision());
                sum.mean += x * variance * f64::from(message.pull);
                sum.variance += square * variance;
            }
        }
        let part = if self.averages_unknown { self.known_part(weights) } else { 1.0 };
        for (number, sum) in features.iter_mut().enumerate() {
            sum.mean -= weights.offset(number, averaging) * part;
        }
        Known { length, features, intercept: weights.intercept() }
    }

    /// The part of the situation that a level knows, 0 to 1: 1 if there is nothing in it.
    fn known_part(&self, weights: &LevelWeights) -> f64 {
        let factor = self.features.scale();
        let (mut all, mut known) = (0.0, 0.0);
        for active in &self.features.active {
            let x = f64::from(active.share) * factor;
            let mass = f64::from(weights.get(active.key).mass);
            all += x;
            known += x * mass / (mass + KNOWN_AFTER * factor);
        }
        if all > 0.0 { known / all } else { 1.0 }
    }
}

/// The prior of one level of an arm.
#[derive(Debug, Clone, Copy)]
pub(super) struct LevelPrior {
    pub(super) key: u64,
    /// The variance of the intercept.
    intercept: f64,
    /// At each scale the variance of the weight of a feature; its mean is 0.
    pub(super) weights: [f64; SCALE_COUNT],
}

impl LevelPrior {
    /// The prior of the intercept, if that of the action has this mean.
    pub(super) fn intercept(&self, arm: &Arm, mean: f64) -> Gaussian {
        let mean = if self.key == arm.action { mean } else { 0.0 };
        Gaussian { mean, variance: self.intercept }
    }
}

/// The levels of an arm.
pub(super) fn levels(arm: &Arm, prior: Prior) -> impl Iterator<Item = LevelPrior> {
    let level = |key, intercept, share| LevelPrior {
        key,
        intercept,
        weights: VARIANCES.map(|variance| variance * share),
    };
    let own = prior.variance / if arm.treatment.is_some() { 2.0 } else { 1.0 };
    let shared = arm.shared.iter().map(move |key| level(*key, SHARED_INTERCEPT, SHARED_SHARE));
    let treatment = arm.treatment.map(|key| level(key, own, TREATMENT_SHARE));
    shared.chain([level(arm.action, own, 1.0)]).chain(treatment)
}

/// The belief about one weight, or about a sum of weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gaussian {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// The belief about a weight after learning.
pub(super) fn posterior(message: WeightMessage, prior: Gaussian) -> Gaussian {
    let precision = 1.0 / prior.variance + message.precision();
    let mean = (prior.mean / prior.variance + f64::from(message.pull)) / precision;
    Gaussian { mean, variance: 1.0 / precision }
}
