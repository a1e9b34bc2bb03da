use jumeau::models::{quantile, seed, uniform};

use super::estimates::{Crossed, error_of_both};
use super::log::CampaignLog;
use crate::calibration::Group;

/// How well the uplift of one action over the control is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lift {
    pub(crate) action: usize,
    /// The Qini curve, the mean of those of both halves of the log: for each share of the customers, from 0
    /// to 1 and in the order of the expected uplift, the further responses by the action, as a share of
    /// all customers who got it.
    pub(crate) curve: Vec<(f64, f64)>,
    /// The area between the curve and the line to its end, which is that of a random order: 0 on average
    /// if the action makes no difference.
    pub(crate) coefficient: f64,
    /// The standard error of the coefficient.
    pub(crate) error: f64,
    /// Fifths of the customers, from the greatest expected uplift on.
    pub(crate) fifths: Vec<Fifth>,
}

/// A fifth of the customers, by expected uplift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fifth {
    /// The mean expected uplift.
    pub(crate) expected: f64,
    /// The share of responses with the action, less that without.
    pub(crate) happened: f64,
    /// The interval of what happened, which holds the truth in 95 of 100 cases.
    pub(crate) interval: (f64, f64),
}

/// One customer: the expected uplift, whether the action was taken, whether there was a response, and what
/// they count: the inverse of the probability of the choice.
#[derive(Debug, Clone, Copy, PartialEq)]
struct UpliftCase {
    expected: f64,
    is_treated: bool,
    response: bool,
    weight: f64,
}

/// The number of pieces of a curve that is shown.
const PIECES: usize = 100;
/// The number of samples from which the error of a coefficient is estimated.
const SAMPLES: u64 = 100;
const FIFTHS: usize = 5;

/// The uplift of each action over the control, told by two beliefs: that about the action less that about
/// the control, of a learner that did not see the outcome.
pub(crate) fn lifts(log: &CampaignLog, crossed: &Crossed, control: usize) -> Vec<Lift> {
    let others = (0..log.actions.len()).filter(|action| *action != control);
    others
        .map(|action| {
            let of_half = |half: &Vec<usize>| -> Vec<UpliftCase> {
                half.iter()
                    .map(|at| (*at, &log.choices[*at]))
                    .filter(|(_, choice)| choice.action == action || choice.action == control)
                    .map(|(at, choice)| UpliftCase {
                        expected: crossed.expected(at, action) - crossed.expected(at, control),
                        is_treated: choice.action == action,
                        response: choice.response,
                        weight: 1.0 / choice.propensity,
                    })
                    .collect()
            };
            lift(action, crossed.halves.each_ref().map(of_half))
        })
        .collect()
}

/// The uplift in both halves of a log. Each half is put in an order of its own, because two learners tell
/// about them: in the half with more responses by chance, the other half's learner expects fewer. In one
/// order, its customers would come last, and the coefficient would be below 0 without any effect.
fn lift(action: usize, mut halves: [Vec<UpliftCase>; 2]) -> Lift {
    for half in &mut halves {
        half.sort_by(|one, other| other.expected.total_cmp(&one.expected));
    }
    let [one, other] = [0, 1].map(|half| qini_with_error(&halves[half], half as u64));
    let shares = (0..=PIECES).map(|piece| piece as f64 / PIECES as f64);
    let curve = shares.map(|share| {
        (share, f64::midpoint(height(&one.points, share), height(&other.points, share)))
    });
    let fifths = (0..FIFTHS).map(|fifth| {
        let place = |half: &[UpliftCase], fifth: usize| fifth * half.len() / FIFTHS;
        let cases: Vec<UpliftCase> = halves
            .iter()
            .flat_map(|half| &half[place(half, fifth)..place(half, fifth + 1)])
            .copied()
            .collect();
        Fifth::of(&cases)
    });
    Lift {
        action,
        curve: curve.collect(),
        coefficient: f64::midpoint(one.coefficient, other.coefficient),
        error: error_of_both(one.error, other.error),
        fifths: fifths.collect(),
    }
}

/// The Qini curve of one half of a log.
struct HalfQini {
    points: Vec<(f64, f64)>,
    coefficient: f64,
    error: f64,
}

fn qini_with_error(cases: &[UpliftCase], half: u64) -> HalfQini {
    let (points, coefficient) = qini(cases, |_| 1.0);
    // Poisson bootstrap: each customer counts a random number of times, with the mean 1. Chamandy and
    // others, Estimating Uncertainty for Massive Data Streams, Google, 2012. The order stays.
    let samples: Vec<f64> = (0..SAMPLES)
        .map(|sample| qini(cases, |at| times(uniform(seed(&[sample, at as u64, 3, half])))).1)
        .collect();
    let mean = samples.iter().sum::<f64>() / SAMPLES as f64;
    let squares = samples.iter().map(|it| (it - mean).powi(2)).sum::<f64>();
    HalfQini { points, coefficient, error: (squares / (SAMPLES - 1) as f64).sqrt() }
}

/// The height of a curve at a share of the customers: on the line between the points beside it.
fn height(points: &[(f64, f64)], share: f64) -> f64 {
    let after = points.partition_point(|point| point.0 < share);
    match (after.checked_sub(1).map(|before| points[before]), points.get(after)) {
        (Some(before), Some(after)) => {
            let along = (share - before.0) / (after.0 - before.0);
            before.1 + (after.1 - before.1) * along
        }
        (None, Some(first)) => first.1,
        // The last point may be below 1 by rounding.
        (last, None) => last.map_or(0.0, |last| last.1),
    }
}

/// A draw of the Poisson distribution with the mean 1, from a uniform one, by inversion.
fn times(uniform: f64) -> f64 {
    let (mut number, mut chance) = (0.0, (-1.0f64).exp());
    let mut below = chance;
    while uniform > below && number < 20.0 {
        number += 1.0;
        chance /= number;
        below += chance;
    }
    number
}

impl Lift {
    /// The interval of the coefficient, which holds the truth in 95 of 100 cases.
    pub(crate) fn interval(&self) -> (f64, f64) {
        let reach = quantile(0.975) * self.error;
        (self.coefficient - reach, self.coefficient + reach)
    }

    /// The further responses for each customer if all get the action.
    pub(crate) fn gain(&self) -> f64 {
        self.curve.last().map_or(0.0, |end| end.1)
    }
}

impl Fifth {
    fn of(cases: &[UpliftCase]) -> Fifth {
        // Sums of the weights, and of the weights of responses, without and with the action.
        let (mut all, mut responses, mut squares) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        for case in cases {
            let arm = usize::from(case.is_treated);
            all[arm] += case.weight;
            squares[arm] += case.weight.powi(2);
            responses[arm] += case.weight * f64::from(u8::from(case.response));
        }
        let count = cases.len().max(1) as f64;
        let groups = [0, 1].map(|arm| Group {
            // The effective number of customers is (Σw)²/Σw².
            cases: (all[arm].powi(2) / squares[arm].max(f64::MIN_POSITIVE)).round() as usize,
            expected: 0.0,
            happened: if all[arm] > 0.0 { responses[arm] / all[arm] } else { 0.0 },
        });
        let happened = groups[1].happened - groups[0].happened;
        Fifth {
            expected: cases.iter().map(|case| case.expected).sum::<f64>() / count,
            happened,
            interval: match groups.iter().all(|group| group.cases > 0) {
                true => of_difference(&groups[1], &groups[0]),
                false => (f64::NEG_INFINITY, f64::INFINITY),
            },
        }
    }
}

/// The interval of the difference of two shares, from those of each: Newcombe, Interval Estimation for the
/// Difference Between Independent Proportions, Statistics in Medicine 17 (1998), method 10. Unlike the
/// normal one, it is not empty where nobody responded.
fn of_difference(one: &Group, other: &Group) -> (f64, f64) {
    let (low, high) = one.interval();
    let (other_low, other_high) = other.interval();
    let difference = one.happened - other.happened;
    let down = (one.happened - low).hypot(other_high - other.happened);
    let up = (high - one.happened).hypot(other.happened - other_low);
    (difference - down, difference + up)
}

/// The Qini curve and its coefficient, of cases from the greatest expected uplift on; each counts so many
/// times. After the first customers of the order the curve is `(R₁ − R₀ · N₁/N₀) / N`: the responses with
/// and without the action, of so many customers with and without it, by the number of all who got the
/// action. Radcliffe, Using Control Groups to Target on Predicted Lift, Direct Marketing Analytics
/// Journal, 2007; here each customer counts for the inverse of the probability of the choice. Customers
/// of whom the same is expected count together.
fn qini(cases: &[UpliftCase], times: impl Fn(usize) -> f64) -> (Vec<(f64, f64)>, f64) {
    let mut points = vec![(0.0, 0.0)];
    let (mut counts, mut responses) = ([0.0; 2], [0.0; 2]);
    let (mut seen, mut at) = (0.0, 0);
    for equals in cases.chunk_by(|one, other| one.expected == other.expected) {
        for case in equals {
            let (arm, weight) = (usize::from(case.is_treated), case.weight * times(at));
            counts[arm] += weight;
            responses[arm] += weight * f64::from(u8::from(case.response));
            seen += weight;
            at += 1;
        }
        let without = if counts[0] > 0.0 { responses[0] * counts[1] / counts[0] } else { 0.0 };
        points.push((seen, responses[1] - without));
    }
    let (all, treated) = (seen.max(f64::MIN_POSITIVE), counts[1].max(f64::MIN_POSITIVE));
    points.iter_mut().for_each(|point| *point = (point.0 / all, point.1 / treated));
    let area: f64 =
        points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum();
    let end = points.last().map_or(0.0, |end| end.1);
    (points, area - end / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forty customers, half of them with the action: it helps the first half, and nobody else.
    fn cases(is_right: bool) -> Vec<UpliftCase> {
        let mut cases: Vec<UpliftCase> = (0..40)
            .map(|number| {
                let (is_helped, is_treated) = (number < 20, number % 2 == 0);
                let expected = if is_helped == is_right { 0.5 } else { 0.0 };
                UpliftCase { expected, is_treated, response: is_treated && is_helped, weight: 2.0 }
            })
            .collect();
        cases.sort_by(|one, other| other.expected.total_cmp(&one.expected));
        cases
    }

    /// The uplift if both halves of the log are the same.
    fn lift_of_each(cases: &[UpliftCase]) -> Lift {
        lift(1, [cases.to_vec(), cases.to_vec()])
    }

    #[test]
    fn an_order_that_finds_those_whom_the_action_helps_has_a_positive_coefficient() {
        let right = lift_of_each(&cases(true));
        assert_eq!(right.curve.len(), PIECES + 1);
        for (at, height) in [(0, 0.0), (25, 0.25), (50, 0.5), (100, 0.5)] {
            let (share, found) = right.curve[at];
            assert!((share * 100.0 - at as f64).abs() + (found - height).abs() < 1e-12, "{at}");
        }
        assert!((right.coefficient - 0.125).abs() < 1e-12, "{}", right.coefficient);
        assert!(right.interval().0 > 0.0 && right.error > 0.0, "{}", right.error);
        assert!((lift_of_each(&cases(false)).coefficient + 0.125).abs() < 1e-12);
    }

    #[test]
    fn an_order_that_tells_nothing_has_the_coefficient_0() {
        let same: Vec<_> =
            cases(true).into_iter().map(|case| UpliftCase { expected: 0.1, ..case }).collect();
        assert_eq!(lift_of_each(&same).coefficient, 0.0);
    }

    #[test]
    fn a_choice_counts_for_the_inverse_of_its_probability() {
        // Of those whom the action helps, three of four got it: the others stand for three each.
        let mut uneven = Vec::new();
        for number in 0..400 {
            let (is_helped, is_treated) = (number < 200, number % 4 > 0);
            let weight = if is_treated { 4.0 / 3.0 } else { 4.0 };
            let expected = f64::from(u8::from(is_helped));
            let response = is_treated && is_helped;
            uneven.push(UpliftCase { expected, is_treated, response, weight });
        }
        let found = lift_of_each(&uneven);
        assert!((found.coefficient - 0.125).abs() < 1e-9, "{}", found.coefficient);
        assert_eq!(found.fifths[0].happened, 1.0);
        assert_eq!(found.fifths[4].happened, 0.0);
    }

    #[test]
    fn a_fifth_without_a_control_says_nothing() {
        let treated: Vec<_> =
            cases(true).into_iter().map(|case| UpliftCase { is_treated: true, ..case }).collect();
        assert_eq!(lift_of_each(&treated).fifths[0].interval, (f64::NEG_INFINITY, f64::INFINITY));
    }

    #[test]
    fn a_fifth_in_which_nobody_responded_is_not_certain() {
        let (low, high) = lift_of_each(&cases(true)).fifths[4].interval;
        assert!(low < -0.2 && high > 0.2, "{low} to {high}");
        // Newcombe's own example, 56 of 70 and 48 of 80.
        let group = |cases, happened| Group { cases, expected: 0.0, happened };
        let (low, high) = of_difference(&group(70, 0.8), &group(80, 0.6));
        assert!((low - 0.0524).abs() < 1e-4 && (high - 0.3339).abs() < 1e-4, "{low} to {high}");
    }

    #[test]
    fn draws_of_the_bootstrap_have_the_mean_1() {
        let draws = (0..10_000).map(|at| times((f64::from(at) + 0.5) / 10_000.0));
        assert!((draws.sum::<f64>() / 10_000.0 - 1.0).abs() < 1e-3);
    }
}
