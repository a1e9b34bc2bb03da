use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use jumeau::models::{Arm, Features, Learner, Parts, Prior, Snapshot, normal, seed};

use crate::table::Table;

/// What one set came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    name: String,
    decisions: usize,
    /// How many choices were wrong.
    wrong: usize,
    /// How many choices were wrong, of the last quarter of each pass.
    wrong_late: usize,
    late: usize,
    deciding: Duration,
    learning: Duration,
}

/// A set of labelled situations, as a stream of decisions: the labels are the arms, of which the
/// learner chooses one and hears only whether that was right.
pub(crate) struct Stream {
    name: String,
    situations: Vec<Features>,
    labels: Vec<usize>,
    arms: Vec<Arm>,
}

impl Stream {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Stream> {
        let table = Table::read(path)?;
        let column = table.column("label")?;
        let mut names: Vec<&str> = (0..table.len()).map(|row| table.text(row, column)).collect();
        names.sort_unstable();
        names.dedup();
        let labels = (0..table.len())
            .map(|row| names.binary_search(&table.text(row, column)).unwrap_or_default())
            .collect();
        let part = |action| Parts { action, treatment: "", issue: "", channel: "", tone: "" };
        let parts: Vec<_> = names.into_iter().map(part).collect();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Stream { name, situations: table.features(&[column]), labels, arms: Arm::all(&parts) })
    }

    /// Goes through the rows in `passes` orders, each time from nothing.
    pub(crate) fn play(&self, passes: u64) -> Outcome {
        let mut outcome = Outcome { name: self.name.clone(), ..Outcome::default() };
        for pass in 0..passes {
            self.pass(pass, &mut outcome);
        }
        outcome
    }

    fn pass(&self, pass: u64, outcome: &mut Outcome) {
        let prior = Prior::default();
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.sort_by_key(|row| seed(&[pass, *row as u64]));
        let mut learner = Learner::from(Snapshot::nothing(), 20_000.0);
        for (turn, row) in order.iter().enumerate() {
            let features = &self.situations[*row];
            let start = Instant::now();
            let mut weigher = learner.model().weigher(features);
            let mut best = (0, f64::NEG_INFINITY);
            for (number, arm) in self.arms.iter().enumerate() {
                let chance = normal(seed(&[pass, turn as u64, number as u64]));
                let drawn = weigher.belief(arm, prior).drawn(chance);
                if drawn > best.1 {
                    best = (number, drawn);
                }
            }
            let decided = Instant::now();
            let is_right = best.0 == self.labels[*row];
            learner.learn(features, &self.arms[best.0], prior, is_right);
            outcome.deciding += decided - start;
            outcome.learning += decided.elapsed();
            outcome.decisions += 1;
            outcome.wrong += usize::from(!is_right);
            if turn * 4 >= order.len() * 3 {
                outcome.late += 1;
                outcome.wrong_late += usize::from(!is_right);
            }
        }
    }
}

impl Outcome {
    pub(crate) fn loss(&self) -> f64 {
        self.wrong as f64 / self.decisions as f64
    }

    pub(crate) fn line(&self) -> String {
        let mut line = String::new();
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / self.decisions as f64;
        let late = self.wrong_late as f64 / self.late.max(1) as f64;
        let _ = write!(
            line,
            "{}\t{:.4}\t{late:.4}\t{:.2}\t{:.2}",
            self.name,
            self.loss(),
            micros(self.deciding),
            micros(self.learning)
        );
        line
    }
}
