//! Notes for operators and policy authors.

use std::fmt;

use crate::config::limits;
use crate::event::{Channel, Time, Value, cut};
use crate::policy::{Exceeded, SourceLocation};

/// A note for operators and policy authors.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// A limit was reached: its name.
    Limit(&'static str),
    /// Identifiers were linked in a cycle, which was broken.
    Circle,
    /// A line of the policy failed for this twin: its location, and the reason.
    Policy(SourceLocation, String),
    /// The customer's time zone is unknown: the trait's value.
    Zone(Box<str>),
    /// The customer used a name that the policy does not have, for a consent or a preference: the kind of
    /// name, a purpose or a channel, and the name.
    Unknown(&'static str, Box<str>),
    /// A part of the event is older than the known value and was ignored: its path below `event`.
    Late(Box<str>),
    /// A channel sent an impossible time, so the event's statement time is when the stream stored it: the
    /// channel, and the time.
    Time(Box<str>, Time),
    /// An expression exceeded its step budget.
    Exceeded(Exceeded),
    /// A customer's message is in a language that is not loaded, so it was not read.
    NotUnderstood,
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Limit(name) => write!(out, "the limit {name} was reached"),
            Note::Circle => {
                out.write_str("identifiers were linked in a cycle; the cycle was broken")
            }
            Note::Policy(place, why) => write!(out, "{place}: {why}"),
            Note::Zone(zone) => write!(out, "unknown time zone `{zone}`"),
            Note::Unknown(what, name) => {
                write!(out, "the policy has no {what} named `{name}`")
            }
            Note::Late(what) => {
                write!(out, "`{what}` is older than the known value, which is kept")
            }
            Note::Time(channel, time) => {
                write!(out, "`{channel}` sent the impossible time {time}")
            }
            Note::Exceeded(exceeded) => write!(out, "{exceeded}"),
            Note::NotUnderstood => {
                out.write_str("the message is in a language that is not loaded: it was not read")
            }
        }
    }
}

/// The notes of one reaction.
#[derive(Debug, Default)]
pub(super) struct Notes {
    all: Vec<Note>,
    late: Vec<Box<str>>,
}

/// More notes would add no information.
const NOTES_MAX: usize = 16;

impl Notes {
    /// Every note.
    pub(super) fn into_all(self) -> Vec<Note> {
        self.all
    }

    pub(super) fn limit(&mut self, name: &'static str) {
        debug_assert!(limits::ALL.iter().any(|limit| limit.name == name), "{name} is no limit");
        self.push(Note::Limit(name));
    }

    pub(super) fn circle(&mut self) {
        self.push(Note::Circle);
    }

    pub(super) fn policy(&mut self, place: &SourceLocation, why: impl ToString) {
        self.push(Note::Policy(place.clone(), why.to_string()));
    }

    pub(super) fn zone(&mut self, unknown: &Value) {
        self.push(Note::Zone(cut(&unknown.to_string(), limits::NAME_BYTES).into()));
    }

    pub(super) fn unknown(&mut self, what: &'static str, name: &str) {
        self.push(Note::Unknown(what, cut(name, limits::NAME_BYTES).into()));
    }

    pub(super) fn time(&mut self, channel: &Channel, time: Time) {
        self.push(Note::Time(channel.as_str().into(), time));
    }

    pub(super) fn not_understood(&mut self) {
        self.push(Note::NotUnderstood);
    }

    /// Notes that a part of the event, such as `traits.plan`, is late: a later statement is known.
    pub(super) fn late(&mut self, what: impl Into<Box<str>>) {
        let what = what.into();
        self.push(Note::Late(what.clone()));
        self.late.push(what);
    }

    /// The late parts of the event.
    pub(super) fn late_parts(&self) -> &[Box<str>] {
        &self.late
    }

    fn push(&mut self, note: Note) {
        if self.all.len() < NOTES_MAX {
            self.all.push(note);
        }
    }
}
