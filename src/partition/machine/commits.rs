//! Commits: when the open batch is submitted, and what follows once it is durable.

use super::super::ask::PendingAnswers;
use super::super::host::{Cleared, Host};
use super::Machine;
use crate::config::settings::TimeMode;
use crate::event::{Output, Time};
use crate::tables::{Batch, Urgency};

/// A commit in flight.
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

/// Maximum initial capacity of an open batch: an idle partition keeps it allocated.
const OPEN_BATCH_BYTES: usize = 256 * 1024;

impl<H: Host> Machine<H> {
    /// Handles a durable commit: only now may its results be published, acknowledged and answered.
    pub fn committed(&mut self, ticket: u64, wall: Time, host: &mut H) {
        let Some(durable) = self.in_flight.pop_front() else {
            unreachable!("only commits on their way become durable")
        };
        assert_eq!(durable.ticket, ticket, "commits become durable in their order");
        // Answers first: callers are waiting.
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

    /// Whether something waits for the next commit.
    pub(super) fn is_open(&self) -> bool {
        !self.batch.is_empty()
            || !self.tokens.is_empty()
            || !self.open_answers.is_empty()
            || self.open_events > 0
    }

    /// Whether the open batch need not wait for a commit in flight: an immediate batch takes deferred
    /// ones along.
    pub(super) fn is_free(&self) -> bool {
        self.in_flight.is_empty()
            || self.urgency() == Urgency::Immediate
                && self.in_flight.iter().all(|earlier| earlier.urgency == Urgency::Deferred)
    }

    /// The urgency of the open batch: immediate if a caller waits for it, such as one who advances event
    /// time.
    pub(super) fn urgency(&self) -> Urgency {
        let is_awaited = self.mode == TimeMode::Event
            || !self.tokens.is_empty()
            || !self.open_answers.is_empty()
            || !self.outputs.is_empty()
            || !self.cleared.is_empty();
        if is_awaited { Urgency::Immediate } else { Urgency::Deferred }
    }

    /// Submits the open batch, with the cursor of everything in it.
    pub(super) fn commit(&mut self, host: &mut H) {
        let urgency = self.urgency();
        // The next batch will have about the same length.
        let room = Batch::with_capacity(self.batch.bytes().min(OPEN_BATCH_BYTES));
        let mut batch = std::mem::replace(&mut self.batch, room);
        let tokens = std::mem::take(&mut self.tokens);
        let answers = std::mem::take(&mut self.open_answers);
        let events = std::mem::take(&mut self.open_events);
        for sequence in self.outbox.confirmed.drain(..) {
            batch.delete_output(self.partition, sequence);
        }
        if batch.is_empty() && events == 0 && self.in_flight.is_empty() {
            // Everything in it was processed and durable before.
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
        // Without events, the row is unchanged.
        if let Some((_, stored)) = self.stored.front().filter(|(at, _)| *at == self.taken.main) {
            batch.set_stored(self.partition, Some(*stored));
        }
        batch.set_next_output(self.partition, self.outbox.next);
        batch.set_next_input(self.partition, self.next_input);
        batch.set_clock(self.partition, self.clock);
        let outputs = std::mem::take(&mut self.outputs);
        let cleared = std::mem::take(&mut self.cleared);
        self.outbox.unconfirmed += outputs.len();
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

    /// Passivates the least recently used twins while there are too many; twins that are not completely
    /// durable stay.
    fn passivate(&mut self, durable: u64) {
        while self.cache.passivate(&self.bounds, durable) {
            self.counters.passivations += 1;
        }
    }
}
