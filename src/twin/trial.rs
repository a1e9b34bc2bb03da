//! Experiments of this customer: the arms, and whether the goal was reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reaction::Notes;
use super::understand::ReactionContext;
use super::view::View;
use super::{Effect, Twin};
use crate::config::limits;
use crate::event::Time;
use crate::policy::{Experiment, ExperimentArm, Policy, Truth};

/// The customer's participation in an experiment, since the first decision that it concerns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The name of the policy's experiment.
    pub experiment: Box<str>,
    /// The customer's arm.
    pub arm: Box<str>,
    /// When the customer entered it.
    pub since: Time,
    /// Whether the goal was reached.
    pub reached: bool,
    /// The total value.
    pub value: f64,
}

/// The customer's arm of an experiment at the time of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArmAssignment {
    /// The experiment.
    pub experiment: Box<str>,
    /// The arm.
    pub arm: Box<str>,
}

/// An update of an experiment's results.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialUpdate {
    /// The name of the policy's experiment.
    pub experiment: Box<str>,
    /// The customer's arm.
    pub arm: Box<str>,
    /// The customer has entered the experiment.
    pub entered: bool,
    /// The goal was reached for the first time.
    pub reached: bool,
    /// The increase of the customer's value.
    pub value: f64,
    /// The increase of the square of the customer's value.
    pub squares: f64,
}

impl Twin {
    /// The customer's participation in an experiment, if they have entered it.
    pub fn trial(&self, experiment: &str) -> Option<&Trial> {
        self.trials.iter().find(|trial| *trial.experiment == *experiment)
    }

    /// The customer's arm. A customer who has entered stays in the arm, even if their twin is linked with
    /// another one meanwhile.
    pub(super) fn arm<'a>(&self, experiment: &'a Experiment) -> Option<&'a ExperimentArm> {
        match self.trial(&experiment.name) {
            Some(trial) => experiment.arm(&trial.arm),
            None => experiment.arm_of(self.customer.as_str()),
        }
    }

    /// The policy for the customer: that of their arm, if it has one of its own.
    pub fn governed_by<'a>(&self, policy: &'a Policy) -> &'a Policy {
        // A customer who refuses profiling is in no arm.
        if policy.arms.is_empty() || !self.is_personal(policy, self.seen) {
            return policy;
        }
        let mut governing = policy.experiments.iter().filter_map(|experiment| {
            let name = self.arm(experiment)?.policy.as_ref()?;
            policy.arms.get(name)
        });
        governing.next().unwrap_or(policy)
    }

    /// Enters the customer into these experiments, in these arms, each once.
    pub(super) fn enter<'a>(
        &mut self,
        experiments: impl Iterator<Item = (&'a Experiment, &'a ExperimentArm)>,
        context: &ReactionContext<'_>,
        effects: &mut Vec<Effect>,
    ) {
        for (experiment, arm) in experiments {
            if self.trial(&experiment.name).is_some() {
                continue;
            }
            if self.trials.len() >= limits::POLICY_EXPERIMENTS {
                // There is room for all experiments of the policy.
                let known = &context.policy.experiments;
                self.trials.retain(|trial| known.get(&trial.experiment).is_some());
            }
            let (name, arm) = (experiment.name.clone(), arm.name.clone());
            self.trials.push(Trial {
                experiment: name.clone(),
                arm: arm.clone(),
                since: context.input.at,
                reached: false,
                value: 0.0,
            });
            effects.push(Effect::Try(Box::new(TrialUpdate {
                experiment: name,
                arm,
                entered: true,
                reached: false,
                value: 0.0,
                squares: 0.0,
            })));
        }
    }
}

/// Counts an input that is a goal of experiments, in those that the customer has entered.
pub(super) fn hope(
    twin: &mut Twin,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    if twin.trials.is_empty() || !context.is_personal {
        return;
    }
    let (trigger, detail) = context.input.trigger();
    let now = context.input.at;
    for experiment in context.policy.experiments.hoped_for(trigger, detail, context.besides()) {
        let is_it = |trial: &Trial| trial.experiment == experiment.name;
        let Some(position) = twin.trials.iter().position(is_it) else { continue };
        if now >= twin.trials[position].since + experiment.within {
            continue;
        }
        let view = View::whole(twin, context);
        let holds = experiment.when.as_ref().map(|when| when.test(&view));
        if !matches!(holds, None | Some(Truth::True)) {
            continue;
        }
        let value = match experiment.value.as_ref().map(|value| value.number(&view)) {
            None => 0.0,
            Some(Ok(value)) if value.is_finite() => value,
            Some(Ok(value)) => {
                notes.policy(&experiment.place, format!("expected a number, found {value}"));
                continue;
            }
            Some(Err(error)) => {
                notes.policy(&experiment.place, error);
                continue;
            }
        };
        let trial = &mut twin.trials[position];
        let (before, after) = (trial.value, trial.value + value);
        let is_first = !std::mem::replace(&mut trial.reached, true);
        trial.value = after;
        if is_first || value != 0.0 {
            effects.push(Effect::Try(Box::new(TrialUpdate {
                experiment: trial.experiment.clone(),
                arm: trial.arm.clone(),
                entered: false,
                reached: is_first,
                value,
                squares: after * after - before * before,
            })));
        }
    }
}
