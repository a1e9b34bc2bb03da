//! Trials: a customer's participation in experiments.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mergeable;
use crate::event::Time;
use crate::models::Exposure;
use crate::policy::Version;

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
    /// What the customer's behaviour says about the uplift of an action.
    #[serde(default)]
    pub measurement: Measurement,
}

/// The measurement of uplift with one customer. Each customer is measured once in an experiment, at the first
/// decision in which an action of the experiment is taken, or would be but for the control group. Until then
/// both groups live alike; afterwards they do not: an action that was taken rests, and wears off.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Measurement {
    /// There was no such decision yet.
    #[default]
    Unstarted,
    /// The goal is awaited, for as long as the experiment says, even if it is reached earlier: so successes
    /// are learned no sooner than failures.
    Awaiting(Box<AwaitedGoal>),
    /// It is over: what came of it is learned, or nothing can be learned from this customer.
    Over,
}

impl Measurement {
    /// The awaited goal.
    pub fn awaited(&self) -> Option<&AwaitedGoal> {
        match self {
            Measurement::Awaiting(goal) => Some(goal),
            Measurement::Unstarted | Measurement::Over => None,
        }
    }

    /// Notes that the goal was reached.
    pub(in crate::twin) fn reach(&mut self) {
        if let Measurement::Awaiting(goal) = self {
            goal.is_reached = true;
        }
    }

    /// Ends waiting for a goal, and returns it.
    pub(in crate::twin) fn end(&mut self) -> Option<AwaitedGoal> {
        self.awaited()?;
        match std::mem::replace(self, Measurement::Over) {
            Measurement::Awaiting(goal) => Some(*goal),
            Measurement::Unstarted | Measurement::Over => None,
        }
    }

    /// The measurement with two identifiers of one customer, in the same arm. A customer who was measured
    /// with one of them is not measured again.
    fn merged(&self, other: &Measurement) -> Measurement {
        match (self, other) {
            (Measurement::Over, _) | (_, Measurement::Over) => Measurement::Over,
            (Measurement::Unstarted, one) | (one, Measurement::Unstarted) => one.clone(),
            (Measurement::Awaiting(one), Measurement::Awaiting(other)) => {
                let order = |goal: &AwaitedGoal| (goal.since, goal.decision.clone());
                let mut first = if order(other) < order(one) { other } else { one }.clone();
                first.is_reached = one.is_reached || other.is_reached;
                Measurement::Awaiting(first)
            }
        }
    }
}

/// An awaited goal of an experiment: an action was taken, or would have been taken but for the control group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AwaitedGoal {
    /// The decision.
    pub decision: Box<str>,
    /// The customer's arm then.
    pub arm: Box<str>,
    /// The action.
    pub action: Arc<str>,
    /// The version of the policy that decided.
    pub policy: Version,
    /// When it was decided.
    pub since: Time,
    /// Whether the goal was reached since.
    pub is_reached: bool,
    /// The features of the situation, and the arm: with the action, or without it.
    pub exposure: Exposure,
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

impl Mergeable for Trial {
    fn is_same(&self, other: &Trial) -> bool {
        self.experiment == other.experiment
    }

    /// The arm that the customer entered first wins. A customer who was in two arms, each with an identifier
    /// that is linked now, says nothing about the difference between them.
    fn merge(&mut self, other: &Trial) {
        let is_same_arm = self.arm == other.arm;
        self.measurement = if is_same_arm {
            self.measurement.merged(&other.measurement)
        } else {
            Measurement::Over
        };
        if (other.since, &other.arm) < (self.since, &self.arm) {
            self.since = other.since;
            self.arm.clone_from(&other.arm);
        }
        self.reached |= other.reached;
        self.value += other.value;
    }

    fn rank(&self) -> impl Ord {
        (self.since, &*self.experiment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Arm, Features, Prior};

    fn awaiting(decision: &str, since: i64) -> Measurement {
        let exposure = Exposure {
            features: Features::new(),
            arm: Arm::of_goal(1, "voucher", true),
            prior: Prior::default(),
            propensity: 0.5,
            chance: 0.5,
            model: 1,
        };
        Measurement::Awaiting(Box::new(AwaitedGoal {
            decision: decision.into(),
            arm: "usual".into(),
            action: "voucher".into(),
            policy: Version("v".into()),
            since: Time::from_ms(since),
            is_reached: decision == "d2",
            exposure,
        }))
    }

    fn trials() -> Vec<Trial> {
        let measurements = [
            Measurement::Unstarted,
            awaiting("d1", 1),
            awaiting("d2", 1),
            awaiting("d0", 2),
            Measurement::Over,
        ];
        let of = |arm: &str, since, measurement: &Measurement| Trial {
            experiment: "worth".into(),
            arm: arm.into(),
            since: Time::from_ms(since),
            reached: false,
            value: 0.0,
            measurement: measurement.clone(),
        };
        let arms = [("usual", 0), ("usual", 1), ("nothing", 0), ("nothing", 1)];
        let all = arms.iter().flat_map(|(arm, since)| {
            measurements.iter().map(move |measurement| of(arm, *since, measurement))
        });
        all.collect()
    }

    fn merged(one: &Trial, other: &Trial) -> Trial {
        let mut merged = one.clone();
        merged.merge(other);
        merged
    }

    #[test]
    fn trials_of_several_identifiers_are_merged_in_any_order_to_the_same() {
        for one in &trials() {
            for two in &trials() {
                assert_eq!(merged(one, two), merged(two, one));
                for three in &trials() {
                    let (left, right) = (merged(one, two), merged(two, three));
                    assert_eq!(merged(&left, three), merged(one, &right));
                }
            }
        }
    }

    #[test]
    fn a_customer_who_was_in_two_arms_is_not_measured_any_more() {
        for (one, other) in trials()
            .iter()
            .flat_map(|one| trials().into_iter().map(move |other| (one.clone(), other)))
        {
            let merged = merged(&one, &other);
            if one.arm != other.arm {
                assert_eq!(merged.measurement, Measurement::Over);
            }
        }
    }
}
