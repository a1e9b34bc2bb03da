use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dates::{Dates, part_of};
use super::merge::{join, text};
use super::reaction::Notes;
use super::{Input, Twin, profile};
use crate::config::limits;
use crate::event::{self, Channel, InteractionState, Map, Speaker, Time, Value, cut};

/// A conversation or journey that can be paused in one channel and resumed in another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Its identifier, the same in every channel.
    pub id: Box<str>,
    /// What it is.
    pub kind: Box<str>,
    /// Where it stands.
    pub state: InteractionState,
    /// The step reached; null if none was named.
    pub step: Value,
    /// What was filled in or gathered.
    pub data: Map,
    /// The channel in which it was last touched.
    pub channel: Channel,
    /// When it began.
    pub started: Time,
    /// When it was last touched.
    pub touched: Time,
    /// When its state was said; none: nobody has, there were words alone.
    #[serde(default)]
    pub stated: Option<Time>,
    /// When its step was said, if not with the state.
    #[serde(default)]
    pub stepped: Option<Time>,
    /// The last words, oldest first.
    pub lines: Vec<TranscriptLine>,
    /// Its pause, while it is paused.
    pub pause: Option<Pause>,
    /// When those data were said that were not said with the state.
    #[serde(default)]
    pub older: Dates,
}

/// That an interaction was left, to be taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub at: Time,
    /// Why.
    pub by: PausedBy,
    /// When it was offered to go on, which is done once in each pause.
    pub offered: Option<Time>,
}

/// Why an interaction is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PausedBy {
    /// A channel said so.
    Event,
    /// Nothing was heard of it for a while.
    Silence,
    /// The customer left the channel.
    Leaving,
}

impl PausedBy {
    /// The reason in words, as in "paused by silence".
    pub const fn name(self) -> &'static str {
        match self {
            PausedBy::Event => "an event",
            PausedBy::Silence => "silence",
            PausedBy::Leaving => "leaving",
        }
    }
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TranscriptLine {
    /// When.
    pub at: Time,
    /// By whom.
    pub from: Speaker,
    /// Where.
    pub channel: Channel,
    /// The words.
    pub text: Box<str>,
}

/// The kind of an interaction that came about by messages alone.
const CONVERSATION: &str = "conversation";

/// A customer who speaks in another channel so soon after the company's last word answers it.
const ANSWER_WITHIN: Duration = Duration::from_secs(24 * 3_600);

impl Interaction {
    fn new(id: &str, kind: &str, channel: &Channel, said: Time, at: Time) -> Interaction {
        Interaction {
            id: id.into(),
            kind: kind.into(),
            state: InteractionState::Started,
            step: Value::Null,
            data: Map::default(),
            channel: channel.clone(),
            started: said,
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

    /// Whether people talk in it.
    fn is_conversation(&self) -> bool {
        &*self.kind == CONVERSATION || !self.lines.is_empty()
    }

    /// Moves it to a state. A pause begins once, however often it is told.
    pub(super) fn enter(&mut self, state: InteractionState, at: Time, by: PausedBy) {
        self.state = state;
        if state != InteractionState::Paused {
            self.pause = None;
        } else if self.pause.is_none() {
            self.pause = Some(Pause { at, by, offered: None });
        }
    }

    /// A person hands it back: it goes on from here.
    pub(super) fn go_on(&mut self, step: Option<&Value>, data: &Map, at: Time, notes: &mut Notes) {
        self.enter(InteractionState::Resumed, at, PausedBy::Event);
        self.touched = at;
        self.state_said(at);
        self.fill(step, data, at, notes);
    }

    /// Whether its state was said after this moment.
    fn was_stated_after(&self, said: Time) -> bool {
        self.stated.is_some_and(|stated| stated > said)
    }

    /// As of when the data and the step are that have no time of their own.
    fn base(&self) -> Time {
        self.stated.unwrap_or(self.started)
    }

    /// When the step was said; none if there is none.
    fn step_said(&self) -> Option<Time> {
        self.stepped.or_else(|| (self.step != Value::Null).then(|| self.base()))
    }

    /// Its state was said at this moment; steps and data are as old as they were.
    fn state_said(&mut self, said: Time) {
        let before = self.base();
        if self.step != Value::Null {
            self.stepped.get_or_insert(before);
        }
        for (name, _) in self.data.iter() {
            if self.older.get(name).is_none() {
                self.older.set(name, before);
            }
        }
        self.stated = Some(said);
        self.settle();
    }

    /// What is as old as the state needs no time of its own.
    fn settle(&mut self) {
        let base = self.base();
        self.stepped = self.stepped.filter(|stepped| *stepped != base);
        self.older.let_go_of(base);
    }

    fn fill(&mut self, step: Option<&Value>, data: &Map, said: Time, notes: &mut Notes) {
        if let Some(step) = step.and_then(|step| profile::kept(step, notes)) {
            if self.step_said().is_some_and(|known| known > said) {
                notes.late("step");
            } else {
                self.step = step;
                self.stepped = Some(said);
            }
        }
        for (name, value) in data.iter() {
            let is_known = self.data.get(name).is_some();
            let known = self.older.get(name).unwrap_or(self.base());
            if is_known && known > said {
                notes.late(part_of("data", name));
            } else if self.data.len() == limits::INTERACTION_FIELDS && !is_known {
                notes.limit("INTERACTION_FIELDS");
            } else if let Some(value) = profile::kept(value, notes) {
                self.data.insert(name, value);
                self.older.set(name, said);
            }
        }
        self.settle();
    }

    /// Takes in what is known of the same interaction under another identifier. Of the state, the
    /// step and each of the data what was said later stays, of equally late states a closed one;
    /// of the words the last.
    pub fn merge(&mut self, other: &Interaction) {
        // Where nothing else tells them apart any order will do that is always the same.
        let state = |one: &Interaction| {
            (one.stated, !one.state.is_open(), one.pause, text(&(&one.kind, one.state)))
        };
        let step = |one: &Interaction| (one.step_said(), text(&one.step));
        let place = |one: &Interaction| (one.touched, text(&one.channel));
        let mut data = self.older.told_or(&self.data, self.base());
        let others = other.older.told_or(&other.data, other.base());
        let (name, max) = ("INTERACTION_FIELDS", limits::INTERACTION_FIELDS);
        join(&mut data, others, name, max, &mut Notes::default());
        let (stepped, stands) = if step(other) > step(self) {
            (other.step_said(), other.step.clone())
        } else {
            (self.step_said(), self.step.clone())
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

impl Twin {
    /// The open interaction of a kind that was touched last.
    pub fn open_interaction(&self, kind: &str) -> Option<&Interaction> {
        self.interactions
            .iter()
            .filter(|known| &*known.kind == kind && known.state.is_open())
            .max_by_key(|known| known.touched)
    }

    /// The interaction in which somebody spoke last.
    pub fn last_conversation(&self) -> Option<&Interaction> {
        self.interactions
            .iter()
            .filter(|known| !known.lines.is_empty())
            .max_by_key(|known| known.touched)
    }

    /// Moves an interaction as a channel says. One that is closed stays closed, whatever a channel
    /// that has not heard of it says, until it is expressly started or resumed. What was said before
    /// its state is known only adds what is not known.
    pub(super) fn move_interaction(
        &mut self,
        told: &event::InteractionData,
        channel: &Channel,
        input: &Input,
        notes: &mut Notes,
    ) {
        use InteractionState::{Resumed, Started};
        let said = input.said;
        let known = self.interactions.iter_mut().find(|known| known.id == told.id);
        if let Some(known) = known
            && known.was_stated_after(said)
        {
            notes.late("state");
            known.started = known.started.min(said);
            known.fill(told.step.as_ref(), &told.data, said, notes);
            return;
        }
        let known = self.interactions.iter().find(|known| known.id == told.id);
        let was_closed = known.is_some_and(|known| !known.state.is_open());
        if was_closed && told.state.is_open() && !matches!(told.state, Started | Resumed) {
            return;
        }
        let known = self.interaction_entry(&told.id, &told.kind, channel, input, notes);
        if was_closed && told.state == Started {
            *known = Interaction::new(&told.id, &told.kind, channel, said, input.at);
        }
        known.kind.clone_from(&told.kind);
        known.enter(told.state, input.at, PausedBy::Event);
        known.state_said(said);
        known.fill(told.step.as_ref(), &told.data, said, notes);
    }

    /// Takes words in, with what of them is kept, and whether a program wrote them. A person's words take a paused conversation up
    /// again, and begin a closed one anew, unless they were said before it was paused or closed.
    pub(super) fn hear(
        &mut self,
        told: &event::MessageData,
        (kept, is_automatic): (&str, bool),
        channel: &Channel,
        input: &Input,
        notes: &mut Notes,
    ) {
        let (at, said) = (input.at, input.said);
        let id = match &told.interaction {
            Some(cited) => cited.clone(),
            None => self.thread(told.from, channel, at),
        };
        let known = self.interaction_entry(&id, CONVERSATION, channel, input, notes);
        let is_late = known.was_stated_after(said);
        if !known.state.is_open() && told.interaction.is_none() && !is_late {
            *known = Interaction::new(&id, CONVERSATION, channel, said, at);
            known.state_said(said);
        }
        let is_program = told.from == Speaker::Bot || is_automatic;
        if known.pause.is_some() && !is_program && !is_late {
            known.enter(InteractionState::Resumed, at, PausedBy::Event);
            known.state_said(said);
        }
        if known.lines.len() == limits::TRANSCRIPT_LINES {
            known.lines.remove(0);
        }
        known.lines.push(TranscriptLine {
            at,
            from: told.from,
            channel: channel.clone(),
            text: cut(kept, limits::TRANSCRIPT_LINE_BYTES).into(),
        });
    }

    /// The thread of words that cite none: the open conversation of this channel; else, if the
    /// customer answers what the company said elsewhere within a day, that one; else one of the
    /// channel's own.
    fn thread(&self, from: Speaker, channel: &Channel, at: Time) -> Box<str> {
        let open = || {
            self.interactions
                .iter()
                .filter(|known| known.state.is_open() && known.is_conversation())
        };
        let here = open().filter(|known| known.channel == *channel).max_by_key(|one| one.touched);
        let is_answered = |known: &&Interaction| {
            let last = known.lines.last();
            last.is_some_and(|line| {
                line.from != Speaker::Customer && at.since(line.at) < ANSWER_WITHIN
            })
        };
        let elsewhere = || {
            let answers = from == Speaker::Customer;
            answers.then(|| open().filter(is_answered).max_by_key(|one| one.touched)).flatten()
        };
        here.or_else(elsewhere).map_or_else(|| channel.as_str().into(), |known| known.id.clone())
    }

    fn interaction_entry(
        &mut self,
        id: &str,
        kind: &str,
        channel: &Channel,
        input: &Input,
        notes: &mut Notes,
    ) -> &mut Interaction {
        let position = match self.interactions.iter().position(|known| &*known.id == id) {
            Some(position) => position,
            None => {
                if self.interactions.len() == limits::INTERACTIONS {
                    let least = (0..self.interactions.len()).min_by_key(|at| {
                        let known = &self.interactions[*at];
                        (known.state.is_open(), known.touched)
                    });
                    least.map(|at| self.interactions.remove(at));
                    notes.limit("INTERACTIONS");
                }
                let new = Interaction::new(id, kind, channel, input.said, input.at);
                self.interactions.push(new);
                self.interactions.len() - 1
            }
        };
        let known = &mut self.interactions[position];
        known.channel = channel.clone();
        known.touched = input.at;
        known
    }
}
