use std::fmt::Write as _;

/// What was expected of one case, and what happened.
pub(crate) type Case = (f64, bool);

/// How likely a case that happened was expected more than one that did not: the area under the ROC
/// curve, by ranks; of equal expectations the middle.
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

/// A table with as many cases in each of ten lines, from the least expected: what was expected on the
/// average, what happened, and both as a plot.
pub(crate) fn table(cases: &[Case]) -> String {
    const LINES: usize = 10;
    const WIDTH: f64 = 50.0;
    let mut sorted = cases.to_vec();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mean = |cases: &[Case]| {
        let count = cases.len().max(1) as f64;
        let expected = cases.iter().map(|(expected, _)| expected).sum::<f64>() / count;
        let happened = cases.iter().filter(|(_, happens)| *happens).count() as f64 / count;
        (expected, happened)
    };
    let lines: Vec<(f64, f64)> = (0..LINES)
        .map(|line| mean(&sorted[line * sorted.len() / LINES..(line + 1) * sorted.len() / LINES]))
        .collect();
    let most = lines.iter().fold(0.0f64, |most, (one, other)| most.max(*one).max(*other));
    let mut table = "expected  happened  o what happened, | what was expected\n".to_owned();
    for (expected, happened) in &lines {
        let place = |share: f64| (share / most * WIDTH).round() as usize;
        let mut plot = vec![' '; WIDTH as usize + 1];
        plot[place(*expected)] = '|';
        plot[place(*happened)] = 'o';
        let plot: String = plot.into_iter().collect();
        let _ = writeln!(table, "{expected:8.4}  {happened:8.4}  {}", plot.trim_end());
    }
    let (expected, happened) = mean(&sorted);
    let _ = writeln!(table, "{expected:8.4}  {happened:8.4}  in all");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_how_often_the_order_is_right() {
        assert_eq!(area_under_curve(&[(0.1, false), (0.9, true)]), 1.0);
        assert_eq!(area_under_curve(&[(0.9, false), (0.1, true)]), 0.0);
        assert_eq!(area_under_curve(&[(0.5, false), (0.5, true)]), 0.5);
        let cases = [(0.1, false), (0.2, true), (0.3, false), (0.4, true)];
        assert_eq!(area_under_curve(&cases), 0.75);
    }

    #[test]
    fn a_table_puts_what_happened_beside_what_was_expected() {
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
