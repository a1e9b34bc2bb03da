//! Uplift: the share of an action's successes that would not have happened without it.

use super::{ChosenCandidate, ScoredCandidate, Scoring, fits};
use crate::config::limits;
use crate::models::{self, Arm, Exposure, Features, Prior};
use crate::policy::{self, Does, Experiment, ExperimentArm};
use crate::twin::effect::{CandidateVerdict, id};
use crate::twin::state::AwaitedGoal;

/// The prior of reaching a goal: a weak one, because a goal may be rare or common.
const GOAL_PRIOR: (f64, f64) = (0.1, 2.0);

/// How often a customer reaches the goal of an experiment with an action, and without it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uplift<'a> {
    pub(super) experiment: &'a Experiment,
    /// The probability of the goal with the action, 0 to 1.
    pub(super) with: f64,
    /// The probability of the goal without it, 0 to 1.
    pub(super) without: f64,
}

impl Uplift<'_> {
    /// The share of the goals that the action causes, 0 to 1.
    pub(super) fn share(&self) -> f64 {
        if self.with > self.without { 1.0 - self.without / self.with } else { 0.0 }
    }

    /// Why the action is dropped: it changes too little; none if it changes enough.
    pub(super) fn objection(&self) -> Option<CandidateVerdict> {
        let Uplift { experiment, with, without } = *self;
        let is_enough = with - without > experiment.uplift.unwrap_or(0.0);
        let name = experiment.name.clone();
        (!is_enough).then_some(CandidateVerdict::NoUplift { experiment: name, with, without })
    }
}

impl<'a> Scoring<'a> {
    /// The uplift of an action, by the first experiment that measures it; none before enough customers
    /// with it, and without it, are known.
    pub(super) fn uplift(&self, action: &policy::ActionDefinition) -> Option<Uplift<'a>> {
        let scorer = self.scorer.as_ref()?;
        let mut all = self.context.policy.experiments.iter();
        let experiment = all.find(|one| one.uplift.is_some() && one.covers(action))?;
        let sides = [true, false].map(|with| Arm::of_goal(&experiment.name, &action.name, with));
        let models = self.context.models;
        if sides
            .iter()
            .any(|side| models.observations_of_action(side) < limits::UPLIFT_CUSTOMERS as f64)
        {
            return None;
        }
        let [with, without] = sides.map(|side| {
            let belief = scorer.borrow_mut().belief(&side, goal_prior());
            match self.context.policy.explore {
                Some(_) => {
                    belief.drawn(models::normal(models::seed(&[self.chance, side.action()])))
                }
                None => belief.propensity(),
            }
        });
        Some(Uplift { experiment, with, without })
    }

    /// The uplift that this decision is to measure: of its first action, in each arm that takes it, and
    /// in the control group where it would be taken.
    pub(super) fn awaited(
        &self,
        scored: &[ScoredCandidate<'a>],
        chosen: &[ChosenCandidate<'a>],
        features: &Features,
    ) -> Vec<(Box<str>, AwaitedGoal)> {
        let measured = self.arms.iter().filter(|(experiment, _)| experiment.uplift.is_some());
        let found = measured.filter_map(|(experiment, arm)| {
            let (action, with) = match arm.does {
                _ if arm.is_usual() => (scored[chosen.first()?.at].action, true),
                Does::Nothing => (self.held_back(scored, experiment)?, false),
                Does::Policy | Does::Random => return None,
            };
            let is_free = self.twin.trial(&experiment.name).is_none_or(|one| one.awaited.is_none());
            if !is_free || !experiment.covers(action) {
                return None;
            }
            self.goal_of(experiment, arm, (action, with), features)
        });
        found.collect()
    }

    /// The action that would have been the first of this decision without the control group.
    fn held_back(
        &self,
        scored: &[ScoredCandidate<'a>],
        experiment: &Experiment,
    ) -> Option<&'a policy::ActionDefinition> {
        let place = self.asked.and_then(|ask| ask.places().next());
        let first = scored.iter().find(|one| match &one.verdict {
            CandidateVerdict::Chosen => true,
            CandidateVerdict::ControlGroup { .. } => {
                !one.treatment_options.all.is_empty() && fits(one.action, place)
            }
            _ => false,
        })?;
        match &first.verdict {
            CandidateVerdict::ControlGroup { experiment: by, .. } if **by == *experiment.name => {
                Some(first.action)
            }
            _ => None,
        }
    }

    fn goal_of(
        &self,
        experiment: &Experiment,
        arm: &ExperimentArm,
        (action, with): (&policy::ActionDefinition, bool),
        features: &Features,
    ) -> Option<(Box<str>, AwaitedGoal)> {
        let scorer = self.scorer.as_ref()?;
        let side = Arm::of_goal(&experiment.name, &action.name, with);
        let exposure = Exposure {
            features: features.clone(),
            propensity: scorer.borrow_mut().belief(&side, goal_prior()).propensity(),
            arm: side,
            prior: goal_prior(),
            chance: arm.share,
            model: self.context.models.version(),
        };
        let goal = AwaitedGoal {
            decision: id::identifier('d', self.twin, self.context.input, ""),
            arm: arm.name.clone(),
            action: action.name.clone(),
            policy: self.context.policy.version.clone(),
            since: self.context.input.at,
            exposure,
        };
        Some((experiment.name.clone(), goal))
    }
}

fn goal_prior() -> Prior {
    let (expected, weight) = GOAL_PRIOR;
    Prior::new(expected, weight)
}
