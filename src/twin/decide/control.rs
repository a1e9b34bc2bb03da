//! Control groups: experiment arms that hold actions back.

use super::{ScoredCandidate, Scoring};
use crate::policy::{self, Does, Experiment, ExperimentArm};
use crate::twin::effect::CandidateVerdict;

impl<'a> Scoring<'a> {
    /// The control groups that hold an action back, each with its experiment.
    pub(super) fn holders(
        &self,
        action: &policy::ActionDefinition,
    ) -> impl Iterator<Item = (&'a Experiment, &'a ExperimentArm)> {
        self.arms_that_do(Does::Nothing).filter(|(experiment, _)| experiment.covers(action))
    }

    /// Why an action is not taken, if a control group holds it back.
    pub(super) fn objection_of_arms(
        &self,
        action: &policy::ActionDefinition,
    ) -> Option<CandidateVerdict> {
        let (experiment, arm) = self.holders(action).next()?;
        let (experiment, arm) = (experiment.name.clone(), arm.name.clone());
        Some(CandidateVerdict::ControlGroup { experiment, arm })
    }

    /// Whether a candidate may still be chosen: it has no objection, and no control group holds it back.
    pub(super) fn may_be_chosen(&self, candidate: &ScoredCandidate<'_>) -> bool {
        candidate.is_left() && self.holders(candidate.action).next().is_none()
    }

    /// The customer's arms that do this, each with its experiment.
    pub(super) fn arms_that_do(
        &self,
        does: Does,
    ) -> impl Iterator<Item = (&'a Experiment, &'a ExperimentArm)> {
        self.arms.iter().copied().filter(move |(_, arm)| arm.does == does)
    }
}
