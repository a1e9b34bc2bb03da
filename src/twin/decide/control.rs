//! Arms of experiments in which something else is done than what is best.

use super::{CandidateVerdict, ScoredCandidate, Scoring, Stage};
use crate::models;
use crate::policy::{Does, Experiment, ExperimentArm};

impl<'a> Scoring<'a> {
    /// Drops what is not to be done in the customer's arms.
    pub(super) fn hold_back(&self, weighed: &mut [ScoredCandidate<'a>]) {
        for (experiment, arm) in self.where_done(Does::Nothing) {
            for candidate in weighed.iter_mut().filter(|one| is_about(experiment, one)) {
                candidate.stage = Stage::Arbitration;
                candidate.verdict = CandidateVerdict::ControlGroup {
                    experiment: experiment.name.clone(),
                    arm: arm.name.clone(),
                };
            }
        }
    }

    /// Where any suitable action is to be taken in the customer's arms, puts those that are left
    /// into an order of chance, in the places that they have. The candidates are in the order in
    /// which they would be taken.
    pub(super) fn shuffle(&self, weighed: &mut [ScoredCandidate<'a>]) {
        for (experiment, _) in self.where_done(Does::Random) {
            let places: Vec<usize> =
                (0..weighed.len()).filter(|at| is_about(experiment, &weighed[*at])).collect();
            // Fisher and Yates, as Durstenfeld wrote it (Algorithm 235, CACM 7, 1964).
            for last in (1..places.len()).rev() {
                let seed = models::seed(&[self.chance, SHUFFLE, last as u64]);
                // Below `last + 1`, as the uniform is below 1.
                let other = (models::uniform(seed) * (last + 1) as f64) as usize;
                weighed.swap(places[last], places[other.min(last)]);
            }
            let even = 1.0 / places.len().max(1) as f64;
            places.iter().for_each(|at| weighed[*at].weights.chance = even);
        }
    }

    /// The customer's arms in which this is done, each with its experiment.
    fn where_done(&self, does: Does) -> impl Iterator<Item = (&'a Experiment, &'a ExperimentArm)> {
        self.arms.iter().copied().filter(move |(_, arm)| arm.does == does)
    }
}

/// A part of a seed that makes it another one than those of other chances.
const SHUFFLE: u64 = 2;

/// Whether an experiment is about a candidate against which nothing speaks.
fn is_about(experiment: &Experiment, candidate: &ScoredCandidate<'_>) -> bool {
    candidate.verdict == CandidateVerdict::Outscored && experiment.covers(candidate.action)
}
