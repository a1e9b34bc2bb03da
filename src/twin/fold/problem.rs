//! Problems: what a customer has trouble with, perhaps again.

use crate::config::limits;
use crate::event::{Time, cut};
use crate::policy::Policy;
use crate::twin::note::Notes;
use crate::twin::state::{Problem, Twin};

impl Twin {
    /// Records a problem of the customer. One case is one problem.
    pub(in crate::twin) fn note_problem(
        &mut self,
        topic: &str,
        case: Option<&str>,
        policy: &Policy,
        at: Time,
        notes: &mut Notes,
    ) {
        let Some(rule) = &policy.dissatisfaction else { return };
        let topic = cut(topic, limits::NAME_BYTES).into();
        let problem = Problem { at, topic, case: case.map(Into::into) };
        if problem.topic.is_empty() || self.problems.iter().any(|known| known.is_same(&problem)) {
            return;
        }
        let since = self.seen - rule.period;
        self.problems.retain(|known| known.at > since);
        self.problems.push(problem);
        self.problems.sort();
        if self.problems.len() > limits::PROBLEMS {
            self.problems.remove(0);
            notes.limit("PROBLEMS");
        }
    }
}
