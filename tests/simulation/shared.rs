//! Broadcasts: whom they concern they touch, once, and nobody else, by whatever way they are found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jumeau::event::{
    Broadcast, Content, Customer, Delivery, EventKind, Headers, IdentifyData, Lane, Original,
    SharedFact, Time, Value,
};
use jumeau::partition::{TimeMode, revive, rows_of};
use jumeau::policy::{self, Files, Policy};
use jumeau::tables::{IndexKey, Read, Table};
use jumeau::twin::Twin;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::stream::{BETWEEN, Stored, event};
use super::world::{CUSTOMERS, PARTITIONS, POLICY, World};

const SCOPES: [&str; 2] = ["fires", "floods"];
const GROUPS: [&str; 3] = ["north", "south", "west"];

/// Conditions and the groups that they concern.
const CONDITIONS: [(Option<&str>, &[&str]); 4] = [
    (None, &GROUPS),
    (Some("profile.group == 'north'"), &["north"]),
    (Some("profile.group in ['south', 'west'] && has(profile.group)"), &["south", "west"]),
    (Some("default(profile.group, 'nowhere') != 'north'"), &["south", "west"]),
];

const RULES: &str = r#"
[broadcasts]
scopes = ["fires", "floods"]
INDEX

[[rules]]
name = "fires"
on = "broadcast:fires"
then = [{ set = "heard", to = "default(facts.heard, '') + string(shared.fires) + ' '" }]

[[rules]]
name = "floods"
on = "broadcast:floods"
then = [{ set = "heard", to = "default(facts.heard, '') + string(shared.floods) + ' '" }]
"#;

/// One of two policies that differ in what they index.
pub(crate) fn a_policy(rng: &mut StdRng) -> Arc<Policy> {
    static ONCE: OnceLock<[Arc<Policy>; 2]> = OnceLock::new();
    let load = |index: &str| {
        let text = POLICY.to_owned() + &RULES.replace("INDEX", index);
        Arc::new(policy::load(&Files::new([("simulation.toml", &text)])).unwrap())
    };
    let both = ONCE.get_or_init(|| [load(""), load(r#"index = ["profile.group"]"#)]);
    both.choose(rng).unwrap().clone()
}

/// Events of a few customers who move between groups, and broadcasts among them.
pub(crate) fn stream(rng: &mut StdRng, start: Time) -> Vec<Vec<Stored>> {
    let mut stream: Vec<Vec<Stored>> = vec![Vec::new(); usize::from(PARTITIONS)];
    let mut said: Vec<Arc<Broadcast>> = Vec::new();
    let mut stored = start;
    for sequence in 1..=rng.random_range(10..80) {
        stored = stored + Duration::from_millis(rng.random_range(0..2_000));
        if rng.random_bool(0.12) {
            // Some say again, soon or late, what was said before.
            let copied = rng.random_bool(0.3).then(|| said.choose(rng).cloned()).flatten();
            let told = copied.unwrap_or_else(|| Arc::new(broadcast(sequence, rng)));
            said.push(told.clone());
            let content = Content::Broadcast(told);
            for (partition, events) in (0..).zip(&mut stream) {
                let delivery = Delivery {
                    sequence: sequence * BETWEEN,
                    lane: Lane::Main,
                    partition,
                    stored,
                    content: content.clone(),
                    original: Original {
                        subject: "jumeau.broadcast.fires".into(),
                        headers: Headers::default(),
                        payload: b"{}".as_slice().into(),
                    },
                };
                events.push(Stored { delivery, is_poison: false });
            }
            continue;
        }
        let partition = rng.random_range(0..PARTITIONS);
        let mut delivery = event(partition, rng.random_range(0..CUSTOMERS), sequence, rng);
        if rng.random_bool(0.5)
            && let Content::Read(Ok(event)) = &mut delivery.content
        {
            let group: Value = (*GROUPS.choose(rng).unwrap()).into();
            event.kind = EventKind::Identify(IdentifyData {
                traits: [("group", group)].into_iter().collect(),
                anew: false,
            });
        }
        (delivery.sequence, delivery.stored) = (sequence * BETWEEN, stored);
        let is_poison = rng.random_bool(0.03);
        stream[usize::from(partition)].push(Stored { delivery, is_poison });
    }
    stream
}

fn broadcast(sequence: u64, rng: &mut StdRng) -> Broadcast {
    let ended = rng.random_bool(0.25);
    let mut condition = CONDITIONS.choose(rng).unwrap().0;
    if rng.random_bool(0.1) {
        condition = Some("profle.group == 'north'");
    }
    Broadcast {
        scope: (*SCOPES.choose(rng).unwrap()).into(),
        id: format!("b{sequence}").into(),
        fingerprint: sequence,
        time: None,
        fact: SharedFact {
            value: (!ended).then_some(Value::Int(sequence as i64)),
            condition: condition.filter(|_| !ended).map(Into::into),
            ttl: rng.random_bool(0.2).then(|| rng.random_range(1..60)),
            wake: !ended && rng.random_bool(0.7),
            ended,
            decide: None,
        },
    }
}

/// A broadcast, and what its condition makes of it.
struct Told<'a> {
    value: i64,
    groups: &'static [&'static str],
    wakes: bool,
    /// Where it stands among the events of a partition, and where it ends there.
    from: usize,
    to: usize,
    until: Time,
    fact: &'a Broadcast,
}

/// Every promise that does not hold.
pub(crate) fn check(world: &World, found: &mut Vec<String>) {
    for (partition, events) in world.stream.iter().enumerate() {
        let told = broadcasts(events, world, found);
        let mut own: BTreeMap<&Customer, Vec<(usize, &Stored)>> = BTreeMap::new();
        for (at, stored) in events.iter().enumerate() {
            if let Content::Read(Ok(event)) = &stored.delivery.content
                && !stored.is_poison
            {
                own.entry(&event.customer).or_default().push((at, stored));
            }
        }
        let customers: Vec<Customer> = own.keys().map(|id| (*id).clone()).collect();
        let loaded = world.memory.load(partition as u16, &customers).unwrap();
        let mut rows = BTreeSet::new();
        for ((customer, own), loaded) in own.iter().zip(loaded) {
            let Some(loaded) = loaded else { continue };
            let twin = revive((*customer).clone(), &loaded.state, &loaded.timeline).unwrap();
            let heard = twin.facts.get("heard").map(ToString::to_string).unwrap_or_default();
            for told in &told {
                let value = told.value.to_string();
                let times = heard.split_whitespace().filter(|one| **one == value).count();
                let range = told.expected(own, world, &twin);
                if !range.contains(&times) {
                    found.push(format!(
                        "{customer} heard {times} times of {:?}, expected {range:?}; heard {heard}",
                        told.fact
                    ));
                }
            }
            rows.extend(
                rows_of(&twin, &world.policy).into_iter().map(|key| (key, (*customer).clone())),
            );
        }
        check_index(world, partition as u16, &rows, found);
    }
}

/// The broadcasts of a partition that can be used.
fn broadcasts<'a>(events: &'a [Stored], world: &World, found: &mut Vec<String>) -> Vec<Told<'a>> {
    let mut all: Vec<Told<'a>> = Vec::new();
    let mut known_ids = BTreeSet::new();
    for (at, stored) in events.iter().enumerate() {
        let Content::Broadcast(told) = &stored.delivery.content else { continue };
        let known = CONDITIONS.iter().find(|(text, _)| *text == told.fact.condition.as_deref());
        let Some((_, groups)) = known else {
            world.expect_letter(&stored.delivery, found);
            continue;
        };
        // A copy begins nothing and ends nothing, whether the first still lives or not.
        if !known_ids.insert(told.fingerprint) {
            continue;
        }
        for earlier in &mut all {
            if earlier.fact.scope == told.scope {
                earlier.to = earlier.to.min(at);
            }
        }
        let Some(value) = told.fact.value.as_ref().and_then(Value::as_number) else { continue };
        let lives = told
            .fact
            .ttl
            .map_or(Duration::from_secs(86_400), |ttl| Duration::from_secs(ttl.into()));
        all.push(Told {
            value: value as i64,
            groups,
            wakes: told.fact.wake,
            from: at,
            to: usize::MAX,
            until: stored.delivery.stored + lives,
            fact: told,
        });
    }
    all
}

impl Told<'_> {
    /// How often a customer with these events may have heard of it.
    fn expected(
        &self,
        own: &[(usize, &Stored)],
        world: &World,
        twin: &Twin,
    ) -> std::ops::RangeInclusive<usize> {
        // Where the clock on the wall was set ahead, timers fired: the twin goes on from there, and
        // what lives for a short while is over for it.
        let now_of = |fingerprint| {
            twin.timeline.iter().find(|entry| entry.fingerprint == fingerprint).map(|one| one.at)
        };
        let everybody = self.fact.fact.condition.is_none();
        let without = self.fact.fact.condition.as_deref() == CONDITIONS[3].0;
        let fits = |group: Option<&str>| match group {
            Some(group) => self.groups.contains(&group),
            None => everybody || without,
        };
        let mut group = None;
        let mut ids = BTreeSet::new();
        // Whether the twin was there when it came, and fitted; whether it fitted at any time after;
        // whether it fitted when an event of its own came; whether anything came at all.
        let (mut fitted_before, mut fitted_after, mut fitted_own, mut came) =
            (false, false, false, false);
        for (at, stored) in own {
            if *at > self.to {
                break;
            }
            let Content::Read(Ok(event)) = &stored.delivery.content else { continue };
            if !ids.insert(event.fingerprint) {
                continue;
            }
            if let EventKind::Identify(IdentifyData { traits, .. }) = &event.kind {
                group = traits.get("group").map(ToString::to_string);
            }
            let fits = fits(group.as_deref());
            if *at < self.from {
                fitted_before = fits;
            } else {
                came = true;
                fitted_after |= fits;
                fitted_own |= fits && now_of(event.fingerprint).is_some_and(|now| now < self.until);
            }
        }
        let lives_on = self.to == usize::MAX && world.now < self.until;
        // In event time nothing overtakes a wake-up.
        let is_at_once = world.mode == TimeMode::Event && self.fact.fact.ttl.is_none();
        let is_certain = is_at_once || !came && lives_on;
        if fitted_own || self.wakes && fitted_before && is_certain {
            1..=1
        } else if fitted_before || fitted_after {
            // A sweep may have come to it, or a timer fired.
            0..=1
        } else {
            0..=0
        }
    }
}

/// If there is an index, it has the rows that its twins make, and no others.
fn check_index(
    world: &World,
    partition: u16,
    rows: &BTreeSet<(IndexKey, Customer)>,
    found: &mut Vec<String>,
) {
    let (from, until) = (partition.to_be_bytes(), (partition + 1).to_be_bytes());
    let mut count = 0;
    let mut scan = |_: &[u8], _: &[u8]| {
        count += 1;
        Ok(true)
    };
    world.memory.scan(Table::Index, &from, &until, &mut scan).unwrap();
    if count != rows.len() {
        found.push(format!("partition {partition}: {count} rows, expected {rows:?}"));
    }
    for (key, customer) in rows {
        let all = world.memory.customers(partition, Some(*key), None, usize::MAX).unwrap();
        if !all.contains(customer) {
            found.push(format!("{customer} is not in the index, only {all:?}"));
        }
    }
}
