//! Ids of recent inputs beyond the timeline, to recognise duplicates after many other inputs.
//!
//! The broker does not deduplicate events: its id window is shared by all channels, so the first user of
//! an id, on any channel, would suppress another channel's event.
//!
//! Two lists rotate: new ids go to one; after [`WINDOW`] it becomes the older one and the previous older
//! one is dropped. An id is kept for at least [`WINDOW`], without storing times. Age is measured in
//! stream time, because a duplicate follows soon in the stream, however far a timer or event time has
//! advanced `now`.

use serde::{Deserialize, Serialize};

use crate::config::limits;
use crate::event::Time;
use crate::twin::input::WINDOW;
use crate::twin::note::Notes;

/// Ids of recent inputs; most twins have none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recent {
    older: Vec<u64>,
    newer: Vec<u64>,
    /// The stream time since which `newer` is filled; [`Time::MAX`] if it is not known yet.
    since: Time,
}

impl Recent {
    /// Whether it contains an id.
    pub fn knows(&self, identity: u64) -> bool {
        self.newer.contains(&identity) || self.older.contains(&identity)
    }

    /// The number of ids.
    pub fn len(&self) -> usize {
        self.older.len() + self.newer.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All ids, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.older.iter().chain(&self.newer).copied()
    }

    /// Adds an id at a stream time, if known. Beyond [`limits::IDENTITIES`] the oldest is dropped.
    pub(in crate::twin) fn remember(
        &mut self,
        identity: u64,
        stored: Option<Time>,
        notes: &mut Notes,
    ) {
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

    /// Drops the ids that are too old at a stream time. If it is unknown, none is dropped.
    pub(in crate::twin) fn turn(&mut self, stored: Option<Time>) {
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
    use std::time::Duration;

    use super::*;

    fn after(minutes: u64) -> Time {
        Time::from_ms(1_700_000_000_000) + Duration::from_secs(60 * minutes)
    }

    #[test]
    fn an_identity_is_remembered_for_twenty_minutes_and_dropped_after_an_hour() {
        let (mut recent, mut notes) = (Recent::default(), Notes::default());
        recent.remember(1, Some(after(0)), &mut notes);
        recent.remember(2, Some(after(19)), &mut notes);
        recent.remember(3, Some(after(38)), &mut notes);
        assert!(recent.knows(2) && recent.knows(3));
        recent.remember(4, Some(after(100)), &mut notes);
        assert_eq!(recent.iter().collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn an_identity_without_a_time_ages_from_the_next_known_time() {
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
    fn the_oldest_identities_are_dropped_beyond_the_limit() {
        let (mut recent, mut notes) = (Recent::default(), Notes::default());
        let all = limits::IDENTITIES as u64 + 10;
        for identity in 0..all {
            recent.remember(identity, Some(after(identity / 40)), &mut notes);
        }
        assert!(recent.len() <= limits::IDENTITIES);
        assert!(!recent.knows(0) && recent.knows(all - 1));
    }
}
