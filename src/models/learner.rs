use std::collections::BTreeSet;
use std::sync::Arc;

use super::arm::Arm;
use super::belief::{Belief, Prior};
use super::features::{Features, INTERCEPT};
use super::normal::{below, truncated};
use super::snapshot::{Gaussian, Snapshot, levels, posterior};
use super::weights::{LevelWeights, SCALE_COUNT, WeightMessage};

/// The approximate number of the last observations of a weight that count: enough to detect a propensity
/// of 1 in 1,000, and few enough to follow a season.
pub const HORIZON: f64 = 20_000.0;

/// The learner: Bayesian probit regression, one observation after the other.
///
/// Each feature has a weight on each level of an arm, with a Gaussian belief; their sum is the score, and
/// there is a response if the score plus unit noise is above zero. After each outcome the beliefs become
/// the Gaussians nearest to the result of Bayes' rule (assumed-density filtering): Graepel, Candela,
/// Borchert and Herbrich, Web-Scale Bayesian Click-Through Rate Prediction for Sponsored Search
/// Advertising in Microsoft's Bing Search Engine (AdPredictor), ICML 2010, equations 8 to 10. Forgetting,
/// their section 3.3, moves a weight towards its prior by a share of what was learned about it, with each
/// observation of it.
#[derive(Debug, Clone, Default)]
pub struct Learner {
    model: Snapshot,
    forgetting: f64,
    /// Levels that have changed since they were last requested.
    changed: BTreeSet<u64>,
    /// The number of features dropped from full levels since this learner was created.
    forgotten: u64,
}

impl Learner {
    /// Continues from a snapshot. Each further observation of a weight removes `1/horizon` of what was
    /// learned about it, so that about the last `horizon` observations count.
    pub fn from(model: Snapshot, horizon: f64) -> Learner {
        Learner {
            model,
            forgetting: 1.0 / horizon.max(1.0),
            changed: BTreeSet::new(),
            forgotten: 0,
        }
    }

    /// The number of features dropped from levels with
    /// [`LEVEL_WEIGHTS`](crate::config::limits::LEVEL_WEIGHTS) features, since this learner was created.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The current state.
    pub fn model(&self) -> &Snapshot {
        &self.model
    }

    /// Publishes the current state as a new version, for decisions.
    pub fn publish(&mut self) -> Snapshot {
        self.model.version += 1;
        self.model.clone()
    }

    /// Replaces a level by its stored state.
    pub(super) fn put(&mut self, level: u64, weights: Arc<LevelWeights>) {
        self.model.levels_mut().insert(level, weights);
    }

    /// Sets the version of the state.
    pub(super) fn set_version(&mut self, version: u64) {
        self.model.version = version;
        self.changed.clear();
    }

    /// The levels of arms that have changed since the last call, to be stored.
    pub fn changed(&mut self) -> Vec<(u64, Arc<LevelWeights>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|level| Some((level, self.model.weights(level)?))).collect()
    }

    /// Learns from one outcome: whether there was a response to an arm in a situation.
    pub fn learn(&mut self, features: &Features, arm: &Arm, prior: Prior, response: bool) {
        let prediction = self.model.scorer(features).predict(arm, prior);
        let keep = 1.0 - self.forgetting;
        let steps = prediction.beliefs.map(|belief| WeightUpdate::of(&belief, response, keep));
        let scale = features.scale();
        let known = self.model.levels_mut();
        for level in levels(arm, prior) {
            self.changed.insert(level.key);
            let weights = Arc::make_mut(known.entry(level.key).or_default());
            weights.assume(level.weights);
            weights.observations = weights.observations * keep + 1.0;
            if level.key == arm.action || Some(level.key) == arm.widest() {
                for (evidence, step) in weights.evidence.iter_mut().zip(&steps) {
                    *evidence = *evidence * keep + step.evidence;
                }
            }
            let intercepts = prediction.priors.map(|mean| level.intercept(arm, mean));
            let features_of = level.weights.map(|variance| Gaussian { mean: 0.0, variance });
            let mut learn = |key, priors: [Gaussian; SCALE_COUNT], x: f64| {
                let has_left = weights.change(key, |weight| {
                    weight.mass += x as f32;
                    let messages = weight.messages.iter_mut().zip(priors);
                    for ((message, prior), step) in messages.zip(&steps) {
                        step.take(message, prior, x);
                    }
                });
                self.forgotten += u64::from(has_left);
            };
            learn(INTERCEPT, intercepts, 1.0);
            for active in &features.active {
                learn(active.key, features_of, f64::from(active.share) * scale);
            }
        }
    }
}

/// The update of the weights that led to the expectation, at one scale of the priors.
struct WeightUpdate {
    mean: f64,
    variance: f64,
    keep: f32,
    /// The logarithm of the probability that was given to the outcome.
    evidence: f64,
}

impl WeightUpdate {
    fn of(belief: &Belief, response: bool, keep: f64) -> WeightUpdate {
        // An outcome that was held to be impossible counts as a surprise of this size.
        const LEAST: f64 = 1e-12;
        let deviation = (1.0 + belief.variance).sqrt();
        let towards = if response { 1.0 } else { -1.0 };
        let t = towards * belief.mean / deviation;
        let (v, w) = truncated(t);
        WeightUpdate {
            mean: towards * v / deviation,
            variance: w / (deviation * deviation),
            keep: keep as f32,
            evidence: libm::log(below(t).max(LEAST)),
        }
    }

    fn take(&self, message: &mut WeightMessage, prior: Gaussian, x: f64) {
        message.precision *= self.keep;
        message.pull *= self.keep;
        let before = posterior(*message, prior);
        let mean = before.mean + x * before.variance * self.mean;
        let variance = before.variance * (1.0 - x * x * before.variance * self.variance);
        message.precision += (1.0 / variance - 1.0 / before.variance) as f32;
        message.pull += (mean / variance - before.mean / before.variance) as f32;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::{ArmParts, normal, seed, uniform};

    fn arm(action: &str) -> Arm {
        Arm::new(ArmParts { action, treatment: "", issue: "sales", channel: "app", tone: "gentle" })
    }

    fn young(young: bool) -> Features {
        let mut features = Features::new();
        features.number("age", if young { 20.0 } else { 70.0 });
        features
    }

    fn learner() -> Learner {
        Learner::from(Snapshot::default(), 1e6)
    }

    #[test]
    fn responses_by_group_are_learned() {
        let mut learner = learner();
        let prior = Prior::new(0.1, 10.0);
        for _ in 0..200 {
            for (action, is_young) in [("loan", true), ("loan", false), ("card", true)] {
                let response = (action == "loan") == is_young;
                learner.learn(&young(is_young), &arm(action), prior, response);
            }
        }
        let expected = |action, is_young| {
            learner.model().belief(&young(is_young), &arm(action), prior).propensity()
        };
        assert!(expected("loan", true) > 0.9, "{}", expected("loan", true));
        assert!(expected("loan", false) < 0.1, "{}", expected("loan", false));
        assert!(expected("card", true) < 0.1, "{}", expected("card", true));
    }

    #[test]
    fn a_new_action_starts_from_the_results_of_similar_actions() {
        let mut learner = learner();
        let prior = Prior::new(0.1, 10.0);
        for _ in 0..100 {
            learner.learn(&young(true), &arm("loan"), prior, true);
            learner.learn(&young(false), &arm("loan"), prior, false);
        }
        let expected = |is_young| learner.model().belief(&young(is_young), &arm("new"), prior);
        assert!(expected(true).propensity() > 1.3 * expected(false).propensity());
    }

    #[test]
    fn a_snapshot_does_not_change() {
        let mut learner = learner();
        learner.learn(&young(true), &arm("loan"), Prior::default(), true);
        let before = learner.publish();
        let belief = before.belief(&young(true), &arm("loan"), Prior::default());
        learner.learn(&young(true), &arm("loan"), Prior::default(), true);
        assert_eq!(before.belief(&young(true), &arm("loan"), Prior::default()), belief);
        assert!(learner.publish().version() > before.version());
    }

    #[test]
    fn a_short_horizon_adapts_sooner_to_a_change() {
        let only = ArmParts { action: "", treatment: "", issue: "", channel: "", tone: "" };
        let arm = &Arm::all(&[only])[0];
        let after = |horizon| {
            let mut learner = Learner::from(Snapshot::default(), horizon);
            for number in 0..3_300 {
                // At first one in five does not respond, later four in five do not.
                let response = (number % 5 == 0) != (number < 3_000);
                learner.learn(&Features::new(), arm, Prior::default(), response);
            }
            learner.model().belief(&Features::new(), arm, Prior::default()).propensity()
        };
        assert!((after(100.0) - 0.2).abs() < 0.1, "{}", after(100.0));
        assert!(after(1e6) > after(100.0) + 0.2, "{}", after(1e6));
    }

    proptest! {
        #[test]
        fn outcomes_that_repeat_move_the_propensity_towards_them(
            answers in prop::collection::vec((any::<bool>(), any::<bool>()), 0..60),
            propensity in 0.01..0.99,
            response: bool,
        ) {
            let mut learner = learner();
            let prior = Prior::new(propensity, 5.0);
            for (is_young, response) in answers {
                learner.learn(&young(is_young), &arm("loan"), prior, response);
            }
            let predict =
                |learner: &Learner| learner.model().scorer(&young(true)).predict(&arm("loan"), prior);
            let before = predict(&learner);
            for _ in 0..100 {
                learner.learn(&young(true), &arm("loan"), prior, response);
            }
            let after = predict(&learner);
            prop_assert!((after.mixed().propensity() > before.mixed().propensity()) == response);
            for (before, after) in before.beliefs.iter().zip(&after.beliefs) {
                prop_assert!(after.doubt < before.doubt, "{before:?} {after:?}");
            }
        }

        #[test]
        fn learners_of_several_nodes_merge_to_the_same_in_any_order(
            answers in prop::collection::vec((0..3usize, any::<bool>(), any::<bool>()), 1..60),
        ) {
            let mut nodes = [learner(), learner(), learner()];
            for (node, is_young, response) in answers {
                let prior = Prior::default();
                nodes[node].learn(&young(is_young), &arm("loan"), prior, response);
            }
            let [a, b, c] = nodes.each_ref().map(Learner::model);
            let expected = |model: &Snapshot| {
                let belief = model.belief(&young(true), &arm("loan"), Prior::default());
                (belief.propensity(), model.observations(&arm("loan")))
            };
            let (one, count) = expected(&a.plus(b).plus(c));
            let (other, same_count) = expected(&c.plus(&b.plus(a)));
            prop_assert!((one - other).abs() < 1e-5);
            prop_assert_eq!(count, same_count);
        }

        #[test]
        fn an_action_without_answers_keeps_the_policys_prior(
            propensity in 0.001..0.999,
            age in 0.0..100.0,
        ) {
            let mut features = Features::new();
            features.number("age", age);
            let prior = Prior::new(propensity, 10.0);
            let belief = Snapshot::default().belief(&features, &arm("loan"), prior);
            prop_assert!((belief.propensity() - propensity).abs() < 1e-6);
        }
    }

    /// A customer of a campaign with three arms: features that say nothing about the best arm, and what
    /// each arm would come to.
    fn customer(number: u64) -> (Features, [bool; 3]) {
        let chance = |part| uniform(seed(&[number, part]));
        let mut features = Features::new();
        features.number("recency", (chance(1) * 12.0).ceil());
        features.number("spent", (chance(2) * 7.0).exp());
        features.text("area", ["town", "suburb", "country"][(chance(3) * 3.0) as usize]);
        features.text("channel", ["web", "phone", "shop"][(chance(4) * 3.0) as usize]);
        features.flag("new", chance(5) < 0.5);
        features.flag("women", chance(6) < 0.5);
        (features, [0.1, 0.15, 0.25].map(|rate| chance(7) < rate))
    }

    #[test]
    fn no_run_ends_with_the_wrong_arm() {
        let part = |action| ArmParts { action, treatment: "", issue: "", channel: "", tone: "" };
        let arms = Arm::all(&["none", "second", "best"].map(part));
        for run in 0..12 {
            let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
            let mut best = 0;
            for turn in 0..2_500 {
                let (features, outcomes) = customer(seed(&[run, turn]));
                let mut scorer = learner.model().scorer(&features);
                let draws: Vec<f64> = (0..3)
                    .map(|arm| {
                        let draw = normal(seed(&[run, turn, arm]));
                        scorer.belief(&arms[arm as usize], Prior::default()).drawn(draw)
                    })
                    .collect();
                let chosen = (0..3).max_by(|a, b| draws[*a].total_cmp(&draws[*b])).unwrap();
                learner.learn(&features, &arms[chosen], Prior::default(), outcomes[chosen]);
                best += u32::from(turn >= 1_500 && chosen == 2);
            }
            assert!(best > 800, "run {run}: the best arm {best} times of the last 1,000");
        }
    }

    #[test]
    fn features_that_say_nothing_leave_a_narrow_scale_and_telling_ones_a_wide_one() {
        let widest = |telling: bool| {
            let mut learner = learner();
            for number in 0..600 {
                let mut features = Features::new();
                for value in 0..6 {
                    let text = uniform(seed(&[number, value])) < 0.5;
                    features.text(&format!("value {value}"), if text { "a" } else { "b" });
                }
                let said = uniform(seed(&[number, 0])) < 0.5;
                let response = if telling { said } else { uniform(seed(&[number, 99])) < 0.5 };
                learner.learn(&features, &arm("loan"), Prior::default(), response);
            }
            let evidence = learner.model().weights(arm("loan").action()).unwrap().evidence;
            evidence[0] - evidence[SCALE_COUNT - 1]
        };
        assert!(widest(true) > 3.0, "{}", widest(true));
        assert!(widest(false) < -3.0, "{}", widest(false));
    }

    #[test]
    fn predictions_match_frequencies() {
        let mut learner = learner();
        let (mut expected, mut happened) = (0.0, 0.0);
        for number in 0..4_000 {
            let is_young = normal(number) > 0.0;
            let truth = if is_young { 0.3 } else { 0.1 };
            let response = uniform(number + 1_000_000) < truth;
            let prior = Prior::new(0.5, 1.0);
            if number > 500 {
                let belief = learner.model().belief(&young(is_young), &arm("loan"), prior);
                expected += belief.propensity();
                happened += f64::from(u8::from(response));
            }
            learner.learn(&young(is_young), &arm("loan"), prior, response);
        }
        assert!((expected / happened - 1.0).abs() < 0.05, "{expected} {happened}");
    }
}
