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
    let expected = table.column("expected").ok().zip(table.column("expected_of_target").ok());
    (0..table.len())
        .map(|row| {
            let (of_choice, of_target) = match expected {
                Some((choice, target)) => (table.number(row, choice)?, table.number(row, target)?),
                None => (0.0, 0.0),
            };
            Ok(Logged {
                reward: table.number(row, reward)?,
                logged: table.number(row, logged)?,
                target: table.number(row, target)?,
                expected: of_choice,
                expected_of_target: of_target,
            })
        })
        .collect()
}
