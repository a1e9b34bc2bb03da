//! Statements about cases.

use crate::config::limits;
use crate::event::{self, Time};
use crate::twin::note::Notes;
use crate::twin::state::{Case, Dates, Twin};

impl Twin {
    /// Updates a case with a channel's statement made at `at`.
    pub(in crate::twin) fn move_case(
        &mut self,
        data: &event::CaseData,
        at: Time,
        notes: &mut Notes,
    ) {
        if let Some(known) = self.cases.iter_mut().find(|known| known.id == data.id) {
            known.apply_statement(data, at, notes);
            return;
        }
        if self.cases.len() == limits::CASES {
            let least = (0..self.cases.len())
                .min_by_key(|at| (self.cases[*at].is_open(), self.cases[*at].touched));
            least.map(|at| self.cases.remove(at));
            notes.limit("CASES");
        }
        self.cases.push(Case {
            id: data.id.clone(),
            state: data.state.clone(),
            topic: data.topic.clone(),
            opened: data.opened,
            due: data.due,
            touched: at,
            older: Dates::default(),
        });
    }
}
