use std::fmt::Write as _;

/// The predicted probability of one case, and whether it happened.
pub(crate) type Case = (f64, bool);

/// The probability that a case that happened had a higher prediction than one that did not: the area
/// under the ROC curve, by ranks; ties get the mean rank.
pub(crate) fn area_under_curve(cases: &[Case]) -> f64 {
    let mut sorted: Vec<&Case> = cases.iter().collect();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut rank, mut ranks, mut happened) = (0.0, 0.0, 0.0);
    for equals in sorted.chunk_by(|one, other| one.0 == other.0) {
        let middle = rank + (equals.len() as f64 + 1.0) / 2.0;
        let many = equals.iter().filter(|(_, happens)| *happens).count() as f64;
        ranks += middle * many;
        happened += many;
        rank += equals.len() as f64;
    }
    (ranks - happened * (happened + 1.0) / 2.0) / (happened * (rank - happened))
}

/// Cases with similar predictions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Group {
    /// Their number.
    pub(crate) cases: usize,
    /// The mean prediction.
    pub(crate) expected: f64,
    /// The share that happened.
    pub(crate) happened: f64,
}

impl Group {
    fn of(cases: &[Case]) -> Group {
        let count = cases.len().max(1) as f64;
        Group {
            cases: cases.len(),
            expected: cases.iter().map(|(expected, _)| expected).sum::<f64>() / count,
            happened: cases.iter().filter(|(_, happens)| *happens).count() as f64 / count,
        }
    }

    /// The range within which the probability of what happened lies in 95 of 100 such groups: Wilson's
    /// score interval (Journal of the American Statistical Association 22, 1927).
    pub(crate) fn interval(&self) -> (f64, f64) {
        const DEVIATIONS: f64 = 1.959_964;
        let (n, z) = (self.cases.max(1) as f64, DEVIATIONS * DEVIATIONS);
        let p = self.happened;
        let middle = (p + z / (2.0 * n)) / (1.0 + z / n);
        let reach = DEVIATIONS / (1.0 + z / n) * (p * (1.0 - p) / n + z / (4.0 * n * n)).sqrt();
        (middle - reach, middle + reach)
    }
}

/// Ten groups of equally many cases, from the lowest prediction on, and all of them as one.
pub(crate) fn groups(cases: &[Case]) -> (Vec<Group>, Group) {
    const GROUPS: usize = 10;
    let mut sorted = cases.to_vec();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let place = |group: usize| group * sorted.len() / GROUPS;
    let group = |group: usize| Group::of(&sorted[place(group)..place(group + 1)]);
    ((0..GROUPS).map(group).collect(), Group::of(&sorted))
}

/// The expected calibration error: how far the mean prediction of each of the ten groups is from the
/// share that happened, weighed by their cases (Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated
/// Probabilities Using Bayesian Binning, AAAI 2015, with groups of equally many cases).
pub(crate) fn expected_error(cases: &[Case]) -> f64 {
    let (groups, all) = groups(cases);
    let error = |it: &Group| (it.expected - it.happened).abs() * it.cases as f64;
    groups.iter().map(error).sum::<f64>() / all.cases.max(1) as f64
}

/// The mean negative logarithm of the probability that was given to what happened.
pub(crate) fn log_loss(cases: &[Case]) -> f64 {
    const LEAST: f64 = 1e-12;
    let given = |(expected, happens): &Case| if *happens { *expected } else { 1.0 - expected };
    let sum: f64 = cases.iter().map(|case| -given(case).max(LEAST).ln()).sum();
    sum / cases.len().max(1) as f64
}

/// A table of ten groups: the mean prediction, the observed share, and both as a plot.
pub(crate) fn table(cases: &[Case]) -> String {
    const WIDTH: f64 = 50.0;
    let (groups, all) = groups(cases);
    let most = groups.iter().fold(0.0f64, |most, it| most.max(it.expected).max(it.happened));
    let mut table = "expected  happened  o what happened, | what was expected\n".to_owned();
    for Group { expected, happened, .. } in &groups {
        let place = |share: f64| (share / most * WIDTH).round() as usize;
        let mut plot = vec![' '; WIDTH as usize + 1];
        plot[place(*expected)] = '|';
        plot[place(*happened)] = 'o';
        let plot: String = plot.into_iter().collect();
        let _ = writeln!(table, "{expected:8.4}  {happened:8.4}  {}", plot.trim_end());
    }
    let _ = writeln!(table, "{:8.4}  {:8.4}  in all", all.expected, all.happened);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_under_the_curve_is_the_share_of_correctly_ordered_pairs() {
        assert_eq!(area_under_curve(&[(0.1, false), (0.9, true)]), 1.0);
        assert_eq!(area_under_curve(&[(0.9, false), (0.1, true)]), 0.0);
        assert_eq!(area_under_curve(&[(0.5, false), (0.5, true)]), 0.5);
        let cases = [(0.1, false), (0.2, true), (0.3, false), (0.4, true)];
        assert_eq!(area_under_curve(&cases), 0.75);
    }

    #[test]
    fn the_calibration_error_is_how_far_predictions_are_from_what_happens() {
        let cases = |expected| (0..100).map(|case| (expected, case % 4 == 0)).collect::<Vec<_>>();
        assert!((expected_error(&cases(0.45)) - 0.2).abs() < 1e-12);
        assert!(log_loss(&cases(0.25)) < log_loss(&cases(0.45)));
        assert!((log_loss(&[(0.5, true), (0.5, false)]) - 2f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn the_interval_of_a_group_is_the_wilson_interval() {
        let (low, high) = Group { cases: 100, expected: 0.0, happened: 0.1 }.interval();
        assert!((low - 0.0552).abs() < 1e-4 && (high - 0.1744).abs() < 1e-4, "{low} {high}");
        let (low, high) = Group { cases: 10, expected: 0.0, happened: 0.0 }.interval();
        assert!(low.abs() < 1e-12 && (high - 0.2775).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn a_table_shows_observed_beside_expected_shares() {
        let cases: Vec<Case> =
            (0..40).map(|case| (f64::from(case) / 40.0, case % 4 < case / 10)).collect();
        let table = table(&cases);
        insta::assert_snapshot!(table.lines().take(4).collect::<Vec<_>>().join("\n"), @r"
        expected  happened  o what happened, | what was expected
          0.0375    0.0000  o |
          0.1375    0.0000  o      |
          0.2375    0.0000  o            |
        ");
    }
}
