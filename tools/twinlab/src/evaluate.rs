use std::path::Path;

use jumeau::models::evaluate::{
    Estimate, Logged, direct, doubly_robust, inverse_propensity, self_normalised,
};

use crate::table::Table;

/// An estimator and its name.
pub(crate) type Named = (&'static str, fn(&[Logged]) -> Estimate);

/// Off-policy evaluation: the value of another policy, by each estimator that the columns of the log
/// allow.
pub(crate) fn evaluate(path: &Path) -> anyhow::Result<String> {
    let table = Table::read(path)?;
    let log = log(&table)?;
    let mut estimators: Vec<Named> = vec![("IPS", inverse_propensity), ("SNIPS", self_normalised)];
    if table.column("expected").is_ok() {
        estimators.extend([("DM", direct as fn(&[Logged]) -> _), ("DR", doubly_robust)]);
    }
    let mut lines = String::new();
    for (name, estimator) in estimators {
        let estimate = estimator(&log);
        let (low, high) = estimate.interval(0.95);
        lines += &format!(
            "{name}\t{:.12}\t{low:.6}\t{high:.6}\t{:.0}\n",
            estimate.value, estimate.effective
        );
    }
    Ok(lines)
}

fn log(table: &Table) -> anyhow::Result<Vec<Logged>> {
    let [reward, logged, target] =
        ["reward", "logged", "target"].map(|column| table.column(column));
    let (reward, logged, target) = (reward?, logged?, target?);
    let expected = match ["expected", "expected_of_target"].map(|name| table.column(name)) {
        [Ok(of_choice), Ok(of_target)] => Some((of_choice, of_target)),
        [Err(_), Err(_)] => None,
        [Err(missing), Ok(_)] | [Ok(_), Err(missing)] => return Err(missing),
    };
    let finite = |place| table.number_that(place, "a finite number", f64::is_finite);
    // What was chosen had a chance: its inverse is what it counts.
    let chosen = |place| {
        let is_right = |number| number > 0.0 && number <= 1.0;
        table.number_that(place, "a probability above 0, at most 1,", is_right)
    };
    let probability = |place| {
        table.number_that(place, "a probability, 0 to 1,", |number| (0.0..=1.0).contains(&number))
    };
    (0..table.len())
        .map(|row| {
            let (of_choice, of_target) = match expected {
                Some((choice, target)) => (finite((row, choice))?, finite((row, target))?),
                None => (0.0, 0.0),
            };
            Ok(Logged {
                reward: finite((row, reward))?,
                logged: chosen((row, logged))?,
                target: probability((row, target))?,
                expected: of_choice,
                expected_of_target: of_target,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(content: &str) -> String {
        let table = Table::parse(content).unwrap_or_else(|error| panic!("{error}"));
        log(&table).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_in_a_log_is_refused_with_its_line() {
        let found = ["0", "-0.5", "1.5", "NaN", "inf", "much"]
            .map(|logged| refusal(&format!("reward\tlogged\ttarget\n1\t0.5\t1\n1\t{logged}\t1")));
        insta::assert_snapshot!(found.join("\n"), @r"
        line 3: expected a probability above 0, at most 1, in `logged`, found `0`
        line 3: expected a probability above 0, at most 1, in `logged`, found `-0.5`
        line 3: expected a probability above 0, at most 1, in `logged`, found `1.5`
        line 3: expected a probability above 0, at most 1, in `logged`, found `NaN`
        line 3: expected a probability above 0, at most 1, in `logged`, found `inf`
        line 3: expected a number in `logged`, found `much`
        ");
        let found = [("NaN", "1"), ("1", "7"), ("1", "-1")].map(|(reward, target)| {
            refusal(&format!("reward\tlogged\ttarget\n{reward}\t0.5\t{target}"))
        });
        insta::assert_snapshot!(found.join("\n"), @r"
        line 2: expected a finite number in `reward`, found `NaN`
        line 2: expected a probability, 0 to 1, in `target`, found `7`
        line 2: expected a probability, 0 to 1, in `target`, found `-1`
        ");
    }

    #[test]
    fn expectations_come_in_pairs() {
        let found = refusal("reward\tlogged\ttarget\texpected\n1\t0.5\t1\t0.2");
        insta::assert_snapshot!(found, @"expected a column `expected_of_target`, found reward, logged, target, expected");
    }

    #[test]
    fn fields_without_tabs_are_refused() {
        let found = Table::parse("reward,logged,target\n1,0.5,1").unwrap_err();
        insta::assert_snapshot!(found, @"expected names with tabs between them, found `reward,logged,target`");
    }
}
