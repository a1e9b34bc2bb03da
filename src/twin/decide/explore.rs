//! Exploration: little-known actions are tried now and then, within bounds, and with a known probability.

use super::{ScoredCandidate, Scoring};
use crate::config::limits;
use crate::models::{self, Contender};
use crate::policy::{self, Explore};
use crate::twin::effect::{CandidateVerdict, Stage};

/// The part of the seed that keeps these random numbers apart from others.
const REACH: u64 = 1;

impl<'a> Scoring<'a> {
    /// Drops little-known actions where the exploration share is exhausted, if there is a well-known
    /// action.
    pub(super) fn keep_within_reach(&self, scored: &mut [ScoredCandidate<'_>]) {
        let Some(explore) = self.exploration() else { return };
        let is_mature = |candidate: &ScoredCandidate<'_>| {
            self.observed(candidate.action) >= explore.mature.into()
        };
        if !scored.iter().any(|candidate| candidate.is_left() && is_mature(candidate)) {
            return;
        }
        for candidate in scored.iter_mut() {
            let observed = self.observed(candidate.action);
            if !candidate.is_left() || observed >= explore.mature.into() {
                continue;
            }
            let seed = [self.chance, models::hashed(&candidate.action.name), REACH];
            if models::uniform(models::seed(&seed)) >= explore.reach {
                candidate.stage = Stage::Propensity;
                candidate.verdict = CandidateVerdict::OutOfReach { observations: observed as u32 };
            } else {
                candidate.chance.competing *= explore.reach;
            }
        }
    }

    /// Records the probability with which the draws choose each candidate that may be chosen, so that the
    /// result of other policies can be estimated from this one's decisions.
    pub(super) fn record_chances(&self, scored: &mut [ScoredCandidate<'_>]) {
        if self.exploration().is_none() {
            return;
        }
        let chances = self.chances_among(scored, |at| self.may_be_chosen(&scored[at]));
        for (candidate, chance) in scored.iter_mut().zip(chances).filter(|(one, _)| one.is_left()) {
            (candidate.chance.action, candidate.chance.treatment) = chance;
        }
    }

    /// The probability that the draws put each candidate first among those that take part: in any treatment,
    /// and in the drawn one. It is 0 for those behind the first [`limits::CANDIDATES`].
    pub(super) fn chances_among(
        &self,
        scored: &[ScoredCandidate<'_>],
        takes_part: impl Fn(usize) -> bool,
    ) -> Vec<(f64, f64)> {
        let (mut contenders, mut owners) = (Vec::new(), Vec::new());
        let part = (0..scored.len()).filter(|at| takes_part(*at));
        for at in part.take(limits::CANDIDATES) {
            // The drawn treatment comes first.
            owners.extend(contenders_of(&scored[at]).enumerate().map(|(rank, _)| (at, rank == 0)));
            contenders.extend(contenders_of(&scored[at]));
        }
        let mut found = vec![(0.0, 0.0); scored.len()];
        for (chance, (at, is_drawn)) in models::chances(&contenders).into_iter().zip(owners) {
            found[at].0 += chance;
            if is_drawn {
                found[at].1 = chance;
            }
        }
        found
    }

    /// How the policy explores, where there is a model to draw from.
    pub(super) fn exploration(&self) -> Option<&'a Explore> {
        self.context.policy.explore.as_ref().filter(|_| self.scorer.is_some())
    }

    /// How many outcomes of an action were observed.
    fn observed(&self, action: &policy::ActionDefinition) -> f64 {
        let arm = action.treatments.first().map(|treatment| &treatment.arm);
        arm.map_or(0.0, |arm| self.context.models.observations_of_action(arm))
    }
}

/// The treatments among which the draw decides, the drawn one first.
fn contenders_of(candidate: &ScoredCandidate<'_>) -> impl Iterator<Item = Contender> {
    let factor = candidate.weights.score() / candidate.weights.drawn.max(f64::MIN_POSITIVE);
    candidate.treatment_options.drawn().map(move |way| Contender { belief: way.belief, factor })
}
