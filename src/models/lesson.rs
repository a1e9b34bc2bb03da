use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::exposure::Exposure;
use super::learner::{HORIZON, Learner};
use super::snapshot::Snapshot;
use super::weights::LevelWeights;

/// A part of what was learned, as it is kept so that any version of it can be made again. Stored: new
/// kinds come behind the known ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Lesson {
    /// Answers that a version was learned from, in the order in which they were, and whether each was
    /// a response.
    Answers(Vec<(Exposure, bool)>),
    /// What was known of one level of arms.
    Level {
        /// The level.
        level: u64,
        /// What was known of it.
        weights: LevelWeights,
    },
}

/// Learns once more what was learned, so that a snapshot is again what it was: learning has no
/// chance of its own, and what is kept of it comes back bit for bit.
#[derive(Debug, Clone)]
pub struct LessonReplayer(Learner);

impl Default for LessonReplayer {
    fn default() -> LessonReplayer {
        LessonReplayer::from(Snapshot::nothing())
    }
}

impl LessonReplayer {
    /// Goes on from what is known whole.
    pub fn from(known: Snapshot) -> LessonReplayer {
        LessonReplayer(Learner::from(known, HORIZON))
    }

    /// Which version was learned last.
    pub fn version(&self) -> u64 {
        self.0.model().version()
    }

    /// Takes in what is kept of a version: of the next one all its answers in their order, or of any
    /// one all levels, with which it begins anew.
    pub fn take(&mut self, version: u64, lesson: Lesson) {
        match lesson {
            Lesson::Answers(answers) => {
                answers.iter().for_each(|(exposure, response)| {
                    exposure.teach(&mut self.0, *response);
                });
            }
            Lesson::Level { level, weights } => {
                if self.version() != version {
                    *self = LessonReplayer::default();
                }
                self.0.put(level, Arc::new(weights));
            }
        }
        self.0.set_version(version);
    }

    /// What was known when the version that was taken in last was published.
    pub fn snapshot(&self) -> &Snapshot {
        self.0.model()
    }
}
