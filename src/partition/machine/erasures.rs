//! Erasure: one commit deletes everything of a customer and writes a tombstone, so that events that come later do
//! not recreate them.
//!
//! An erasure is a round of its own. Everything before it is made durable first, so the store knows every
//! row to delete; afterwards the twin is never loaded, because the tombstone is checked first. The host
//! deletes data outside the store once this is durable.

use std::time::Duration;

use super::super::cell::IndexedInput;
use super::super::host::Host;
use super::super::round::{Round, RoundItem};
use super::super::tombstones::{ErasedPast, is_of_before, returns_after_erasure};
use super::{Machine, Phase};
use crate::config::settings::TimeMode;
use crate::event::{Customer, Erasure, Forwarding, Header, Lane, Original, Time, named_in};
use crate::tables::{
    ErasureProgress, ErasureStage, Pseudonym, Removed, ScanKey, TimerKey, Tombstone, Traces,
};
use crate::twin::{Cause, ErasedTwin, Input, Twin, behind};

/// How long a forgotten customer cannot return: until the store has the deletion, with a wide margin.
const FORGOTTEN: Duration = Duration::from_secs(5);

/// An erasure waiting for its round or for the store's traces.
#[derive(Debug, Clone)]
pub(super) struct WaitingErasure {
    sequence: u64,
    at: Time,
    erasure: Erasure,
    traces: Traces,
}

impl<H: Host> Machine<H> {
    /// Begins an erasure, if it is next.
    pub(super) fn begin_erasure(&mut self, host: &mut H) -> bool {
        let Some(work) = &mut self.work else { return false };
        let Some((stored, sequence, erasure)) = work.next_erasure() else { return false };
        // On event time, a request for erasure has no time of its own.
        let at = if self.mode == TimeMode::Stream { stored } else { self.clock };
        self.clock = self.clock.max(at);
        if self.tombstones.is_erased_by(&erasure.customer, erasure.id, self.clock) {
            // A duplicate, or one that arrived again by another identifier. A customer who has returned
            // since is not erased.
            self.taken.advance(Lane::Main, sequence);
            self.delete_from_stream(sequence);
            return true;
        }
        if self.is_open() {
            self.commit(host);
        }
        let traces = Traces::default();
        self.phase = Phase::Clearing(Box::new(WaitingErasure { sequence, at, erasure, traces }));
        true
    }

    /// Requests the store's traces: everything before the erasure is durable, so the store knows all of
    /// them.
    pub(super) fn trace(&mut self, wanted: Box<WaitingErasure>, host: &mut H) {
        let customer = wanted.erasure.customer.clone();
        self.phase = Phase::Tracing(wanted);
        host.trace(customer);
    }

    /// Handles the traces that [`Host::trace`] found.
    pub fn traced(&mut self, traces: Traces, wall: Time, host: &mut H) {
        let Phase::Tracing(mut wanted) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            unreachable!("traces are looked for on behalf of an erasure, and of nothing else")
        };
        wanted.traces = traces;
        let mut round = Round::default();
        round.batches.insert(wanted.erasure.customer.clone(), smallvec::SmallVec::new());
        round.erasing = Some(wanted.erasure.clone());
        self.erasing = Some(wanted);
        self.begin_round(round, host);
        self.go_on(wall, host);
    }

    /// Handles the erased twin: adds the deletion of its rows to the next commit.
    pub(super) fn take_in_erasure(&mut self, gone: ErasedTwin) {
        let Some(wanted) = self.erasing.take() else { return };
        let WaitingErasure { sequence, at, erasure, traces } = *wanted;
        let Erasure { customer, id, .. } = erasure.clone();
        self.cache.remove(&customer);
        let (partition, mark) = (self.partition, self.tombstones.mark(&customer));
        let others: Vec<(Customer, Option<u64>)> = gone.others(erasure.link).cloned().collect();
        // A customer who was only forgotten may return as soon as the store has the deletion.
        let remember = match erasure.unless_seen_after {
            None => self.policy.erasure.remember,
            Some(_) => FORGOTTEN,
        };
        let until = at + remember;
        let scans = self.forget_in_scans(&customer);
        let erasing = ErasureProgress {
            customer: Some(customer.clone()),
            mark,
            at,
            until,
            sequence,
            also: others.iter().map(|(other, _)| self.tombstones.mark(other)).collect(),
            removed: removed_rows(&gone, &traces, scans, at),
            stage: ErasureStage::Streams,
        };
        self.batch.delete_twin(partition, &customer);
        for timer in gone.timers {
            let key = TimerKey { due: timer.due, customer: customer.clone(), name: timer.name };
            self.batch.delete_timer(partition, &key);
            self.window.remove(&key);
        }
        traces.outputs.iter().for_each(|output| self.batch.delete_output(partition, *output));
        for observation in traces.observations {
            self.batch.delete_observation(partition, observation);
        }
        if erasure.unless_seen_after.is_none() {
            let tombstone = self.tombstones.next(mark, id, (at, until), sequence);
            self.batch.put_tombstone(partition, mark, &tombstone);
            if let Some(forgotten) = self.tombstones.put(mark, tombstone) {
                self.batch.delete_tombstone(partition, forgotten);
            }
        } else {
            self.tombstones.forget(mark, id, until);
        }
        self.batch.put_erasing(partition, id, &erasing);
        for (other, link) in others {
            // The owner is asked whether this identifier is theirs: it may have been unlinked meanwhile.
            let of = link.is_none().then(|| (customer.clone(), gone.epoch));
            let erasure = Erasure { customer: other, link, of, ..erasure.clone() };
            self.put_output(self.outgoing.erase(&erasure));
        }
        self.taken.advance(Lane::Main, sequence);
        self.counters.erasures += 1;
        self.cleared.erased.push((id, mark));
        self.cleared.withdrawn.extend(traces.outputs);
    }

    /// Ends an erasure that the twin refused, because its customer was seen again or has another owner.
    /// It has no effect.
    pub(super) fn end_erasing(&mut self) {
        if let Some(wanted) = self.erasing.take() {
            self.taken.advance(Lane::Main, wanted.sequence);
            self.delete_from_stream(wanted.sequence);
            let WaitingErasure { at, sequence, erasure, .. } = *wanted;
            if erasure.link.is_some() || erasure.of.is_some() {
                // The identifier has another owner by now. The request for the receipt must not wait for
                // it.
                let mark = self.tombstones.mark(&erasure.customer);
                let erasing = ErasureProgress {
                    customer: None,
                    mark,
                    at,
                    until: at + self.policy.erasure.remember,
                    sequence,
                    also: Vec::new(),
                    removed: Vec::new(),
                    stage: ErasureStage::Done(at),
                };
                self.batch.put_erasing(self.partition, erasure.id, &erasing);
            }
        }
    }

    /// Removes a customer from the scan positions; a scan that stopped at this customer restarts its row,
    /// and skips the twins that it has touched. Returns how many did.
    fn forget_in_scans(&mut self, customer: &Customer) -> u64 {
        let mut count = 0;
        for active in self.scans.iter_mut() {
            if active.progress.after.as_ref() == Some(customer) {
                active.progress.after = None;
                self.batch.put_scan(self.partition, &active.key, &active.progress);
                count += 1;
            }
        }
        count
    }

    /// Adds the position of a scan to the open batch, without the identifier of an erased customer.
    pub(super) fn store_scan(&mut self, key: &ScanKey) {
        let (cache, tombstones, now) = (&self.cache, &self.tombstones, self.clock);
        let is_gone = |customer: &Customer| {
            cache.address(customer).is_none() && tombstones.of(customer, now).is_some()
        };
        let Some(active) = self.scans.iter_mut().find(|active| active.key == *key) else {
            return;
        };
        if active.progress.after.as_ref().is_some_and(is_gone) {
            active.progress.after = None;
        }
        self.batch.put_scan(self.partition, key, &active.progress);
    }

    /// Whether a twin that is not in memory must not be loaded, because its customer was erased: its
    /// inputs are then dropped, up to the event with which the customer starts anew.
    pub(super) fn drop_inputs_of_erased(
        &mut self,
        round: &mut Round,
        customer: &Customer,
        host: &mut H,
    ) -> bool {
        if round.erasing.is_some() {
            return false;
        }
        let tombstone = self.tombstones.of(customer, self.clock).cloned();
        if tombstone.is_none() && self.tombstones.forgotten(customer, self.clock).is_none() {
            return false;
        }
        let Some(inputs) = round.batches.get_mut(customer) else { return false };
        let is_anew = |input: &Input| match &tombstone {
            Some(tombstone) => returns_after_erasure(input, tombstone),
            None => matches!(input.cause, Cause::Event(_)),
        };
        let first = inputs.iter().position(|ordered| is_anew(&ordered.input));
        let stay = first.map_or_else(smallvec::SmallVec::new, |at| inputs.drain(at..).collect());
        let dropped = std::mem::replace(inputs, stay);
        for ordered in dropped {
            if let (Some(tombstone), Some(forwarding)) = (&tombstone, forwarding(&ordered.input)) {
                self.follow(forwarding, tombstone);
            }
            round.mark_dropped(ordered.order);
        }
        if first.is_none() {
            round.batches.shift_remove(customer);
            return true;
        }
        round.lifted.extend(self.tombstones.lift(customer));
        self.drop_inputs_before_erasure_of(round, customer);
        // There is nothing to load, though the store may not know that yet.
        let address = host.activate(Box::new(Twin::new(customer.clone(), self.clock)));
        self.cache.enter(customer.clone(), address, self.next_ticket);
        self.counters.activations += 1;
        true
    }

    /// Drops the inputs of a round that belong to the time before an erasure, also for customers who have
    /// returned since.
    pub(super) fn drop_inputs_before_erasure(&mut self, round: &mut Round) {
        if self.tombstones.len() == 0 {
            return;
        }
        let may_be = |one: &IndexedInput| self.tombstones.may_be_of_before(&one.input);
        let erased = round.batches.iter().filter(|(_, inputs)| inputs.iter().any(may_be));
        let erased: Vec<Customer> = erased.map(|(customer, _)| customer.clone()).collect();
        erased.iter().for_each(|customer| self.drop_inputs_before_erasure_of(round, customer));
    }

    /// Drops the inputs of one customer that were stated, or forwarded to them, before they were erased,
    /// also if they have returned since: these belong to that time, or are copies of such inputs.
    fn drop_inputs_before_erasure_of(&mut self, round: &mut Round, customer: &Customer) {
        let known = self.tombstones.known(customer, self.clock);
        let Some(tombstone) = known.filter(|known| known.is_lifted).cloned() else { return };
        let Some(inputs) = round.batches.get_mut(customer) else { return };
        let why = |ordered: &IndexedInput| is_of_before(&ordered.input, tombstone.at);
        let (dropped, stay): (Vec<IndexedInput>, Vec<IndexedInput>) =
            std::mem::take(inputs).into_iter().partition(|ordered| why(ordered).is_some());
        let is_over = stay.is_empty();
        *inputs = stay.into();
        for ordered in dropped {
            // An identifier that was linked after the erasure, and forwards earlier statements, is not
            // the one of that time.
            if why(&ordered) == Some(ErasedPast::Moved)
                && let Some(forwarding) = forwarding(&ordered.input)
            {
                self.follow(forwarding, &tombstone);
            }
            round.mark_dropped(ordered.order);
        }
        if is_over {
            round.batches.shift_remove(customer);
        }
    }

    /// Erases the identifier that forwards something to an erased customer: it is the same customer.
    fn follow(&mut self, forwarding: &Forwarding, tombstone: &Tombstone) {
        for (customer, link) in behind(forwarding) {
            let erasure = Erasure { link, ..Erasure::requested(customer, tombstone.id) };
            self.put_output(self.outgoing.erase(&erasure));
        }
    }

    /// Whether an unusable message belongs to an erased customer, or names one, in any partition: then no
    /// dead letter keeps its bytes. A memory is kept for its addressee.
    pub(super) fn is_of_erased(&self, original: &Original) -> bool {
        if !self.tombstones.is_anybody_erased() {
            return false;
        }
        let mut about = self.outgoing.about(&original.subject);
        if !self.carries_memory(original) {
            let headers: Vec<Header<'_>> = original.headers.iter().collect();
            about.extend(named_in(&headers, &original.payload));
        }
        about.iter().any(|customer| self.tombstones.is_erased(customer, self.clock))
    }

    /// Drops a message of an erased customer: it only has to be deleted from the stream.
    pub(super) fn delete_from_stream(&mut self, sequence: u64) {
        self.batch.put_event_of_erased(self.partition, sequence);
        self.cleared.events.push(sequence);
    }

    /// Lifts the tombstones of customers who returned in a round, in the commit with their inputs. Before
    /// that commit, a crash would let their events recreate them.
    pub(super) fn keep_lifted(&mut self, lifted: &[Pseudonym]) {
        self.keep_tombstones(lifted);
    }

    /// Removes expired tombstones, unless something that was sent before them is still to come.
    pub(super) fn expire_tombstones(&mut self, taken_in: u64) {
        self.tombstones.set_taken_in(taken_in);
        let longer = self.tombstones.prolong(self.clock, self.policy.erasure.remember);
        self.keep_tombstones(&longer);
        for mark in self.tombstones.expire(self.clock) {
            self.batch.delete_tombstone(self.partition, mark);
        }
    }

    fn keep_tombstones(&mut self, marks: &[Pseudonym]) {
        for mark in marks {
            if let Some(tombstone) = self.tombstones.by_mark(*mark) {
                self.batch.put_tombstone(self.partition, *mark, tombstone);
            }
        }
    }
}

/// The forwarding of an input, if another twin forwarded it.
fn forwarding(input: &Input) -> Option<&Forwarding> {
    match &input.cause {
        Cause::Event(event) => event.forwarding.as_deref(),
        Cause::Timer(_) | Cause::Broadcast(_) => None,
    }
}

impl Round {
    /// Marks the item at `order` as dropped: it is for an erased customer.
    fn mark_dropped(&mut self, order: u32) {
        let Some(item) = self.items.get_mut(order as usize) else { return };
        match item {
            RoundItem::Event { sequence, lane, .. } => {
                *item = RoundItem::Dropped { place: Some((*lane, *sequence)) };
            }
            RoundItem::Ask { rejection, .. } => *rejection = Some(super::super::ask::erased()),
            RoundItem::Timer { .. } | RoundItem::Wake { .. } => {
                *item = RoundItem::Dropped { place: None }
            }
            RoundItem::Dropped { .. } => {}
        }
    }
}

/// What the deletion of a twin removes from the store, for the receipt.
fn removed_rows(gone: &ErasedTwin, traces: &Traces, scans: u64, at: Time) -> Vec<Removed> {
    let rows = [
        ("blocks of the timeline", traces.blocks),
        ("decisions", traces.decisions),
        ("journalled inputs", traces.journal),
        ("unpublished outputs", traces.outputs.len() as u64),
        ("observations", traces.observations.len() as u64),
        ("links", gone.identifiers.len() as u64),
        ("scan positions", scans),
    ];
    let counted = gone.held.iter().copied().chain(rows).filter(|(_, count)| *count > 0);
    let removed = |(what, count): (&str, u64)| Removed {
        place: "store".into(),
        what: what.into(),
        count,
        at,
    };
    counted.map(removed).collect()
}
