//! Off-policy evaluation: the value of another policy, estimated from the log of this one.

use super::normal::quantile;

/// One logged choice, and what another policy would have done instead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logged {
    /// The outcome of the choice.
    pub reward: f64,
    /// The probability with which it was chosen: above 0.
    pub logged: f64,
    /// The probability with which the other policy would have chosen the same.
    pub target: f64,
    /// The model's expectation of the logged choice. Only [`doubly_robust`] and [`direct`] use it.
    pub expected: f64,
    /// The model's expectation of the other policy in this situation, over all its choices.
    pub expected_of_target: f64,
}

/// The estimated value of a policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean reward of a choice.
    pub value: f64,
    /// The standard error of the value.
    pub error: f64,
    /// The effective sample size of the weighted choices: `(Σw)²/Σw²`. A small number is a warning.
    pub effective: f64,
}

impl Estimate {
    /// The interval that contains the true value with this probability, if the estimate is normally
    /// distributed.
    pub fn interval(&self, confidence: f64) -> (f64, f64) {
        let reach = quantile(0.5 + confidence / 2.0) * self.error;
        (self.value - reach, self.value + reach)
    }
}

impl Logged {
    fn weight(&self) -> f64 {
        self.target / self.logged
    }
}

/// Inverse propensity score (Horvitz and Thompson, 1952): the mean of weight × reward. Unbiased if every
/// choice of the other policy had a positive probability in the log.
pub fn inverse_propensity(logged: &[Logged]) -> Estimate {
    mean(logged, |choice| choice.weight() * choice.reward)
}

/// Self-normalised inverse propensity score (Swaminathan and Joachims, NIPS 2015): the weighted mean of
/// rewards. Slightly biased, with a much smaller variance.
pub fn self_normalised(logged: &[Logged]) -> Estimate {
    let weights: f64 = logged.iter().map(Logged::weight).sum();
    let effective = effective(logged);
    if weights <= 0.0 {
        return Estimate { value: 0.0, error: f64::INFINITY, effective };
    }
    let value = logged.iter().map(|it| it.weight() * it.reward).sum::<f64>() / weights;
    let squares = logged.iter().map(|it| (it.weight() * (it.reward - value)).powi(2)).sum::<f64>();
    Estimate { value, error: squares.sqrt() / weights, effective }
}

/// Doubly robust (Dudík, Langford and Li, ICML 2011): the model's expectation, corrected by its weighted
/// errors on the logged choices. Unbiased if the probabilities are right, and nearly so if the model is.
pub fn doubly_robust(logged: &[Logged]) -> Estimate {
    mean(logged, |choice| {
        choice.expected_of_target + choice.weight() * (choice.reward - choice.expected)
    })
}

/// The model's expectation of the other policy; as wrong as the model is.
pub fn direct(logged: &[Logged]) -> Estimate {
    mean(logged, |choice| choice.expected_of_target)
}

fn mean(logged: &[Logged], of: impl Fn(&Logged) -> f64) -> Estimate {
    let count = logged.len() as f64;
    let effective = effective(logged);
    if logged.len() < 2 {
        let value = logged.first().map_or(0.0, of);
        return Estimate { value, error: f64::INFINITY, effective };
    }
    let value = logged.iter().map(&of).sum::<f64>() / count;
    let squares = logged.iter().map(|choice| (of(choice) - value).powi(2)).sum::<f64>();
    Estimate { value, error: (squares / (count - 1.0) / count).sqrt(), effective }
}

fn effective(logged: &[Logged]) -> f64 {
    let sum: f64 = logged.iter().map(Logged::weight).sum();
    let squares: f64 = logged.iter().map(|choice| choice.weight().powi(2)).sum();
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::{seed, uniform};

    /// A log of two choices with rewards 0.2 and 0.6, chosen with unequal probabilities, evaluated for a
    /// policy that takes the second in `share` of all cases.
    fn log(count: u64, share: f64, model: [f64; 2]) -> Vec<Logged> {
        (0..count)
            .map(|turn| {
                let second = uniform(seed(&[turn, 1])) < 0.3;
                let choice = usize::from(second);
                let pays = uniform(seed(&[turn, 2])) < [0.2, 0.6][choice];
                Logged {
                    reward: f64::from(u8::from(pays)),
                    logged: [0.7, 0.3][choice],
                    target: [1.0 - share, share][choice],
                    expected: model[choice],
                    expected_of_target: (1.0 - share) * model[0] + share * model[1],
                }
            })
            .collect()
    }

    #[test]
    fn the_value_of_another_policy_is_estimated() {
        let log = log(20_000, 0.9, [0.5, 0.5]);
        for estimate in [inverse_propensity(&log), self_normalised(&log), doubly_robust(&log)] {
            let (low, high) = estimate.interval(0.999);
            assert!(low < 0.56 && 0.56 < high, "{estimate:?}");
            assert!(estimate.error < 0.02, "{estimate:?}");
        }
        // The model is wrong, and so is the estimate that relies on it alone.
        assert!((direct(&log).value - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_good_model_narrows_the_doubly_robust_estimate() {
        let log = log(5_000, 0.9, [0.2, 0.6]);
        assert!(doubly_robust(&log).error < inverse_propensity(&log).error);
    }

    #[test]
    fn an_empty_log_estimates_nothing() {
        assert_eq!(inverse_propensity(&[]).error, f64::INFINITY);
        assert_eq!(self_normalised(&[]).error, f64::INFINITY);
        assert_eq!(self_normalised(&[]).effective, 0.0);
    }

    proptest! {
        #[test]
        fn the_estimate_for_an_equal_policy_is_the_observed_value(
            rewards in prop::collection::vec((0.0..1.0, 0.01..1.0), 2..50),
        ) {
            let log: Vec<Logged> = rewards
                .iter()
                .map(|(reward, chance)| Logged {
                    reward: *reward,
                    logged: *chance,
                    target: *chance,
                    expected: 0.0,
                    expected_of_target: 0.0,
                })
                .collect();
            let seen = rewards.iter().map(|(reward, _)| reward).sum::<f64>() / log.len() as f64;
            prop_assert!((inverse_propensity(&log).value - seen).abs() < 1e-9);
            prop_assert!((self_normalised(&log).value - seen).abs() < 1e-9);
            prop_assert!((inverse_propensity(&log).effective - log.len() as f64).abs() < 1e-6);
        }
    }
}
