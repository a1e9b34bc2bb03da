use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::normal::{below, density, quantile};

/// The probability of a response, with its uncertainty: the score behind the propensity has a normal
/// distribution, and there is a response if the score plus unit noise is above zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Belief {
    /// The mean of the score.
    pub mean: f64,
    /// Its variance; 0 is certain.
    pub variance: f64,
    /// The variance of the draws for exploration; at most the whole variance.
    pub doubt: f64,
}

impl Belief {
    /// The belief without any doubt, so that every draw is the propensity itself.
    pub fn certain(propensity: f64) -> Belief {
        Belief { mean: quantile(propensity), variance: 0.0, doubt: 0.0 }
    }

    /// The expected probability of a response, 0 to 1: `Φ(m/√(1+v))`.
    pub fn propensity(&self) -> f64 {
        below(self.mean / (1.0 + self.variance).sqrt())
    }

    /// The probability of a response, 0 to 1, if the score is at a draw from the standard normal
    /// distribution. Choosing by it is Thompson sampling.
    ///
    /// The doubt beyond the draw, `v − d`, is averaged over: `Φ((m + z√d)/√(1 + v − d))`. So the mean of
    /// all draws is the propensity, however narrow they are, and an arm without outcomes does not look
    /// worse than expected.
    pub fn drawn(&self, normal: f64) -> f64 {
        below((self.mean + self.doubt.sqrt() * normal) / self.rest())
    }

    /// The probability that a draw stays below the propensity of this quantile, if there is any doubt.
    pub(super) fn drawn_below(&self, quantile: f64) -> f64 {
        below((quantile * self.rest() - self.mean) / self.doubt.sqrt())
    }

    /// The standard deviation of the noise and of the doubt that is not drawn.
    fn rest(&self) -> f64 {
        (1.0 + (self.variance - self.doubt).max(0.0)).sqrt()
    }

    /// The standard deviation of the drawn probability around its mean, to first order.
    pub fn spread(&self) -> f64 {
        let scale = (1.0 + self.variance).sqrt();
        density(self.mean / scale) * self.variance.sqrt() / scale
    }
}

/// The policy's prior for an action before there are any outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prior {
    /// The score that corresponds to the propensity.
    score: f64,
    /// Its doubt, as the variance of a score.
    pub(super) variance: f64,
}

impl Prior {
    /// Creates the prior of a response with this `propensity`, above 0 and below 1, which is worth
    /// `weight` observations.
    ///
    /// The variance of the score leaves the propensity as uncertain as that many observations do, to
    /// first order: `p(1−p)/((n+1)·φ(Φ⁻¹(p))²)`, because the variance of a Beta distribution of `n`
    /// observations is `p(1−p)/(n+1)`.
    pub fn new(propensity: f64, weight: f64) -> Prior {
        let p = propensity.clamp(1e-9, 1.0 - 1e-9);
        let score = quantile(p);
        let slope = density(score);
        Prior { score, variance: p * (1.0 - p) / ((weight.max(0.0) + 1.0) * slope * slope) }
    }

    /// The mean of the score at which the propensity equals the prior's, if the whole score has this
    /// variance.
    pub(super) fn mean(&self, variance: f64) -> f64 {
        self.score * (1.0 + variance).sqrt()
    }
}

impl Default for Prior {
    /// The default prior: a propensity of one half, worth three observations.
    fn default() -> Prior {
        Prior::new(0.5, 3.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_draw_of_a_certain_belief_is_its_mean() {
        let belief = Belief::certain(0.03);
        assert!((belief.propensity() - 0.03).abs() < 1e-12);
        assert!((belief.drawn(2.0) - 0.03).abs() < 1e-12);
        assert_eq!(belief.spread(), 0.0);
    }

    #[test]
    fn a_prior_with_more_observations_has_a_smaller_variance() {
        let doubt = |weight| Prior::new(0.03, weight).variance;
        assert!(doubt(100.0) < doubt(10.0) && doubt(10.0) < doubt(0.0));
    }

    proptest! {
        #[test]
        fn the_mean_of_all_draws_is_the_propensity(
            mean in -3.0..3.0,
            variance in 0.0..20.0,
            drawn in 0.0..=1.0,
        ) {
            let belief = Belief { mean, variance, doubt: variance * drawn };
            let draws = (0..2_000).map(|i| belief.drawn(quantile((f64::from(i) + 0.5) / 2_000.0)));
            prop_assert!((draws.sum::<f64>() / 2_000.0 - belief.propensity()).abs() < 1e-3);
        }

        #[test]
        fn the_mean_of_a_prior_gives_back_its_propensity(propensity in 0.001..0.999, variance in 0.0..4.0) {
            let prior = Prior::new(propensity, 10.0);
            let belief = Belief { mean: prior.mean(variance), variance, doubt: variance };
            prop_assert!((belief.propensity() - propensity).abs() < 1e-9);
        }
    }
}
