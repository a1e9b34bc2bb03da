//! Problems that the customer had.

use serde::{Deserialize, Serialize};

use super::Mergeable;
use crate::event::Time;

/// A problem that the customer had or reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// When it occurred.
    pub at: Time,
    /// Its topic.
    pub topic: Box<str>,
    /// Its case, which is one problem however often it is updated.
    pub case: Option<Box<str>>,
}

impl Problem {
    /// Whether both are the same problem: of the same case, or at the same time.
    pub(in crate::twin) fn is_same(&self, other: &Problem) -> bool {
        let is_same_time = self.case.is_some() || self.at == other.at;
        self.topic == other.topic && self.case == other.case && is_same_time
    }
}

impl Mergeable for Problem {
    fn is_same(&self, other: &Problem) -> bool {
        Problem::is_same(self, other)
    }

    /// A case is a problem from the time of its first report.
    fn merge(&mut self, other: &Problem) {
        self.at = self.at.min(other.at);
    }

    fn rank(&self) -> impl Ord {
        (self.at, &*self.topic, self.case.as_deref())
    }
}
