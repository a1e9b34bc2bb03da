//! Goals of experiments that measure uplift: awaited, reached, given up.

use crate::event::{Customer, OutcomeKind, Time};
use crate::policy::{Experiment, GOAL_TIMER, Policy};
use crate::twin::effect::{Effect, Observation};
use crate::twin::note::Notes;
use crate::twin::state::{ArmAssignment, AwaitedGoal, Timer, Trial, Twin};

impl Trial {
    /// The observation to learn uplift from: one for each awaited goal. A customer who was in two arms, each
    /// with an identifier that is linked now, says nothing about the difference between them.
    pub(in crate::twin) fn observe_goal(
        &mut self,
        is_reached: bool,
        at: Time,
        customer: &Customer,
    ) -> Option<Effect> {
        let goal = *self.awaited.take().filter(|goal| goal.arm == self.arm)?;
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
            outcome: if is_reached { OutcomeKind::Accepted } else { OutcomeKind::Ignored },
            reward: u8::from(is_reached),
            exposure: goal.exposure,
            trial: Some(ArmAssignment { experiment, arm: goal.arm }),
        })))
    }

    /// When the awaited goal is given up; at once if the policy no longer measures it.
    fn given_up_at(&self, policy: &Policy) -> Option<Time> {
        let goal = self.awaited.as_ref()?;
        Some(self.measured_by(policy).map_or(goal.since, |known| goal.since + known.within))
    }

    /// The experiment, if the policy measures uplift by it.
    fn measured_by<'a>(&self, policy: &'a Policy) -> Option<&'a Experiment> {
        policy.experiments.get(&self.experiment).filter(|known| known.uplift.is_some())
    }
}

impl Twin {
    /// Awaits the goals of a decision, each of an experiment with this name.
    pub(in crate::twin) fn await_goals(
        &mut self,
        awaited: Vec<(Box<str>, AwaitedGoal)>,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        for (experiment, goal) in awaited {
            let is_it = |trial: &&mut Trial| trial.experiment == experiment;
            if let Some(trial) = self.trials.iter_mut().find(is_it) {
                trial.awaited = Some(Box::new(goal));
            }
        }
        self.start_goal_timer(policy, now, effects, notes);
    }

    /// Gives up the awaited goals whose time is over. What a customer who refuses profiling did is not
    /// learned from.
    pub(in crate::twin) fn give_up_goals(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let is_learned = self.is_personal(policy, now);
        let customer = &self.customer;
        for trial in &mut self.trials {
            if trial.given_up_at(policy).is_none_or(|at| at > now) {
                continue;
            }
            let is_measured = trial.measured_by(policy).is_some();
            let observed = trial.observe_goal(false, now, customer);
            effects.extend(observed.filter(|_| is_learned && is_measured));
        }
        self.start_goal_timer(policy, now, effects, notes);
    }

    /// Starts the timer for the next goal to give up.
    fn start_goal_timer(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let first = self.trials.iter().filter_map(|trial| trial.given_up_at(policy)).min();
        if let Some(due) = first {
            let due = due.max(now + std::time::Duration::from_millis(1));
            self.start_timer(Timer::once(GOAL_TIMER, due), effects, notes);
        }
    }
}
