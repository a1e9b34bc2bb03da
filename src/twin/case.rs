use serde::{Deserialize, Serialize};

use super::merge::text;
use super::reaction::Notes;
use super::{Dates, Twin};
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
    /// When it last moved: when its state was said.
    pub touched: Time,
    /// When that of `topic`, `opened` and `due` was said which was not said with the state.
    #[serde(default)]
    pub older: Dates,
}

/// What an event may leave out; it is still so then.
const TOPIC: &str = "topic";
const OPENED: &str = "opened";
const DUE: &str = "due";

impl Case {
    /// Whether it still waits for something.
    pub fn is_open(&self) -> bool {
        !matches!(&*self.state, "closed" | "resolved")
    }

    /// What is known besides the state.
    fn known(&self) -> impl Iterator<Item = &'static str> {
        let known = [
            (TOPIC, self.topic.is_some()),
            (OPENED, self.opened.is_some()),
            (DUE, self.due.is_some()),
        ];
        known.into_iter().filter(|(_, is_known)| *is_known).map(|(name, _)| name)
    }

    /// When something besides the state was said.
    fn since(&self, name: &str) -> Time {
        self.older.get(name).unwrap_or(self.touched)
    }

    /// From now on it stands like this, as was said at `at`; the rest is as old as it was.
    pub(super) fn stand(&mut self, state: &str, at: Time) {
        let names: Vec<&str> = self.known().collect();
        let since: Vec<Time> = names.iter().map(|name| self.since(name)).collect();
        self.state = state.into();
        self.touched = at;
        for (name, since) in names.into_iter().zip(since) {
            self.date(name, since);
        }
    }

    fn date(&mut self, name: &str, at: Time) {
        if at == self.touched {
            self.older.clear(name);
        } else {
            self.older.set(name, at);
        }
    }

    /// Whether something that was said at `at` counts; if so, it is dated.
    fn hears(&mut self, name: &str, is_known: bool, at: Time, notes: &mut Notes) -> bool {
        let counts = !is_known || self.since(name) <= at;
        if counts {
            self.date(name, at);
        } else {
            notes.late(name);
        }
        counts
    }

    /// Takes in what a channel said at `at`.
    fn hear(&mut self, told: &event::CaseData, at: Time, notes: &mut Notes) {
        if self.touched <= at {
            self.stand(&told.state, at);
        } else {
            notes.late("state");
        }
        if told.topic.is_some() && self.hears(TOPIC, self.topic.is_some(), at, notes) {
            self.topic.clone_from(&told.topic);
        }
        if told.opened.is_some() && self.hears(OPENED, self.opened.is_some(), at, notes) {
            self.opened = told.opened;
        }
        if told.due.is_some() && self.hears(DUE, self.due.is_some(), at, notes) {
            self.due = told.due;
        }
    }

    /// Takes in what is known of the same case under another identifier: of each thing what was
    /// said later, of what was said at once the one that is greater as text.
    pub(super) fn merge(&mut self, other: &Case) {
        let id = self.id.clone();
        let newest = |one: &Case| (one.touched, one.state.clone());
        let (touched, state) = newest(self).max(newest(other));
        let topic = later(self.at(TOPIC, &self.topic), other.at(TOPIC, &other.topic));
        let opened = later(self.at(OPENED, &self.opened), other.at(OPENED, &other.opened));
        let due = later(self.at(DUE, &self.due), other.at(DUE, &other.due));
        let since = [(TOPIC, topic.0), (OPENED, opened.0), (DUE, due.0)];
        let (topic, opened, due) = (topic.1, opened.1, due.1);
        *self = Case { id, state, topic, opened, due, touched, older: Dates::default() };
        for (name, at) in since {
            if let Some(at) = at {
                self.date(name, at);
            }
        }
    }

    fn at<T: Clone>(&self, name: &str, known: &Option<T>) -> (Option<Time>, Option<T>) {
        (known.is_some().then(|| self.since(name)), known.clone())
    }
}

/// What was said later.
fn later<T: Serialize>(
    one: (Option<Time>, Option<T>),
    other: (Option<Time>, Option<T>),
) -> (Option<Time>, Option<T>) {
    if (other.0, text(&other.1)) > (one.0, text(&one.1)) { other } else { one }
}

impl Twin {
    /// Moves a case as a channel said at `at`.
    pub(super) fn move_case(&mut self, told: &event::CaseData, at: Time, notes: &mut Notes) {
        if let Some(known) = self.cases.iter_mut().find(|known| known.id == told.id) {
            known.hear(told, at, notes);
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
            older: Dates::default(),
        });
    }
}
