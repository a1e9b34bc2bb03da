//! Rounds: loads the twins, runs their batches, and adds their reactions to the open batch.

use std::sync::Arc;

use super::super::cell::{
    BatchFailure, BatchReactions, BatchResult, HandlerPanic, OversizedTwin, TwinBatch,
};
use super::super::host::{Host, Loads};
use super::super::round::{Round, RoundItem, ScanBatch};
use super::super::surroundings::Surroundings;
use super::{Machine, Phase};
use crate::event::{Reason, Rejection, Time};
use crate::models::Snapshot;
use crate::past::ModelMark;
use crate::twin::{Reaction, Twin};

impl<H: Host> Machine<H> {
    /// Handles the twins that [`Host::load`] loaded.
    pub fn loaded(&mut self, twins: Loads, wall: Time, host: &mut H) {
        let Phase::Loading(mut round) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            unreachable!("twins are loaded for a round that waits for them, and for no other")
        };
        for (customer, twin) in twins {
            if let Some(scanning) = &mut round.scanning {
                scanning.fetched.push(customer.clone());
            }
            // A new twin begins with its first input, as it does in a replay.
            let first = round.batches.get(&customer).and_then(|inputs| inputs.first());
            let since = first.map_or(self.clock, |first| first.input.at);
            let twin = twin.unwrap_or_else(|| Box::new(Twin::new(customer.clone(), since)));
            let address = host.activate(twin);
            self.cache.enter(customer, address, self.next_ticket);
            self.counters.activations += 1;
        }
        self.deliver(round, host);
        self.go_on(wall, host);
    }

    /// Handles the result of a batch.
    pub fn complete(&mut self, done: BatchResult, wall: Time, host: &mut H) {
        let Phase::Reacting(round) = &mut self.phase else {
            unreachable!("twins react only while their round waits for them")
        };
        round.waiting -= 1;
        match done.result {
            Ok(reacted) => round.reacted.push((done.customer, reacted)),
            Err(failed) => round.failed.push((done.customer, failed)),
        }
        if round.waiting == 0
            && let Phase::Reacting(round) = std::mem::replace(&mut self.phase, Phase::Idle)
        {
            self.end_round(round, host);
            self.go_on(wall, host);
        }
    }

    pub(super) fn begin_round(&mut self, mut round: Round, host: &mut H) {
        let mut passive = Vec::new();
        self.drop_inputs_before_erasure(&mut round);
        for customer in round.batches.keys() {
            if !self.cache.claim(customer, self.next_ticket) {
                passive.push(customer.clone());
            }
        }
        passive.retain(|customer| !self.drop_inputs_of_erased(&mut round, customer, host));
        if passive.is_empty() {
            self.deliver(round, host);
        } else {
            self.phase = Phase::Loading(round);
            host.load(passive);
        }
    }

    /// Sends every planned batch to its twin; all of them are in memory.
    fn deliver(&mut self, mut round: Round, host: &mut H) {
        let is_indexing = round.scanning.as_ref().is_some_and(ScanBatch::is_indexing);
        // Some batches may be sent twice, because another twin's batch failed.
        let surroundings = Arc::new(Surroundings {
            policy: self.policy.clone(),
            broadcasts: self.broadcasts.clone(),
            models: round.models.get_or_insert_with(|| self.models.clone()).clone(),
        });
        let erasing = round.erasing.as_ref();
        let linked_by = erasing.and_then(|one| one.link);
        let linked_from = erasing.and_then(|one| one.of.clone());
        let erasing = erasing.map(|one| one.unless_seen_after.unwrap_or(Time::MAX));
        let batches = std::mem::take(&mut round.batches);
        round.waiting = batches.len();
        for (customer, inputs) in batches {
            let Some(address) = self.cache.address(&customer) else {
                unreachable!("every twin of the round was loaded, and none passivated since")
            };
            let twin_batch = TwinBatch {
                inputs,
                surroundings: surroundings.clone(),
                shadow: self.shadow.clone(),
                is_indexing,
                erasing,
                linked_by,
                linked_from: linked_from.clone(),
                is_measured: round.is_measured,
            };
            host.deliver(address, twin_batch);
        }
        if round.waiting == 0 {
            self.end_round(round, host);
        } else {
            self.phase = Phase::Reacting(round);
        }
    }

    /// Ends a round: adds the reactions of its twins to the open batch, in the inputs' order.
    fn end_round(&mut self, mut round: Round, host: &mut H) {
        if !round.failed.is_empty() {
            self.revive(round, host);
            return;
        }
        self.mark(round.models.as_ref());
        self.keep_lifted(&round.lifted);
        let reactions = self.take_in_batches(&mut round);
        let mut touched = Vec::new();
        let unusable = std::mem::take(&mut round.unusable);
        let why = |order| {
            let known = unusable.iter().find(|(at, _)| *at == order);
            known.map_or(Reason::Panic, |(_, reason)| *reason)
        };
        for (order, (item, reaction)) in (0..).zip(round.items.into_iter().zip(reactions)) {
            match item {
                RoundItem::Event { sequence, lane, customer, original, rejection } => {
                    self.taken.advance(lane, sequence);
                    match (rejection, customer, reaction) {
                        (Some(_), ..) if self.is_of_erased(&original) => {
                            self.counters.erased += 1;
                            self.delete_from_stream(sequence);
                        }
                        (Some(rejection), ..) => {
                            self.write_dead_letter(sequence, &original, &rejection)
                        }
                        (None, Some(customer), Some(reaction)) => {
                            self.take_in_event(sequence, &customer, &original, reaction);
                        }
                        _ => unreachable!("an event that was not rejected has a reaction"),
                    }
                }
                RoundItem::Dropped { place: Some((lane, sequence)) } => {
                    self.taken.advance(lane, sequence);
                    self.counters.erased += 1;
                    self.delete_from_stream(sequence);
                }
                RoundItem::Dropped { place: None } => {}
                RoundItem::Timer { key, late, at } => {
                    self.batch.delete_timer(self.partition, &key);
                    self.take_in_timer(&key, late, at, reaction.ok_or_else(|| why(order)));
                }
                RoundItem::Ask { customer, asked, at, rejection } => {
                    self.take_in_ask(&customer, asked, at, rejection, reaction, host);
                }
                RoundItem::Wake { customer, woken, at } => {
                    let reaction = reaction.ok_or_else(|| why(order));
                    if self.take_in_wake(&customer, woken, at, reaction) {
                        touched.push(customer);
                    }
                }
            }
        }
        self.end_erasing();
        if let Some(scanning) = round.scanning {
            self.end_scanning(scanning, &touched);
        }
    }

    /// Adds what the round changed of its twins. Returns the reactions, in the order of its items.
    fn take_in_batches(&mut self, round: &mut Round) -> Vec<Option<Reaction>> {
        let mut reactions: Vec<Option<Reaction>> = Vec::new();
        reactions.resize_with(round.items.len(), || None);
        for (customer, reacted) in round.reacted.drain(..) {
            let BatchReactions { reactions: numbered, change, index, waiting, erased, beside } =
                reacted;
            self.counters.add_shadow(beside);
            for (order, reaction) in numbered {
                reactions[order as usize] = Some(reaction);
            }
            self.keep_index(&customer, &index);
            if let Some(waiting) = waiting {
                self.batch.put_waiting(self.partition, &customer, &waiting);
            }
            if let Some(change) = change {
                self.keep(&customer, &change);
            }
            if let Some(erased) = erased {
                self.take_in_erasure(*erased);
            }
        }
        reactions
    }

    /// Stores a mark if the model version has changed: replays need the position from which it was used.
    fn mark(&mut self, models: Option<&Snapshot>) {
        let Some(version) = models.map(Snapshot::version).filter(|new| *new > self.marked) else {
            return;
        };
        let (after, input) = (self.taken.main, self.next_input as u32);
        let mark = ModelMark { version, after, input, at: self.clock };
        self.batch.put_mark(self.partition, &mark);
        self.marked = version;
    }

    /// Reloads twins whose batch failed as last committed, and delivers their inputs again, except the one
    /// that is to blame.
    fn revive(&mut self, mut round: Round, host: &mut H) {
        for (customer, failed) in std::mem::take(&mut round.failed) {
            self.cache.remove(&customer);
            let (mut inputs, culprit) = match failed {
                BatchFailure::Panic(HandlerPanic { inputs, position, message }) => {
                    tracing::error!(
                        partition = self.partition,
                        customer = self.tombstones.in_log(&customer),
                        "a twin's handler panicked; see the dead letter"
                    );
                    // The message may contain the customer's text.
                    tracing::debug!(panic = message, "how it panicked");
                    let detail = format!("the handler panicked: {message}; the twin is unchanged");
                    (inputs, Some((position, Rejection::new(Reason::Panic, detail))))
                }
                BatchFailure::TooLarge(OversizedTwin { inputs, position, error }) => {
                    let detail = format!(
                        "{error}: with this input the twin could not be stored; the twin is \
                         unchanged, and `twinctl show` says what fills it"
                    );
                    let rejection = Rejection::new(Reason::Refused, detail);
                    (inputs, position.map(|position| (position, rejection)))
                }
            };
            match culprit {
                Some((position, rejection)) => {
                    round.reject(inputs.remove(position).order, rejection);
                }
                // It is found when the twin is measured after each input.
                None => round.is_measured = true,
            }
            if !inputs.is_empty() {
                round.batches.insert(customer, inputs);
            }
        }
        if self.is_open() {
            // Earlier rounds are complete, and below the first event of this one.
            self.commit(host);
        }
        for (customer, _) in &round.reacted {
            self.cache.claim(customer, self.next_ticket);
        }
        self.phase = Phase::Reviving(round);
    }
}
