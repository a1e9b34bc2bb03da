//! Adds the results of a round's inputs to the open batch.

use std::time::Duration;

use super::super::cell::TwinChange;
use super::super::host::Host;
use super::super::index::IndexChange;
use super::{MISSED_AFTER, Machine};
use crate::codec;
use crate::event::{Customer, Erasure, Original, Output, Reason, Rejection, Time};
use crate::tables::TimerKey;
use crate::twin::{Decision, Effect, Fired, InputResult, Journalled, Note, Observation, Reaction};

/// Whether a statement about the owner of an identifier is older than the known one, and so has no
/// effect.
fn is_late_link(notes: &[Note]) -> bool {
    notes.iter().any(|note| matches!(note, Note::Late(part) if matches!(&**part, "to" | "from")))
}

/// Whether a timer fired. One that only the twin itself hears, such as one that ends waiting for a goal, is
/// no input for rules, but has effects.
fn has_fired(reaction: &Reaction) -> bool {
    reaction.result == InputResult::Applied || !reaction.effects.is_empty()
}

impl<H: Host> Machine<H> {
    pub(super) fn keep(&mut self, customer: &Customer, change: &TwinChange) {
        self.batch.put_twin(self.partition, customer, &change.state);
        for (slot, block) in &change.blocks {
            self.batch.put_block(self.partition, customer, u16::from(*slot), block);
        }
        self.cache.weigh(customer, change.resident_bytes);
    }

    pub(super) fn keep_index(&mut self, customer: &Customer, changes: &[IndexChange]) {
        for IndexChange { key, is_there } in changes {
            if *is_there {
                self.batch.put_index(self.partition, *key, customer);
            } else {
                self.batch.delete_index(self.partition, *key, customer);
            }
        }
    }

    pub(super) fn take_in_event(
        &mut self,
        sequence: u64,
        customer: &Customer,
        original: &Original,
        reaction: Reaction,
    ) {
        match reaction.result {
            InputResult::Refused(_) if self.is_of_erased(original) => {
                self.counters.erased += 1;
                self.delete_from_stream(sequence);
            }
            InputResult::Refused(rejection) => {
                self.write_dead_letter(sequence, original, &rejection)
            }
            InputResult::Forwarded => self.counters.forwarded += 1,
            InputResult::Duplicate => self.counters.duplicates += 1,
            InputResult::Applied
                if is_late_link(&reaction.notes) && self.is_of_erased(original) =>
            {
                self.counters.events += 1;
                self.delete_from_stream(sequence);
            }
            InputResult::Applied | InputResult::Stale | InputResult::Untouched => {
                self.counters.events += 1
            }
        }
        self.perform(customer, reaction.effects);
        self.note(reaction.notes);
    }

    pub(super) fn take_in_timer(
        &mut self,
        key: &TimerKey,
        late: Duration,
        at: Time,
        reaction: Result<Reaction, Reason>,
    ) {
        let reaction = match reaction {
            Ok(reaction) => reaction,
            Err(reason) => {
                // It will not fire again.
                *self.counters.dead.entry(reason).or_default() += 1;
                return;
            }
        };
        match has_fired(&reaction) {
            true => self.counters.timers_fired += 1,
            false => self.counters.timers_stale += 1,
        }
        // A timer that was skipped because it fired late must not fire in a replay.
        if reaction.result == InputResult::Applied || late > MISSED_AFTER {
            let fired = Fired { name: key.name.clone(), due: key.due, late };
            let after = self.taken.main;
            self.journal(&key.customer, at, &Journalled::Timer { fired, after });
        }
        self.perform(&key.customer, reaction.effects);
        self.note(reaction.notes);
    }

    /// Journals an input that is not in the stream, for replays.
    pub(super) fn journal(&mut self, customer: &Customer, at: Time, input: &Journalled) {
        let mut encoded = Vec::new();
        if codec::encode(codec::RecordKind::Input, input, &mut encoded).is_ok() {
            let number = self.next_input as u32;
            self.batch.put_input(self.partition, customer, at, number, &encoded);
            self.next_input += 1;
        }
    }

    pub(super) fn perform(&mut self, customer: &Customer, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Act(action) => {
                    self.counters.actions += 1;
                    self.put_output(self.outgoing.action(&action));
                }
                Effect::Recall(recall) => {
                    self.counters.recalls += 1;
                    self.put_output(self.outgoing.recall(&recall));
                }
                Effect::Escalate(escalation) => {
                    self.counters.escalations += 1;
                    self.put_output(self.outgoing.escalation(&escalation));
                }
                Effect::Forward(message) => self.put_output(self.outgoing.forward(*message)),
                Effect::LetGo => self.batch.delete_past(self.partition, customer),
                Effect::Forget { seen } => {
                    let erasure = Erasure::of_absent(customer.clone(), seen);
                    self.put_output(self.outgoing.erase(&erasure));
                }
                Effect::StartTimer { name, due } => {
                    let key = TimerKey { due, customer: customer.clone(), name };
                    self.batch.put_timer(self.partition, &key);
                    self.window.insert(key);
                }
                Effect::CancelTimer { name, due } => {
                    let key = TimerKey { due, customer: customer.clone(), name };
                    self.batch.delete_timer(self.partition, &key);
                    self.window.remove(&key);
                }
                Effect::Record(decision) => self.record(customer, &decision),
                Effect::Observe(observation) => {
                    self.counters.observations += 1;
                    self.observe(&observation);
                }
                Effect::Try(tried) => self.results.count(*tried),
                Effect::Journal { at, input } => self.journal(customer, at, &input),
            }
        }
    }

    /// Stores the record of a decision, to answer `why`.
    fn record(&mut self, customer: &Customer, decision: &Decision) {
        if let Err(error) = self.batch.put_decision(self.partition, customer, decision) {
            // Larger than a record may be; the limits of texts and candidates make it impossible.
            tracing::error!(%error, id = %decision.id, "a decision has no stored form");
        }
    }

    /// Stores an observation for training, and publishes it, because others may learn from it, too.
    fn observe(&mut self, observation: &Observation) {
        let response = observation.reward > 0;
        // Each observation has one output, whose sequence names both.
        let (partition, sequence) = (self.partition, self.outbox.next);
        match self.batch.put_observation(
            partition,
            sequence,
            &observation.customer,
            &observation.exposure,
            response,
        ) {
            Ok(()) => self.put_output(self.outgoing.observation(observation)),
            // The limits of features make it impossible.
            Err(error) => tracing::error!(%error, "an observation has no stored form"),
        }
    }

    pub(super) fn write_dead_letter(
        &mut self,
        sequence: u64,
        original: &Original,
        rejection: &Rejection,
    ) {
        *self.counters.dead.entry(rejection.reason).or_default() += 1;
        // A memory exists only in the stream: its dead letter is always written.
        if !self.dead_letter_budget.take(self.clock) && !self.carries_memory(original) {
            self.note(vec![Note::Limit("DEAD_LETTERS_AT_ONCE")]);
            return;
        }
        let letter = self.outgoing.dead_letter(self.partition, sequence, original, rejection);
        self.put_output(letter);
    }

    /// Whether a message is a memory in transit. The header alone proves nothing: anybody can set it.
    pub(super) fn carries_memory(&self, original: &Original) -> bool {
        original.headers.get(Output::CARRIES_MEMORY).is_some()
            && original.is_internal()
            && self.tombstones.secret().is_ours(original)
    }

    pub(super) fn put_output(&mut self, output: Output) {
        let sequence = self.outbox.next;
        match self.batch.put_output(self.partition, sequence, &output) {
            Ok(()) => {
                self.outbox.next += 1;
                self.outputs.push((sequence, output));
            }
            // Larger than a record may be; the limits of texts and events make it impossible.
            Err(error) => tracing::error!(%error, id = %output.id, "an output has no stored form"),
        }
    }

    pub(super) fn note(&mut self, notes: Vec<Note>) {
        for note in notes {
            match note {
                Note::Limit(name) => {
                    *self.counters.limits.entry(name.to_owned()).or_default() += 1;
                }
                Note::Late(_) => self.counters.late += 1,
                Note::Circle => self.counters.circles += 1,
                Note::Policy(place, why) => {
                    self.counters.policy_errors += 1;
                    self.counters.last_policy_error = Some(format!("{place}: {why}"));
                }
                Note::Zone(zone) => {
                    self.counters.unknown_zones += 1;
                    self.counters.last_unknown_zone = Some(zone.into());
                }
                Note::Unknown(what, name) => {
                    self.counters.unknown_names += 1;
                    self.counters.last_unknown_name = Some(format!("{what} `{name}`"));
                }
                Note::Time(channel, time) => {
                    self.counters.impossible_times += 1;
                    self.counters.last_impossible_time = Some(format!("{channel}: {time}"));
                }
                Note::Exceeded(exceeded) => self.count_exceeded(&exceeded),
                Note::NotUnderstood => self.counters.not_understood += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_with_effects_has_fired_whoever_heard_it() {
        let reaction = |result, effects| Reaction { result, effects, notes: Vec::new() };
        assert!(has_fired(&reaction(InputResult::Applied, Vec::new())));
        assert!(has_fired(&reaction(InputResult::Stale, vec![Effect::LetGo])));
        assert!(!has_fired(&reaction(InputResult::Stale, Vec::new())), "moved or cancelled");
    }
}
