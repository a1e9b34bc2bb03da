use std::time::Duration;

use super::lesson_retention::{LessonHistory, LessonRetention};
use crate::config::limits;
use crate::models::{HORIZON, Learner, Snapshot};
use crate::tables::{Batch, Commit, Error, Read};

/// The interval between two training batches.
pub const LESSON_EVERY: Duration = Duration::from_secs(1);

/// The trainer: learns from committed observations, in the order of partitions and sequences, each once.
/// The new weights and how far each partition's observations were read are one commit, so a crash neither
/// repeats nor loses one; only then each partition's observations are deleted, in a batch of that partition. Observations are kept as training history, within a limit, so that every model version
/// named in a decision can be rebuilt.
#[derive(Debug)]
pub struct Trainer {
    learner: Learner,
    /// Per partition, the sequence after the last trained observation.
    next: Vec<u64>,
    answers: u64,
    history: LessonHistory,
}

impl Trainer {
    /// Resumes from the stored model.
    ///
    /// # Errors
    /// As [`Read::model`].
    pub fn resume(store: &impl Read, partitions: u16) -> Result<Trainer, Error> {
        Trainer::keeping(store, partitions, LessonRetention::default())
    }

    pub(super) fn keeping(
        store: &impl Read,
        partitions: u16,
        keep: LessonRetention,
    ) -> Result<Trainer, Error> {
        let (model, answers) = store.model()?;
        let history = LessonHistory::resume(store, &model, partitions, keep)?;
        let learner = Learner::from(model, HORIZON);
        let next: Result<_, Error> =
            (0..partitions).map(|partition| store.trained(partition)).collect();
        Ok(Trainer { learner, next: next?, answers, history })
    }

    /// The current model.
    pub fn model(&self) -> &Snapshot {
        self.learner.model()
    }

    /// Features evicted from full levels since the service started.
    pub fn forgotten(&self) -> u64 {
        self.learner.forgotten()
    }

    /// The number of observations trained on since the store was created.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// Trains on new observations of the store, at most [`limits::LESSON`] per partition, and commits what was learned.
    /// Returns a snapshot if the model changed.
    ///
    /// # Errors
    /// Errors of the store; the in-memory model then differs from the stored one and must be reloaded.
    pub fn learn(
        &mut self,
        store: &impl Read,
        committer: &impl Commit,
    ) -> Result<Option<Snapshot>, Error> {
        let mut batch = Batch::new();
        let (mut learned, mut deletions) = (Vec::new(), Vec::new());
        for (partition, next) in (0..).zip(&mut self.next) {
            let first = *next;
            for (sequence, exposure, response) in
                store.observations(partition, first, limits::LESSON)?
            {
                exposure.teach(&mut self.learner, response);
                *next = sequence + 1;
                learned.push((exposure, response));
            }
            if *next > first {
                batch.set_trained(partition, *next);
                let mut deletion = Batch::new();
                deletion.delete_trained(partition, *next);
                deletions.push(deletion);
            }
        }
        if learned.is_empty() {
            return Ok(None);
        }
        let snapshot = self.learner.publish();
        for (level, weights) in self.learner.changed() {
            if let Err(error) = batch.put_weights(level, &weights) {
                // The limits of a level make it impossible.
                tracing::error!(%error, level, "what was learned has no stored form");
            }
        }
        let answers = self.answers + learned.len() as u64;
        batch.set_model(snapshot.version(), answers);
        self.history.note(&mut batch, snapshot.version(), learned);
        committer.commit(&[batch])?;
        committer.commit(&deletions)?;
        self.answers = answers;
        self.history.tidy(committer, &snapshot)?;
        Ok(Some(snapshot))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::models::{Arm, ArmParts, Exposure, Features, Prior};
    use crate::tables::{Fault, MemoryStore};

    fn exposure(channel: &str) -> Exposure {
        let mut features = Features::new();
        features.text("channel", channel);
        let parts = ArmParts { action: "card", treatment: "", issue: "", channel, tone: "" };
        Exposure {
            features,
            arm: Arm::all(&[parts]).remove(0),
            prior: Prior::new(0.1, 10.0),
            propensity: 0.1,
            chance: 1.0,
            model: 0,
        }
    }

    /// A store with observations of two partitions.
    fn store() -> MemoryStore {
        let store = MemoryStore::new();
        let customer = crate::event::Customer::new("ada").unwrap();
        let mut batch = Batch::new();
        for (partition, sequence, response) in [(0, 4, true), (0, 9, false), (1, 2, true)] {
            batch
                .put_observation(partition, sequence, &customer, &exposure("app"), response)
                .unwrap();
        }
        store.commit(&[batch]).unwrap();
        store
    }

    #[test]
    fn an_observation_trains_once() {
        let store = store();
        let mut lessons = Trainer::resume(&store, 2).unwrap();
        let snapshot = lessons.learn(&store, &store).unwrap().unwrap();
        assert_eq!((snapshot.version(), lessons.answers()), (1, 3));
        assert!(snapshot.observations(&exposure("app").arm) > 2.9);
        assert_eq!(lessons.learn(&store, &store).unwrap(), None);
        let mut again = Trainer::resume(&store, 2).unwrap();
        assert_eq!(again.model(), &snapshot);
        assert_eq!(again.learn(&store, &store).unwrap(), None);
    }

    /// A store of which only the first so many commits succeed.
    struct Ending<'a>(&'a MemoryStore, AtomicUsize);

    impl Commit for Ending<'_> {
        fn commit(&self, batches: &[Batch]) -> Result<(), Error> {
            if self.1.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.0.inject(Fault::Write);
            }
            self.0.commit(batches)
        }
    }

    #[test]
    fn a_crash_before_the_observations_are_deleted_repeats_none() {
        let store = store();
        let mut lessons = Trainer::resume(&store, 2).unwrap();
        lessons.learn(&store, &Ending(&store, AtomicUsize::new(2))).unwrap_err();
        store.crash(0);
        assert_eq!(store.observations(0, 0, 9).unwrap().len(), 2, "their rows are still there");
        let mut again = Trainer::resume(&store, 2).unwrap();
        assert_eq!((again.answers(), again.learn(&store, &store).unwrap()), (3, None));
        let mut batch = Batch::new();
        let customer = crate::event::Customer::new("ada").unwrap();
        batch.put_observation(0, 12, &customer, &exposure("app"), true).unwrap();
        store.commit(&[batch]).unwrap();
        assert!(again.learn(&store, &store).unwrap().is_some());
        assert_eq!((again.answers(), store.observations(0, 0, 9).unwrap().len()), (4, 0));
    }

    #[test]
    fn after_a_crash_nothing_is_learned_twice_and_nothing_is_lost() {
        let expected = {
            let store = store();
            Trainer::resume(&store, 2).unwrap().learn(&store, &store).unwrap()
        };
        for (fault, kept) in [(Fault::Write, 0), (Fault::Sync, 0), (Fault::Sync, 1)] {
            let store = store();
            let mut lessons = Trainer::resume(&store, 2).unwrap();
            store.inject(fault);
            lessons.learn(&store, &store).unwrap_err();
            store.crash(kept);
            let mut again = Trainer::resume(&store, 2).unwrap();
            let learned = again.learn(&store, &store).unwrap();
            assert_eq!(learned.is_none(), kept == 1, "{fault:?}");
            assert_eq!(Some(again.model()), expected.as_ref(), "{fault:?}");
            assert_eq!(again.answers(), 3, "{fault:?}");
        }
    }
}
