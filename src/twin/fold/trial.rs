//! Experiments: a customer enters an arm.

use crate::config::limits;
use crate::event::Time;
use crate::policy::{Experiment, ExperimentArm, Policy};
use crate::twin::effect::Effect;
use crate::twin::state::{Measurement, Trial, TrialUpdate, Twin};

impl Twin {
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
                measurement: Measurement::Unstarted,
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
