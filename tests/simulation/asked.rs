//! What channels ask, what comes of what was said, and what is learned of it: whatever fails, a
//! request is taken in once and its answer stands, everything said is answered for once, learned
//! from once or taken back once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use jumeau::codec;
use jumeau::config::limits;
use jumeau::event::{
    AskData, Channel, Content, Customer, Event, EventKind, Headers, IdentifyData, Original,
    OutcomeData, OutcomeKind, Reason, Time, Value,
};
use jumeau::models::{Exposure, HORIZON, Learner, Snapshot};
use jumeau::partition::{Answers, AskAnswer, Trainer};
use jumeau::policy::{self, Files, Policy};
use jumeau::tables::{Fault, MemoryStore, Read};
use jumeau::twin::{Journalled, Twin};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::stream::{self, Stored};
use super::world::{PARTITIONS, POLICY, World};

/// So few of each partition that what happens to one meets.
const CUSTOMERS_ASKED: usize = 3;
/// Requests of one run, at most: no twin comes to the limit of its contacts.
const REQUESTS_MAX: usize = 16;
/// Behind every identity of an event that a channel reports, and before most hashes.
const FINGERPRINTS: u64 = 1 << 32;

const OUTCOMES: [OutcomeKind; 6] = [
    OutcomeKind::Delivered,
    OutcomeKind::Seen,
    OutcomeKind::Clicked,
    OutcomeKind::Accepted,
    OutcomeKind::Rejected,
    OutcomeKind::Dismissed,
];

const RULES: &str = r#"
[explore]
reach = 1.0

[[rules]]
name = "requests are counted"
on = "ask:hero"
then = [{ set = "asked", to = "default(facts.asked, 0) + 1" }]

[[rules]]
name = "there is something to tell"
on = "identify"
then = [{ act = "promote" }]

[[actions]]
name = "promote"
issue = "service"
value = 0.9
cooldown = "0s"
ignored_after = "7s"
when = "!default(profile.trouble, false)"
[[actions.treatments]]
channel = "mail"
text.en = "Something for you."

[[actions]]
name = "shoes"
issue = "service"
value = 0.8
cooldown = "0s"
ignored_after = "3s"
placements = ["hero"]
when = "!default(profile.trouble, false)"
[[actions.treatments]]
channel = "web"
placement = "hero"
text.en = "Shoes, for the {{ facts.asked }}th time."

[[actions]]
name = "hats"
issue = "service"
value = 0.6
cooldown = "0s"
ignored_after = "3s"
placements = ["hero"]
[[actions.treatments]]
name = "loud"
channel = "web"
placement = "hero"
text.en = "Hats!"
[[actions.treatments]]
name = "quiet"
channel = "web"
placement = "hero"
text.en = "Hats."
"#;

fn the_policy() -> Arc<Policy> {
    static ONCE: OnceLock<Arc<Policy>> = OnceLock::new();
    ONCE.get_or_init(|| {
        let cooldown = "cooldown = \"0s\"\n";
        let ignored = "ignored_after = \"4s\"\n";
        let text = POLICY.replace(cooldown, &[cooldown, ignored].concat()) + RULES;
        Arc::new(policy::load(&Files::new([("simulation.toml", &text)])).unwrap())
    })
    .clone()
}

/// The channels that ask, and the learner.
pub(crate) struct Asking {
    pub(crate) answers: Answers,
    requests: Vec<Request>,
    lessons: Option<Trainer>,
    /// The answers of each lesson that was durable, as partition and sequence tell them apart.
    learned: Vec<Vec<(u16, u64, Exposure, bool)>>,
}

struct Request {
    partition: u16,
    event: Event,
    state: State,
    /// What was told, each time that it was: the decisions.
    told: Vec<Vec<Box<str>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The partition has it.
    Waiting,
    /// The process died before it answered.
    Lost,
    /// It is answered, or refused.
    Answered,
}

impl Asking {
    /// Whose twins were asked.
    pub(crate) fn customers(&self, partition: u16) -> BTreeSet<Customer> {
        let requests = self.requests.iter().filter(|request| request.partition == partition);
        requests.map(|request| request.event.customer.clone()).collect()
    }

    fn is_over(&self) -> bool {
        self.requests.iter().all(|request| request.state == State::Answered)
    }

    /// Everything that is not on the disk is gone.
    pub(crate) fn crash(&mut self) {
        self.lessons = None;
        for request in &mut self.requests {
            if request.state == State::Waiting {
                request.state = State::Lost;
            }
        }
    }

    fn lessons(&mut self, memory: &MemoryStore) -> &mut Trainer {
        self.lessons.get_or_insert_with(|| Trainer::resume(memory, PARTITIONS).unwrap())
    }

    /// What is known when a process starts.
    pub(crate) fn model(&mut self, memory: &MemoryStore) -> Snapshot {
        self.lessons(memory).model().clone()
    }

    /// Whether nobody waits for an answer, and nothing is left to be learned from.
    pub(crate) fn is_settled(&self, memory: &MemoryStore) -> bool {
        let is_learned = |partition| {
            let next = memory.trained(partition).unwrap();
            memory.observations(partition, next, 1).unwrap().is_empty()
        };
        self.is_over() && (0..PARTITIONS).all(is_learned)
    }
}

/// Whether its handler panics.
pub(crate) fn is_poison(fingerprint: u64) -> bool {
    (FINGERPRINTS..2 * FINGERPRINTS).contains(&fingerprint) && fingerprint.is_multiple_of(11)
}

/// Events of a few customers, whose trouble comes and goes.
pub(crate) fn stream(rng: &mut StdRng, start: Time) -> Vec<Vec<Stored>> {
    let mut stream = stream::stream_of(rng, start, CUSTOMERS_ASKED, 40);
    for stored in stream.iter_mut().flatten() {
        // A copy is the same event.
        let Content::Read(Ok(event)) = &mut stored.delivery.content else { continue };
        if event.fingerprint.is_multiple_of(2) {
            let trouble = Value::Bool(event.fingerprint.is_multiple_of(4));
            let traits = [("trouble", trouble)].into_iter().collect();
            event.kind = EventKind::Identify(IdentifyData { traits, anew: false });
        }
    }
    stream
}

impl World {
    /// A world in which channels ask, customers answer, and that is learned from.
    pub(crate) fn asking(seed: u64, answers: Answers) -> World {
        let mut world = World::made(seed, stream);
        let (requests, lessons, learned) = (Vec::new(), None, Vec::new());
        world.asking = Some(Asking { answers, requests, lessons, learned });
        world.policy = the_policy();
        world
    }

    /// A channel asks: something new, or once more what was not answered, or even what was.
    pub(crate) fn ask(&mut self, with_faults: bool) {
        let (Some(asking), Some(running)) = (&mut self.asking, &mut self.running) else { return };
        let rng = &mut self.rng;
        let lost = asking.requests.iter().position(|request| request.state == State::Lost);
        let number = match lost {
            Some(lost) => lost,
            None if !with_faults => return,
            None if rng.random_bool(0.2) && !asking.requests.is_empty() => {
                let number = rng.random_range(0..asking.requests.len());
                if asking.requests[number].state == State::Waiting {
                    return;
                }
                number
            }
            None if asking.requests.len() < REQUESTS_MAX => {
                asking.requests.push(request(asking.requests.len(), rng));
                asking.requests.len() - 1
            }
            None => return,
        };
        let request = &mut asking.requests[number];
        request.state = State::Waiting;
        let one = &mut running[usize::from(request.partition)];
        let wall = Time::from_ms(self.now.ms() + self.off_ms);
        one.machine.asked(request.event.clone(), number, wall, &mut one.desk);
    }

    /// Channels hear what was answered, and customers react to it.
    pub(crate) fn take_answers(&mut self) {
        let (Some(asking), Some(running)) = (&mut self.asking, &mut self.running) else { return };
        let heard: Vec<_> = running.iter_mut().flat_map(|one| one.desk.answers.drain(..)).collect();
        let mut said = Vec::new();
        for (number, answer) in heard {
            let request = &mut asking.requests[number];
            request.state = State::Answered;
            let is_poison = is_poison(request.event.fingerprint);
            match answer {
                AskAnswer::Decided(decided) if !is_poison => {
                    let decisions = decided.actions.iter().map(|action| action.decision.clone());
                    request.told.push(decisions.collect());
                    let customer = &request.event.customer;
                    said.extend(
                        decided.actions.iter().map(|one| (customer.clone(), one.decision.clone())),
                    );
                    self.seen.answered += 1;
                }
                AskAnswer::Duplicate if !is_poison && asking.answers == Answers::Early => {}
                AskAnswer::Duplicate if !is_poison => self.seen.asked_again += 1,
                AskAnswer::Refused(rejection) if is_poison && rejection.reason == Reason::Panic => {
                    self.seen.panicked_asks += 1;
                }
                // Nothing was taken in: it is asked again.
                AskAnswer::NoRoom | AskAnswer::Busy => request.state = State::Lost,
                other => self.found.push(format!("request {number} was answered {other:?}")),
            }
        }
        for (customer, decision) in said {
            self.respond(&customer, &decision);
        }
    }

    /// What comes of something that was said may be reported, once or twice.
    pub(crate) fn respond(&mut self, customer: &Customer, decision: &str) {
        if self.asking.is_none() {
            return;
        }
        for _ in 0..self.rng.random_range(0..3) {
            let Some(outcome) = OUTCOMES.choose(&mut self.rng).copied() else { return };
            self.outcomes += 1;
            let event = Event {
                customer: customer.clone(),
                channel: Channel::new("web").unwrap(),
                id: format!("outcome-{}", self.outcomes).into(),
                fingerprint: FINGERPRINTS / 2 + self.outcomes,
                time: None,
                traceparent: None,
                kind: EventKind::Outcome(OutcomeData { decision: decision.into(), outcome }),
                impossible: None,
                forwarding: None,
            };
            let original = Original {
                subject: format!("jumeau.events.web.{customer}").into(),
                headers: Headers::default(),
                payload: b"{}".as_slice().into(),
            };
            let content = Content::Read(Ok(event));
            let (stream, delivered) = (&mut self.stream, &self.delivered);
            stream::insert(stream, delivered, customer, content, original, &mut self.rng);
        }
    }

    /// A lesson, or the end of the process.
    pub(crate) fn learn(&mut self, with_faults: bool) {
        let Some(asking) = &mut self.asking else { return };
        let rows = |partition: u16| {
            let next = self.memory.trained(partition).unwrap();
            let rows = self.memory.observations(partition, next, limits::LESSON).unwrap();
            rows.into_iter().map(move |(sequence, exposure, response)| {
                (partition, sequence, exposure, response)
            })
        };
        let lesson: Vec<_> = (0..PARTITIONS).flat_map(rows).collect();
        if with_faults && !lesson.is_empty() && self.rng.random_bool(0.2) {
            let fault = if self.rng.random_bool(0.5) { Fault::Write } else { Fault::Sync };
            self.memory.inject(fault);
        }
        match asking.lessons(&self.memory).learn(&self.memory, &self.memory) {
            Ok(None) => {}
            Ok(Some(snapshot)) => {
                asking.learned.push(lesson);
                for one in self.running.iter_mut().flatten() {
                    one.machine.set_models(snapshot.clone());
                }
            }
            Err(_) => {
                let before = asking.learned.len() as u64;
                self.crash();
                self.seen.failed_lessons += 1;
                // What was written and not synced may be there all the same.
                let is_kept = self.memory.model().unwrap().0.version() > before;
                if let Some(asking) = self.asking.as_mut().filter(|_| is_kept) {
                    asking.learned.push(lesson);
                }
            }
        }
    }
}

fn request(number: usize, rng: &mut StdRng) -> Request {
    let partition = rng.random_range(0..PARTITIONS);
    let customer = format!("c{partition}-{}", rng.random_range(0..CUSTOMERS_ASKED));
    let ask = AskData {
        placements: Value::List(["hero".into()].into()),
        most: rng.random_range(1..=2),
        properties: [("page", Value::Int(number as i64))].into_iter().collect(),
    };
    let event = Event {
        customer: Customer::new(&customer).unwrap(),
        channel: Channel::new("web").unwrap(),
        id: format!("request-{number}").into(),
        fingerprint: FINGERPRINTS + rng.random_range(0..1_000) * 1_000 + number as u64,
        time: None,
        traceparent: None,
        kind: EventKind::Ask(ask),
        impossible: None,
        forwarding: None,
    };
    Request { partition, event, state: State::Waiting, told: Vec::new() }
}

/// Every promise that does not hold.
pub(crate) fn check(world: &World, asking: &Asking, found: &mut Vec<String>) {
    let mut said = Said::of(world, found);
    check_requests(world, asking, &mut said, found);
    let mut customers: BTreeMap<u16, BTreeSet<Customer>> = BTreeMap::new();
    for (partition, number) in
        (0..PARTITIONS).flat_map(|one| (0..CUSTOMERS_ASKED).map(move |other| (one, other)))
    {
        let customer = Customer::new(&format!("c{partition}-{number}")).unwrap();
        customers.entry(partition).or_default().insert(customer);
    }
    for (partition, customers) in customers {
        for customer in customers {
            let Some(twin) = world.twin(partition, &customer) else { continue };
            check_ring(world, partition, &twin, &said, found);
            if twin.contacts.len() == limits::CONTACTS {
                found.push(format!("{customer} has too many contacts for this simulation"));
            }
            let asked = twin.facts.get("asked").and_then(Value::as_number).unwrap_or(0.0);
            let journalled = journal(world, partition, &customer).len();
            if asked != journalled as f64 {
                found
                    .push(format!("{customer}: {journalled} requests journalled, {asked} applied"));
            }
        }
    }
    // What was said is answered, ignored, or taken back: one of these, once.
    for (decision, what) in &said.decided {
        let (learned, recalled) =
            (said.observed.contains(decision), said.recalled.contains(decision));
        if learned == recalled {
            let ends = if learned { "was observed and taken back" } else { "came to nothing" };
            found.push(format!("{what} {decision} {ends}"));
        }
    }
    for decision in said.observed.union(&said.recalled) {
        if !said.decided.contains_key(decision) {
            found.push(format!("{decision} was never decided"));
        }
    }
    check_learning(world, asking, &said, found);
}

/// What left, and what was answered, by decision.
struct Said {
    decided: BTreeMap<Box<str>, Box<str>>,
    observed: BTreeSet<Box<str>>,
    recalled: BTreeSet<Box<str>>,
}

impl Said {
    fn of(world: &World, found: &mut Vec<String>) -> Said {
        let mut said =
            Said { decided: BTreeMap::new(), observed: BTreeSet::new(), recalled: BTreeSet::new() };
        for output in world.broker.values() {
            let Ok(told) = serde_json::from_slice::<serde_json::Value>(&output.payload) else {
                continue;
            };
            let Some(decision) = told["data"]["decision"].as_str().map(Box::from) else { continue };
            let is_new = if output.subject.starts_with("jumeau.actions.") {
                said.decided.insert(decision, output.subject.clone()).is_none()
            } else if output.subject.starts_with("jumeau.recalls.") {
                said.recalled.insert(decision)
            } else {
                said.observed.insert(decision)
            };
            if !is_new {
                found.push(format!("a second of {} {}", output.subject, output.id));
            }
        }
        said
    }
}

/// What a partition's journal has of what a customer's twin was asked.
fn journal(world: &World, partition: u16, customer: &Customer) -> Vec<(u64, Vec<Box<str>>)> {
    let rows = world.memory.inputs(partition, customer, Time::from_ms(0), usize::MAX).unwrap();
    let opened =
        rows.iter().map(|row| codec::decode(codec::RecordKind::Input, &row.encoded).unwrap());
    opened
        .filter_map(|input: Journalled| match input {
            Journalled::Ask(asked) => {
                let decisions = asked.answered.into_iter().map(|one| one.decision);
                Some((asked.fingerprint, decisions.collect()))
            }
            _ => None,
        })
        .collect()
}

/// A request is in the journal once, with the answer that was told; or, if answers need not wait, it
/// died with the process.
fn check_requests(world: &World, asking: &Asking, said: &mut Said, found: &mut Vec<String>) {
    for (number, request) in asking.requests.iter().enumerate() {
        let journal = journal(world, request.partition, &request.event.customer);
        let rows: Vec<_> =
            journal.iter().filter(|(one, _)| *one == request.event.fingerprint).collect();
        let is_poison = is_poison(request.event.fingerprint);
        match (&rows[..], &request.told[..]) {
            ([], _) if is_poison => {}
            ([], _) if asking.answers == Answers::Early => {}
            ([(_, kept)], []) if asking.answers == Answers::Durable && !is_poison => {
                note(said, number, kept);
            }
            ([(_, kept)], [.., told]) if kept == told && !is_poison => note(said, number, kept),
            (rows, told) => found.push(format!("request {number}: {rows:?} kept, {told:?} told")),
        }
        if asking.answers == Answers::Durable && request.told.len() > 1 {
            found.push(format!("request {number} was decided again: {:?}", request.told));
        }
    }
}

fn note(said: &mut Said, number: usize, decisions: &[Box<str>]) {
    let what: Box<str> = format!("the answer to request {number}").into();
    said.decided.extend(decisions.iter().map(|decision| (decision.clone(), what.clone())));
}

/// The ring holds the last decisions, without a gap, and what they say was said.
fn check_ring(world: &World, partition: u16, twin: &Twin, said: &Said, found: &mut Vec<String>) {
    let ring = world.memory.decisions(partition, &twin.customer).unwrap();
    let numbers: Vec<u32> = ring.iter().map(|decision| decision.number).collect();
    let oldest = twin.decisions.saturating_sub(limits::DECISIONS as u32);
    if !numbers.iter().copied().eq((oldest..twin.decisions).rev()) {
        found.push(format!(
            "{}: the decisions {numbers:?} of {} are kept",
            twin.customer, twin.decisions
        ));
    }
    for action in ring.iter().flat_map(|decision| &decision.chosen) {
        if !said.decided.contains_key(&action.decision) {
            found.push(format!("{} was decided and is lost", action.decision));
        }
    }
}

/// Each answer was learned from once, and what is known is what these lessons teach.
fn check_learning(world: &World, asking: &Asking, said: &Said, found: &mut Vec<String>) {
    let lessons = asking.learned.iter().flatten();
    let names: BTreeSet<_> =
        lessons.clone().map(|(partition, sequence, ..)| (partition, sequence)).collect();
    let (model, answers) = world.memory.model().unwrap();
    let counts = [lessons.count(), names.len(), answers as usize];
    if counts != [said.observed.len(); 3] {
        found.push(format!("{} observations, learned from {counts:?}", said.observed.len()));
    }
    let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
    for lesson in &asking.learned {
        for (.., exposure, response) in lesson {
            exposure.teach(&mut learner, *response);
        }
        learner.publish();
    }
    if *learner.model() != model {
        found.push(format!("what is known is not what {} lessons teach", asking.learned.len()));
    }
}
