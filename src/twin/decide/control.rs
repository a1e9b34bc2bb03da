//! Experiment arms in which something other than the best action is done.

use super::{ScoredCandidate, Scoring};
use crate::models;
use crate::policy::{Does, Experiment, ExperimentArm};
use crate::twin::effect::{CandidateVerdict, Stage};

impl<'a> Scoring<'a> {
    /// Drops the candidates that the customer's arms hold back.
    pub(super) fn hold_back(&self, scored: &mut [ScoredCandidate<'a>]) {
        for (experiment, arm) in self.arms_that_do(Does::Nothing) {
            for candidate in scored.iter_mut().filter(|one| is_about(experiment, one)) {
                candidate.stage = Stage::Arbitration;
                candidate.verdict = CandidateVerdict::ControlGroup {
                    experiment: experiment.name.clone(),
                    arm: arm.name.clone(),
                };
            }
        }
    }

    /// Shuffles the remaining candidates among their positions, where the customer's arms call for a
    /// random suitable action. The candidates are in the order in which they would be chosen.
    pub(super) fn shuffle(&self, scored: &mut [ScoredCandidate<'a>]) {
        for (experiment, _) in self.arms_that_do(Does::Random) {
            let places: Vec<usize> =
                (0..scored.len()).filter(|at| is_about(experiment, &scored[*at])).collect();
            shuffle_places(scored, &places, self.chance);
            let even = 1.0 / places.len().max(1) as f64;
            places.iter().for_each(|at| scored[*at].weights.chance = even);
        }
    }

    /// The customer's arms that do this, each with its experiment.
    fn arms_that_do(
        &self,
        does: Does,
    ) -> impl Iterator<Item = (&'a Experiment, &'a ExperimentArm)> {
        self.arms.iter().copied().filter(move |(_, arm)| arm.does == does)
    }
}

/// Shuffles the candidates at these places among them: Fisher and Yates, in the form of Durstenfeld
/// (Algorithm 235, CACM 7, 1964).
pub(super) fn shuffle_places(scored: &mut [ScoredCandidate<'_>], places: &[usize], chance: u64) {
    for last in (1..places.len()).rev() {
        let seed = models::seed(&[chance, SHUFFLE, last as u64]);
        // Below `last + 1`, because the uniform is below 1.
        let other = (models::uniform(seed) * (last + 1) as f64) as usize;
        scored.swap(places[last], places[other.min(last)]);
    }
}

/// The part of the seed that keeps these random numbers apart from others.
const SHUFFLE: u64 = 2;

/// Whether an experiment concerns a candidate without an objection.
fn is_about(experiment: &Experiment, candidate: &ScoredCandidate<'_>) -> bool {
    candidate.is_left() && experiment.covers(candidate.action)
}
