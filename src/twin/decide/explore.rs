//! Exploration: little-known actions are tried now and then, within bounds, and with a known probability.

use super::control::shuffle_places;
use super::{ScoredCandidate, Scoring};
use crate::config::limits;
use crate::models::{self, Contender};
use crate::policy::{self, Explore};
use crate::twin::effect::{CandidateVerdict, Stage};

/// The parts of the seed that keep these random numbers apart from others.
const REACH: u64 = 1;
const RANDOM: u64 = 3;

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
            let seed = [self.chance, models::hashed(&candidate.action.name), REACH];
            if candidate.is_left()
                && observed < explore.mature.into()
                && models::uniform(models::seed(&seed)) >= explore.reach
            {
                candidate.stage = Stage::Propensity;
                candidate.verdict = CandidateVerdict::OutOfReach { observations: observed as u32 };
            }
        }
    }

    /// Records for the best candidates the probability that the draws would choose them, so that the
    /// result of other policies can be estimated from this one's decisions. For a little-known action it
    /// is the probability within its exploration share.
    pub(super) fn record_chances(&self, scored: &mut [ScoredCandidate<'_>]) {
        let Some(explore) = self.exploration() else { return };
        let mut contenders = Vec::new();
        let mut owners = Vec::new();
        let left = scored.iter().enumerate().filter(|(_, candidate)| candidate.is_left());
        for (at, candidate) in left.take(limits::CANDIDATES) {
            let factor = candidate.weights.score() / candidate.weights.drawn.max(f64::MIN_POSITIVE);
            for way in candidate.treatment_options.drawn() {
                contenders.push(Contender { belief: way.belief, factor });
                owners.push((at, way.drawn == candidate.weights.drawn));
            }
        }
        for (chance, (at, is_best)) in models::chances(&contenders).into_iter().zip(owners) {
            if is_best {
                scored[at].weights.chance = chance;
            }
        }
        if !scored
            .iter()
            .any(|one| one.is_left() && self.observed(one.action) >= explore.mature.into())
        {
            return;
        }
        for candidate in scored.iter_mut().filter(|candidate| candidate.is_left()) {
            if self.observed(candidate.action) < explore.mature.into() {
                candidate.weights.chance *= explore.reach;
            }
        }
    }

    /// How the policy explores, where there is a model to draw from.
    fn exploration(&self) -> Option<&'a Explore> {
        self.context.policy.explore.as_ref().filter(|_| self.scorer.is_some())
    }

    /// How many outcomes of an action were observed.
    fn observed(&self, action: &policy::ActionDefinition) -> f64 {
        let arm = action.treatments.first().map(|treatment| &treatment.arm);
        arm.map_or(0.0, |arm| self.context.models.observations_of_action(arm))
    }

    /// Shuffles the best candidates of some issues among their positions in a share of the decisions, and
    /// records with what probability each is chosen then. So an action that the model has given up is tried
    /// again, and the model cannot miss that it has become good.
    pub(super) fn leave_to_chance(&self, scored: &mut [ScoredCandidate<'a>]) {
        let random = self.exploration().and_then(|explore| explore.random.as_ref());
        let Some(random) = random else { return };
        let competes =
            |one: &ScoredCandidate<'_>| one.is_left() && random.issues.contains(&one.action.issue);
        let places = (0..scored.len()).filter(|at| competes(&scored[*at]));
        let places: Vec<usize> = places.take(limits::CANDIDATES).collect();
        let all: f64 = places.iter().map(|at| scored[*at].weights.chance).sum();
        for at in &places {
            let chance = &mut scored[*at].weights.chance;
            *chance = (1.0 - random.share) * *chance + random.share * all / places.len() as f64;
        }
        let seed = models::seed(&[self.chance, RANDOM]);
        if models::uniform(seed) < random.share {
            shuffle_places(scored, &places, seed);
        }
    }
}
