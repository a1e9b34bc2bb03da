//! The memory of a twin, which can move from one identifier to another.

use serde::{Deserialize, Serialize};

use super::dates::{DatedValue, Dates};
use super::escalation;
use super::guard::{guard_of, merge_guards};
use super::identity::Identifier;
use super::merge::{Compared, join, part, part_preferences};
use super::reaction::Notes;
use super::{
    AggregateState, Case, Consent, Contact, Derived, EntryKind, EscalationRecord, Guard,
    Interaction, Meeting, Need, Preference, Problem, Profile, Sentiment, Signal, Timeline, Timer,
    Trial, Twin, invariants,
};
use crate::config::limits;
use crate::event::{Customer, Time};

/// The memory of one identifier. Lists are sorted by eviction order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// When the first input arrived.
    pub born: Time,
    /// When the last input arrived.
    pub seen: Time,
    /// The number of inputs.
    pub inputs: u64,
    /// The customer's traits; null: removed.
    pub traits: Vec<DatedValue>,
    /// The customer's consents.
    pub consents: Vec<Consent>,
    /// The customer's preferences. The evidence of a choice consists of fingerprints of inputs here.
    pub preferences: Vec<Preference>,
    /// Live facts from systems.
    pub context: Vec<Signal>,
    /// Facts that policy rules set.
    pub facts: Vec<DatedValue>,
    /// Conversations and journeys.
    pub interactions: Vec<Interaction>,
    /// Cases with the company.
    pub cases: Vec<Case>,
    /// The customer's needs.
    pub needs: Vec<Need>,
    /// Actions taken for the customer.
    pub contacts: Vec<Contact>,
    /// Escalations to agents.
    pub escalations: Vec<EscalationRecord>,
    /// Pending timers, except those derived from `escalations`.
    pub timers: Vec<Timer>,
    /// The customer's sentiment. The numbers are fingerprints of inputs here.
    pub sentiment: Option<Box<Sentiment>>,
    /// The policy's aggregates.
    pub tallies: AggregateState,
    /// Problems that the customer had.
    pub problems: Vec<Problem>,
    /// Derived values and their purposes.
    pub guards: Vec<Guard>,
    /// Recent inputs.
    pub timeline: Vec<PastEntry>,
    /// Further identifiers included in this memory.
    pub identifiers: Vec<Identifier>,
    /// The broadcasts that it has received.
    #[serde(default)]
    pub met: Vec<Meeting>,
    /// Whether the dissatisfaction has reached the policy's alarm threshold, and has not calmed down
    /// since. The next input checks whether that is still so.
    #[serde(default)]
    pub alarmed: bool,
    /// The experiments that the customer has entered.
    #[serde(default)]
    pub trials: Vec<Trial>,
    /// Whether it is a known customer, independent of other evidence.
    #[serde(default)]
    pub known: bool,
}

/// One entry of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastEntry {
    /// When it was processed.
    pub at: Time,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// The kind of input.
    pub what: EntryKind,
    /// The channel that reported it; empty for a timer and a broadcast.
    pub channel: Box<str>,
    /// Its content in short.
    pub text: Box<str>,
}

/// Calls a macro's rule for every list that is merged item by item.
macro_rules! each_list {
    ($do:ident) => {
        $do!(traits, TRAITS);
        $do!(consents, CONSENTS);
        $do!(context, SIGNALS);
        $do!(facts, FACTS);
        $do!(interactions, INTERACTIONS);
        $do!(cases, CASES);
        $do!(needs, NEEDS);
        $do!(contacts, CONTACTS);
        $do!(escalations, ESCALATIONS);
        $do!(timers, TIMERS);
        $do!(tallies.windows, POLICY_TALLIES);
        $do!(tallies.counters, POLICY_TALLIES);
        $do!(tallies.activities, POLICY_TALLIES);
        $do!(problems, PROBLEMS);
        $do!(met, MEETINGS);
        $do!(trials, POLICY_EXPERIMENTS);
    };
}

impl Memory {
    /// Merges the memory of another identifier of the same customer.
    pub(super) fn merge(&mut self, other: Memory, notes: &mut Notes) {
        self.born = self.born.min(other.born);
        self.seen = self.seen.max(other.seen);
        self.inputs = self.inputs.saturating_add(other.inputs);
        macro_rules! join_list {
            ($($list:ident).+, $limit:ident) => {
                let (own, name) = (&mut self.$($list).+, stringify!($limit));
                join(own, other.$($list).+, name, limits::$limit, notes);
            };
        }
        each_list!(join_list);
        DatedValue::let_go_of_removed(&mut self.traits, notes);
        join_list!(preferences, PREFERENCES);
        join_list!(timeline, TIMELINE_ENTRIES);
        match (&mut self.sentiment, other.sentiment) {
            (Some(own), Some(other)) => own.merge(&other),
            (own, other) => *own = own.take().or(other),
        }
        merge_guards(&mut self.guards, other.guards);
        self.settle_guards();
        for known in other.identifiers {
            match self.identifiers.iter_mut().find(|before| before.customer == known.customer) {
                Some(before) => before.take_in(known, notes),
                None => self.identifiers.push(known),
            }
        }
        self.identifiers.sort_by(|left, right| left.customer.cmp(&right.customer));
        // The identifiers that a cycle brings together. Beyond the limit they can only no longer be
        // unlinked.
        if self.identifiers.len() > 2 * limits::IDENTIFIERS {
            notes.limit("IDENTIFIERS");
            self.identifiers.truncate(2 * limits::IDENTIFIERS);
        }
        self.alarmed |= other.alarmed;
        self.known |= other.known;
    }

    /// The part of this memory about the items that `other` contains too, with times and counts.
    pub(super) fn beneath(&self, other: &Memory) -> Memory {
        Memory { inputs: self.inputs, ..self.compared(other, Compared::Known) }
    }

    /// The part of this memory about items that `other` does not contain.
    pub(super) fn without(&self, other: &Memory) -> Memory {
        self.compared(other, Compared::Unknown)
    }

    /// The part of this memory about items that `other` contains, or does not contain, with times.
    fn compared(&self, other: &Memory, those: Compared) -> Memory {
        let mut some = Memory { born: self.born, seen: self.seen, ..Memory::default() };
        macro_rules! compare_list {
            ($($list:ident).+, $limit:ident) => {
                some.$($list).+ = those.of(&self.$($list).+, &other.$($list).+);
            };
        }
        each_list!(compare_list);
        compare_list!(preferences, PREFERENCES);
        if other.sentiment.is_some() == (those == Compared::Known) {
            some.sentiment.clone_from(&self.sentiment);
        }
        some.guards.clone_from(&self.guards);
        some.settle_guards();
        some
    }

    /// Whether a derived value exists that a guard can refer to.
    fn knows(&self, of: Derived, name: &str) -> bool {
        match of {
            Derived::Fact => self.facts.iter().any(|told| *told.name == *name),
            Derived::Need => self.needs.iter().any(|need| *need.name == *name),
            Derived::Window => self.tallies.window(name).is_some(),
            Derived::Counter => self.tallies.counter(name).is_some(),
            Derived::Activity => self.tallies.activity(name).is_some(),
        }
    }

    /// Removes the guards of missing values.
    fn settle_guards(&mut self) {
        let mut guards = std::mem::take(&mut self.guards);
        guards.retain(|guard| self.knows(guard.of, &guard.name));
        self.guards = guards;
    }

    /// A returned value takes its guard along, unless the guard has changed since; the previous value
    /// gets its previous guard. What stays keeps its guard.
    fn part_guards(&mut self, back: &mut Memory, from: &Identifier) {
        let came = &from.brought.guards;
        let before = &from.beneath.guards;
        let mut merged = before.clone();
        merge_guards(&mut merged, came.clone());
        let own = std::mem::take(&mut self.guards);
        let has_gone = |guard: &Guard| back.knows(guard.of, &guard.name);
        let stays = |guard: &Guard| {
            !has_gone(guard) || guard_of(&merged, guard.of, &guard.name) != Some(&guard.purposes)
        };
        self.guards = own.into_iter().filter(stays).collect();
        let restored = before.iter().filter(|guard| has_gone(guard)).cloned().collect();
        merge_guards(&mut self.guards, restored);
        self.settle_guards();
        back.guards.clone_from(came);
        back.settle_guards();
    }

    /// Removes what an identifier contributed, as far as it is unchanged, and returns it.
    pub(super) fn part(&mut self, from: &Identifier) -> Memory {
        let Identifier { brought, beneath, entries, .. } = from;
        let mut back = Memory {
            born: brought.born,
            seen: brought.seen,
            inputs: brought.inputs,
            alarmed: brought.alarmed,
            known: brought.known,
            ..Memory::default()
        };
        macro_rules! part_list {
            ($($list:ident).+, $limit:ident) => {
                let own = &mut self.$($list).+;
                back.$($list).+ = part(own, &brought.$($list).+, &beneath.$($list).+);
            };
        }
        each_list!(part_list);
        back.preferences =
            part_preferences(&mut self.preferences, &brought.preferences, &beneath.preferences);
        let mut expected = beneath.sentiment.clone();
        match (&mut expected, &brought.sentiment) {
            (Some(before), Some(brought)) => before.merge(brought),
            (expected, brought) => *expected = expected.take().or_else(|| brought.clone()),
        }
        if brought.sentiment.is_some() && self.sentiment == expected {
            self.sentiment.clone_from(&beneath.sentiment);
            back.sentiment.clone_from(&brought.sentiment);
        }
        self.part_guards(&mut back, from);
        if self.born == brought.born {
            self.born = beneath.born;
        }
        self.inputs = self.inputs.saturating_sub(brought.inputs);
        let timeline = std::mem::take(&mut self.timeline);
        (back.timeline, self.timeline) =
            timeline.into_iter().partition(|past| entries.contains(&past.fingerprint));
        // There cannot be more entries than inputs.
        self.inputs = self.inputs.max(self.timeline.len() as u64);
        back.inputs = back.inputs.max(back.timeline.len() as u64);
        back
    }

    /// Drops what does not fit a JSON message of this size: the oldest entries of the timeline, then the
    /// contributions of earlier identifiers (which can then not be fully returned), transcripts,
    /// contacts, closed and inactive interactions and cases, and the rest in eviction order. Consents,
    /// escalations and timers are kept. Returns the JSON.
    pub(super) fn fit(&mut self, bytes_max: usize, notes: &mut Notes) -> String {
        loop {
            let json = json(self);
            let Some(beyond) = json.len().checked_sub(bytes_max).filter(|beyond| *beyond > 0)
            else {
                return json;
            };
            notes.limit("PASSED_BYTES");
            if self.shed(beyond) == 0 {
                // The part that is always kept is far below the limit.
                return json;
            }
        }
    }

    /// Drops about this many bytes; returns how many.
    fn shed(&mut self, wanted: usize) -> usize {
        let mut gone = shed_first(&mut self.timeline, wanted);
        for known in &mut self.identifiers {
            if gone < wanted {
                gone += json(&known.brought).len() + json(&known.beneath).len() - 2 * EMPTY;
                *known.brought = Memory::default();
                *known.beneath = Memory::default();
            }
        }
        for interaction in &mut self.interactions {
            if gone < wanted {
                gone += shed_first(&mut interaction.lines, wanted - gone);
            }
        }
        macro_rules! shed_lists {
            ($($list:ident),+) => {
                $(if gone < wanted {
                    gone += shed_first(&mut self.$list, wanted - gone);
                })+
            };
        }
        shed_lists!(contacts, interactions, cases, context, needs, preferences, facts, traits);
        self.settle_guards();
        gone
    }

    /// The violated invariants of a memory from elsewhere; empty for a sound one.
    pub(super) fn violations(&self, of: &Customer) -> Vec<String> {
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

/// The approximate length of an empty memory as JSON, which emptying one does not free.
const EMPTY: usize = 200;

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Drops items from the front until this many bytes are freed; returns how many.
fn shed_first<T: Serialize>(items: &mut Vec<T>, wanted: usize) -> usize {
    let mut gone = 0;
    let mut count = 0;
    for item in items.iter() {
        if gone >= wanted {
            break;
        }
        gone += json(item).len() + 1;
        count += 1;
    }
    items.drain(..count);
    gone
}

impl Twin {
    /// The memory of this twin.
    pub fn memory(&self) -> Memory {
        // Every field is named here, and in `keep`, so none can be forgotten.
        let Twin {
            customer: _,
            linked_to: _,
            hand: _,
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
            traits: dates.told_and_removed(traits),
            consents: consents.clone(),
            preferences,
            context: context.clone(),
            facts: fact_dates.told(facts),
            interactions: interactions.clone(),
            cases: cases.clone(),
            needs: needs.clone(),
            contacts: contacts.clone(),
            escalations: escalations.clone(),
            timers: timers.iter().filter(|one| !escalation::is_of_promises(one)).cloned().collect(),
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
        }
    }

    /// Replaces the memory of this twin.
    pub(super) fn keep(&mut self, memory: Memory) {
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
        } = memory;
        let mut recent = std::mem::take(&mut self.recent);
        let left = self.timeline.iter().filter(|entry| {
            matches!(entry.what, EntryKind::Event(_))
                && !timeline.iter().any(|past| past.fingerprint == entry.fingerprint)
        });
        let mut unsaid = Notes::default();
        // The next input gives the stream time.
        left.for_each(|entry| recent.remember(entry.fingerprint, None, &mut unsaid));
        let (traits, dates) = Dates::of_told_and_removed(traits);
        let (facts, fact_dates) = Dates::of(facts);
        *self = Twin {
            customer: self.customer.clone(),
            linked_to: self.linked_to.take(),
            hand: self.hand.take(),
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
        };
        self.settle_guards();
        escalation::keep_timer(self);
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
