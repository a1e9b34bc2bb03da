mod desk;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jumeau::contract::Subjects;
use jumeau::event::{AgentChannels, Cursors, Customer, Output, Rights, Time};
use jumeau::partition::{
    Answers, Bounds, ErasedMarks, Machine, Outgoing, Recovered, StoreSecret, TimeMode, revive,
};
use jumeau::policy::{self, Files, Policy};
use jumeau::tables::{Batch, MemoryStore, Read};
use jumeau::twin::Twin;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use self::desk::Desk;
use super::asked::Asking;
use super::erasures;
use super::lanes::{self, Lanes};
use super::links::{self, Links};
use super::log::Log;
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

const START: Time = Time::from_ms(1_700_000_000_000);
pub(crate) const PARTITIONS: u16 = 3;
pub(crate) const CUSTOMERS: usize = 7;

pub(crate) fn the_policy() -> Arc<Policy> {
    static POLICY_ONCE: OnceLock<Arc<Policy>> = OnceLock::new();
    let load = || Arc::new(policy::load(&Files::new([("simulation.toml", POLICY)])).unwrap());
    POLICY_ONCE.get_or_init(load).clone()
}

/// One partition while the process runs.
pub(crate) struct Running {
    pub(crate) machine: Machine<Desk>,
    pub(crate) desk: Desk,
    /// Commits that are durable, of which the machine has not heard yet.
    pub(crate) durable: VecDeque<u64>,
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
    /// The commit log, if commits go to one.
    pub(crate) log: Option<Log>,
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

    /// A world whose commits go to a commit log.
    pub(crate) fn logging(seed: u64) -> World {
        World { log: Some(Log::default()), ..World::new(seed) }
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
            log: None,
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
        self.follow_log();
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
                    scans: self.memory.scans(partition).unwrap(),
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
        if let Some(log) = &mut self.log {
            log.crash();
        }
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
        self.take_answers();
        self.take_acts();
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
            && self.log.as_ref().is_none_or(Log::is_settled)
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
            self.seen.forwarded += counters.forwarded;
            self.seen.woken += counters.woken;
            self.seen.visited += counters.visited;
            self.seen.erasures += counters.erasures;
            self.seen.of_erased += counters.erased;
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
