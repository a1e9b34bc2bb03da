use serde::{Deserialize, Serialize};

use crate::event::Time;

/// The position from which a partition used a model version. Stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelMark {
    /// The version.
    pub version: u64,
    /// The sequence of the last event that used an earlier version.
    pub after: u64,
    /// The number of the first journalled input that used it.
    pub input: u32,
    /// The partition's clock then.
    pub at: Time,
}

/// The model marks of a partition, in the order of versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ModelMarks(Vec<ModelMark>);

impl ModelMarks {
    pub(super) fn new(mut marks: Vec<ModelMark>) -> ModelMarks {
        marks.sort_unstable_by_key(|mark| mark.version);
        ModelMarks(marks)
    }

    /// The version that an event of the stream used. Before the first mark it is version 0, without any
    /// training.
    pub(super) fn of_event(&self, sequence: u64) -> u64 {
        self.last(|mark| mark.after < sequence)
    }

    /// The version that a journalled input used.
    pub(super) fn of_input(&self, number: u32) -> u64 {
        self.last(|mark| mark.input <= number)
    }

    /// The version for an input that did not occur originally.
    pub(super) fn of_moment(&self, at: Time) -> u64 {
        self.last(|mark| mark.at <= at)
    }

    fn last(&self, is_before: impl Fn(&ModelMark) -> bool) -> u64 {
        let behind = self.0.partition_point(is_before);
        behind.checked_sub(1).and_then(|last| self.0.get(last)).map_or(0, |mark| mark.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_uses_the_model_version_of_its_time() {
        let mark =
            |version, after, input, at| ModelMark { version, after, input, at: Time::from_ms(at) };
        let marks = ModelMarks::new(vec![mark(4, 20, 7, 200), mark(2, 10, 3, 100)]);
        let events = [10, 11, 20, 21].map(|sequence| marks.of_event(sequence));
        assert_eq!(events, [0, 2, 2, 4]);
        assert_eq!([2, 3, 6, 7].map(|number| marks.of_input(number)), [0, 2, 2, 4]);
        let moments = [99, 100, 199, 200].map(|at| marks.of_moment(Time::from_ms(at)));
        assert_eq!(moments, [0, 2, 2, 4]);
    }
}
