use serde::{Deserialize, Serialize};

use super::Twin;
use super::reaction::Notes;
use crate::config::limits;
use crate::event::{self, Time};

/// A case with the company: a claim, a complaint, an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Case {
    /// Its identifier in the company's system.
    pub id: Box<str>,
    /// Where it stands, in the words of that system.
    pub state: Box<str>,
    /// What it is about.
    pub topic: Option<Box<str>>,
    /// When it was opened.
    pub opened: Option<Time>,
    /// When it is due.
    pub due: Option<Time>,
    /// When it last moved.
    pub touched: Time,
}

impl Case {
    /// Whether it still waits for something.
    pub fn is_open(&self) -> bool {
        !matches!(&*self.state, "closed" | "resolved")
    }
}

impl Twin {
    pub(super) fn move_case(&mut self, told: &event::Case, at: Time, notes: &mut Notes) {
        if let Some(known) = self.cases.iter_mut().find(|known| known.id == told.id) {
            known.state.clone_from(&told.state);
            known.touched = at;
            // What an event leaves out is still so.
            if told.topic.is_some() {
                known.topic.clone_from(&told.topic);
            }
            known.opened = told.opened.or(known.opened);
            known.due = told.due.or(known.due);
            return;
        }
        if self.cases.len() == limits::CASES {
            let least = (0..self.cases.len())
                .min_by_key(|at| (self.cases[*at].is_open(), self.cases[*at].touched));
            least.map(|at| self.cases.remove(at));
            notes.limit("CASES");
        }
        self.cases.push(Case {
            id: told.id.clone(),
            state: told.state.clone(),
            topic: told.topic.clone(),
            opened: told.opened,
            due: told.due,
            touched: at,
        });
    }
}
