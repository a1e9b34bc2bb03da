//! Experiments: which arm a customer is in, and when they enter it.

use crate::config::limits;
use crate::event::Time;
use crate::policy::{Experiment, ExperimentArm, Policy};
use crate::twin::effect::Effect;
use crate::twin::state::{Trial, TrialUpdate, Twin};

impl Twin {
    /// The customer's arm. A customer who has entered stays in the arm, even if their twin is linked with
    /// another one meanwhile.
    pub(in crate::twin) fn arm<'a>(&self, experiment: &'a Experiment) -> Option<&'a ExperimentArm> {
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
    pub(in crate::twin) fn enter<'a>(
        &mut self,
        experiments: impl Iterator<Item = (&'a Experiment, &'a ExperimentArm)>,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        for (experiment, arm) in experiments {
            if self.trial(&experiment.name).is_some() {
                continue;
            }
            if self.trials.len() >= limits::POLICY_EXPERIMENTS {
                // There is room for all experiments of the policy.
                let known = &policy.experiments;
                self.trials.retain(|trial| known.get(&trial.experiment).is_some());
            }
            let (name, arm) = (experiment.name.clone(), arm.name.clone());
            self.trials.push(Trial {
                experiment: name.clone(),
                arm: arm.clone(),
                since: now,
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
