//! The identities of what came here of late, behind the timeline: so that a copy is recognised though
//! so much came in between that the timeline has let go of the first.
//!
//! The broker drops no copies of events: its memory of message ids is one for the whole stream, and
//! whoever used an id first, in whatever channel, would suppress the event of another.
//!
//! Two lists take turns. What is new goes into one; after [`WINDOW`] that becomes the older one, and
//! the one before it goes. So an identity is remembered for [`WINDOW`] at least, and no times are kept.
//! It is the clock of the stream that tells how old they are: a copy comes by the stream soon after the
//! first, however far a timer or an event's own time has moved the twin's `now` in between.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reaction::Notes;
use crate::config::limits;
use crate::event::Time;

/// So long an identity is remembered at least, as far as there is room: longer than a channel goes on
/// trying to publish.
pub const WINDOW: Duration = Duration::from_secs(20 * 60);

/// Identities of what came of late; most twins have none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recent {
    older: Vec<u64>,
    newer: Vec<u64>,
    /// Since when `newer` is filled, by the clock of the stream; [`Time::MAX`] if that is not known yet.
    since: Time,
}

impl Recent {
    /// Whether an identity is among them.
    pub fn knows(&self, identity: u64) -> bool {
        self.newer.contains(&identity) || self.older.contains(&identity)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.older.len() + self.newer.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.older.iter().chain(&self.newer).copied()
    }

    /// Adds one at a moment of the stream, if that is known. Beyond [`limits::IDENTITIES`] the oldest
    /// leaves.
    pub(super) fn remember(&mut self, identity: u64, stored: Option<Time>, notes: &mut Notes) {
        self.turn(stored);
        if self.knows(identity) {
            return;
        }
        if self.is_empty() {
            self.since = stored.unwrap_or(Time::MAX);
        }
        self.newer.push(identity);
        let Some(beyond) = self.len().checked_sub(limits::IDENTITIES).filter(|many| *many > 0)
        else {
            return;
        };
        notes.limit("IDENTITIES");
        let of_older = beyond.min(self.older.len());
        self.older.drain(..of_older);
        self.newer.drain(..beyond - of_older);
    }

    /// Lets go of those that are too old at a moment of the stream. Where it is not known, none is.
    pub(super) fn turn(&mut self, stored: Option<Time>) {
        let Some(now) = stored.filter(|_| !self.is_empty()) else { return };
        if self.since == Time::MAX {
            self.since = now;
        }
        // The clock may be set back; that makes nothing older.
        let age = now.since(self.since);
        if age >= WINDOW {
            self.older = std::mem::take(&mut self.newer);
            self.since = now;
        }
        if age >= 2 * WINDOW {
            self.older.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(minutes: u64) -> Time {
        Time::from_ms(1_700_000_000_000) + Duration::from_secs(60 * minutes)
    }

    #[test]
    fn an_identity_is_known_for_twenty_minutes_and_gone_after_an_hour() {
        let (mut recent, mut notes) = (Recent::default(), Notes::default());
        recent.remember(1, Some(after(0)), &mut notes);
        recent.remember(2, Some(after(19)), &mut notes);
        recent.remember(3, Some(after(38)), &mut notes);
        assert!(recent.knows(2) && recent.knows(3));
        recent.remember(4, Some(after(100)), &mut notes);
        assert_eq!(recent.iter().collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn what_came_at_no_known_moment_grows_old_from_the_next_known_one_on() {
        let (mut recent, mut notes) = (Recent::default(), Notes::default());
        recent.remember(1, None, &mut notes);
        recent.turn(Some(after(100)));
        recent.remember(2, None, &mut notes);
        recent.remember(3, Some(after(119)), &mut notes);
        assert_eq!(recent.iter().collect::<Vec<_>>(), [1, 2, 3]);
        recent.turn(Some(after(139)));
        assert!(recent.knows(3));
        recent.turn(Some(after(160)));
        assert!(recent.is_empty());
    }

    #[test]
    fn beyond_the_limit_the_oldest_leave() {
        let (mut recent, mut notes) = (Recent::default(), Notes::default());
        let all = limits::IDENTITIES as u64 + 10;
        for identity in 0..all {
            recent.remember(identity, Some(after(identity / 40)), &mut notes);
        }
        assert!(recent.len() <= limits::IDENTITIES);
        assert!(!recent.knows(0) && recent.knows(all - 1));
    }
}
