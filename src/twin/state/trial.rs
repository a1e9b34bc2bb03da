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
    /// The goal that is awaited to measure the uplift of an action.
    #[serde(default)]
    pub awaited: Option<Box<AwaitedGoal>>,
}

/// Whether the goal of an experiment follows is awaited: an action was taken, or would have been taken but
/// for the control group.
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

    /// The arm that the customer entered first wins, and the goal that is awaited for longest.
    fn merge(&mut self, other: &Trial) {
        let order = |goal: &AwaitedGoal| (goal.since, goal.decision.clone());
        let both = self.awaited.iter().chain(&other.awaited);
        self.awaited = both.min_by_key(|goal| order(goal)).cloned();
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
