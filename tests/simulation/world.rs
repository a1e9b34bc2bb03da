use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jumeau::bus::Subjects;
use jumeau::event::{
    Channel, Content, Customer, Delivery, Event, Headers, Kind, Link, Named, Original, Output,
    Reason, Rejection, Time, Unlink, Value,
};
use jumeau::partition::{
    Bounds, Cell, Done, Errand, Host, Machine, Outgoing, Panicked, Pulled, Recovered, TimeMode,
    revive,
};
use jumeau::policy::{self, Files, Policy};
use jumeau::store::{Batch, Memory, Read};
use jumeau::twin::{Cause, Twin, invariants};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::links::{self, Links};

const POLICY: &str = r#"
[policy]
name = "simulation"
languages = ["en"]

[needs.more]
describe = "one more of these"
expires = "1d"

[preferences.adds]

[[rules]]
name = "count"
on = "track:Add"
then = [
  { set = "count", to = "default(facts.count, 0) + 1" },
  { set = "sum", to = "default(facts.sum, 0) + event.properties.number" },
  { raise = "more", strength = 0.5 },
  { prefer = "adds", value = '"one"' },
]

[[rules]]
name = "wait"
on = "track:Add"
when = "!default(facts.waiting, false)"
then = [
  { start = "later", after = "5s" },
  { set = "waiting", to = "true" },
  { set = "started", to = "default(facts.started, 0) + 1" },
]

[[rules]]
name = "waited"
on = "timer:later"
then = [
  { set = "waiting", to = "false" },
  { set = "fired", to = "default(facts.fired, 0) + 1" },
]

[[actions]]
name = "answer"
serves = ["more"]
issue = "service"
value = 1.0
cooldown = "0s"
[[actions.treatments]]
name = "plain"
channel = "app"
text.en = "{{ facts.count }} of {{ facts.sum }}"
"#;

pub(crate) const PARTITIONS: u16 = 3;
pub(crate) const CUSTOMERS: usize = 7;

fn the_policy() -> Arc<Policy> {
    static POLICY_ONCE: OnceLock<Arc<Policy>> = OnceLock::new();
    let load = || Arc::new(policy::load(&Files::new([("simulation.toml", POLICY)])).unwrap());
    POLICY_ONCE.get_or_init(load).clone()
}

/// An event as the stream holds it.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) delivery: Delivery,
    /// Its handler panics.
    pub(crate) is_poison: bool,
}

/// What a partition wants done, until the world gets round to it.
#[derive(Default)]
struct Desk {
    errands: Vec<(Rc<RefCell<Cell>>, Errand)>,
    load: Option<Vec<Customer>>,
    load_timers: Option<usize>,
    commits: VecDeque<(u64, Batch)>,
    acknowledged: Vec<u64>,
    publish: Vec<(u64, Output)>,
    rested: Vec<(Customer, u32)>,
}

impl Host for Desk {
    type Address = Rc<RefCell<Cell>>;
    type Token = u64;

    fn activate(&mut self, twin: Box<Twin>) -> Rc<RefCell<Cell>> {
        Rc::new(RefCell::new(Cell::new(twin)))
    }

    fn deliver(&mut self, to: &Rc<RefCell<Cell>>, errand: Errand) {
        self.errands.push((to.clone(), errand));
    }

    fn rest(&mut self, twins: Vec<(Customer, &Rc<RefCell<Cell>>)>) {
        let rested = twins.into_iter().map(|(customer, cell)| (customer, cell.borrow_mut().rest()));
        self.rested.extend(rested);
    }

    fn load(&mut self, customers: Vec<Customer>) {
        assert!(self.load.replace(customers).is_none(), "two loads at once");
    }

    fn load_timers(&mut self, limit: usize) {
        assert!(self.load_timers.replace(limit).is_none(), "two loads of timers at once");
    }

    fn commit(&mut self, ticket: u64, batch: Batch) {
        self.commits.push_back((ticket, batch));
    }

    fn acknowledge(&mut self, token: u64) {
        self.acknowledged.push(token);
    }

    fn publish(&mut self, outputs: Vec<(u64, Output)>) {
        self.publish.extend(outputs);
    }
}

/// One partition while the process runs.
struct Running {
    machine: Machine<Desk>,
    desk: Desk,
    /// Commits that are durable, of which the machine has not heard yet.
    durable: VecDeque<u64>,
    /// Outputs that the broker has, of which the machine has not heard yet.
    confirmed: Vec<u64>,
    /// Where in the partition's events the intake is.
    pulled: usize,
    last_cursor: u64,
}

/// How often things happened, over all runs.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    crashes: u64,
    lost_writes: u64,
    redelivered: u64,
    duplicates: u64,
    dead: u64,
    panics: u64,
    timers: u64,
    passivations: u64,
    rests: u64,
    published_again: u64,
    pub(crate) passed_on: u64,
    pub(crate) doubled: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Seen) {
        self.crashes += other.crashes;
        self.lost_writes += other.lost_writes;
        self.redelivered += other.redelivered;
        self.duplicates += other.duplicates;
        self.dead += other.dead;
        self.panics += other.panics;
        self.timers += other.timers;
        self.passivations += other.passivations;
        self.rests += other.rests;
        self.published_again += other.published_again;
        self.passed_on += other.passed_on;
        self.doubled += other.doubled;
    }

    pub(crate) fn assert_everything_happened(&self) {
        let Seen {
            crashes,
            lost_writes,
            redelivered,
            duplicates,
            dead,
            panics,
            timers,
            passivations,
            rests,
            published_again,
            ..
        } = *self;
        let counts = [
            crashes,
            lost_writes,
            redelivered,
            duplicates,
            dead,
            panics,
            timers,
            passivations,
            rests,
            published_again,
        ];
        assert!(counts.iter().all(|count| *count > 100), "too little went wrong: {self:?}");
    }
}

pub(crate) struct World {
    rng: StdRng,
    mode: TimeMode,
    now: Time,
    pub(crate) memory: Memory,
    links: Links,
    /// Events by partition, in the order of the stream.
    pub(crate) stream: Vec<Vec<Stored>>,
    /// Up to where each partition's events were ever delivered: nothing is stored before that.
    delivered: Vec<usize>,
    /// Up to where each partition's events are acknowledged.
    acknowledged: Vec<usize>,
    running: Option<Vec<Running>>,
    /// Commits of all partitions, written together.
    committing: VecDeque<(usize, u64, Batch)>,
    written: Vec<(usize, u64)>,
    /// What the broker has, by message id.
    broker: BTreeMap<Box<str>, Output>,
    found: Vec<String>,
    pub(crate) seen: Seen,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World::with(seed, Links::None)
    }

    pub(crate) fn with(seed: u64, links: Links) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let mode = if rng.random_bool(0.7) { TimeMode::Stream } else { TimeMode::Event };
        let now = Time::from_ms(1_700_000_000_000);
        let stream = stream(&mut rng, now, links);
        World {
            rng,
            mode,
            now,
            memory: Memory::new(),
            links,
            acknowledged: vec![0; stream.len()],
            delivered: vec![0; stream.len()],
            stream,
            running: None,
            committing: VecDeque::new(),
            written: Vec::new(),
            broker: BTreeMap::new(),
            found: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// Lives through faults for a while, then through what is left without any.
    pub(crate) fn run(&mut self) {
        let troubled = self.rng.random_range(50..600);
        for _ in 0..troubled {
            if self.running.is_none() {
                self.start();
            }
            if self.rng.random_bool(0.01) {
                self.crash();
                continue;
            }
            self.step(true);
        }
        for step in 0.. {
            if self.running.is_none() {
                self.start();
            }
            if step % 20 == 0 && self.is_settled() {
                break;
            }
            if step > 200_000 {
                self.found.push("the run never settles".into());
                break;
            }
            self.step(false);
        }
        self.account();
    }

    fn start(&mut self) {
        let running = (0..PARTITIONS)
            .map(|partition| {
                let meta = self.memory.meta(partition).unwrap();
                let outputs = self.memory.outbox(partition, 0, usize::MAX).unwrap();
                let recovered = Recovered {
                    cursor: meta.cursor,
                    next_output: meta.next_output,
                    next_input: meta.next_input,
                    clock: meta.clock,
                    outputs,
                };
                let bounds = Bounds {
                    resident_twins_max: self.rng.random_range(1..=CUSTOMERS),
                    resident_bytes_max: usize::MAX,
                    timers_near_max: self.rng.random_range(1..4),
                    rest_after: self
                        .rng
                        .random_bool(0.7)
                        .then(|| Duration::from_millis(self.rng.random_range(0..2_000))),
                };
                let mut desk = Desk::default();
                let subjects = Arc::new(Subjects::new("jumeau").unwrap());
                let machine = Machine::new(
                    partition,
                    self.mode,
                    bounds,
                    Outgoing::new(subjects),
                    the_policy(),
                    recovered,
                    &mut desk,
                );
                Running {
                    machine,
                    desk,
                    durable: VecDeque::new(),
                    confirmed: Vec::new(),
                    pulled: self.acknowledged[usize::from(partition)],
                    last_cursor: meta.cursor,
                }
            })
            .collect();
        self.running = Some(running);
    }

    /// Everything that is not on the disk is gone.
    fn crash(&mut self) {
        self.account();
        self.running = None;
        self.committing.clear();
        self.written.clear();
        let unsynced = self.memory.unsynced();
        let kept = self.rng.random_range(0..=unsynced);
        self.memory.crash(kept);
        self.seen.crashes += 1;
        self.seen.lost_writes += (unsynced - kept) as u64;
        self.now = self.now + Duration::from_millis(self.rng.random_range(0..20_000));
    }

    /// One of the things that can happen now happens.
    fn step(&mut self, with_faults: bool) {
        let Some(running) = &mut self.running else { return };
        let rng = &mut self.rng;
        let at = rng.random_range(0..running.len());
        let one = &mut running[at];
        let now = self.now;
        match rng.random_range(0..12) {
            0 | 1 => {
                let events = &self.stream[at];
                if with_faults && rng.random_bool(0.05) {
                    // The consumer was reset: it begins again behind what is acknowledged.
                    one.pulled = self.acknowledged[at];
                }
                let upto = (one.pulled + rng.random_range(0..8)).min(events.len());
                let deliveries: Vec<Delivery> =
                    events[one.pulled..upto].iter().map(|stored| stored.delivery.clone()).collect();
                // The stream cannot have stored an event before it is delivered.
                if let Some(last) = deliveries.last() {
                    self.now = self.now.max(last.stored);
                }
                one.pulled = upto;
                self.delivered[at] = self.delivered[at].max(upto);
                let token = (!deliveries.is_empty()).then_some(upto as u64);
                let pulled = Pulled { deliveries, token, is_last: upto == events.len() };
                one.machine.pulled(pulled, self.now, &mut one.desk);
            }
            2..=4 if !one.desk.errands.is_empty() => {
                let which = rng.random_range(0..one.desk.errands.len());
                let (cell, errand) = one.desk.errands.remove(which);
                let done = react(&self.stream[at], &cell, errand);
                self.seen.panics += u64::from(done.result.is_err());
                one.machine.done(done, now, &mut one.desk);
            }
            5 => {
                if let Some(customers) = one.desk.load.take() {
                    let found = self.memory.load(at as u16, &customers).unwrap();
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
                } else if let Some(limit) = one.desk.load_timers.take() {
                    let timers = self.memory.timers(at as u16, None, limit).unwrap();
                    one.machine.timers_loaded(timers, now, &mut one.desk);
                }
            }
            6 => {
                // The committer takes what waits, of every partition.
                for (at, one) in running.iter_mut().enumerate() {
                    self.committing.extend(one.desk.commits.drain(..).map(|(t, b)| (at, t, b)));
                }
                let count = rng.random_range(0..=self.committing.len());
                let group: Vec<_> = self.committing.drain(..count).collect();
                if group.is_empty() {
                    return;
                }
                if with_faults && rng.random_bool(0.02) {
                    self.memory.inject(jumeau::store::Fault::Write);
                }
                let batches: Vec<Batch> = group.iter().map(|(.., batch)| batch.clone()).collect();
                self.written.extend(group.iter().map(|(at, ticket, _)| (*at, *ticket)));
                if self.memory.write(&batches).is_err() {
                    // A failed write ends the process.
                    self.crash();
                }
            }
            7 => {
                if with_faults && rng.random_bool(0.02) {
                    self.memory.inject(jumeau::store::Fault::Sync);
                }
                if self.memory.sync().is_err() {
                    self.crash();
                    return;
                }
                for (at, ticket) in self.written.drain(..) {
                    running[at].durable.push_back(ticket);
                }
            }
            8 => {
                if let Some(ticket) = one.durable.pop_front() {
                    one.machine.committed(ticket, now, &mut one.desk);
                    let cursor = one.machine.counters().cursor;
                    if cursor < one.last_cursor {
                        self.found
                            .push(format!("the cursor fell from {} to {cursor}", one.last_cursor));
                    }
                    one.last_cursor = cursor;
                }
                for token in one.desk.acknowledged.drain(..) {
                    self.acknowledged[at] = self.acknowledged[at].max(token as usize);
                }
            }
            9 => {
                // The broker takes outputs one by one; an answer may get lost on the way.
                let count = rng.random_range(0..=one.desk.publish.len());
                for (sequence, output) in one.desk.publish.drain(..count) {
                    let is_new = !self.broker.contains_key(&output.id);
                    if output.subject.starts_with("jumeau.events.") {
                        // A broker that was down for long may have forgotten the id.
                        let forgets = self.links == Links::Only && rng.random_bool(0.1);
                        let copies = u64::from(is_new) + u64::from(forgets);
                        self.seen.doubled += u64::from(forgets);
                        for _ in 0..copies {
                            let stream = &mut self.stream;
                            links::store(stream, &self.delivered, &output, rng);
                        }
                    }
                    match self.broker.get(&output.id) {
                        Some(known) if *known == output => self.seen.published_again += 1,
                        Some(known) => {
                            self.found
                                .push(format!("two contents of one id: {known:?} {output:?}"));
                        }
                        None => drop(self.broker.insert(output.id.clone(), output)),
                    }
                    one.confirmed.push(sequence);
                }
            }
            10 => {
                let confirmed = std::mem::take(&mut one.confirmed);
                if !confirmed.is_empty() {
                    one.machine.confirmed(&confirmed, now, &mut one.desk);
                }
            }
            _ => {
                self.now = self.now + Duration::from_millis(rng.random_range(0..900));
                match self.mode {
                    TimeMode::Stream => one.machine.tick(self.now, &mut one.desk),
                    TimeMode::Event => one.machine.advance(self.now, self.now, &mut one.desk),
                }
                one.machine.tidy(self.now, &mut one.desk);
                let rested = std::mem::take(&mut one.desk.rested);
                self.seen.rests += rested.len() as u64;
                one.machine.rested(&rested);
            }
        }
    }

    /// Whether everything there is was taken in, and every timer has fired.
    fn is_settled(&mut self) -> bool {
        let Some(running) = &self.running else { return false };
        let all_taken_in = running.iter().enumerate().all(|(at, one)| {
            one.machine.is_drained()
                && one.desk.publish.is_empty()
                && one.desk.commits.is_empty()
                && one.confirmed.is_empty()
                && self.acknowledged[at] == self.stream[at].len()
        });
        all_taken_in
            && self.committing.is_empty()
            && self.written.is_empty()
            && (0..PARTITIONS).all(|partition| {
                self.memory.timers(partition, None, 1).unwrap().is_empty()
                    && self.memory.outbox(partition, 0, 1).unwrap().is_empty()
            })
    }

    /// Adds what the machines counted, before they go.
    fn account(&mut self) {
        for one in self.running.iter().flatten() {
            let counters = one.machine.counters();
            self.seen.redelivered += counters.redelivered;
            self.seen.duplicates += counters.duplicates;
            self.seen.dead += counters.dead.values().sum::<u64>();
            self.seen.timers += counters.timers_fired;
            self.seen.passivations += counters.passivations;
            self.seen.passed_on += counters.passed_on;
        }
    }

    /// What left, by message id.
    pub(crate) fn published(&self) -> BTreeMap<Box<str>, Output> {
        self.broker.clone()
    }

    /// Every promise that does not hold.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = self.found.clone();
        if self.links != Links::None {
            links::check(self, self.links, &mut found);
            return found;
        }
        for (partition, events) in self.stream.iter().enumerate() {
            let partition = partition as u16;
            let mut expected: BTreeMap<Customer, Vec<&Stored>> = BTreeMap::new();
            let mut ids = BTreeSet::new();
            for stored in events {
                match &stored.delivery.content {
                    Content::Read(Ok(event)) if !stored.is_poison => {
                        if ids.insert((event.customer.clone(), event.fingerprint)) {
                            expected.entry(event.customer.clone()).or_default().push(stored);
                        }
                    }
                    _ => self.expect_letter(&stored.delivery, &mut found),
                }
            }
            let customers: Vec<Customer> = expected.keys().cloned().collect();
            let loaded = self.memory.load(partition, &customers).unwrap();
            for ((customer, events), loaded) in expected.into_iter().zip(loaded) {
                let Some(loaded) = loaded else {
                    found.push(format!("{customer} was forgotten"));
                    continue;
                };
                let twin = revive(customer.clone(), &loaded.state, &loaded.timeline).unwrap();
                found.extend(invariants::violations(&twin));
                self.check_twin(&twin, &events, &mut found);
            }
        }
        found
    }

    fn check_twin(&self, twin: &Twin, events: &[&Stored], found: &mut Vec<String>) {
        let fact = |name: &str| twin.facts.get(name).and_then(Value::as_number).unwrap_or(0.0);
        let sum: i64 = events.iter().map(|stored| number_of(&stored.delivery)).sum();
        let customer = &twin.customer;
        if fact("count") != events.len() as f64 {
            found.push(format!("{customer}: {} events, {} applied", events.len(), fact("count")));
        }
        if fact("sum") != sum as f64 {
            found.push(format!("{customer}: events of {sum}, {} applied", fact("sum")));
        }
        if fact("fired") != fact("started") {
            found.push(format!(
                "{customer}: {} timers started, {} fired",
                fact("started"),
                fact("fired")
            ));
        }
        let mut running = 0;
        let answers: BTreeSet<String> = self
            .broker
            .values()
            .filter(|output| *output.subject == format!("jumeau.actions.app.answer.{customer}"))
            .map(|output| {
                let event: serde_json::Value = serde_json::from_slice(&output.payload).unwrap();
                event["data"]["text"].as_str().unwrap().to_owned()
            })
            .collect();
        for (position, stored) in events.iter().enumerate() {
            running += number_of(&stored.delivery);
            let answer = format!("{} of {running}", position + 1);
            if !answers.contains(&answer) {
                found.push(format!("{customer}: the action `{answer}` is lost"));
            }
        }
        if answers.len() != events.len() {
            found.push(format!("{customer}: {} events, {} answers", events.len(), answers.len()));
        }
    }

    pub(crate) fn expect_letter(&self, delivery: &Delivery, found: &mut Vec<String>) {
        let sequence = delivery.sequence.to_string();
        let letters = self
            .broker
            .values()
            .filter(|output| output.subject.starts_with("jumeau.dead."))
            .filter(|output| {
                output
                    .headers
                    .iter()
                    .any(|(name, value)| &**name == "Jumeau-Sequence" && **value == *sequence)
            })
            .count();
        if letters != 1 {
            found.push(format!("{letters} dead letters of event {sequence}"));
        }
    }
}

/// A twin takes an errand in, unless one of its events is poison.
fn react(events: &[Stored], cell: &Rc<RefCell<Cell>>, errand: Errand) -> Done {
    let is_poison = |fingerprint: u64| {
        events.iter().any(|stored| {
            stored.is_poison
                && matches!(&stored.delivery.content, Content::Read(Ok(e)) if e.fingerprint == fingerprint)
        })
    };
    let culprit = errand.inputs.iter().position(|ordered| {
        matches!(ordered.input.cause, Cause::Event(_)) && is_poison(ordered.input.fingerprint)
    });
    let mut cell = cell.borrow_mut();
    let Some(position) = culprit else { return cell.handle(errand) };
    // What came before it has changed the state in memory already: that must not survive.
    let before = Errand { inputs: errand.inputs[..position].into(), ..errand };
    let customer = cell.twin().customer.clone();
    let _ = cell.handle(before);
    let inputs = errand.inputs;
    let message = "poison".to_owned();
    Done { customer, result: Err(Panicked { inputs, position, message }) }
}

fn number_of(delivery: &Delivery) -> i64 {
    match &delivery.content {
        Content::Read(Ok(Event { kind: Kind::Track(Named { properties, .. }), .. })) => {
            properties.get("number").and_then(Value::as_number).unwrap_or(0.0) as i64
        }
        _ => 0,
    }
}

/// Events of a few customers, some of them twice, some of no use, some poison.
fn stream(rng: &mut StdRng, start: Time, links: Links) -> Vec<Vec<Stored>> {
    let mut stream: Vec<Vec<Stored>> = vec![Vec::new(); usize::from(PARTITIONS)];
    let mut stored = start;
    // Linked, all might end in one twin, which remembers no more than so many.
    let events = rng.random_range(1..if links == Links::None { 80 } else { 36 });
    let mut linked = 0;
    let mut earlier: Vec<(u16, Delivery, bool)> = Vec::new();
    for sequence in 1..=events {
        stored = stored + Duration::from_millis(rng.random_range(0..2_000));
        let copies = if links == Links::Undone { 0.0 } else { 0.1 };
        let copy = rng.random_bool(copies).then(|| earlier.choose(rng).cloned()).flatten();
        let (partition, mut delivery, is_poison) = match copy {
            Some(copy) => copy,
            None => {
                let partition = rng.random_range(0..PARTITIONS);
                let most = if links == Links::None { CUSTOMERS } else { links::CUSTOMERS_LINKED };
                let customer = rng.random_range(0..most);
                let is_poison = rng.random_bool(0.03);
                let mut new = event(partition, customer, sequence, rng);
                if links != Links::None
                    && linked < links::LINKS_MAX
                    && rng.random_bool(0.3)
                    && let Content::Read(Ok(event)) = &mut new.content
                {
                    linked += 1;
                    let other = format!(
                        "c{}-{}",
                        rng.random_range(0..PARTITIONS),
                        rng.random_range(0..links::CUSTOMERS_LINKED)
                    );
                    let is_unlink = links == Links::Undone && rng.random_bool(0.4);
                    event.kind = if is_unlink {
                        Kind::Unlink(Unlink { from: other.into() })
                    } else {
                        Kind::Link(Link { to: other.into() })
                    };
                }
                (partition, new, is_poison)
            }
        };
        // A copy of a poison event is the same event; it is buried again.
        delivery.sequence = sequence * links::BETWEEN;
        delivery.stored = stored;
        earlier.push((partition, delivery.clone(), is_poison));
        stream[usize::from(partition)].push(Stored { delivery, is_poison });
    }
    stream
}

fn event(partition: u16, customer: usize, sequence: u64, rng: &mut StdRng) -> Delivery {
    let read = if rng.random_bool(0.05) {
        Err(Rejection::new(Reason::BadJson, "not even close"))
    } else {
        let properties = [("number", Value::Int(rng.random_range(0..100)))].into_iter().collect();
        Ok(Event {
            customer: Customer::new(&format!("c{partition}-{customer}")).unwrap(),
            channel: Channel::new("web").unwrap(),
            id: format!("id-{sequence}").into(),
            fingerprint: sequence,
            time: None,
            traceparent: None,
            kind: Kind::Track(Named { name: "Add".into(), properties }),
            passed: None,
        })
    };
    Delivery {
        sequence,
        partition,
        stored: Time::MIN,
        content: Content::Read(read),
        original: Original {
            subject: format!("jumeau.events.web.c{partition}-{customer}").into(),
            headers: Headers::default(),
            payload: b"{}".as_slice().into(),
        },
    }
}
