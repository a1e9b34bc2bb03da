//! What can happen next: each time one thing, of one partition or of what all of them use.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jumeau::codec::{Error, RecordKind};
use jumeau::event::{Customer, Delivery, Output, Time};
use jumeau::partition::{
    BatchFailure, BatchResult, HandlerPanic, OversizedTwin, Pulled, TimeMode, TwinBatch, TwinCell,
    revive,
};
use jumeau::tables::{Batch, Fault, Read};
use jumeau::twin::Cause;
use rand::RngExt;

use super::super::{asked, links, shared};
use super::World;

/// By how much the clock on the wall is set wrong: far more than any timer here takes.
const JUMP_MS: i64 = 300_000;

impl World {
    /// The time on the wall.
    fn wall(&self) -> Time {
        Time::from_ms(self.now.ms() + self.off_ms)
    }

    /// One of the things that can happen to any partition.
    pub(super) fn go_on(&mut self, what: u32, with_faults: bool) {
        let Some(running) = &self.running else { return };
        let at = self.rng.random_range(0..running.len());
        let has_batches = !running[at].desk.batches.is_empty();
        match what {
            0 if self.lanes.is_some() && self.rng.random_bool(0.7) => {
                self.go_slowly(at, with_faults);
            }
            0 | 1 => self.pull(at, with_faults),
            2..=4 if has_batches => self.deliver(at),
            5 => self.read_store(at),
            6 if self.log.is_some() => self.append(at, with_faults),
            // So seldom that a crash loses what was applied since.
            7 if self.log.is_some() => {
                if self.rng.random_bool(0.2) {
                    self.flush();
                }
            }
            6 => self.write_commits(with_faults),
            7 => self.sync_commits(with_faults),
            8 => self.report_durable(at),
            9 => self.publish(at),
            10 => self.confirm(at),
            _ => self.let_time_pass(at, with_faults),
        }
    }

    /// The intake hands over the next events of the stream.
    fn pull(&mut self, at: usize, with_faults: bool) {
        let Some(running) = &mut self.running else { return };
        let one = &mut running[at];
        let events = &self.stream[at];
        if with_faults && self.rng.random_bool(0.05) {
            // The consumer was reset: it begins again behind what is acknowledged.
            one.pulled = self.acknowledged[at];
        }
        let upto = (one.pulled + self.rng.random_range(0..8)).min(events.len());
        let read = &events[one.pulled..upto];
        let deliveries: Vec<Delivery> = match &self.lanes {
            Some(lanes) => lanes.main(read),
            None => read.iter().map(|stored| stored.delivery.clone()).collect(),
        };
        // The stream cannot have stored an event before it is delivered.
        if let Some(last) = read.last() {
            self.now = self.now.max(last.delivery.stored);
        }
        let token = (!read.is_empty()).then_some(upto as u64);
        one.pulled = upto;
        self.delivered[at] = self.delivered[at].max(upto);
        let pulled = Pulled { deliveries, token, is_last: upto == events.len() };
        let wall = Time::from_ms(self.now.ms() + self.off_ms);
        one.machine.pulled(pulled, wall, &mut one.desk);
    }

    /// The slow lane of a partition goes on, or it is opened or closed.
    fn go_slowly(&mut self, at: usize, with_faults: bool) {
        let (Some(running), Some(lanes)) = (&mut self.running, &mut self.lanes) else { return };
        let pulled: Vec<usize> = running.iter().map(|one| one.pulled).collect();
        let upto = [&*self.delivered, &*pulled, &*self.acknowledged];
        let rng = &mut self.rng;
        self.seen.slowed += u64::from(lanes.turn(&self.stream, upto, rng, with_faults));
        let is_reset = with_faults && rng.random_bool(0.05);
        let count = rng.random_range(0..8);
        let events = &self.stream[at];
        let (deliveries, token) = lanes.slow(at, events, pulled[at], count, is_reset);
        let is_last = pulled[at] == events.len();
        let pulled = Pulled { deliveries, token: Some(token), is_last };
        let one = &mut running[at];
        let wall = Time::from_ms(self.now.ms() + self.off_ms);
        one.machine.pulled(pulled, wall, &mut one.desk);
    }

    /// One of the twins reacts to what was delivered to it.
    fn deliver(&mut self, at: usize) {
        let now = self.wall();
        let Some(running) = &mut self.running else { return };
        let one = &mut running[at];
        let which = self.rng.random_range(0..one.desk.batches.len());
        let (cell, batch) = one.desk.batches.remove(which);
        let done = react(&self.poison[at], &cell, batch);
        self.seen.panics += u64::from(done.result.is_err());
        one.machine.complete(done, now, &mut one.desk);
    }

    /// The store answers one of the partition's requests.
    fn read_store(&mut self, at: usize) {
        let now = self.wall();
        let Some(running) = &mut self.running else { return };
        let (one, partition) = (&mut running[at], at as u16);
        if let Some(customers) = one.desk.load.take() {
            let found = self.memory.load(partition, &customers).unwrap();
            let twins = customers
                .into_iter()
                .zip(found)
                .map(|(customer, loaded)| {
                    let twin = loaded.map(|loaded| {
                        revive(customer.clone(), &loaded.state, &loaded.timeline).unwrap()
                    });
                    (customer, twin)
                })
                .collect();
            one.machine.loaded(twins, now, &mut one.desk);
        } else if let Some((from, limit)) = one.desk.load_outputs.take() {
            let outputs = self.memory.outbox(partition, from, limit).unwrap();
            one.machine.outputs_loaded(outputs, now, &mut one.desk);
        } else if let Some(limit) = one.desk.load_timers.take() {
            let timers = self.memory.timers(partition, None, limit).unwrap();
            one.machine.timers_loaded(timers, now, &mut one.desk);
        } else if let Some(customer) = one.desk.trace.take() {
            let traces = self.memory.traces(partition, &customer).unwrap();
            one.machine.traced(traces, now, &mut one.desk);
        } else if let Some((row, after, limit)) = one.desk.find.take() {
            let found = self.memory.customers(partition, row, after.as_ref(), limit);
            one.machine.found(found.unwrap(), now, &mut one.desk);
        }
    }

    /// The committer writes some of what waits, of every partition.
    fn write_commits(&mut self, with_faults: bool) {
        let Some(running) = &mut self.running else { return };
        for (at, one) in running.iter_mut().enumerate() {
            self.committing.extend(one.desk.commits.drain(..).map(|(t, b)| (at, t, b)));
        }
        let count = self.rng.random_range(0..=self.committing.len());
        let group: Vec<_> = self.committing.drain(..count).collect();
        if group.is_empty() {
            return;
        }
        if with_faults && self.rng.random_bool(0.02) {
            self.memory.inject(Fault::Write);
        }
        let batches: Vec<Batch> = group.iter().map(|(.., batch)| batch.clone()).collect();
        self.written.extend(group.iter().map(|(at, ticket, _)| (*at, *ticket)));
        if self.memory.write(&batches).is_err() {
            // A failed write ends the process.
            self.crash();
        }
    }

    /// What is written becomes durable.
    fn sync_commits(&mut self, with_faults: bool) {
        let Some(running) = &mut self.running else { return };
        if with_faults && self.rng.random_bool(0.02) {
            self.memory.inject(Fault::Sync);
        }
        if self.memory.sync().is_err() {
            self.crash();
            return;
        }
        for (at, ticket) in self.written.drain(..) {
            running[at].durable.push_back(ticket);
        }
    }

    /// The partition hears that a commit is durable, and the stream what it acknowledges.
    fn report_durable(&mut self, at: usize) {
        let now = self.wall();
        let Some(running) = &mut self.running else { return };
        let one = &mut running[at];
        if let Some(ticket) = one.durable.pop_front() {
            one.machine.committed(ticket, now, &mut one.desk);
            let cursor = one.machine.counters().cursor;
            if cursor < one.last_cursor {
                self.found.push(format!("the cursor fell from {} to {cursor}", one.last_cursor));
            }
            one.last_cursor = cursor;
        }
        for token in one.desk.acknowledged.drain(..) {
            let lanes = self.lanes.as_mut();
            if lanes.is_some_and(|lanes| lanes.acknowledge(at, &self.stream[at], token)) {
                continue;
            }
            self.acknowledged[at] = self.acknowledged[at].max(token as usize);
        }
    }

    /// The broker takes outputs one by one; an answer may get lost on the way.
    fn publish(&mut self, at: usize) {
        let Some(running) = &mut self.running else { return };
        let one = &mut running[at];
        let count = self.rng.random_range(0..=one.desk.publish.len());
        let outputs: Vec<(u64, Output)> = one.desk.publish.drain(..count).collect();
        one.confirmed.extend(outputs.iter().map(|(sequence, _)| *sequence));
        let taken = outputs.into_iter().filter_map(|(_, output)| self.broker_takes(output));
        let said: Vec<_> = taken.collect();
        for (customer, decision) in said {
            self.respond(&customer, &decision);
        }
    }

    /// The broker stores one output, which may be there already. Returns the customer and the decision of
    /// a new action.
    fn broker_takes(&mut self, output: Output) -> Option<(Customer, Box<str>)> {
        let is_new = !self.broker.contains_key(&output.id);
        let is_memory = links::is_memory(&output);
        if output.subject.starts_with("jumeau.events.") {
            // The stream remembers no ids, but takes one message on a memory's subject.
            let is_sent_again = !is_memory && self.rng.random_bool(0.1);
            let copies = u64::from(is_new || !is_memory) + u64::from(is_sent_again);
            self.seen.doubled += u64::from(is_sent_again || !is_new);
            for _ in 0..copies {
                links::store(&mut self.stream, &self.delivered, &output, &mut self.rng);
            }
        }
        let said = (is_new && output.subject.starts_with("jumeau.actions.")).then(|| {
            let token = output.subject.rsplit('.').next().unwrap();
            let told: serde_json::Value = serde_json::from_slice(&output.payload).unwrap();
            let decision: Box<str> = told["id"].as_str().unwrap().into();
            (Customer::from_token(token).unwrap(), decision)
        });
        if is_new
            && output.subject.starts_with("jumeau.escalations.")
            && let Some(people) = &mut self.people
        {
            people.take_output(&output);
        }
        match self.broker.get(&output.id) {
            Some(known) if *known == output => self.seen.published_again += 1,
            Some(known) => {
                self.found.push(format!("two contents of one id: {known:?} {output:?}"));
            }
            None => drop(self.broker.insert(output.id.clone(), output)),
        }
        said
    }

    /// The partition hears which outputs the broker has.
    fn confirm(&mut self, at: usize) {
        let now = self.wall();
        let Some(running) = &mut self.running else { return };
        let one = &mut running[at];
        one.confirmed.append(&mut one.desk.withdrawn);
        let confirmed = std::mem::take(&mut one.confirmed);
        if !confirmed.is_empty() {
            one.machine.confirmed(&confirmed, now, &mut one.desk);
        }
    }

    /// Time passes, and with it come another policy, a full disk, and housekeeping.
    fn let_time_pass(&mut self, at: usize, with_faults: bool) {
        let Some(running) = &mut self.running else { return };
        let rng = &mut self.rng;
        if self.shares && with_faults && rng.random_bool(0.02) {
            self.policy = shared::a_policy(rng);
            for one in running.iter_mut() {
                one.machine.set_policy(self.policy.clone());
            }
        }
        let one = &mut running[at];
        let most = if with_faults || self.seen.jumps == 0 { 900 } else { 9_000 };
        self.now = self.now + Duration::from_millis(rng.random_range(0..most));
        if with_faults && rng.random_bool(0.05) {
            // The clock on the wall may be set right again, or not.
            self.off_ms = [0, -JUMP_MS, JUMP_MS][rng.random_range(0..3)];
            self.seen.jumps += 1;
        }
        let now = Time::from_ms(self.now.ms() + self.off_ms);
        match self.mode {
            TimeMode::Stream => one.machine.tick(now, &mut one.desk),
            TimeMode::Event => one.machine.advance(self.now, now, &mut one.desk),
        }
        if with_faults && rng.random_bool(0.05) {
            let has_room = rng.random_bool(0.7);
            one.machine.set_room(has_room, now, &mut one.desk);
            self.seen.held += u64::from(!has_room);
        }
        one.machine.tidy(self.now, self.taken_in, &mut one.desk);
        let rested = std::mem::take(&mut one.desk.rested);
        self.seen.rests += rested.len() as u64;
        one.machine.rested(&rested);
    }
}

/// Runs a batch on a twin; it fails if one of its events is poison.
fn react(poison: &BTreeSet<u64>, cell: &Rc<RefCell<TwinCell>>, batch: TwinBatch) -> BatchResult {
    let is_poison =
        |fingerprint: u64| asked::is_poison(fingerprint) || poison.contains(&fingerprint);
    let culprit = batch.inputs.iter().position(|ordered| {
        matches!(ordered.input.cause, Cause::Event(_)) && is_poison(ordered.input.fingerprint)
    });
    let mut cell = cell.borrow_mut();
    let Some(position) = culprit else { return cell.handle(batch) };
    // What came before it has changed the state in memory already: that must not survive.
    let before = TwinBatch { inputs: batch.inputs[..position].into(), ..batch };
    let customer = cell.twin().customer.clone();
    let _ = cell.handle(before);
    let inputs = batch.inputs;
    let fingerprint = inputs[position].input.fingerprint;
    let failed = if fingerprint.is_multiple_of(2) || asked::is_poison(fingerprint) {
        BatchFailure::Panic(HandlerPanic { inputs, position, message: "poison".to_owned() })
    } else {
        // It makes the twin too large.
        let position = Some(position).filter(|_| batch.is_measured || inputs.len() == 1);
        let error = Error::Unwritable { kind: RecordKind::Twin, detail: "poison".to_owned() };
        BatchFailure::TooLarge(OversizedTwin { inputs, position, error })
    };
    BatchResult { customer, result: Err(failed) }
}
