//! Commits: when the open batch goes, and what follows once it is durable.

use super::super::ask::PendingAnswers;
use super::super::host::{Cleared, Host};
use super::Machine;
use crate::config::settings::TimeMode;
use crate::event::{Output, Time};
use crate::tables::{Batch, Urgency};

/// A commit on its way.
pub(super) struct InFlight<T, R> {
    pub(super) ticket: u64,
    pub(super) urgency: Urgency,
    pub(super) tokens: Vec<T>,
    pub(super) answers: PendingAnswers<R>,
    pub(super) outputs: Vec<(u64, Output)>,
    pub(super) cleared: Cleared,
    pub(super) events: usize,
    pub(super) cursor: u64,
}

/// Room that an open batch has from the start, at most: a partition that falls idle keeps it.
const OPEN_BATCH_BYTES: usize = 256 * 1024;

impl<H: Host> Machine<H> {
    /// Takes in that a commit is durable: now, and only now, the world may know of it.
    pub fn committed(&mut self, ticket: u64, wall: Time, host: &mut H) {
        let Some(durable) = self.in_flight.pop_front() else {
            unreachable!("only commits on their way become durable")
        };
        assert_eq!(durable.ticket, ticket, "commits become durable in their order");
        // First those who wait for them.
        self.answer(durable.answers, host);
        durable.tokens.into_iter().for_each(|token| host.acknowledge(token));
        if !durable.cleared.is_empty() {
            host.clear(durable.cleared);
        }
        if !durable.outputs.is_empty() {
            host.publish(durable.outputs);
        }
        self.counters.commits += 1;
        self.counters.cursor = durable.cursor;
        self.counters.in_flight -= durable.events as u64;
        self.durable = ticket;
        self.passivate(ticket);
        self.go_on(wall, host);
    }

    /// Whether something waits to be sent off with the next commit.
    pub(super) fn is_open(&self) -> bool {
        !self.batch.is_empty()
            || !self.tokens.is_empty()
            || !self.open_answers.is_empty()
            || self.open_events > 0
    }

    /// Whether no commit is on its way for which the open batch has to wait: what somebody waits for
    /// goes along with what nobody does.
    pub(super) fn is_free(&self) -> bool {
        self.in_flight.is_empty()
            || self.urgency() == Urgency::Immediate
                && self.in_flight.iter().all(|earlier| earlier.urgency == Urgency::Deferred)
    }

    /// Whether somebody waits until the open batch is durable: in event time whoever advances it does.
    pub(super) fn urgency(&self) -> Urgency {
        let is_awaited = self.mode == TimeMode::Event
            || !self.tokens.is_empty()
            || !self.open_answers.is_empty()
            || !self.outputs.is_empty()
            || !self.cleared.is_empty();
        if is_awaited { Urgency::Immediate } else { Urgency::Deferred }
    }

    /// Sends the open batch off, with the cursor of everything that is in it.
    pub(super) fn commit(&mut self, host: &mut H) {
        let urgency = self.urgency();
        // The next one will be about as long.
        let room = Batch::with_capacity(self.batch.bytes().min(OPEN_BATCH_BYTES));
        let mut batch = std::mem::replace(&mut self.batch, room);
        let tokens = std::mem::take(&mut self.tokens);
        let answers = std::mem::take(&mut self.open_answers);
        let events = std::mem::take(&mut self.open_events);
        for sequence in self.confirmed.drain(..) {
            batch.delete_output(self.partition, sequence);
        }
        if batch.is_empty() && events == 0 && self.in_flight.is_empty() {
            // Everything in it was taken in and durable before.
            self.answer(answers, host);
            tokens.into_iter().for_each(|token| host.acknowledge(token));
            return;
        }
        self.results.put(self.partition, &mut batch);
        batch.set_cursor(self.partition, self.taken.main);
        if self.taken.slow > 0 {
            batch.set_slow_cursor(self.partition, self.taken.slow);
        }
        while self.stored.get(1).is_some_and(|(sequence, _)| *sequence <= self.taken.main) {
            self.stored.pop_front();
        }
        // Without events, the row is as it was.
        if let Some((_, stored)) = self.stored.front().filter(|(at, _)| *at == self.taken.main) {
            batch.set_stored(self.partition, Some(*stored));
        }
        batch.set_next_output(self.partition, self.next_output);
        batch.set_next_input(self.partition, self.next_input);
        batch.set_clock(self.partition, self.clock);
        let outputs = std::mem::take(&mut self.outputs);
        let cleared = std::mem::take(&mut self.cleared);
        self.unconfirmed += outputs.len();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let cursor = self.taken.main;
        self.in_flight.push_back(InFlight {
            ticket,
            urgency,
            tokens,
            answers,
            outputs,
            cleared,
            events,
            cursor,
        });
        host.commit(ticket, batch, urgency);
    }

    /// Lets the coldest twins go while there are too many; one that is not wholly durable stays.
    fn passivate(&mut self, durable: u64) {
        while self.cache.evict(&self.bounds, durable) {
            self.counters.passivations += 1;
        }
    }
}
