use crate::config::limits;
use crate::models::{Exposure, Lesson, Snapshot};
use crate::tables::{Batch, Commit, Error, KeptLesson, KeptLessons, Milestone, Read};

/// The limits of training history, and the interval of milestones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LessonRetention {
    /// Approximate maximum bytes in all.
    pub(super) bytes_max: u64,
    /// Minimum bytes of observations between two milestones.
    pub(super) stretch_bytes: u64,
}

impl Default for LessonRetention {
    fn default() -> LessonRetention {
        let bytes_max = (limits::LESSONS_MEBIBYTES as u64) << 20;
        LessonRetention { bytes_max, stretch_bytes: bytes_max / 64 }
    }
}

/// Observations in one stored part.
const PART_ANSWERS: usize = 128;

/// Maximum bytes of levels in one commit of a milestone: other commits wait for the same disk.
const MILESTONE_COMMIT_BYTES: usize = 1 << 20;

/// Keeps the observations of each version and, at a milestone, the full weights, so that the versions of
/// past decisions can be rebuilt. The oldest history is deleted first, from one milestone to the next.
#[derive(Debug)]
pub(super) struct LessonHistory {
    keep: LessonRetention,
    kept: KeptLessons,
    partitions: u16,
}

impl LessonHistory {
    /// Resumes from the stored history.
    ///
    /// # Errors
    /// As [`Read::kept_lessons`].
    pub(super) fn resume(
        store: &impl Read,
        model: &Snapshot,
        partitions: u16,
        keep: LessonRetention,
    ) -> Result<LessonHistory, Error> {
        let kept = store.kept_lessons()?.unwrap_or_else(|| {
            let nothing = Milestone { version: 0, written_bytes: 0 };
            let is_new = model.version() == 0;
            KeptLessons {
                milestones: is_new.then_some(nothing).into_iter().collect(),
                written_bytes: 0,
            }
        });
        Ok(LessonHistory { keep, kept, partitions })
    }

    /// Adds the observations of a new version to the commit that stores the version.
    pub(super) fn note(
        &mut self,
        batch: &mut Batch,
        version: u64,
        mut answers: Vec<(Exposure, bool)>,
    ) {
        if self.kept.milestones.is_empty() {
            // There is no milestone to start from.
            return;
        }
        let before = batch.bytes();
        let mut number = 0;
        while !answers.is_empty() {
            let rest = answers.split_off(answers.len().min(PART_ANSWERS));
            number += 1;
            if let Err(error) = batch.put_lesson(version, number, &Lesson::Answers(answers)) {
                // The limits of features make it impossible.
                tracing::error!(%error, version, "what was learned from has no stored form");
            }
            answers = rest;
        }
        self.kept.written_bytes += (batch.bytes() - before) as u64;
        batch.put_kept_lessons(&self.kept);
    }

    /// Writes a milestone when it is time for one, and deletes history beyond the limit.
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) fn tidy(&mut self, committer: &impl Commit, model: &Snapshot) -> Result<(), Error> {
        let weight = model.bytes() as u64;
        if weight > self.keep.bytes_max / 4 {
            return self.give_up(committer, model);
        }
        let last = self.kept.milestones.last();
        let stretch = last.map(|last| self.kept.written_bytes - last.written_bytes);
        if stretch.is_none_or(|stretch| stretch >= weight.max(self.keep.stretch_bytes)) {
            self.make_milestone(committer, model)?;
        }
        self.delete_oldest(committer)
    }

    /// Writes the full weights. The milestone counts once all of it is durable.
    fn make_milestone(&mut self, committer: &impl Commit, model: &Snapshot) -> Result<(), Error> {
        let version = model.version();
        let milestone = Milestone { version, written_bytes: self.kept.written_bytes };
        let mut batch = Batch::new();
        for ((level, weights), number) in model.iter().zip(KeptLesson::LEVELS..) {
            let lesson = Lesson::Level { level, weights: weights.clone() };
            if let Err(error) = batch.put_lesson(version, number, &lesson) {
                tracing::error!(%error, level, "what was learned has no stored form");
            }
            if batch.bytes() >= MILESTONE_COMMIT_BYTES {
                self.kept.written_bytes += batch.bytes() as u64;
                committer.commit(std::slice::from_ref(&batch))?;
                batch.clear();
            }
        }
        self.kept.written_bytes += batch.bytes() as u64;
        self.kept.milestones.push(milestone);
        batch.put_kept_lessons(&self.kept);
        committer.commit(&[batch])
    }

    /// Deletes the oldest history, up to the first milestone after which the rest is within the limit.
    fn delete_oldest(&mut self, committer: &impl Commit) -> Result<(), Error> {
        let is_much = |milestone: &Milestone| {
            self.kept.written_bytes - milestone.written_bytes > self.keep.bytes_max
        };
        let milestones = &self.kept.milestones;
        let much = milestones.iter().take_while(|milestone| is_much(milestone)).count();
        let much = much.min(milestones.len().saturating_sub(1));
        let Some(first) = milestones.get(much).filter(|_| much > 0) else { return Ok(()) };
        let version = first.version;
        self.kept.milestones.drain(..much);
        self.forget(committer, version, KeptLesson::LEVELS)
    }

    /// Ends the history, because the weights are too large to keep any.
    fn give_up(&mut self, committer: &impl Commit, model: &Snapshot) -> Result<(), Error> {
        if self.kept.milestones.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            bytes = model.bytes(),
            bytes_max = self.keep.bytes_max / 4,
            "the model is too large to keep its training history: decisions from now on cannot be \
             replayed"
        );
        self.kept.milestones.clear();
        self.forget(committer, model.version() + 1, 0)
    }

    fn forget(&mut self, committer: &impl Commit, version: u64, number: u32) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.delete_lessons(version, number);
        batch.put_kept_lessons(&self.kept);
        committer.commit(&[batch])?;
        // Marks of versions that cannot be rebuilt mean nothing, so it does not matter when they go.
        let marks = (0..self.partitions).map(|partition| {
            let mut batch = Batch::new();
            batch.delete_marks(partition, version);
            batch
        });
        committer.commit(&marks.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::training::Trainer;
    use super::*;
    use crate::models::{Arm, ArmParts, Features, LessonReplayer, Prior};
    use crate::tables::{Fault, MemoryStore};

    fn exposure(age: f64, action: &str) -> Exposure {
        let mut features = Features::new();
        features.number("age", age);
        Exposure {
            features,
            arm: Arm::new(ArmParts { action, treatment: "", issue: "", channel: "app", tone: "" }),
            prior: Prior::new(0.1, 10.0),
            propensity: 0.1,
            chance: 1.0,
            model: 0,
        }
    }

    /// A version rebuilt from the stored history, from the nearest milestone on.
    fn relearned(store: &MemoryStore, version: u64) -> Option<Snapshot> {
        let kept = store.kept_lessons().unwrap()?;
        let from = kept.milestones.iter().rfind(|one| one.version <= version)?.version;
        let mut relearner = LessonReplayer::default();
        let from = if from == 0 { (0, 1) } else { (from, KeptLesson::LEVELS) };
        for part in store.lessons(from, true, usize::MAX).unwrap() {
            if part.version <= version {
                relearner.take(part.version, part.open().unwrap());
            }
        }
        Some(relearner.snapshot().clone())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_kept_version_is_rebuilt_exactly(
            rounds in prop::collection::vec(
                prop::collection::vec((0..2u16, 0.0..90.0, 0..3usize, any::<bool>()), 1..200),
                1..12,
            ),
            stretch_bytes in 500..20_000u64,
            bytes_max in 100_000..300_000u64,
            crash in 0..12usize,
        ) {
            let keep = LessonRetention { bytes_max, stretch_bytes };
            let store = MemoryStore::new();
            let mut lessons = Trainer::keeping(&store, 2, keep).unwrap();
            let mut live = vec![Snapshot::nothing()];
            let mut sequence = 0;
            for (number, answers) in rounds.iter().enumerate() {
                let mut batch = Batch::new();
                for (partition, age, action, response) in answers {
                    sequence += 1;
                    let exposure = exposure(*age, ["card", "loan", "help"][*action]);
                    let customer = crate::event::Customer::new("ada").unwrap();
                    batch
                        .put_observation(*partition, sequence, &customer, &exposure, *response)
                        .unwrap();
                }
                store.commit(&[batch]).unwrap();
                if number == crash {
                    store.inject(Fault::Write);
                    lessons.learn(&store, &store).unwrap_err();
                    store.crash(0);
                    lessons = Trainer::keeping(&store, 2, keep).unwrap();
                }
                live.extend(lessons.learn(&store, &store).unwrap());
            }
            let kept = store.kept_lessons().unwrap().unwrap();
            let oldest = kept.milestones.first().unwrap().version;
            for snapshot in live.iter().filter(|one| one.version() >= oldest) {
                let again = relearned(&store, snapshot.version()).unwrap();
                prop_assert_eq!(again.version(), snapshot.version());
                prop_assert_eq!(again.levels(), snapshot.levels());
                prop_assert!(again.iter().collect::<BTreeMap<_, _>>() == snapshot.iter().collect());
            }
            let held = store.lessons((0, 1), true, usize::MAX).unwrap();
            let bytes: usize = held.iter().map(|part| part.encoded.len()).sum();
            prop_assert!(bytes as u64 <= 2 * bytes_max, "{} bytes", bytes);
        }
    }

    #[test]
    fn lessons_beyond_the_size_limit_are_dropped() {
        let store = MemoryStore::new();
        let keep = LessonRetention { bytes_max: 64, stretch_bytes: 1 };
        let mut lessons = Trainer::keeping(&store, 1, keep).unwrap();
        for sequence in 1..4 {
            let mut batch = Batch::new();
            let customer = crate::event::Customer::new("ada").unwrap();
            batch.put_observation(0, sequence, &customer, &exposure(40.0, "card"), true).unwrap();
            store.commit(&[batch]).unwrap();
            lessons.learn(&store, &store).unwrap();
        }
        assert_eq!(store.kept_lessons().unwrap().unwrap().milestones, []);
        assert_eq!(store.lessons((0, 1), true, usize::MAX).unwrap(), []);
        assert_eq!(lessons.model().version(), 3);
    }
}
