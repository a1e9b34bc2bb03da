//! A customer is erased: everything of theirs goes in one commit, and a mark stays so that what
//! comes late does not bring them back.
//!
//! An erasure is a round of its own. Before it everything is made durable, so that the store knows
//! every row that has to go; from it on the twin is not loaded any more, because the mark is asked
//! first. What lies outside the store is for the host to clear, once all this is durable.

use std::time::Duration;

use super::super::cell::IndexedInput;
use super::super::host::Host;
use super::super::round::{Round, RoundItem};
use super::super::tombstones::{ErasedPast, begins_anew, is_of_before};
use super::{Machine, Phase};
use crate::config::settings::TimeMode;
use crate::event::{Customer, Erasure, Forwarding, Header, Lane, Original, Time, named_in};
use crate::tables::{
    ErasureProgress, ErasureStage, Pseudonym, Removed, ScanKey, TimerKey, Tombstone, Traces,
};
use crate::twin::{Cause, ErasedTwin, Input, Twin, behind};

/// So long nobody comes back who was forgotten: until the store knows of it, and much longer.
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
    /// Takes an erasure in hand, if it comes next.
    pub(super) fn begin_erasure(&mut self, host: &mut H) -> bool {
        let Some(work) = &mut self.work else { return false };
        let Some((stored, sequence, erasure)) = work.next_erasure() else { return false };
        // In event time nobody says when it was wished for.
        let at = if self.mode == TimeMode::Stream { stored } else { self.clock };
        self.clock = self.clock.max(at);
        if self.tombstones.is_erased_by(&erasure.customer, erasure.id, self.clock) {
            // It came round by another identifier, or is a copy. Whoever has come back since was not
            // meant.
            self.taken.advance(Lane::Main, sequence);
            self.let_late_go(sequence);
            return true;
        }
        if self.is_open() {
            self.commit(host);
        }
        let traces = Traces::default();
        self.phase = Phase::Clearing(Box::new(WaitingErasure { sequence, at, erasure, traces }));
        true
    }

    /// Everything before it is durable: the store knows what there is.
    pub(super) fn trace(&mut self, wanted: Box<WaitingErasure>, host: &mut H) {
        let customer = wanted.erasure.customer.clone();
        self.phase = Phase::Tracing(wanted);
        host.trace(customer);
    }

    /// Takes in what [`Host::trace`] asked for.
    pub fn traced(&mut self, traces: Traces, wall: Time, host: &mut H) {
        let Phase::Tracing(mut wanted) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            unreachable!("traces are looked for on behalf of an erasure, and of nothing else")
        };
        wanted.traces = traces;
        let mut round = Round::default();
        round.errands.insert(wanted.erasure.customer.clone(), smallvec::SmallVec::new());
        round.erasing = Some(wanted.erasure.clone());
        self.erasing = Some(wanted);
        self.begin_round(round, host);
        self.go_on(wall, host);
    }

    /// The twin has let go of everything: so does the store, with the next commit.
    pub(super) fn take_in_erasure(&mut self, gone: ErasedTwin) {
        let Some(wanted) = self.erasing.take() else { return };
        let WaitingErasure { sequence, at, erasure, traces } = *wanted;
        let Erasure { customer, id, .. } = erasure.clone();
        self.cache.remove(&customer);
        let (partition, mark) = (self.partition, self.tombstones.mark(&customer));
        let others: Vec<(Customer, Option<u64>)> = gone.others(erasure.link).cloned().collect();
        // Who was only forgotten may come back at once: as soon as the store knows of it.
        let remember = match erasure.unless_seen_after {
            None => self.policy.erasure.remember,
            Some(_) => FORGOTTEN,
        };
        let until = at + remember;
        let mut removed: Vec<(&str, u64)> = gone.held.clone();
        removed.extend([
            ("blocks of the timeline", traces.blocks),
            ("decisions", traces.decisions),
            ("journalled inputs", traces.journal),
            ("unpublished outputs", traces.outputs.len() as u64),
            ("answers to learn from", traces.observations.len() as u64),
            ("links", gone.identifiers.len() as u64),
        ]);
        removed.push(("places in sweeps", self.forget_in_scans(&customer)));
        let removed = removed.into_iter().filter(|(_, count)| *count > 0);
        let removed = removed.map(|(what, count)| Removed {
            place: "store".into(),
            what: what.into(),
            count,
            at,
        });
        let erasing = ErasureProgress {
            customer: Some(customer.clone()),
            mark,
            at,
            until,
            sequence,
            also: others.iter().map(|(other, _)| self.tombstones.mark(other)).collect(),
            removed: removed.collect(),
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
            // Whoever is above is asked whether this is theirs: they may have parted from it meanwhile.
            let of = link.is_none().then(|| (customer.clone(), gone.epoch));
            let erasure = Erasure { customer: other, link, of, ..erasure.clone() };
            self.put_output(self.outgoing.erase(&erasure));
        }
        self.taken.advance(Lane::Main, sequence);
        self.counters.erasures += 1;
        self.cleared.erased.push((id, mark));
        self.cleared.withdrawn.extend(traces.outputs);
    }

    /// The twin did not let go: its customer was seen again, or is another one. Nothing comes of the
    /// wish.
    pub(super) fn end_erasing(&mut self) {
        if let Some(wanted) = self.erasing.take() {
            self.taken.advance(Lane::Main, wanted.sequence);
            self.let_late_go(wanted.sequence);
            let WaitingErasure { at, sequence, erasure, .. } = *wanted;
            if erasure.link.is_some() || erasure.of.is_some() {
                // It is somebody else by now. Whoever waits for the receipt is not to wait for it.
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

    /// No sweep remembers that it stopped at this customer; one that did begins its row anew, and
    /// passes over whom it has touched. Returns how many did.
    fn forget_in_scans(&mut self, customer: &Customer) -> u64 {
        let mut count = 0;
        for ongoing in self.sweeps.iter_mut() {
            if ongoing.sweep.after.as_ref() == Some(customer) {
                ongoing.sweep.after = None;
                self.batch.put_sweep(self.partition, &ongoing.key, &ongoing.sweep);
                count += 1;
            }
        }
        count
    }

    /// How far a sweep is goes into the open batch, without the name of anybody who was erased.
    pub(super) fn store_scan(&mut self, key: &ScanKey) {
        let (cache, tombstones, now) = (&self.cache, &self.tombstones, self.clock);
        let is_gone = |customer: &Customer| {
            cache.address(customer).is_none() && tombstones.of(customer, now).is_some()
        };
        let Some(ongoing) = self.sweeps.iter_mut().find(|ongoing| ongoing.key == *key) else {
            return;
        };
        if ongoing.sweep.after.as_ref().is_some_and(is_gone) {
            ongoing.sweep.after = None;
        }
        self.batch.put_sweep(self.partition, key, &ongoing.sweep);
    }

    /// Whether a twin that is not in memory is not to be loaded, because its customer was erased:
    /// then what came for it is dropped, up to the event by which the customer begins anew.
    pub(super) fn drop_late(
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
        let Some(inputs) = round.errands.get_mut(customer) else { return false };
        let is_anew = |input: &Input| match &tombstone {
            Some(tombstone) => begins_anew(input, tombstone),
            None => matches!(input.cause, Cause::Event(_)),
        };
        let first = inputs.iter().position(|ordered| is_anew(&ordered.input));
        let stay = first.map_or_else(smallvec::SmallVec::new, |at| inputs.drain(at..).collect());
        let late = std::mem::replace(inputs, stay);
        for ordered in late {
            if let (Some(tombstone), Some(passed)) = (&tombstone, passed(&ordered.input)) {
                self.follow(passed, tombstone);
            }
            round.write_late_dead_letter(ordered.order);
        }
        if first.is_none() {
            round.errands.shift_remove(customer);
            return true;
        }
        round.lifted.extend(self.tombstones.lift(customer));
        self.drop_what_was_before_of(round, customer);
        // There is nothing to load, though the store may not know it yet.
        let address = host.activate(Box::new(Twin::new(customer.clone(), self.clock)));
        self.cache.enter(customer.clone(), address, self.next_ticket);
        self.counters.activations += 1;
        true
    }

    /// What is of the days before customers were erased is late, also where they have come back since.
    pub(super) fn drop_what_was_before(&mut self, round: &mut Round) {
        if self.tombstones.len() == 0 {
            return;
        }
        let may_be = |one: &IndexedInput| self.tombstones.may_be_of_before(&one.input);
        let told = round.errands.iter().filter(|(_, inputs)| inputs.iter().any(may_be));
        let told: Vec<Customer> = told.map(|(customer, _)| customer.clone()).collect();
        told.iter().for_each(|customer| self.drop_what_was_before_of(round, customer));
    }

    /// What was said of a customer, or passed on to them, before they were erased is late, also where
    /// they have come back since: it is of those days, or a copy of what was.
    fn drop_what_was_before_of(&mut self, round: &mut Round, customer: &Customer) {
        let known = self.tombstones.known(customer, self.clock);
        let Some(tombstone) = known.filter(|known| known.is_lifted).cloned() else { return };
        let Some(inputs) = round.errands.get_mut(customer) else { return };
        let why = |ordered: &IndexedInput| is_of_before(&ordered.input, tombstone.at);
        let (late, stay): (Vec<IndexedInput>, Vec<IndexedInput>) =
            std::mem::take(inputs).into_iter().partition(|ordered| why(ordered).is_some());
        let is_over = stay.is_empty();
        *inputs = stay.into();
        for ordered in late {
            // Who was linked since, and hands on what was said before that, is not the one of then.
            if why(&ordered) == Some(ErasedPast::Moved)
                && let Some(passed) = passed(&ordered.input)
            {
                self.follow(passed, &tombstone);
            }
            round.write_late_dead_letter(ordered.order);
        }
        if is_over {
            round.errands.shift_remove(customer);
        }
    }

    /// Whoever passes something on to a customer who was erased is the same customer.
    fn follow(&mut self, passed: &Forwarding, tombstone: &Tombstone) {
        for (customer, link) in behind(passed) {
            let erasure = Erasure { link, ..Erasure::wanted(customer, tombstone.id) };
            self.put_output(self.outgoing.erase(&erasure));
        }
    }

    /// Whether a message of which nothing comes is of a customer who was erased, or names one, whatever
    /// their partition: then no letter keeps its bytes. A memory is kept for the sake of whoever it is
    /// addressed to.
    pub(super) fn is_late(&self, original: &Original) -> bool {
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

    /// A message of a customer who was erased: all that is left to do is to take it out of the
    /// stream.
    pub(super) fn let_late_go(&mut self, sequence: u64) {
        self.batch.put_late(self.partition, sequence);
        self.cleared.late.push(sequence);
    }

    /// Those who have come back in a round may, from the commit on that has what they did. Before it,
    /// a crash would have them come back by what came too late.
    pub(super) fn keep_lifted(&mut self, lifted: &[Pseudonym]) {
        self.keep_tombstones(lifted);
    }

    /// Tombstones whose time is over go, unless something that was sent before them is still to come.
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

/// How an input came to its twin, if another passed it on.
fn passed(input: &Input) -> Option<&Forwarding> {
    match &input.cause {
        Cause::Event(event) => event.passed.as_deref(),
        Cause::Timer(_) | Cause::Broadcast(_) => None,
    }
}

impl Round {
    /// What stands at `order` came for a customer who was erased.
    fn write_late_dead_letter(&mut self, order: u32) {
        let Some(item) = self.items.get_mut(order as usize) else { return };
        match item {
            RoundItem::Event { sequence, lane, .. } => {
                *item = RoundItem::Late { place: Some((*lane, *sequence)) };
            }
            RoundItem::Ask { rejection, .. } => *rejection = Some(super::super::ask::erased()),
            RoundItem::Timer { .. } | RoundItem::Wake { .. } => {
                *item = RoundItem::Late { place: None }
            }
            RoundItem::Late { .. } => {}
        }
    }
}
