//! Interactions: conversations and journeys.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dates::part_of;
use super::merge::{join, text};
use super::{Dates, Mergeable, profile};
use crate::config::limits;
use crate::event::{Channel, InteractionState, Map, Speaker, Time, Value};
use crate::twin::note::Notes;

/// A conversation or journey that can be paused in one channel and resumed in another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Its identifier, the same in every channel.
    pub id: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Its state.
    pub state: InteractionState,
    /// The step reached; null if none was given.
    pub step: Value,
    /// Fields collected so far.
    pub data: Map,
    /// The channel of its last activity.
    pub channel: Channel,
    /// When it began.
    pub started: Time,
    /// The time of its last activity.
    pub touched: Time,
    /// When its state was stated; none: there were only messages.
    #[serde(default)]
    pub stated: Option<Time>,
    /// The statement time of its step, if it differs from that of the state.
    #[serde(default)]
    pub stepped: Option<Time>,
    /// The last transcript lines, oldest first.
    pub lines: Vec<TranscriptLine>,
    /// Its pause, while it is paused.
    pub pause: Option<Pause>,
    /// The statement times of data fields, where they differ from that of the state.
    #[serde(default)]
    pub older: Dates,
}

/// The pause of an interaction that can be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pause {
    /// When it began.
    pub at: Time,
    /// The reason.
    pub by: PausedBy,
    /// When the interaction was offered again, which happens once in each pause.
    pub offered: Option<Time>,
}

/// Why an interaction is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PausedBy {
    /// A channel stated it.
    Event,
    /// There was no activity for a while.
    Silence,
    /// The customer left the channel.
    Leaving,
}

impl PausedBy {
    /// The reason as text, as in "paused by silence".
    pub const fn name(self) -> &'static str {
        match self {
            PausedBy::Event => "an event",
            PausedBy::Silence => "silence",
            PausedBy::Leaving => "leaving",
        }
    }
}

/// One line of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TranscriptLine {
    /// When it was said.
    pub at: Time,
    /// The speaker.
    pub from: Speaker,
    /// The channel.
    pub channel: Channel,
    /// The text.
    pub text: Box<str>,
}

/// The kind of an interaction that consists of messages only.
pub(in crate::twin) const CONVERSATION: &str = "conversation";

/// A customer's message in another channel within this time after the company's last message is an answer
/// to it.
pub(in crate::twin) const ANSWER_WITHIN: Duration = Duration::from_secs(24 * 3_600);

impl Interaction {
    pub(in crate::twin) fn new(
        id: &str,
        kind: &str,
        channel: &Channel,
        stated_at: Time,
        at: Time,
    ) -> Interaction {
        Interaction {
            id: id.into(),
            kind: kind.into(),
            state: InteractionState::Started,
            step: Value::Null,
            data: Map::default(),
            channel: channel.clone(),
            started: stated_at,
            touched: at,
            stated: None,
            stepped: None,
            lines: Vec::new(),
            pause: None,
            older: Dates::default(),
        }
    }

    /// Whether it is open and not paused.
    pub fn is_going_on(&self) -> bool {
        self.state.is_open() && self.pause.is_none()
    }

    /// Whether it is a conversation.
    pub(in crate::twin) fn is_conversation(&self) -> bool {
        &*self.kind == CONVERSATION || !self.lines.is_empty()
    }

    /// Sets the state. A pause begins once, however often it is stated.
    pub(in crate::twin) fn enter(&mut self, state: InteractionState, at: Time, by: PausedBy) {
        self.state = state;
        if state != InteractionState::Paused {
            self.pause = None;
        } else if self.pause.is_none() {
            self.pause = Some(Pause { at, by, offered: None });
        }
    }

    /// Hands it back from an agent: it continues.
    pub(in crate::twin) fn go_on(
        &mut self,
        step: Option<&Value>,
        data: &Map,
        at: Time,
        notes: &mut Notes,
    ) {
        self.enter(InteractionState::Resumed, at, PausedBy::Event);
        self.touched = at;
        self.set_stated(at);
        self.fill(step, data, at, notes);
    }

    /// Whether its state was stated after this time.
    pub(in crate::twin) fn was_stated_after(&self, stated_at: Time) -> bool {
        self.stated.is_some_and(|stated| stated > stated_at)
    }

    /// The statement time of data and a step that have none of their own.
    fn base(&self) -> Time {
        self.stated.unwrap_or(self.started)
    }

    /// The statement time of the step; none if there is no step.
    fn step_stated(&self) -> Option<Time> {
        self.stepped.or_else(|| (self.step != Value::Null).then(|| self.base()))
    }

    /// Sets the statement time of the state; the step and the data keep theirs.
    pub(in crate::twin) fn set_stated(&mut self, stated_at: Time) {
        let before = self.base();
        if self.step != Value::Null {
            self.stepped.get_or_insert(before);
        }
        for (name, _) in self.data.iter() {
            if self.older.get(name).is_none() {
                self.older.set(name, before);
            }
        }
        self.stated = Some(stated_at);
        self.settle();
    }

    /// Removes statement times that equal that of the state.
    fn settle(&mut self) {
        let base = self.base();
        self.stepped = self.stepped.filter(|stepped| *stepped != base);
        self.older.remove_stated_at(base);
    }

    pub(in crate::twin) fn fill(
        &mut self,
        step: Option<&Value>,
        data: &Map,
        stated_at: Time,
        notes: &mut Notes,
    ) {
        if let Some(step) = step.and_then(|step| profile::within_limits(step, notes)) {
            if self.step_stated().is_some_and(|known| known > stated_at) {
                notes.late("step");
            } else {
                self.step = step;
                self.stepped = Some(stated_at);
            }
        }
        for (name, value) in data.iter() {
            let is_known = self.data.get(name).is_some();
            let known = self.older.get(name).unwrap_or(self.base());
            if is_known && known > stated_at {
                notes.late(part_of("data", name));
            } else if self.data.len() == limits::INTERACTION_FIELDS && !is_known {
                notes.limit("INTERACTION_FIELDS");
            } else if let Some(value) = profile::within_limits(value, notes) {
                self.data.insert(name, value);
                self.older.set(name, stated_at);
            }
        }
        self.settle();
    }

    /// Merges the same interaction of another identifier. The latest statement wins for the state (a
    /// closed one on a tie), the step and each data field; the last transcript lines are kept.
    pub fn merge(&mut self, other: &Interaction) {
        // On a tie any order will do, as long as it is always the same.
        let state = |one: &Interaction| {
            (one.stated, !one.state.is_open(), one.pause, text(&(&one.kind, one.state)))
        };
        let step = |one: &Interaction| (one.step_stated(), text(&one.step));
        let place = |one: &Interaction| (one.touched, text(&one.channel));
        let mut data = self.older.with_dates_or(&self.data, self.base());
        let others = other.older.with_dates_or(&other.data, other.base());
        let (name, max) = ("INTERACTION_FIELDS", limits::INTERACTION_FIELDS);
        join(&mut data, others, name, max, &mut Notes::default());
        let (stepped, stands) = if step(other) > step(self) {
            (other.step_stated(), other.step.clone())
        } else {
            (self.step_stated(), self.step.clone())
        };
        if place(other) > place(self) {
            self.channel.clone_from(&other.channel);
            self.touched = other.touched;
        }
        if state(other) > state(self) {
            self.kind.clone_from(&other.kind);
            (self.state, self.pause, self.stated) = (other.state, other.pause, other.stated);
        }
        self.started = self.started.min(other.started);
        (self.step, self.stepped) = (stands, stepped);
        (self.data, self.older) = Dates::of(data);
        self.settle();
        let mut lines = std::mem::take(&mut self.lines);
        lines.extend(other.lines.iter().cloned());
        lines.sort_by_cached_key(|line| (line.at, text(line)));
        lines.dedup();
        let beyond = lines.len().saturating_sub(limits::TRANSCRIPT_LINES);
        lines.drain(..beyond);
        self.lines = lines;
    }
}

impl Mergeable for Interaction {
    fn is_same(&self, other: &Interaction) -> bool {
        self.id == other.id
    }

    fn merge(&mut self, other: &Interaction) {
        Interaction::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.state.is_open(), self.touched, &*self.id)
    }
}
