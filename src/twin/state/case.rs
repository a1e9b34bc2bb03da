//! Cases: complaints, orders and claims, each known by its id.

use serde::{Deserialize, Serialize};

use super::merge::text;
use super::{Dates, Mergeable};
use crate::event::{self, Time};
use crate::twin::note::Notes;

/// A case with the company: a claim, a complaint, an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Case {
    /// Its identifier in the company's system.
    pub id: Box<str>,
    /// Its state, in the words of that system.
    pub state: Box<str>,
    /// Its topic.
    pub topic: Option<Box<str>>,
    /// When it was opened.
    pub opened: Option<Time>,
    /// When it is due.
    pub due: Option<Time>,
    /// The statement time of its state.
    pub touched: Time,
    /// The statement times of `topic`, `opened` and `due`, where they differ from that of the state.
    #[serde(default)]
    pub older: Dates,
}

/// The fields that an event may leave out, which then keep their values.
const TOPIC: &str = "topic";

const OPENED: &str = "opened";

const DUE: &str = "due";

impl Case {
    /// Whether it is still open.
    pub fn is_open(&self) -> bool {
        !matches!(&*self.state, "closed" | "resolved")
    }

    /// The fields besides the state that have a value.
    fn known(&self) -> impl Iterator<Item = &'static str> {
        let known = [
            (TOPIC, self.topic.is_some()),
            (OPENED, self.opened.is_some()),
            (DUE, self.due.is_some()),
        ];
        known.into_iter().filter(|(_, is_known)| *is_known).map(|(name, _)| name)
    }

    /// The statement time of a field besides the state.
    fn since(&self, name: &str) -> Time {
        self.older.get(name).unwrap_or(self.touched)
    }

    /// Sets the state, stated at `at`; the other fields keep their statement times.
    pub(in crate::twin) fn stand(&mut self, state: &str, at: Time) {
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

    /// Whether a statement made at `at` about a field is the latest; if so, its time is recorded.
    fn accepts(&mut self, name: &str, is_known: bool, at: Time, notes: &mut Notes) -> bool {
        let counts = !is_known || self.since(name) <= at;
        if counts {
            self.date(name, at);
        } else {
            notes.late(name);
        }
        counts
    }

    /// Applies a channel's statement made at `at`.
    pub(in crate::twin) fn apply_statement(
        &mut self,
        data: &event::CaseData,
        at: Time,
        notes: &mut Notes,
    ) {
        if self.touched <= at {
            self.stand(&data.state, at);
        } else {
            notes.late("state");
        }
        if data.topic.is_some() && self.accepts(TOPIC, self.topic.is_some(), at, notes) {
            self.topic.clone_from(&data.topic);
        }
        if data.opened.is_some() && self.accepts(OPENED, self.opened.is_some(), at, notes) {
            self.opened = data.opened;
        }
        if data.due.is_some() && self.accepts(DUE, self.due.is_some(), at, notes) {
            self.due = data.due;
        }
    }

    /// Merges the same case of another identifier: the latest statement wins for each field; on a tie,
    /// the greater text.
    pub(in crate::twin) fn merge(&mut self, other: &Case) {
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

/// The later of two statements.
fn later<T: Serialize>(
    one: (Option<Time>, Option<T>),
    other: (Option<Time>, Option<T>),
) -> (Option<Time>, Option<T>) {
    if (other.0, text(&other.1)) > (one.0, text(&one.1)) { other } else { one }
}

impl Mergeable for Case {
    fn is_same(&self, other: &Case) -> bool {
        self.id == other.id
    }

    fn merge(&mut self, other: &Case) {
        Case::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.is_open(), self.touched, &*self.id)
    }
}
