use super::log::CampaignLog;
use crate::calibration::Group;

/// How often an action was answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ResponseShare {
    /// The number of its choices.
    pub(super) choices: usize,
    /// The number of those with a response.
    pub(super) responses: usize,
    /// The share of those with a response, 0 to 1. Where the action was likelier for some customers than
    /// for others, it tells about the former.
    pub(super) raw: f64,
    /// The share if every customer had got the action, 0 to 1: each choice counts for the inverse of its
    /// propensity (self-normalised, Swaminathan and Joachims, NIPS 2015).
    pub(super) weighed: f64,
    /// The interval of that, which holds the truth in 95 of 100 cases.
    pub(super) interval: (f64, f64),
}

impl ResponseShare {
    /// Those of all actions, in their order. One pass: there may be ten million choices.
    pub(super) fn all(log: &CampaignLog) -> Vec<ResponseShare> {
        let mut sums = vec![WeightSums::default(); log.actions.len()];
        for choice in &log.choices {
            sums[choice.action].add(1.0 / choice.propensity, choice.response);
        }
        sums.iter().map(WeightSums::share).collect()
    }

    /// Whether the raw share is so far from the truth that it misleads.
    pub(super) fn is_misleading(&self) -> bool {
        let (low, high) = self.interval;
        self.raw < low || self.raw > high
    }
}

/// Sums over the choices of an action; of pairs, the first is that of choices without a response.
#[derive(Debug, Clone, Copy, Default)]
struct WeightSums {
    choices: [usize; 2],
    weights: [f64; 2],
    squares: [f64; 2],
}

impl WeightSums {
    fn add(&mut self, weight: f64, response: bool) {
        let at = usize::from(response);
        self.choices[at] += 1;
        self.weights[at] += weight;
        self.squares[at] += weight * weight;
    }

    fn share(&self) -> ResponseShare {
        let choices = self.choices[0] + self.choices[1];
        let all = self.weights[0] + self.weights[1];
        let weighed = if all > 0.0 { self.weights[1] / all } else { 0.0 };
        // The variance of the share is Σw²(r − share)² / (Σw)². Wilson's interval, which is never empty, is
        // that of as many even choices as have the same variance: Korn and Graubard, Confidence Intervals
        // for Proportions with Small Expected Number of Positive Counts, Survey Methodology 24 (1998).
        let variance = (self.squares[1] * (1.0 - weighed).powi(2)
            + self.squares[0] * weighed.powi(2))
            / (all * all);
        let effective = match variance > 0.0 {
            true => weighed * (1.0 - weighed) / variance,
            false => all * all / (self.squares[0] + self.squares[1]),
        };
        let group = Group { cases: effective.round() as usize, expected: 0.0, happened: weighed };
        ResponseShare {
            choices,
            responses: self.choices[1],
            raw: self.choices[1] as f64 / choices.max(1) as f64,
            weighed,
            interval: group.interval(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jumeau::models::{seed, uniform};

    use super::*;

    /// Half of the customers respond in .4 of all cases and get the action in .8; the others in .1 and .2.
    fn confounded(number: u64) -> ResponseShare {
        let mut sums = WeightSums::default();
        for line in 0..2_000 {
            let draw = |what: u64| uniform(seed(&[number, line, what]));
            let (propensity, chance) = if draw(0) < 0.5 { (0.8, 0.4) } else { (0.2, 0.1) };
            if draw(1) < propensity {
                sums.add(1.0 / propensity, draw(2) < chance);
            }
        }
        sums.share()
    }

    #[test]
    fn the_interval_holds_the_share_that_everybody_would_have_in_95_of_100_cases() {
        let shares: Vec<ResponseShare> = (0..400).map(confounded).collect();
        let holds = |share: &ResponseShare, truth| {
            let (low, high) = share.interval;
            low < truth && truth < high
        };
        let held = shares.iter().filter(|share| holds(share, 0.25)).count();
        assert!((370..=390).contains(&held), "{held} of 400");
        let mean = |of: fn(&ResponseShare) -> f64| shares.iter().map(of).sum::<f64>() / 400.0;
        assert!((mean(|share| share.weighed) - 0.25).abs() < 0.003);
        assert!(
            (mean(|share| share.raw) - 0.34).abs() < 0.003,
            "those who got it respond more often"
        );
        assert!(shares.iter().filter(|share| share.is_misleading()).count() > 390);
    }

    #[test]
    fn with_even_propensities_it_is_the_raw_share_with_the_interval_of_wilson() {
        let mut sums = WeightSums::default();
        (0..100).for_each(|number| sums.add(3.0, number < 10));
        let share = sums.share();
        assert_eq!((share.choices, share.responses, share.raw), (100, 10, 0.1));
        assert!((share.weighed - 0.1).abs() < 1e-12 && !share.is_misleading());
        let (low, high) = share.interval;
        assert!((low - 0.0552).abs() < 1e-4 && (high - 0.1744).abs() < 1e-4, "{low} {high}");
        let mut nobody = WeightSums::default();
        (0..10).for_each(|_| nobody.add(2.0, false));
        assert!(nobody.share().interval.1 > 0.2, "that nobody responded is not certain");
    }
}
