//! The promises that must hold after every run.

use std::collections::{BTreeMap, BTreeSet};

use jumeau::event::{Content, Customer, Delivery, Value};
use jumeau::models::ArmResult;
use jumeau::partition::revive;
use jumeau::tables::Read;
use jumeau::twin::{Twin, WaitingEscalation, invariants};

use super::asked;
use super::erasures;
use super::links::{self, Links};
use super::people;
use super::shared;
use super::stream::{Stored, is_add, number_of};
use super::world::World;

/// What the experiments should show of a customer: everybody counts once.
fn count_trials(twin: &Twin, tried: &mut BTreeMap<(Box<str>, Box<str>), ArmResult>) {
    for trial in &twin.trials {
        let key = (trial.experiment.clone(), trial.arm.clone());
        tried.entry(key).or_default().add(&ArmResult {
            entered: 1,
            reached: trial.reached.into(),
            value: trial.value,
            squares: trial.value * trial.value,
        });
    }
}

/// The list of what waits is what the twin says, and nothing waits where nobody came in time.
fn check_people(twin: &Twin, listed: Option<&Vec<WaitingEscalation>>, found: &mut Vec<String>) {
    let customer = &twin.customer;
    let listed = listed.cloned().unwrap_or_default();
    if listed != twin.waiting() {
        found.push(format!("{customer}: listed {listed:?}, waiting {:?}", twin.waiting()));
    }
    let nobody_came = |one: &&WaitingEscalation| *one.queue != *"second" && one.agent.is_none();
    if let Some(late) = listed.iter().find(nobody_came) {
        found.push(format!("{customer}: nobody noticed that nobody came: {late:?}"));
    }
    if listed.len() > 1 {
        found.push(format!("{customer}: {} escalations about the same", listed.len()));
    }
}

fn fingerprint_of(stored: &Stored) -> Option<u64> {
    match &stored.delivery.content {
        Content::Read(Ok(event)) => Some(event.fingerprint),
        _ => None,
    }
}

/// Of each channel, the twin took in the events in the order in which they were sent.
fn check_order(twin: &Twin, events: &[&Stored], found: &mut Vec<String>) {
    let places = (0..).zip(events).filter_map(|(at, one)| Some((fingerprint_of(one)?, at)));
    let places: BTreeMap<u64, usize> = places.collect();
    for channel in ["web", "shop"] {
        let entries = twin.timeline.iter().filter(|entry| entry.channel == channel);
        let taken: Vec<usize> =
            entries.filter_map(|entry| places.get(&entry.fingerprint).copied()).collect();
        if !taken.is_sorted() {
            found.push(format!("{} took in {channel} in the order {taken:?}", twin.customer));
        }
    }
}

impl World {
    /// Every promise that does not hold.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = self.found.clone();
        if self.erases && self.links == Links::Chains {
            erasures::check_returns(self, &mut found);
        } else if self.erases {
            erasures::check(self, &mut found);
        }
        if self.links != Links::None && self.erases {
            return found;
        }
        if self.links != Links::None {
            links::check(self, self.links, &mut found);
            return found;
        }
        if self.shares {
            shared::check(self, &mut found);
        }
        let erased = self.erased();
        let is_erased = |subject: &str| {
            erased.iter().any(|customer| subject.rsplit('.').next() == Some(customer.as_str()))
        };
        if let Some(asking) = &self.asking {
            asked::check(self, asking, &mut found);
        }
        if let Some(people) = &self.people {
            people::check(self, people, &mut found);
        }
        for (partition, events) in self.stream.iter().enumerate() {
            let partition = partition as u16;
            let mut expected: BTreeMap<Customer, Vec<&Stored>> = BTreeMap::new();
            let mut ids = BTreeSet::new();
            for stored in events.iter().filter(|one| !is_erased(&one.delivery.original.subject)) {
                match &stored.delivery.content {
                    Content::Read(Ok(event)) if !stored.is_poison => {
                        if ids.insert((event.customer.clone(), event.fingerprint)) {
                            expected.entry(event.customer.clone()).or_default().push(stored);
                        }
                    }
                    // Every partition has it.
                    Content::Broadcast(_) => {}
                    _ => self.expect_letter(&stored.delivery, &mut found),
                }
            }
            let mut tried = BTreeMap::new();
            let mut waiting = BTreeMap::new();
            let mut visit = |customer, rows| drop(waiting.insert(customer, rows));
            self.memory.waiting(partition, &mut visit).unwrap();
            let asked = self.asking.as_ref().map(|asking| asking.customers(partition));
            for customer in asked.into_iter().flatten().filter(|one| !expected.contains_key(one)) {
                if let Some(twin) = self.twin(partition, &customer) {
                    count_trials(&twin, &mut tried);
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
                check_people(&twin, waiting.get(&customer), &mut found);
                let mut events = events;
                if self.lanes.is_some() {
                    check_order(&twin, &events, &mut found);
                    let entries: Vec<u64> =
                        twin.timeline.iter().map(|entry| entry.fingerprint).collect();
                    events.sort_by_key(|stored| {
                        let is_it = |known: &u64| Some(*known) == fingerprint_of(stored);
                        entries.iter().position(is_it)
                    });
                }
                self.check_twin(&twin, &events, &mut found);
                count_trials(&twin, &mut tried);
            }
            let results = self.memory.results(partition).unwrap();
            let results: BTreeMap<_, _> =
                results.into_iter().map(|(name, arm, result)| ((name, arm), result)).collect();
            // What somebody did who was erased stays in the sums.
            if results != tried && !self.erases {
                found.push(format!("experiments show {results:?}, twins went through {tried:?}"));
            }
        }
        found
    }

    fn check_twin(&self, twin: &Twin, events: &[&Stored], found: &mut Vec<String>) {
        let events: Vec<&&Stored> =
            events.iter().filter(|stored| is_add(&stored.delivery)).collect();
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
