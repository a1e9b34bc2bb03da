use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jumeau::codec::{Error, RecordKind};
use jumeau::contract::Subjects;
use jumeau::event::{
    AgentChannels, Cursors, Customer, Delivery, Output, Rights, SlowLane, Time, WrittenLane,
};
use jumeau::partition::{
    Answers, AskAnswer, BatchFailure, BatchResult, Bounds, Cleared, ErasedMarks, HandlerPanic,
    Host, Machine, Outgoing, OversizedTwin, Pulled, Recovered, StoreSecret, TimeMode, TwinBatch,
    TwinCell, revive,
};
use jumeau::policy::{self, Files, Policy};
use jumeau::tables::{Batch, IndexKey, MemoryStore, Read, Urgency};
use jumeau::twin::{Cause, Twin};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::asked::{self, Asking};
use super::erasures;
use super::lanes::{self, Lanes};
use super::links::{self, Links};
use super::people::People;
use super::seen::Seen;
use super::shared;
use super::stream::{self, Stored};

pub(crate) const POLICY: &str = r#"
[policy]
name = "simulation"
languages = ["en"]

[needs.more]
describe = "one more of these"
expires = "1d"

[preferences.adds]

[experiments.halves]
describe = "customers of one half add more than those of the other"
arms = { one = 0.5, other = 0.5 }
goal = "track:Add"
value = "event.properties.number"
within = "1d"

[[rules]]
name = "count"
on = "track:Add"
then = [
  { set = "count", to = "default(facts.count, 0) + 1" },
  { set = "sum", to = "default(facts.sum, 0) + event.properties.number" },
  { raise = "more", strength = 0.5 },
  { prefer = "adds", value = '"one"' },
]

[queues.first]
respond = "5s"
next = "second"

[queues.second]

[[rules]]
name = "people"
on = "track:Add"
when = "event.properties.number % 2 == 0"
then = [{ escalate = "first", topic = "even", because = "{{ event.properties.number }}" }]

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

/// By how much the clock on the wall is set wrong: far more than any timer here takes.
const JUMP_MS: i64 = 300_000;

const START: Time = Time::from_ms(1_700_000_000_000);
pub(crate) const PARTITIONS: u16 = 3;
pub(crate) const CUSTOMERS: usize = 7;

pub(crate) fn the_policy() -> Arc<Policy> {
    static POLICY_ONCE: OnceLock<Arc<Policy>> = OnceLock::new();
    let load = || Arc::new(policy::load(&Files::new([("simulation.toml", POLICY)])).unwrap());
    POLICY_ONCE.get_or_init(load).clone()
}

/// What a partition wants done, until the world gets round to it.
#[derive(Default)]
pub(crate) struct Desk {
    errands: Vec<(Rc<RefCell<TwinCell>>, TwinBatch)>,
    load: Option<Vec<Customer>>,
    load_timers: Option<usize>,
    load_outputs: Option<(u64, usize)>,
    find: Option<(Option<IndexKey>, Option<Customer>, usize)>,
    commits: VecDeque<(u64, Batch)>,
    acknowledged: Vec<u64>,
    publish: Vec<(u64, Output)>,
    /// Which partition it is of, and what waits in the slow lane, if there is one.
    slow_lane: Option<(u16, Rc<RefCell<SlowLane>>)>,
    written_lane: WrittenLane,
    rested: Vec<(Customer, u32)>,
    trace: Option<Customer>,
    /// Outputs that are not to be published any more.
    withdrawn: Vec<u64>,
    pub(crate) answers: Vec<(usize, AskAnswer)>,
}

impl Host for Desk {
    type Address = Rc<RefCell<TwinCell>>;
    type Token = u64;
    type Reply = usize;

    fn activate(&mut self, twin: Box<Twin>) -> Rc<RefCell<TwinCell>> {
        Rc::new(RefCell::new(TwinCell::new(twin)))
    }

    fn deliver(&mut self, to: &Rc<RefCell<TwinCell>>, errand: TwinBatch) {
        self.errands.push((to.clone(), errand));
    }

    fn rest(&mut self, twins: Vec<(Customer, &Rc<RefCell<TwinCell>>)>) {
        let rested = twins.into_iter().map(|(customer, cell)| (customer, cell.borrow_mut().rest()));
        self.rested.extend(rested);
    }

    fn load(&mut self, customers: Vec<Customer>) {
        assert!(self.load.replace(customers).is_none(), "two loads at once");
    }

    fn load_outputs(&mut self, from: u64, limit: usize) {
        assert!(self.load_outputs.replace((from, limit)).is_none(), "two loads of outputs");
    }

    fn load_timers(&mut self, limit: usize) {
        assert!(self.load_timers.replace(limit).is_none(), "two loads of timers at once");
    }

    fn find(&mut self, row: Option<IndexKey>, after: Option<Customer>, limit: usize) {
        assert!(self.find.replace((row, after, limit)).is_none(), "two searches at once");
    }

    fn trace(&mut self, customer: Customer) {
        assert!(self.trace.replace(customer).is_none(), "two erasures at once");
    }

    fn clear(&mut self, cleared: Cleared) {
        let withdrawn = |(sequence, _): &mut (u64, Output)| cleared.withdrawn.contains(sequence);
        let gone = self.publish.extract_if(.., withdrawn).map(|(sequence, _)| sequence);
        self.withdrawn.extend(gone);
    }

    fn commit(&mut self, ticket: u64, mut batch: Batch, _urgency: Urgency) {
        if let Some((partition, lane)) = &self.slow_lane {
            batch.note_slow_lane(*partition, &lane.borrow(), &mut self.written_lane);
        }
        self.commits.push_back((ticket, batch));
    }

    fn acknowledge(&mut self, token: u64) {
        self.acknowledged.push(token);
    }

    fn answer(&mut self, request: usize, answer: AskAnswer) {
        self.answers.push((request, answer));
    }

    fn publish(&mut self, outputs: Vec<(u64, Output)>) {
        self.publish.extend(outputs);
    }
}

/// One partition while the process runs.
pub(crate) struct Running {
    pub(crate) machine: Machine<Desk>,
    pub(crate) desk: Desk,
    /// Commits that are durable, of which the machine has not heard yet.
    durable: VecDeque<u64>,
    /// Outputs that the broker has, of which the machine has not heard yet.
    confirmed: Vec<u64>,
    /// Where in the partition's events the intake is.
    pulled: usize,
    last_cursor: u64,
}

pub(crate) struct World {
    pub(crate) rng: StdRng,
    pub(crate) mode: TimeMode,
    pub(crate) now: Time,
    /// By how many milliseconds the clock on the wall is wrong.
    pub(crate) off_ms: i64,
    pub(crate) memory: MemoryStore,
    pub(crate) links: Links,
    /// The identities of events whose handler panics, by partition.
    poison: Vec<BTreeSet<u64>>,
    /// Whether there are broadcasts.
    pub(crate) shares: bool,
    /// Whether customers are erased.
    pub(crate) erases: bool,
    /// Up to which sequence both lanes are said to be durable.
    taken_in: u64,
    /// Both lanes, if there are two.
    pub(crate) lanes: Option<Lanes>,
    /// What channels ask, if they do.
    pub(crate) asking: Option<Asking>,
    /// The agents, if there are some.
    pub(crate) people: Option<People>,
    /// Outcomes that channels reported.
    pub(crate) outcomes: u64,
    /// What twins go by now.
    pub(crate) policy: Arc<Policy>,
    /// Events by partition, in the order of the stream.
    pub(crate) stream: Vec<Vec<Stored>>,
    /// Up to where each partition's events were ever delivered: nothing is stored before that.
    pub(crate) delivered: Vec<usize>,
    /// Up to where each partition's events are acknowledged.
    acknowledged: Vec<usize>,
    pub(crate) running: Option<Vec<Running>>,
    /// Commits of all partitions, written together.
    committing: VecDeque<(usize, u64, Batch)>,
    written: Vec<(usize, u64)>,
    /// What the broker has, by message id.
    pub(crate) broker: BTreeMap<Box<str>, Output>,
    pub(crate) found: Vec<String>,
    pub(crate) seen: Seen,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World::with(seed, Links::None)
    }

    pub(crate) fn with(seed: u64, links: Links) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let stream = stream::stream(&mut rng, START, links);
        World::of(rng, stream, links, false)
    }

    /// A world in which a channel sends more than can be taken in, now and then.
    pub(crate) fn flooding(seed: u64, links: Links) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut stream = stream::stream(&mut rng, START, links);
        lanes::share_out(&mut stream);
        let world = World::of(rng, stream, links, false);
        World { lanes: Some(Lanes::default()), mode: TimeMode::Stream, ..world }
    }

    /// A world in which customers are erased.
    pub(crate) fn erasing(seed: u64, links: Links) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut stream = stream::stream(&mut rng, START, links);
        let most = if links == Links::None { CUSTOMERS } else { links::CUSTOMERS_LINKED };
        erasures::insert(&mut stream, most, &mut rng);
        World { erases: true, ..World::of(rng, stream, links, false) }
    }

    /// A world in which known customers are erased, and come back, while devices go from hand to hand.
    pub(crate) fn returning(seed: u64) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut stream = stream::stream(&mut rng, START, Links::Chains);
        erasures::insert_returns(&mut stream, &mut rng);
        let world = World::of(rng, stream, Links::Chains, false);
        // They come back by the moment at which their erasure was stored.
        World { erases: true, mode: TimeMode::Stream, ..world }
    }

    /// A world in which one customer is forgotten.
    pub(crate) fn forgetting(seed: u64) -> World {
        let world = World::made(seed, |_, start| erasures::forgotten(start));
        World { mode: TimeMode::Stream, ..world }
    }

    /// A world in which one customer is erased, and comes back before all that was said before that.
    pub(crate) fn back(seed: u64) -> World {
        let world = World::made(seed, |_, start| erasures::back(start));
        World { mode: TimeMode::Stream, ..world }
    }

    /// A world in which one customer is erased while what they said before that is in the slow lane, for
    /// longer than an erasure is remembered. Both lanes are said to be taken in up to a sequence.
    pub(crate) fn behind(seed: u64, taken_in: u64) -> World {
        let world = World::made(seed, |_, start| erasures::behind(start));
        World { mode: TimeMode::Stream, taken_in, ..world }
    }

    /// A world with broadcasts.
    pub(crate) fn sharing(seed: u64) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let stream = shared::stream(&mut rng, START);
        World::of(rng, stream, Links::None, true)
    }

    /// A world with this stream.
    pub(crate) fn made(seed: u64, stream: impl Fn(&mut StdRng, Time) -> Vec<Vec<Stored>>) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let stream = stream(&mut rng, START);
        World::of(rng, stream, Links::None, false)
    }

    fn of(mut rng: StdRng, stream: Vec<Vec<Stored>>, links: Links, shares: bool) -> World {
        let mode = if rng.random_bool(0.7) { TimeMode::Stream } else { TimeMode::Event };
        World {
            rng,
            shares,
            erases: false,
            taken_in: u64::MAX,
            lanes: None,
            asking: None,
            people: None,
            outcomes: 0,
            policy: the_policy(),
            mode,
            now: START,
            off_ms: 0,
            memory: MemoryStore::new(),
            links,
            acknowledged: vec![0; stream.len()],
            delivered: vec![0; stream.len()],
            poison: stream.iter().map(|events| stream::poison(events)).collect(),
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
        let troubled = self.rng.random_range(50..self.links.troubled());
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
        self.off_ms = 0;
        let wall = self.now;
        for one in self.running.iter_mut().flatten() {
            one.machine.set_room(true, wall, &mut one.desk);
        }
        for step in 0.. {
            if self.running.is_none() {
                self.start();
            }
            if step % 20 == 0 && self.is_settled() {
                break;
            }
            if step > 2_000_000 {
                self.found.push("the run never settles".into());
                break;
            }
            self.step(false);
        }
        self.account();
    }

    fn start(&mut self) {
        if self.shares {
            self.policy = shared::a_policy(&mut self.rng);
        }
        let agents = self.people.as_ref().map_or(Answers::Durable, |people| people.answers);
        let answers = self.asking.as_ref().map_or(agents, |asking| asking.answers);
        let model = self.asking.as_mut().map(|asking| asking.model(&self.memory));
        if let Some(lanes) = &mut self.lanes {
            self.acknowledged = lanes.recover(&self.memory, &self.stream);
        }
        let erased_marks = ErasedMarks::default();
        let running = (0..PARTITIONS)
            .map(|partition| {
                let meta = self.memory.meta(partition).unwrap();
                let outbox_max = self.rng.random_range(1..40);
                let outputs = self.memory.outbox(partition, 0, outbox_max).unwrap();
                let left = self.memory.outbox_len(partition).unwrap() - outputs.len() as u64;
                let recovered = Recovered {
                    cursors: Cursors { main: meta.cursor, slow: meta.slow_cursor },
                    stored: meta.stored,
                    next_output: meta.next_output,
                    next_input: meta.next_input,
                    clock: meta.clock,
                    version: meta.version,
                    outputs,
                    outputs_left: left,
                    broadcasts: self.memory.broadcasts(partition).unwrap(),
                    scans: self.memory.sweeps(partition).unwrap(),
                    results: self.memory.results(partition).unwrap(),
                    tombstones: self.memory.tombstones(partition).unwrap(),
                    erased_marks: erased_marks.clone(),
                    ..Recovered::default()
                };
                let bounds = Bounds {
                    resident_twins_max: self.rng.random_range(1..=CUSTOMERS),
                    resident_bytes_max: usize::MAX,
                    timers_near_max: self.rng.random_range(1..4),
                    outbox_max,
                    rest_after: self
                        .rng
                        .random_bool(0.7)
                        .then(|| Duration::from_millis(self.rng.random_range(0..2_000))),
                    wake_pause: Duration::from_millis(self.rng.random_range(0..400)),
                    partitions: PARTITIONS,
                    answers,
                };
                let mut desk = Desk::default();
                let lanes = self.lanes.as_ref();
                desk.slow_lane = lanes.map(|lanes| (partition, lanes.lane.clone()));
                let mut machine = Machine::new(
                    partition,
                    self.mode,
                    bounds,
                    Outgoing::new(
                        Arc::new(Subjects::default()),
                        StoreSecret::default(),
                        PARTITIONS,
                    ),
                    self.policy.clone(),
                    recovered,
                    &mut desk,
                );
                machine.set_rights(Rights::new(AgentChannels::default(), ["web", "shop"]));
                if let Some(model) = &model {
                    machine.set_models(model.clone());
                }
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
    pub(crate) fn crash(&mut self) {
        self.account();
        self.running = None;
        if let Some(asking) = &mut self.asking {
            asking.crash();
        }
        if let Some(people) = &mut self.people {
            people.crash();
        }
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
        let more = if self.asking.is_some() { 2 } else { u32::from(self.people.is_some()) };
        match self.rng.random_range(0..12 + more) {
            12 if self.people.is_some() => self.help(with_faults),
            12 => self.ask(with_faults),
            13 => self.learn(with_faults),
            what => self.go_on(what, with_faults),
        }
        self.hear();
        self.hear_acts();
    }

    fn go_on(&mut self, what: u32, with_faults: bool) {
        let Some(running) = &mut self.running else { return };
        let rng = &mut self.rng;
        let at = rng.random_range(0..running.len());
        let one = &mut running[at];
        let off_ms = self.off_ms;
        let wall = move |now: Time| Time::from_ms(now.ms() + off_ms);
        let now = wall(self.now);
        match what {
            0 if self.lanes.is_some() && rng.random_bool(0.7) => self.go_slowly(at, with_faults),
            0 | 1 => {
                let events = &self.stream[at];
                if with_faults && rng.random_bool(0.05) {
                    // The consumer was reset: it begins again behind what is acknowledged.
                    one.pulled = self.acknowledged[at];
                }
                let upto = (one.pulled + rng.random_range(0..8)).min(events.len());
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
                one.machine.pulled(pulled, wall(self.now), &mut one.desk);
            }
            2..=4 if !one.desk.errands.is_empty() => {
                let which = rng.random_range(0..one.desk.errands.len());
                let (cell, errand) = one.desk.errands.remove(which);
                let done = react(&self.poison[at], &cell, errand);
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
                } else if let Some((from, limit)) = one.desk.load_outputs.take() {
                    let outputs = self.memory.outbox(at as u16, from, limit).unwrap();
                    one.machine.outputs_loaded(outputs, now, &mut one.desk);
                } else if let Some(limit) = one.desk.load_timers.take() {
                    let timers = self.memory.timers(at as u16, None, limit).unwrap();
                    one.machine.timers_loaded(timers, now, &mut one.desk);
                } else if let Some(customer) = one.desk.trace.take() {
                    let traces = self.memory.traces(at as u16, &customer).unwrap();
                    one.machine.traced(traces, now, &mut one.desk);
                } else if let Some((row, after, limit)) = one.desk.find.take() {
                    let found = self.memory.customers(at as u16, row, after.as_ref(), limit);
                    one.machine.found(found.unwrap(), now, &mut one.desk);
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
                    self.memory.inject(jumeau::tables::Fault::Write);
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
                    self.memory.inject(jumeau::tables::Fault::Sync);
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
                    if self
                        .lanes
                        .as_mut()
                        .is_some_and(|lanes| lanes.acknowledge(at, &self.stream[at], token))
                    {
                        continue;
                    }
                    self.acknowledged[at] = self.acknowledged[at].max(token as usize);
                }
            }
            9 => {
                // The broker takes outputs one by one; an answer may get lost on the way.
                let mut said = Vec::new();
                let count = rng.random_range(0..=one.desk.publish.len());
                for (sequence, output) in one.desk.publish.drain(..count) {
                    let is_new = !self.broker.contains_key(&output.id);
                    let is_memory = links::is_memory(&output);
                    if output.subject.starts_with("jumeau.events.") {
                        // The stream remembers no ids, but takes one message on a memory's subject.
                        let is_sent_again = !is_memory && rng.random_bool(0.1);
                        let copies = u64::from(is_new || !is_memory) + u64::from(is_sent_again);
                        self.seen.doubled += u64::from(is_sent_again || !is_new);
                        for _ in 0..copies {
                            let stream = &mut self.stream;
                            links::store(stream, &self.delivered, &output, rng);
                        }
                    }
                    if is_new && output.subject.starts_with("jumeau.actions.") {
                        let token = output.subject.rsplit('.').next().unwrap();
                        let told: serde_json::Value =
                            serde_json::from_slice(&output.payload).unwrap();
                        let decision: Box<str> = told["id"].as_str().unwrap().into();
                        said.push((Customer::from_token(token).unwrap(), decision));
                    }
                    if is_new
                        && output.subject.starts_with("jumeau.escalations.")
                        && let Some(people) = &mut self.people
                    {
                        people.hear(&output);
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
                for (customer, decision) in said {
                    self.respond(&customer, &decision);
                }
            }
            10 => {
                one.confirmed.append(&mut one.desk.withdrawn);
                let confirmed = std::mem::take(&mut one.confirmed);
                if !confirmed.is_empty() {
                    one.machine.confirmed(&confirmed, now, &mut one.desk);
                }
            }
            _ => {
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
                    // Whoever sets the clock on the wall may set it right again, or not.
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

    /// Whether everything there is was taken in, and every timer has fired.
    fn is_settled(&mut self) -> bool {
        let Some(running) = &self.running else { return false };
        if self.asking.as_ref().is_some_and(|asking| !asking.is_settled(&self.memory)) {
            return false;
        }
        if self.people.as_ref().is_some_and(|people| !people.is_settled()) {
            return false;
        }
        let all_taken_in = running.iter().enumerate().all(|(at, one)| {
            one.machine.is_drained()
                && !one.machine.is_scanning()
                && one.desk.publish.is_empty()
                && one.desk.commits.is_empty()
                && one.confirmed.is_empty()
                && one.desk.withdrawn.is_empty()
                && self.acknowledged[at] == self.stream[at].len()
        });
        all_taken_in
            && self.committing.is_empty()
            && self.written.is_empty()
            && self.lanes.as_ref().is_none_or(Lanes::is_empty)
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
            self.seen.woken += counters.woken;
            self.seen.looked_at += counters.looked_at;
            self.seen.erasures += counters.erasures;
            self.seen.late += counters.erased;
            self.seen.recalls += counters.recalls;
            self.seen.observations += counters.observations;
        }
    }

    /// A twin as it is stored.
    pub(crate) fn twin(&self, partition: u16, customer: &Customer) -> Option<Box<Twin>> {
        let loaded =
            self.memory.load(partition, std::slice::from_ref(customer)).unwrap().remove(0)?;
        Some(revive(customer.clone(), &loaded.state, &loaded.timeline).unwrap())
    }

    /// What left, by message id.
    pub(crate) fn published(&self) -> BTreeMap<Box<str>, Output> {
        self.broker.clone()
    }
}

/// A twin takes an errand in, unless one of its events is poison.
fn react(poison: &BTreeSet<u64>, cell: &Rc<RefCell<TwinCell>>, errand: TwinBatch) -> BatchResult {
    let is_poison =
        |fingerprint: u64| asked::is_poison(fingerprint) || poison.contains(&fingerprint);
    let culprit = errand.inputs.iter().position(|ordered| {
        matches!(ordered.input.cause, Cause::Event(_)) && is_poison(ordered.input.fingerprint)
    });
    let mut cell = cell.borrow_mut();
    let Some(position) = culprit else { return cell.handle(errand) };
    // What came before it has changed the state in memory already: that must not survive.
    let before = TwinBatch { inputs: errand.inputs[..position].into(), ..errand };
    let customer = cell.twin().customer.clone();
    let _ = cell.handle(before);
    let inputs = errand.inputs;
    let fingerprint = inputs[position].input.fingerprint;
    let failed = if fingerprint.is_multiple_of(2) || asked::is_poison(fingerprint) {
        BatchFailure::Panic(HandlerPanic { inputs, position, message: "poison".to_owned() })
    } else {
        // It makes the twin too large.
        let position = Some(position).filter(|_| errand.is_measured || inputs.len() == 1);
        let error = Error::Unwritable { kind: RecordKind::Twin, detail: "poison".to_owned() };
        BatchFailure::TooLarge(OversizedTwin { inputs, position, error })
    };
    BatchResult { customer, result: Err(failed) }
}
