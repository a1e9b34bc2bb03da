//! Goals of experiments that measure uplift: awaited, and observed.

use crate::event::{Customer, OutcomeKind, Time};
use crate::models::Arm;
use crate::policy::{GOAL_TIMER, Policy};
use crate::twin::effect::{Effect, Observation};
use crate::twin::note::Notes;
use crate::twin::state::{ArmAssignment, AwaitedGoal, Measurement, Timer, Trial, Twin};

impl Trial {
    /// Ends waiting for a goal; the observation to learn uplift from.
    fn observe_goal(&mut self, at: Time, customer: &Customer) -> Option<Effect> {
        let goal = self.measurement.end()?;
        let experiment = self.experiment.clone();
        Some(Effect::Observe(Box::new(Observation {
            decision: goal.decision,
            customer: customer.clone(),
            action: (*goal.action).into(),
            treatment: "".into(),
            channel: "".into(),
            tone: "".into(),
            language: "".into(),
            policy: goal.policy,
            decided: goal.since,
            at,
            outcome: if goal.is_reached { OutcomeKind::Accepted } else { OutcomeKind::Ignored },
            reward: u8::from(goal.is_reached),
            exposure: goal.exposure,
            trial: Some(ArmAssignment { experiment, arm: goal.arm }),
        })))
    }

    /// Until when the goal is awaited; none if the policy no longer measures it, as it was.
    fn awaited_until(&self, goal: &AwaitedGoal, policy: &Policy) -> Option<Time> {
        let known = policy.experiments.get(&self.experiment)?;
        known.least_gain?;
        let with = known.arm(&goal.arm)?.side()?;
        let is_same = Arm::of_goal(known.goal_hash, &goal.action, with) == goal.exposure.arm;
        is_same.then(|| goal.since + known.within)
    }
}

impl Twin {
    /// Begins what a decision begins to measure, each by an experiment with this name.
    pub(in crate::twin) fn begin_measuring(&mut self, measurements: Vec<(Box<str>, Measurement)>) {
        for (experiment, measurement) in measurements {
            let is_it = |trial: &&mut Trial| trial.experiment == experiment;
            if let Some(trial) = self.trials.iter_mut().find(is_it) {
                trial.measurement = measurement;
            }
        }
    }

    /// Observes the awaited goals whose time is over, and keeps a timer for the others, wherever they came
    /// from. What cannot be observed to its end is not observed at all: of customers who refuse profiling,
    /// under another goal, or without a timer, only the successes would be seen.
    pub(in crate::twin) fn settle_goals(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        if self.trials.iter().all(|trial| trial.measurement.awaited().is_none()) {
            return self.cancel_timer(GOAL_TIMER, effects);
        }
        let is_learned = self.is_personal(policy, now);
        let customer = &self.customer;
        let mut next: Option<Time> = None;
        for trial in &mut self.trials {
            let Some(goal) = trial.measurement.awaited() else { continue };
            match trial.awaited_until(goal, policy).filter(|_| is_learned) {
                Some(at) if at <= now => effects.extend(trial.observe_goal(now, customer)),
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
                None => drop(trial.measurement.end()),
            }
        }
        match next {
            Some(due) => self.start_timer(Timer::once(GOAL_TIMER, due), effects, notes),
            None => self.cancel_timer(GOAL_TIMER, effects),
        }
        if !self.timers.iter().any(|timer| *timer.name == *GOAL_TIMER) {
            self.stop_measuring();
        }
    }

    /// Awaits no goal any more.
    pub(in crate::twin) fn stop_measuring(&mut self) {
        for trial in &mut self.trials {
            trial.measurement.end();
        }
    }
}
