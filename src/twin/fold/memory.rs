//! A twin's memory: taken out of it, and put into it.

use super::deadline;
use crate::config::limits;
use crate::event::Customer;
use crate::twin::invariants;
use crate::twin::note::Notes;
use crate::twin::state::{Dates, EntryKind, Memory, PastEntry, Profile, Timeline, Twin};

impl Memory {
    /// The violated invariants of a memory from elsewhere; empty for a sound one.
    pub(in crate::twin) fn violations(&self, of: &Customer) -> Vec<String> {
        let mut twin = Twin::new(of.clone(), self.born);
        let mut found = Vec::new();
        if self.timeline.len() as u64 > self.inputs {
            found.push(format!("{} entries of {} inputs", self.timeline.len(), self.inputs));
        }
        if self.timeline.len() > limits::TIMELINE_ENTRIES {
            found.push(format!("{} entries of a timeline", self.timeline.len()));
        }
        twin.keep(self.clone());
        found.extend(invariants::violations(&twin));
        found
    }
}

impl Twin {
    /// The memory of this twin.
    pub fn memory(&self) -> Memory {
        // Every field is named here, and in `keep`, so none can be forgotten.
        let Twin {
            customer: _,
            linked_to: _,
            ownership: _,
            epoch: _,
            moves: _,
            known,
            // These inputs arrived here, wherever their effects are.
            recent: _,
            // The decisions of this identifier stay where they are stored.
            decisions: _,
            lived: _,
            born,
            seen,
            profile: Profile { traits, consents, preferences },
            context,
            facts,
            interactions,
            cases,
            needs,
            contacts,
            escalations,
            timers,
            sentiment,
            timeline: entries,
            tallies,
            problems,
            guards,
            dates,
            fact_dates,
            identifiers,
            met,
            alarmed,
            trials,
            grave,
        } = self;
        let timeline: Vec<PastEntry> = entries
            .iter()
            .map(|entry| PastEntry {
                at: entry.at,
                fingerprint: entry.fingerprint,
                what: entry.what,
                channel: entry.channel.into(),
                text: entry.text.into(),
            })
            .collect();
        let first = entries.total() - timeline.len() as u64;
        let mut preferences = preferences.clone();
        let entry = |number: &u64| {
            let at = usize::try_from(number.checked_sub(first)?).ok()?;
            timeline.get(at).map(|past| past.fingerprint)
        };
        // Entry numbers have no meaning elsewhere; those of dropped entries have none at all.
        for choice in preferences.iter_mut().flat_map(|known| &mut known.choices) {
            choice.evidence = choice.evidence.iter().filter_map(entry).collect();
            choice.evidence.sort_unstable();
        }
        let mut sentiment = sentiment.clone();
        if let Some(sentiment) = &mut sentiment {
            sentiment.evidence.retain_mut(|heard| match entry(&heard.number) {
                Some(fingerprint) => {
                    heard.number = fingerprint;
                    true
                }
                None => false,
            });
        }
        Memory {
            born: *born,
            seen: *seen,
            inputs: entries.total(),
            traits: dates.with_removed(traits),
            consents: consents.clone(),
            preferences,
            context: context.clone(),
            facts: fact_dates.with_dates(facts),
            interactions: interactions.clone(),
            cases: cases.clone(),
            needs: needs.clone(),
            contacts: contacts.clone(),
            escalations: escalations.clone(),
            timers: timers.iter().filter(|one| !deadline::is_deadline(one)).cloned().collect(),
            sentiment,
            tallies: tallies.clone(),
            problems: problems.clone(),
            guards: guards.clone(),
            timeline,
            identifiers: identifiers.clone(),
            met: met.clone(),
            alarmed: *alarmed,
            trials: trials.clone(),
            known: *known,
            grave: grave.clone(),
        }
    }

    /// Replaces the memory of this twin.
    pub(in crate::twin) fn keep(&mut self, memory: Memory) {
        let Memory {
            born,
            seen,
            inputs,
            traits,
            consents,
            preferences,
            context,
            facts,
            interactions,
            cases,
            needs,
            contacts,
            escalations,
            timers,
            sentiment,
            tallies,
            problems,
            guards,
            timeline,
            identifiers,
            met,
            alarmed,
            trials,
            known,
            grave,
        } = memory;
        let mut recent = std::mem::take(&mut self.recent);
        let left = self.timeline.iter().filter(|entry| {
            matches!(entry.what, EntryKind::Event(_))
                && !timeline.iter().any(|past| past.fingerprint == entry.fingerprint)
        });
        let mut unsaid = Notes::default();
        // The next input gives the stream time.
        left.for_each(|entry| recent.remember(entry.fingerprint, None, &mut unsaid));
        let (traits, dates) = Dates::of_values_and_removed(traits);
        let (facts, fact_dates) = Dates::of(facts);
        *self = Twin {
            customer: self.customer.clone(),
            linked_to: self.linked_to.take(),
            ownership: self.ownership.take(),
            epoch: self.epoch,
            moves: self.moves,
            known,
            recent,
            lived: Some(self.has_lived_to()).filter(|lived| *lived > seen),
            born,
            seen,
            profile: Profile { traits, consents, preferences },
            context,
            facts,
            interactions,
            cases,
            needs,
            contacts,
            escalations,
            timers,
            sentiment,
            timeline: Timeline::of(inputs, &timeline),
            tallies,
            problems,
            guards,
            dates,
            fact_dates,
            identifiers,
            met,
            alarmed,
            decisions: self.decisions,
            trials,
            grave,
        };
        self.settle_guards();
        deadline::renew_due_timer(self);
        let entries = &self.timeline;
        let number = |fingerprint: &u64| {
            entries.iter().find(|entry| entry.fingerprint == *fingerprint).map(|one| one.number)
        };
        if let Some(sentiment) = &mut self.sentiment {
            sentiment.evidence.retain_mut(|heard| match number(&heard.number) {
                Some(number) => {
                    heard.number = number;
                    true
                }
                None => false,
            });
        }
        for choice in self.profile.preferences.iter_mut().flat_map(|known| &mut known.choices) {
            choice.evidence = choice.evidence.iter().filter_map(number).collect();
            choice.evidence.sort_unstable();
        }
    }
}
