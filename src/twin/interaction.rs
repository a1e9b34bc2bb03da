use serde::{Deserialize, Serialize};

use super::reaction::Notes;
use super::{Twin, profile};
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
    /// The last words, oldest first.
    pub lines: Vec<Line>,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Line {
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

    pub(super) fn move_interaction(
        &mut self,
        told: &event::Interaction,
        channel: &Channel,
        at: Time,
        notes: &mut Notes,
    ) {
        let known = self.interaction_entry(&told.id, &told.kind, channel, at, notes);
        known.kind.clone_from(&told.kind);
        known.state = told.state;
        if let Some(step) = &told.step
            && let Some(step) = profile::kept(step, notes)
        {
            known.step = step;
        }
        for (name, value) in told.data.iter() {
            if known.data.len() == limits::INTERACTION_FIELDS && known.data.get(name).is_none() {
                notes.limit("INTERACTION_FIELDS");
            } else if let Some(value) = profile::kept(value, notes) {
                known.data.insert(name, value);
            }
        }
    }

    pub(super) fn hear(
        &mut self,
        told: &event::Message,
        channel: &Channel,
        at: Time,
        notes: &mut Notes,
    ) {
        // Words that belong to no thread make one for their channel.
        let id = told.interaction.as_deref().unwrap_or(channel.as_str());
        let known = self.interaction_entry(id, CONVERSATION, channel, at, notes);
        if !known.state.is_open() {
            known.state = InteractionState::Resumed;
        }
        if known.lines.len() == limits::TRANSCRIPT_LINES {
            known.lines.remove(0);
        }
        known.lines.push(Line {
            at,
            from: told.from,
            channel: channel.clone(),
            text: cut(&told.text, limits::TRANSCRIPT_LINE_BYTES).into(),
        });
    }

    fn interaction_entry(
        &mut self,
        id: &str,
        kind: &str,
        channel: &Channel,
        at: Time,
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
                self.interactions.push(Interaction {
                    id: id.into(),
                    kind: kind.into(),
                    state: InteractionState::Started,
                    step: Value::Null,
                    data: Map::default(),
                    channel: channel.clone(),
                    started: at,
                    touched: at,
                    lines: Vec::new(),
                });
                self.interactions.len() - 1
            }
        };
        let known = &mut self.interactions[position];
        known.channel = channel.clone();
        known.touched = at;
        known
    }
}
