//! Trials: a customer's participation in experiments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mergeable;
use crate::event::Time;

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

impl Mergeable for Trial {
    fn is_same(&self, other: &Trial) -> bool {
        self.experiment == other.experiment
    }

    /// The arm that the customer entered first wins.
    fn merge(&mut self, other: &Trial) {
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
