//! Results of experiments, with a confidence that is valid at any time, however often one looks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The counts of one arm of an experiment. Those of two nodes are added.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ArmResult {
    /// Customers who have entered.
    pub entered: u64,
    /// Of these, customers who have reached the goal.
    pub reached: u64,
    /// The total value.
    pub value: f64,
    /// The sum of the squares of each customer's value.
    pub squares: f64,
}

/// An experiment, one of its arms, and the counts there.
pub type ArmCounts = (Box<str>, Box<str>, ArmResult);

/// The measure that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparedMeasure {
    /// The share of customers who have reached the goal.
    Rate,
    /// The mean value of a customer.
    Value,
}

/// The lead of one arm over another, with an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lead {
    /// The difference of the means.
    pub by: f64,
    /// The lower end of the interval…
    pub low: f64,
    /// …and the upper end: it is valid at all times simultaneously with the confidence of [`CONFIDENCE`].
    pub high: f64,
}

impl Lead {
    /// Whether there is a difference: the interval does not contain 0.
    pub fn is_certain(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The probability that the intervals contain the true value, at all times simultaneously.
pub const CONFIDENCE: f64 = 0.95;

/// Shares that are less probable than this show that the experiment itself is faulty.
pub const MISMATCH: f64 = 0.001;

/// The number of customers at which intervals are narrowest.
const PLANNED: f64 = 2_000.0;

/// Fewer customers in an arm show nothing yet: the intervals are valid only asymptotically.
const LEAST: u64 = 50;

impl ArmResult {
    /// Adds counts from elsewhere.
    pub fn add(&mut self, other: &ArmResult) {
        self.entered += other.entered;
        self.reached += other.reached;
        self.value += other.value;
        self.squares += other.squares;
    }

    /// The mean over the customers who have entered; 0 if there are none.
    pub fn mean(&self, measure: ComparedMeasure) -> f64 {
        let sum = match measure {
            ComparedMeasure::Rate => self.reached as f64,
            ComparedMeasure::Value => self.value,
        };
        if self.entered == 0 { 0.0 } else { sum / self.entered as f64 }
    }

    /// The variance over the customers who have entered.
    fn variance(&self, measure: ComparedMeasure) -> f64 {
        let mean = self.mean(measure);
        let squares = match measure {
            ComparedMeasure::Rate => self.reached as f64,
            ComparedMeasure::Value => self.squares,
        };
        (squares / self.entered.max(1) as f64 - mean * mean).max(0.0)
    }

    /// The lead of this arm over `control`; none while there are too few customers.
    ///
    /// The interval is an asymptotic confidence sequence: it contains the true value at all times
    /// simultaneously with the probability [`CONFIDENCE`], so that looking every day, and stopping at any
    /// time, is allowed (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, *Time-uniform central limit theory
    /// and asymptotic confidence sequences*, Annals of Statistics 52(6), 2024, theorem 2.2). With the
    /// standard error `s` of the difference after `t` customers it is
    ///
    /// ```text
    /// ± s · √( 2 (tρ² + 1) / (tρ²) · ln( √(tρ² + 1) / α ) )
    /// ```
    ///
    /// about 1.6 times as wide as one at which one may look only once. ρ is such that it is narrowest at
    /// 2,000 customers.
    pub fn lead(&self, control: &ArmResult, measure: ComparedMeasure) -> Option<Lead> {
        if self.entered.min(control.entered) < LEAST {
            return None;
        }
        let (own, other) = (self.entered as f64, control.entered as f64);
        let error = (self.variance(measure) / own + control.variance(measure) / other).sqrt();
        let alpha = 1.0 - CONFIDENCE;
        let wide = -2.0 * alpha.ln();
        let rho_squared = (wide + (wide + 1.0).ln()) / PLANNED;
        let grown = (own + other) * rho_squared;
        let factor = (2.0 * (grown + 1.0) / grown * ((grown + 1.0).sqrt() / alpha).ln()).sqrt();
        let by = self.mean(measure) - control.mean(measure);
        Some(Lead { by, low: by - factor * error, high: by + factor * error })
    }
}

/// The probability, 0 to 1, that customers are distributed over the arms as they are, given these shares,
/// however often one looks. Below [`MISMATCH`] the experiment cannot be trusted: something in it affects
/// who enters.
///
/// The inverse of the Bayes factor of a Dirichlet–multinomial against the intended shares, whose
/// expectation never exceeds 1, is such a p-value at all times simultaneously (Lindon and Malek,
/// *Anytime-valid inference for multinomial count data*, NeurIPS 2022).
pub fn chance_of_shares(entered: &[u64], shares: &[f64]) -> f64 {
    /// How close to the intended shares the alternatives are assumed, in customers.
    const NEARNESS: f64 = 100.0;
    let all: f64 = shares.iter().sum();
    let count: f64 = entered.iter().map(|count| *count as f64).sum();
    let mut log_factor = libm::lgamma(NEARNESS) - libm::lgamma(NEARNESS + count);
    for (count, share) in entered.iter().zip(shares) {
        let (count, share) = (*count as f64, share / all);
        if share > 0.0 {
            log_factor += libm::lgamma(NEARNESS * share + count) - libm::lgamma(NEARNESS * share);
            log_factor -= count * share.ln();
        }
    }
    (-log_factor).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::{seed, uniform};

    /// Customers enter two arms one by one, and one looks after each: the first certain result.
    fn watched(seed_of: u64, rates: [f64; 2], customers: u64) -> (Option<u64>, [ArmResult; 2]) {
        let mut arms = [ArmResult::default(); 2];
        for number in 0..customers {
            let arm = &mut arms[usize::from(uniform(seed(&[seed_of, number, 0])) < 0.5)];
            let rate = rates[usize::from(uniform(seed(&[seed_of, number, 0])) < 0.5)];
            arm.entered += 1;
            arm.reached += u64::from(uniform(seed(&[seed_of, number, 1])) < rate);
            let lead = arms[1].lead(&arms[0], ComparedMeasure::Rate);
            if lead.is_some_and(|lead| lead.is_certain()) {
                return (Some(number), arms);
            }
        }
        (None, arms)
    }

    #[test]
    fn repeated_looks_are_wrong_no_more_often_than_promised() {
        let misled = (0..400).filter(|seed| watched(*seed, [0.2, 0.2], 3_000).0.is_some());
        // 20 are allowed; an interval at which one may look only once is wrong in a third of the runs.
        let misled = misled.count();
        assert!(misled <= 20, "{misled} of 400");
    }

    #[test]
    fn a_real_difference_is_found() {
        let found = (0..40).filter(|seed| watched(*seed, [0.2, 0.3], 3_000).0.is_some());
        assert!(found.count() >= 38);
    }

    #[test]
    fn implausible_shares_of_arms_are_reported_and_plausible_ones_are_not() {
        assert!(chance_of_shares(&[5_050, 4_950], &[0.5, 0.5]) > 0.5);
        assert!(chance_of_shares(&[5_300, 4_700], &[0.5, 0.5]) < MISMATCH);
        assert!(chance_of_shares(&[980, 20], &[0.9, 0.1]) < MISMATCH);
        let noticed = (0..400u64).filter(|one| {
            let mut counts = [0u64; 2];
            (0..2_000u64).any(|number| {
                counts[usize::from(uniform(seed(&[*one, number])) < 0.3)] += 1;
                chance_of_shares(&counts, &[0.7, 0.3]) < 0.05
            })
        });
        assert!(noticed.count() <= 20);
    }

    proptest! {
        #[test]
        fn counts_of_two_nodes_add_up(parts in prop::collection::vec((0u64..99, 0.0..9.0f64), 1..9)) {
            let of = |(entered, value): &(u64, f64)| ArmResult {
                entered: *entered, reached: entered / 2, value: *value, squares: value * value,
            };
            let sum = |parts: &mut dyn Iterator<Item = ArmResult>| {
                parts.fold(ArmResult::default(), |mut all, one| { all.add(&one); all })
            };
            let forth = sum(&mut parts.iter().map(of));
            let back = sum(&mut parts.iter().rev().map(of));
            prop_assert_eq!((forth.entered, forth.reached), (back.entered, back.reached));
            prop_assert!((forth.value - back.value).abs() < 1e-9);
        }
    }
}
