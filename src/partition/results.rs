use std::collections::BTreeMap;

use crate::models::{ArmCounts, ArmResult};
use crate::tables::Batch;
use crate::twin::TrialUpdate;

/// The results of a partition's experiments, by experiment and arm. Counts are in the commit of the
/// twin's change: no customer is counted twice or lost.
#[derive(Debug, Default)]
pub(super) struct Results {
    arms: BTreeMap<(Box<str>, Box<str>), PendingResult>,
}

#[derive(Debug, Default)]
struct PendingResult {
    result: ArmResult,
    is_new: bool,
}

impl Results {
    /// The stored results.
    pub(super) fn recovered(rows: Vec<ArmCounts>) -> Results {
        let counted = |result| PendingResult { result, is_new: false };
        let rows = rows.into_iter().map(|(name, arm, result)| ((name, arm), counted(result)));
        Results { arms: rows.collect() }
    }

    pub(super) fn count(&mut self, tried: TrialUpdate) {
        let counted = self.arms.entry((tried.experiment, tried.arm)).or_default();
        counted.result.add(&ArmResult {
            entered: tried.entered.into(),
            reached: tried.reached.into(),
            value: tried.value,
            squares: tried.squares,
        });
        counted.is_new = true;
    }

    /// Adds changed results to a batch.
    pub(super) fn put(&mut self, partition: u16, batch: &mut Batch) {
        for ((experiment, arm), counted) in &mut self.arms {
            if std::mem::take(&mut counted.is_new) {
                batch.put_result(partition, experiment, arm, &counted.result);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ArmCounts> {
        self.arms.iter().map(|((name, arm), counted)| (name.clone(), arm.clone(), counted.result))
    }
}
