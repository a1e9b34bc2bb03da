//! Messages and statements about conversations and journeys.

use crate::config::limits;
use crate::event::{self, Channel, InteractionState, Speaker, Time, cut};
use crate::twin::input::Input;
use crate::twin::note::Notes;
use crate::twin::state::interaction::{ANSWER_WITHIN, CONVERSATION};
use crate::twin::state::{Interaction, PausedBy, TranscriptLine, Twin};

impl Twin {
    /// Updates an interaction with a channel's statement. A closed one stays closed, whatever a channel
    /// that does not know this states, until it is expressly started or resumed. A statement older than
    /// the state only adds missing values.
    pub(in crate::twin) fn move_interaction(
        &mut self,
        data: &event::InteractionData,
        channel: &Channel,
        input: &Input,
        notes: &mut Notes,
    ) {
        use InteractionState::{Resumed, Started};
        let stated_at = input.stated_at;
        let known = self.interactions.iter_mut().find(|known| known.id == data.id);
        if let Some(known) = known
            && known.was_stated_after(stated_at)
        {
            notes.late("state");
            known.started = known.started.min(stated_at);
            known.fill(data.step.as_ref(), &data.data, stated_at, notes);
            return;
        }
        let known = self.interactions.iter().find(|known| known.id == data.id);
        let was_closed = known.is_some_and(|known| !known.state.is_open());
        if was_closed && data.state.is_open() && !matches!(data.state, Started | Resumed) {
            return;
        }
        let known = self.interaction_entry(&data.id, &data.kind, channel, input, notes);
        if was_closed && data.state == Started {
            *known = Interaction::new(&data.id, &data.kind, channel, stated_at, input.at);
        }
        known.kind.clone_from(&data.kind);
        known.enter(data.state, input.at, PausedBy::Event);
        known.set_stated(stated_at);
        known.fill(data.step.as_ref(), &data.data, stated_at, notes);
    }

    /// Adds a message, the data kept from it, and whether it is automatic. A person's message resumes a
    /// paused conversation, and restarts a closed one, unless it was written before the pause or the end.
    pub(in crate::twin) fn add_message(
        &mut self,
        data: &event::MessageData,
        (kept, is_automatic): (&str, bool),
        channel: &Channel,
        input: &Input,
        notes: &mut Notes,
    ) {
        let (at, stated_at) = (input.at, input.stated_at);
        let id = match &data.interaction {
            Some(cited) => cited.clone(),
            None => self.thread(data.from, channel, at),
        };
        let known = self.interaction_entry(&id, CONVERSATION, channel, input, notes);
        let is_late = known.was_stated_after(stated_at);
        if !known.state.is_open() && data.interaction.is_none() && !is_late {
            *known = Interaction::new(&id, CONVERSATION, channel, stated_at, at);
            known.set_stated(stated_at);
        }
        let is_program = data.from == Speaker::Bot || is_automatic;
        if known.pause.is_some() && !is_program && !is_late {
            known.enter(InteractionState::Resumed, at, PausedBy::Event);
            known.set_stated(stated_at);
        }
        if known.lines.len() == limits::TRANSCRIPT_LINES {
            known.lines.remove(0);
        }
        known.lines.push(TranscriptLine {
            at,
            from: data.from,
            channel: channel.clone(),
            text: cut(kept, limits::TRANSCRIPT_LINE_BYTES).into(),
        });
    }

    /// Records that an interaction was offered: it is not offered again in this pause.
    pub(in crate::twin) fn mark_offered(&mut self, interaction: &str, at: Time) {
        let known = self.interactions.iter_mut().find(|known| *known.id == *interaction);
        if let Some(pause) = known.and_then(|known| known.pause.as_mut()) {
            pause.offered = Some(at);
        }
    }

    /// The thread of a message that names none: the open conversation of this channel; else, if the
    /// customer answers a message of the company in another channel within a day, that one; else a new
    /// one for the channel.
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
                let new = Interaction::new(id, kind, channel, input.stated_at, input.at);
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
