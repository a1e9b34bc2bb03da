//! The memory of a twin, which can move from one identifier to another.

use serde::{Deserialize, Serialize};

use super::guard::{guard_of, merge_guards};
use super::merge::{join, part};
use super::preference::part_preferences;
use super::{
    AggregateState, Case, Compared, Consent, Contact, DatedValue, Derived, EscalationRecord,
    GraveMatter, Guard, Identifier, Interaction, Meeting, Mergeable, Need, PastEntry, Preference,
    Problem, Sentiment, Signal, Timer, Trial,
};
use crate::config::limits;
use crate::event::Time;
use crate::twin::note::Notes;

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
    /// Grave topics about which the customer wrote.
    #[serde(default)]
    pub grave: Vec<GraveMatter>,
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
        $do!(tallies.windows, POLICY_AGGREGATES);
        $do!(tallies.counters, POLICY_AGGREGATES);
        $do!(tallies.activities, POLICY_AGGREGATES);
        $do!(problems, PROBLEMS);
        $do!(met, MEETINGS);
        $do!(trials, POLICY_EXPERIMENTS);
        $do!(grave, GRAVE_MATTERS);
    };
}

impl Memory {
    /// Merges the memory of another identifier of the same customer.
    pub(in crate::twin) fn merge(&mut self, other: Memory, notes: &mut Notes) {
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
        DatedValue::drop_oldest_removed(&mut self.traits, notes);
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
                Some(before) => before.absorb(known, notes),
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
    pub(in crate::twin) fn beneath(&self, other: &Memory) -> Memory {
        Memory { inputs: self.inputs, ..self.compared(other, Compared::Known) }
    }

    /// The part of this memory about items that `other` does not contain.
    pub(in crate::twin) fn without(&self, other: &Memory) -> Memory {
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
            Derived::Fact => self.facts.iter().any(|fact| *fact.name == *name),
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
    pub(in crate::twin) fn part(&mut self, from: &Identifier) -> Memory {
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
        // What both did while they were one says nothing about either.
        for trial in self.trials.iter_mut().chain(&mut back.trials) {
            if brought.trials.iter().any(|one| one.is_same(trial)) {
                trial.measurement.end();
            }
        }
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

    /// Drops what does not fit a JSON message of this size: awaited goals, the oldest entries of the timeline,
    /// then the contributions of earlier identifiers (which can then not be fully returned), transcripts,
    /// contacts, closed and inactive interactions and cases, and the rest in eviction order. Consents,
    /// escalations and timers are kept. Returns the JSON.
    pub(in crate::twin) fn fit(&mut self, bytes_max: usize, notes: &mut Notes) -> String {
        loop {
            let json = json(self);
            let Some(beyond) = json.len().checked_sub(bytes_max).filter(|beyond| *beyond > 0)
            else {
                return json;
            };
            notes.limit("FORWARDED_BYTES");
            if self.shed(beyond) == 0 {
                // The part that is always kept is far below the limit.
                return json;
            }
        }
    }

    /// Drops about this many bytes; returns how many.
    fn shed(&mut self, wanted: usize) -> usize {
        // What is awaited weighs much, and is worth little: one observation.
        let mut gone = 0;
        for trial in &mut self.trials {
            gone += trial.measurement.end().map_or(0, |goal| json(&goal).len());
        }
        gone += shed_first(&mut self.timeline, wanted.saturating_sub(gone));
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
