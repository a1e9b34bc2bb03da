//! Uplift: the share of an action's successes that would not have happened without it.
//!
//! It is learned over the policy's own features alone. Each customer is measured at the first decision that
//! concerns the experiment, and the result is used at later ones, often in another channel: what tells the moment
//! (channel, hour, number of inputs and contacts) would be learned at the one and asked for at the other.

use super::{ScoredCandidate, Scoring, Selection};
use crate::config::limits;
use crate::event::Value;
use crate::models::{Arm, Exposure, Features, Prior};
use crate::policy::{self, Experiment, ExperimentArm};
use crate::twin::effect::{CandidateGoal, CandidateVerdict};
use crate::twin::state::{AwaitedGoal, Measurement};

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

    /// What a decision's record says that it read of the goal: its probabilities with the action and without
    /// it, and the least gain.
    pub(super) fn read(&self) -> [(Box<str>, Value); 3] {
        let Uplift { experiment, with, without } = *self;
        let least = experiment.least_gain.unwrap_or(0.0);
        [("with", with), ("without", without), ("least", least)].map(|(what, figure)| {
            let path = format!("{}{}.{what}", CandidateGoal::PREFIX, experiment.name);
            (path.into(), Value::Float(figure))
        })
    }

    /// Why the action is dropped: it changes too little; none if it changes enough.
    pub(super) fn objection(&self) -> Option<CandidateVerdict> {
        let Uplift { experiment, with, without } = *self;
        let least = experiment.least_gain.unwrap_or(0.0);
        let is_enough = with - without > least;
        let name = experiment.name.clone();
        (!is_enough).then_some(CandidateVerdict::NoUplift {
            experiment: name,
            with,
            without,
            least,
        })
    }
}

impl<'a> Scoring<'a> {
    /// The uplift of an action, by the first experiment that measures it; none before enough customers
    /// with it, and without it, are known.
    pub(super) fn uplift(&self, action: &policy::ActionDefinition) -> Option<Uplift<'a>> {
        let scorer = self.uplift_scorer.as_ref()?;
        let mut all = self.context.policy.experiments.iter();
        let experiment = all.find(|one| one.least_gain.is_some() && one.covers(action))?;
        let sides =
            [true, false].map(|with| Arm::of_goal(experiment.goal_hash, &action.name, with));
        let models = self.context.models;
        let is_known =
            |side| models.observations_of_action(side) >= limits::UPLIFT_CUSTOMERS as f64;
        if !sides.iter().all(is_known) {
            return None;
        }
        // Not drawn: what is dropped must have no other probability of being chosen than the recorded one.
        let [with, without] =
            sides.map(|side| scorer.borrow_mut().belief(&side, goal_prior()).propensity());
        Some(Uplift { experiment, with, without })
    }

    /// What this decision begins to measure, for each experiment: the first action that it concerns and no
    /// other experiment holds back, with it in the arms that take it, and without it in the control groups.
    /// Until then customers of both have lived alike, because each is measured once. An experiment that
    /// measures no uplift yet will not measure these customers later either.
    pub(super) fn measurements(
        &self,
        scored: &[ScoredCandidate<'a>],
        taken: &Selection<'a>,
        features: &Features,
    ) -> Vec<(Box<str>, Measurement)> {
        let found = self.arms.iter().filter_map(|(experiment, arm)| {
            let with = arm.side()?;
            let (action, rank) = if with {
                let chosen = taken.chosen.iter().map(|one| scored[one.at].action).zip(0..);
                chosen.into_iter().find(|(action, _)| experiment.covers(action))?
            } else {
                let held = taken.held_back.iter().map(|one| (scored[one.at].action, one.rank));
                held.into_iter().find(|(action, _)| self.is_held_by(action, experiment))?
            };
            let trial = self.twin.trial(&experiment.name);
            if trial.is_some_and(|trial| trial.measurement != Measurement::Unstarted) {
                return None;
            }
            let goal = experiment
                .least_gain
                .and_then(|_| self.goal_of(experiment, arm, (action, with), rank, features));
            let measurement =
                goal.map_or(Measurement::Over, |goal| Measurement::Awaiting(Box::new(goal)));
            Some((experiment.name.clone(), measurement))
        });
        found.collect()
    }

    /// Whether this experiment alone holds an action back.
    fn is_held_by(&self, action: &policy::ActionDefinition, experiment: &Experiment) -> bool {
        let mut holders = self.holders(action).map(|(holder, _)| &holder.name);
        holders.next() == Some(&experiment.name) && holders.next().is_none()
    }

    fn goal_of(
        &self,
        experiment: &Experiment,
        arm: &ExperimentArm,
        (action, with): (&policy::ActionDefinition, bool),
        rank: usize,
        features: &Features,
    ) -> Option<AwaitedGoal> {
        let scorer = self.uplift_scorer.as_ref()?;
        let side = Arm::of_goal(experiment.goal_hash, &action.name, with);
        let exposure = Exposure {
            features: features.clone(),
            propensity: scorer.borrow_mut().belief(&side, goal_prior()).propensity(),
            arm: side,
            prior: goal_prior(),
            chance: experiment.share_of_side(with),
            model: self.context.models.version(),
        };
        Some(AwaitedGoal {
            decision: self.id(Some(rank)),
            arm: arm.name.clone(),
            action: action.name.clone(),
            policy: self.context.policy.version.clone(),
            since: self.context.input.at,
            is_reached: false,
            exposure,
        })
    }
}

fn goal_prior() -> Prior {
    let (expected, weight) = GOAL_PRIOR;
    Prior::new(expected, weight)
}
