use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::belief::Prior;
use super::features::Features;
use super::learner::Learner;

/// What a choice went by: kept until it is answered, so that the answer can be learned from as the
/// situation was then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// The situation.
    pub features: Features,
    /// What was chosen.
    pub arm: Arm,
    /// What the policy expected of it.
    pub prior: Prior,
    /// The expected probability of a response, 0 to 1.
    pub propensity: f64,
    /// The probability with which it was chosen, 0 to 1: what an honest evaluation divides by.
    pub chance: f64,
    /// The version of the model that the choice went by.
    pub model: u64,
}

impl Exposure {
    /// Lets a learner know what came of it.
    pub fn teach(&self, learner: &mut Learner, response: bool) {
        learner.learn(&self.features, &self.arm, self.prior, response);
    }
}
