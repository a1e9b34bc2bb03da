use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::belief::Prior;
use super::features::Features;
use super::learner::Learner;

/// The features of a choice: kept until there is an outcome, so that the model learns from the situation
/// at the time of the choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// The situation.
    pub features: Features,
    /// The chosen arm.
    pub arm: Arm,
    /// The policy's prior for it.
    pub prior: Prior,
    /// The expected probability of a response, 0 to 1.
    pub propensity: f64,
    /// The probability with which it was chosen, 0 to 1; off-policy evaluation divides by it.
    pub chance: f64,
    /// The version of the model that the choice used.
    pub model: u64,
}

impl Exposure {
    /// Teaches a learner the outcome.
    pub fn teach(&self, learner: &mut Learner, response: bool) {
        learner.learn(&self.features, &self.arm, self.prior, response);
    }
}
