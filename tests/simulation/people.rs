//! Agents at work: whatever fails, an escalation has one holder at a time, what an agent was told to
//! hold is theirs, and what people hear is what was done, in its order.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jumeau::codec;
use jumeau::event::{Channel, Customer, Event, EventKind, HandoffData, HandoffState, Output, Time};
use jumeau::partition::{Answers, AskAnswer};
use jumeau::policy::{self, Files, Policy};
use jumeau::tables::Read;
use jumeau::twin::{EscalationState, HandedOver, Journalled, Twin};
use rand::RngExt;
use rand::seq::IndexedRandom;

use super::stream;
use super::world::{PARTITIONS, POLICY, World};

/// So few of each partition that agents meet.
const CUSTOMERS_HELPED: usize = 2;
/// Acts of one run, at most: no twin comes to the end of its memory for duplicates.
const ACTS_MAX: usize = 24;
/// Behind every identity of an event that a channel reports.
const FINGERPRINTS: u64 = 1 << 40;
const AGENTS: [&str; 2] = ["kim", "sam"];
/// What agents do most is claim.
const STATES: [HandoffState; 6] = [
    HandoffState::Claimed,
    HandoffState::Claimed,
    HandoffState::Claimed,
    HandoffState::Noted,
    HandoffState::HandedBack,
    HandoffState::Resolved,
];

/// What everybody is answered is vital here: it is said also while an agent holds the conversation.
fn the_policy() -> Arc<Policy> {
    static ONCE: OnceLock<Arc<Policy>> = OnceLock::new();
    ONCE.get_or_init(|| {
        let vital = POLICY.replace("cooldown = \"0s\"\n", "cooldown = \"0s\"\nvital = true\n");
        Arc::new(policy::load(&Files::new([("simulation.toml", &vital)])).unwrap())
    })
    .clone()
}

/// The agents.
pub(crate) struct People {
    pub(crate) answers: Answers,
    acts: Vec<Act>,
    /// What people heard of each customer, in the order in which it came first.
    heard: BTreeMap<Customer, Vec<Heard>>,
}

struct Act {
    partition: u16,
    event: Event,
    state: State,
    /// How often it was done.
    done: u64,
    /// Whether the agent was told that it had been done before.
    is_known: bool,
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

/// What one message said about an escalation.
#[derive(Debug, Clone)]
struct Heard {
    escalation: Box<str>,
    state: Box<str>,
    agent: Option<Box<str>>,
    /// Whether an agent did something, rather than anybody else.
    is_act: bool,
}

impl People {
    pub(crate) fn crash(&mut self) {
        for act in self.acts.iter_mut().filter(|act| act.state == State::Waiting) {
            act.state = State::Lost;
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.acts.iter().all(|act| act.state == State::Answered)
    }

    /// The broker has something for people that it did not have before.
    pub(crate) fn take_output(&mut self, output: &Output) {
        let told: serde_json::Value = serde_json::from_slice(&output.payload).unwrap();
        let text = |name: &str| told["data"][name].as_str().map(Box::from);
        let heard = Heard {
            escalation: text("id").unwrap(),
            state: text("state").unwrap(),
            agent: text("agent"),
            is_act: told["id"].as_str().unwrap().starts_with('h'),
        };
        let customer = Customer::new(&text("customer").unwrap()).unwrap();
        self.heard.entry(customer).or_default().push(heard);
    }
}

impl World {
    /// A world in which agents take over.
    pub(crate) fn helping(seed: u64) -> World {
        let mut world =
            World::made(seed, |rng, start| stream::stream_of(rng, start, CUSTOMERS_HELPED, 60));
        let answers = [Answers::Durable, Answers::Early][world.rng.random_range(0..2)];
        world.people = Some(People { answers, acts: Vec::new(), heard: BTreeMap::new() });
        world.policy = the_policy();
        world
    }

    /// An agent does something, or asks once more for what was not answered.
    pub(crate) fn help(&mut self, with_faults: bool) {
        let Some(people) = &self.people else { return };
        let lost = people.acts.iter().position(|act| act.state == State::Lost);
        let number = lost.unwrap_or(people.acts.len());
        if lost.is_none() {
            if !with_faults || number >= ACTS_MAX {
                return;
            }
            let Some(act) = self.act(number) else { return };
            self.people.as_mut().unwrap().acts.push(act);
        }
        let (Some(people), Some(running)) = (&mut self.people, &mut self.running) else { return };
        let act = &mut people.acts[number];
        act.state = State::Waiting;
        let one = &mut running[usize::from(act.partition)];
        let wall = Time::from_ms(self.now.ms() + self.off_ms);
        one.machine.asked(act.event.clone(), number, wall, &mut one.desk);
    }

    /// What an agent does with one of the escalations that a list may show, or has shown.
    fn act(&mut self, number: usize) -> Option<Act> {
        let partition = self.rng.random_range(0..PARTITIONS);
        let name = format!("c{partition}-{}", self.rng.random_range(0..CUSTOMERS_HELPED));
        let customer = Customer::new(&name).unwrap();
        let twin = self.twin(partition, &customer)?;
        let id = twin.escalations.choose(&mut self.rng)?.id.clone();
        let data = serde_json::json!({
            "escalation": id, "agent": AGENTS.choose(&mut self.rng),
            "state": STATES.choose(&mut self.rng).unwrap().name(), "note": "seen to",
        });
        let handoff: HandoffData = serde_json::from_value(data).unwrap();
        let event = Event {
            customer,
            channel: Channel::new("desk").unwrap(),
            id: format!("act-{number}").into(),
            fingerprint: FINGERPRINTS + number as u64,
            time: None,
            traceparent: None,
            kind: EventKind::Handoff(Box::new(handoff)),
            impossible: None,
            forwarding: None,
        };
        Some(Act { partition, event, state: State::Waiting, done: 0, is_known: false })
    }

    /// Agents hear what came of what they did.
    pub(crate) fn take_acts(&mut self) {
        let (Some(people), Some(running)) = (&mut self.people, &mut self.running) else { return };
        for (number, answer) in running.iter_mut().flat_map(|one| one.desk.answers.drain(..)) {
            let act = &mut people.acts[number];
            act.state = State::Answered;
            match answer {
                AskAnswer::Acted(_) => {
                    act.done += 1;
                    self.seen.answered += 1;
                }
                AskAnswer::Duplicate => {
                    act.is_known = true;
                    self.seen.asked_again += 1;
                }
                AskAnswer::Refused(_) => self.seen.refused += 1,
                // Nothing was taken in: it is asked again.
                AskAnswer::NoRoom | AskAnswer::Busy => act.state = State::Lost,
                other => self.found.push(format!("act {number} was answered {other:?}")),
            }
        }
    }
}

/// Every promise that does not hold.
pub(crate) fn check(world: &World, people: &People, found: &mut Vec<String>) {
    let mut journals = BTreeMap::new();
    for partition in 0..PARTITIONS {
        for number in 0..CUSTOMERS_HELPED {
            let customer = Customer::new(&format!("c{partition}-{number}")).unwrap();
            let journal = journal(world, partition, &customer);
            if let Some(twin) = world.twin(partition, &customer) {
                check_people(&twin, &journal, people, found);
            }
            journals.insert(customer, journal);
        }
    }
    // What an agent was told is done is kept, once; and of what is kept an agent was told.
    for act in &people.acts {
        let rows = journals[&act.event.customer].iter();
        let kept = rows.filter(|row| row.fingerprint == act.event.fingerprint).count() as u64;
        if kept != (act.done + u64::from(act.is_known)).min(1) || act.done > 1 {
            let told = (act.done, act.is_known);
            found.push(format!("{}: kept {kept} times, told {told:?}", act.event.id));
        }
    }
}

/// What agents did with a customer's escalations, in its order.
fn journal(world: &World, partition: u16, customer: &Customer) -> Vec<HandedOver> {
    let rows = world.memory.inputs(partition, customer, Time::from_ms(0), usize::MAX).unwrap();
    let opened =
        rows.iter().map(|row| codec::decode(codec::RecordKind::Input, &row.encoded).unwrap());
    opened
        .filter_map(|input: Journalled| match input {
            Journalled::Handoff(act) => Some(*act),
            _ => None,
        })
        .collect()
}

/// People heard of each act, in its order; nobody went on with what another one held, nor with what
/// was over; and what they heard last is how it stands.
fn check_people(twin: &Twin, acts: &[HandedOver], people: &People, found: &mut Vec<String>) {
    let customer = &twin.customer;
    let mut acts = acts.iter().map(|act| &act.handoff);
    let mut holders: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut over: BTreeMap<&str, &str> = BTreeMap::new();
    for heard in people.heard.get(customer).into_iter().flatten() {
        let id = &*heard.escalation;
        let holder = holders.entry(id).or_default();
        if let Some(end) = over.get(id) {
            found.push(format!("{customer}: {heard:?}, and it was {end}"));
        }
        if heard.is_act {
            let Some(act) = acts.next().filter(|act| *act.escalation == *id) else {
                found.push(format!("{customer}: {heard:?}, and nobody did it"));
                continue;
            };
            if holder.is_some_and(|holder| act.agent.as_deref() != Some(holder)) {
                found.push(format!("{customer}: {act:?}, and it was held by {holder:?}"));
            }
            if act.state == HandoffState::Claimed {
                *holder = act.agent.as_deref();
            }
        }
        match &*heard.state {
            "claimed" if heard.agent.as_deref() == *holder => {}
            "open" if heard.agent.is_none() => *holder = None,
            "expired" => {}
            end @ ("handed-back" | "resolved") if heard.is_act => {
                over.insert(id, end);
                *holder = None;
            }
            _ => found.push(format!("{customer}: {heard:?}, and it was held by {holder:?}")),
        }
    }
    let unheard = acts.count();
    if unheard > 0 {
        found.push(format!("{customer}: people did not hear of {unheard} acts"));
    }
    for known in &twin.escalations {
        let holder = known.agent.as_deref().filter(|_| known.is_claimed());
        let end = (!known.is_open()).then(|| known.state.name());
        let heard = (holders.get(&*known.id).copied().flatten(), over.get(&*known.id).copied());
        if heard != (holder, end) {
            found.push(format!("{customer}: {known:?}, and people heard {heard:?}"));
        }
        if known.state == EscalationState::Expired {
            found.push(format!("{customer}: {known:?} stays expired"));
        }
    }
}
