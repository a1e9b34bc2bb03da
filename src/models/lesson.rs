use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::exposure::Exposure;
use super::learner::{HORIZON, Learner};
use super::snapshot::Snapshot;
use super::weights::{LevelWeights, WeightsOfOneScale};

/// Training history, stored so that any model version can be rebuilt. Stored: append new kinds at the
/// end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Lesson {
    /// The outcomes from which a version was learned, in order, each with whether it was a response.
    Answers(Vec<(Exposure, bool)>),
    /// The weights of one level of arms, as they were stored before there were scales; no longer written.
    LevelOfOneScale {
        /// The level.
        level: u64,
        /// Its weights.
        weights: WeightsOfOneScale,
    },
    /// The weights of one level of arms.
    Level {
        /// The level.
        level: u64,
        /// Its weights.
        weights: LevelWeights,
    },
}

/// Repeats the training, so that a snapshot is exactly as it was: learning has no randomness, and what is
/// stored of it is restored bit for bit.
#[derive(Debug, Clone)]
pub struct LessonReplayer(Learner);

impl Default for LessonReplayer {
    fn default() -> LessonReplayer {
        LessonReplayer::from(Snapshot::nothing())
    }
}

impl LessonReplayer {
    /// Continues from a complete snapshot.
    pub fn from(known: Snapshot) -> LessonReplayer {
        LessonReplayer(Learner::from(known, HORIZON))
    }

    /// The last version that was learned.
    pub fn version(&self) -> u64 {
        self.0.model().version()
    }

    /// Processes the stored part of a version: for the next version all its outcomes in order, or for any
    /// version all levels, from which the training continues.
    pub fn take(&mut self, version: u64, lesson: Lesson) {
        match lesson {
            Lesson::Answers(answers) => {
                answers.iter().for_each(|(exposure, response)| {
                    exposure.teach(&mut self.0, *response);
                });
            }
            Lesson::LevelOfOneScale { level, weights } => self.put(version, level, weights.into()),
            Lesson::Level { level, weights } => self.put(version, level, weights),
        }
        self.0.set_version(version);
    }

    fn put(&mut self, version: u64, level: u64, weights: LevelWeights) {
        if self.version() != version {
            *self = LessonReplayer::default();
        }
        self.0.put(level, Arc::new(weights));
    }

    /// The snapshot published with the version that was processed last.
    pub fn snapshot(&self) -> &Snapshot {
        self.0.model()
    }
}
