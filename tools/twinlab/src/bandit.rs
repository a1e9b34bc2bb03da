use std::path::Path;
use std::time::{Duration, Instant};

use jumeau::models::{Arm, ArmParts, Features, HORIZON, Learner, Prior, Snapshot, normal, seed};

use crate::table::Table;

/// A labelled data set as a stream of decisions: the labels are the arms, of which the learner chooses
/// one and is told only whether that was right.
pub(crate) struct Stream {
    situations: Vec<Features>,
    labels: Vec<usize>,
    arms: Vec<Arm>,
}

/// The result of one stream.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) wrong: usize,
    pub(crate) rounds: usize,
    pub(crate) deciding: Duration,
    pub(crate) learning: Duration,
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
        let part = |action| ArmParts { action, treatment: "", issue: "", channel: "", tone: "" };
        let parts: Vec<_> = names.into_iter().map(part).collect();
        Ok(Stream { situations: table.features(&[column]), labels, arms: Arm::all(&parts) })
    }

    /// Goes through the rows once, with an untrained model.
    pub(crate) fn play(&self) -> Outcome {
        let mut outcome = Outcome::default();
        let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
        for (features, label) in self.situations.iter().zip(&self.labels) {
            let start = Instant::now();
            let chosen = choose(learner.model(), features, &self.arms, outcome.rounds as u64);
            let decided = Instant::now();
            let is_right = chosen == *label;
            learner.learn(features, &self.arms[chosen], Prior::default(), is_right);
            outcome.learning += decided.elapsed();
            outcome.deciding += decided - start;
            outcome.rounds += 1;
            outcome.wrong += usize::from(!is_right);
        }
        outcome
    }
}

/// The arm with the highest sampled propensity.
fn choose(model: &Snapshot, features: &Features, arms: &[Arm], turn: u64) -> usize {
    let mut scorer = model.scorer(features);
    let mut best = (0, f64::NEG_INFINITY);
    for (number, arm) in arms.iter().enumerate() {
        let chance = normal(seed(&[turn, number as u64]));
        let drawn = scorer.belief(arm, Prior::default()).drawn(chance);
        if drawn > best.1 {
            best = (number, drawn);
        }
    }
    best.0
}
