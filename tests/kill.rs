//! Real processes, real kills: the service dies by SIGKILL at random moments while events stream
//! in, and the broker too; afterwards every accepted event was applied exactly once, and every
//! action came out exactly once.
//!
//! `KILLS=<n>` kills that many times (20), `SEED=<n>` chooses the moments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::{self, consumer};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use jumeau::api::{ShowReply, Stats, verb};
use jumeau::bus::{Broker, BrokerOptions, Bus};
use jumeau::config::settings;
use jumeau::event::Value;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Nothing here takes so long, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(120);
/// A live service answers within this time.
const ANSWER: Duration = Duration::from_secs(5);
/// How often a condition is looked at while it is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// So many that nobody is spoken to more often within a second than a twin remembers.
const CUSTOMERS: u32 = 200;
/// How often a channel floods the stream, and the service is killed over it.
const FLOODS: u32 = 3;
/// Events of a flood: many more than partitions take in at once.
const FLOOD: u32 = 4_000;
/// Customers of a flood.
const FLOOD_CUSTOMERS: u32 = 2_000;

const POLICY: &str = r#"
[policy]
name = "kill"
languages = ["en"]

[explore]
reach = 1.0

[needs.more]
describe = "one more of these"
expires = "1d"

[[rules]]
name = "count"
on = "track:Add"
then = [
  { set = "count", to = "default(facts.count, 0) + 1" },
  { set = "sum", to = "default(facts.sum, 0) + event.properties.number" },
  { raise = "more", strength = 0.5 },
]

[[actions]]
name = "answer"
serves = ["more"]
issue = "service"
value = 1.0
cooldown = "0s"
ignored_after = "1s"
[[actions.treatments]]
name = "plain"
channel = "app"
text.en = "{{ facts.count }} of {{ facts.sum }}"
"#;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// The service as a process of its own.
fn serve(folder: &Path, url: &str, durability: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_jumeau"))
        .args(["serve", "--server", url])
        .arg("--policy")
        .arg(folder.join("policy"))
        .arg("--set")
        .arg(format!("store.path={}", folder.join("store").display()))
        // A few residents only, so that twins come and go.
        .args(["--set", "service.partitions=4", "--set", "service.resident-twins-max=16"])
        .args(["--set", "log.filter=warn"])
        .arg("--set")
        .arg(format!("store.durability={durability}"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Publishes an event until the broker has it; its id makes copies harmless.
async fn publish(
    stream: &jetstream::Context,
    channel: &str,
    id: u64,
    customer: String,
    number: u32,
) {
    let subject = format!("jumeau.events.{channel}.{customer}");
    let data = json!({ "name": "Add", "properties": { "number": number } });
    let payload = Bytes::from(json!({ "type": "track", "data": data }).to_string());
    loop {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("event-{id}"));
        let sent = stream.publish_with_headers(subject.clone(), headers, payload.clone()).await;
        if let Ok(answer) = sent
            && answer.await.is_ok()
        {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Every message of a stream, in its order.
async fn all(context: &jetstream::Context, name: &str) -> Vec<(String, Bytes)> {
    let mut stream = context.get_stream(name).await.unwrap();
    let count = stream.info().await.unwrap().state.messages as usize;
    let config = consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let (mut found, mut ids) = (Vec::new(), BTreeSet::new());
    for _ in 0..count {
        let message = timeout(PATIENCE, messages.next()).await.unwrap().unwrap().unwrap();
        let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
        // The stream of events holds copies, of which twins take in the first.
        let is_copy = id.is_some_and(|id| !ids.insert(id.to_string()));
        if !(is_copy && name == "JUMEAU_EVENTS") {
            found.push((message.subject.to_string(), message.payload.clone()));
        }
    }
    found
}

/// What the twins must have said, from the events that the stream holds.
fn expected(events: &[(String, Bytes)]) -> BTreeMap<String, Vec<String>> {
    let mut known: BTreeMap<String, (u64, u64, Vec<String>)> = BTreeMap::new();
    for (subject, payload) in events {
        let customer = subject.rsplit('.').next().unwrap().to_owned();
        let event: serde_json::Value = serde_json::from_slice(payload).unwrap();
        let number = event["data"]["properties"]["number"].as_u64().unwrap();
        let (count, sum, answers) = known.entry(customer).or_default();
        *count += 1;
        *sum += number;
        answers.push(format!("{count} of {sum}"));
    }
    known.into_iter().map(|(customer, (.., answers))| (customer, answers)).collect()
}

fn said(actions: &[(String, Bytes)]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let actions = actions.iter().filter(|(subject, _)| subject.starts_with("jumeau.actions."));
    for (subject, payload) in actions {
        let customer = subject.rsplit('.').next().unwrap().to_owned();
        let action: serde_json::Value = serde_json::from_slice(payload).unwrap();
        let text = action["data"]["text"].as_str().unwrap().to_owned();
        found.entry(customer).or_default().push(text);
    }
    found
}

/// None: no service is there, or the request went to one that was killed before it could answer.
async fn stats(bus: &Bus) -> Option<Stats> {
    let answer = timeout(ANSWER, bus.ask(verb::STATS, &[], Bytes::new())).await.ok()?.ok()?;
    serde_json::from_slice(&answer).ok()
}

/// The decisions of which it was observed what came.
fn observed(messages: &[(String, Bytes)]) -> Vec<String> {
    let observations =
        messages.iter().filter(|(subject, _)| subject.starts_with("jumeau.observations."));
    let decision = |(_, payload): &(String, Bytes)| {
        let told: serde_json::Value = serde_json::from_slice(payload).unwrap();
        told["data"]["decision"].as_str().unwrap().to_owned()
    };
    observations.map(decision).collect()
}

/// Waits until nothing came of each of so many actions, and that was learned from.
async fn learned(bus: &Bus, actions: u64) {
    let learn = async {
        while stats(bus).await.is_none_or(|stats| stats.learning.answers < actions) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    timeout(PATIENCE, learn).await.expect("every answer is learned from");
}

/// Waits until everything that was published is taken in and everything decided is confirmed.
async fn settled(bus: &Bus) {
    let settle = async {
        loop {
            if let Some(stats) = stats(bus).await
                && stats.lag == 0
                && stats.partitions.iter().all(|one| one.outbox == 0 && one.in_flight == 0)
            {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    timeout(PATIENCE, settle).await.expect("the service settles");
}

/// A broker, and a client of it that knows nothing of us; the service is started by each test.
struct Scene {
    durability: &'static str,
    folder: TempDir,
    broker: Broker,
    bus: Bus,
    stream: jetstream::Context,
}

impl Scene {
    async fn new(durability: &'static str) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("policy")).unwrap();
        std::fs::write(folder.path().join("policy/kill.toml"), POLICY).unwrap();
        let options = BrokerOptions::new(folder.path().join("nats"));
        let broker = Broker::start(options).await.unwrap();
        let nats =
            settings::NatsSettings { url: broker.url(), ..settings::NatsSettings::default() };
        let bus = Bus::connect(&nats).await.unwrap();
        bus.ensure_streams(&settings::StreamSettings::default(), 4).await.unwrap();
        let client = async_nats::ConnectOptions::new()
            .max_reconnects(None)
            .reconnect_delay_callback(|_| Duration::from_millis(10))
            .connect(broker.url())
            .await
            .unwrap();
        Scene { durability, folder, broker, bus, stream: jetstream::new(client) }
    }

    fn serve(&self) -> Child {
        serve(self.folder.path(), &self.broker.url(), self.durability)
    }

    /// Of so many events each was taken in once, and answered once, in its customer's order.
    async fn every_event_counted_once(&self, count: u64, seed: u64) {
        let events = all(&self.stream, "JUMEAU_EVENTS").await;
        assert_eq!(events.len() as u64, count, "seed {seed}: the stream has each event once");
        let expected = expected(&events);
        let messages = all(&self.stream, "JUMEAU_ACTIONS").await;
        let said = said(&messages);
        for (customer, answers) in &expected {
            assert_eq!(said.get(customer), Some(answers), "seed {seed}: customer {customer}");
            let shown = self.bus.ask(verb::SHOW, &[customer], Bytes::new()).await.unwrap();
            let shown: ShowReply = serde_json::from_slice(&shown).unwrap();
            let counted = shown.twin.facts.get("count").cloned();
            assert_eq!(counted, Some(Value::Int(answers.len() as i64)), "seed {seed}: {customer}");
        }
        assert_eq!(said.len(), expected.len());

        let mut observed = observed(&messages);
        assert_eq!(observed.len() as u64, count, "seed {seed}: each action is observed");
        observed.sort();
        observed.dedup();
        assert_eq!(observed.len() as u64, count, "seed {seed}: and none twice");
        let stats = stats(&self.bus).await.unwrap();
        assert_eq!(stats.learning.answers, count, "seed {seed}: each is learned from once");
        let dead = stats.total().dead;
        assert!(dead.is_empty(), "seed {seed}: {dead:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_service_and_broker_lose_and_double_nothing() {
    kill_service_and_broker("disk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_service_and_broker_lose_and_double_nothing_with_a_commit_log() {
    kill_service_and_broker("log").await;
}

async fn kill_service_and_broker(durability: &'static str) {
    let kills = number("KILLS", 20);
    let seed = number("SEED", 1);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut scene = Scene::new(durability).await;
    let mut service = scene.serve();
    let mut id = 0;
    for kill in 0..kills {
        // The moment of the kill is so many events away, while they are being taken in.
        for _ in 0..rng.random_range(1..12) {
            let burst: Vec<_> = (0..rng.random_range(1..60))
                .map(|_| {
                    id += 1;
                    let customer = format!("c{}", rng.random_range(0..CUSTOMERS));
                    publish(&scene.stream, "web", id, customer, rng.random_range(0..100))
                })
                .collect();
            timeout(PATIENCE, join_all(burst)).await.expect("the broker takes events");
        }
        if rng.random_bool(0.3) {
            settled(&scene.bus).await;
        }
        service.kill().await.unwrap();
        if kill % 5 == 4 {
            scene.broker.kill().await.unwrap();
            scene.broker.restart().await.unwrap();
        }
        service = scene.serve();
    }
    settled(&scene.bus).await;
    learned(&scene.bus, id).await;
    settled(&scene.bus).await;
    scene.every_event_counted_once(id, seed).await;
    service.kill().await.unwrap();
    scene.broker.stop().await.unwrap();
}

/// Waits until the events of a channel wait, and all others pass them.
async fn slowed(bus: &Bus) {
    let wait = async {
        while stats(bus).await.is_none_or(|stats| stats.slowed.is_empty()) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("the channel that floods is slowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_while_a_flood_waits_lose_and_double_nothing() {
    kill_during_floods("disk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_while_a_flood_waits_lose_and_double_nothing_with_a_commit_log() {
    kill_during_floods("log").await;
}

async fn kill_during_floods(durability: &'static str) {
    let seed = number("SEED", 1);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut scene = Scene::new(durability).await;
    let mut id = 0;
    for _ in 0..FLOODS {
        let flood = (0..FLOOD).map(|number| {
            id += 1;
            // Somebody else is behind them, now and then: or there would be nobody to pass.
            let channel = if number % 200 == 0 { "web" } else { "shop" };
            let customer = format!("{channel}{}", number % FLOOD_CUSTOMERS);
            publish(&scene.stream, channel, id, customer, rng.random_range(0..100))
        });
        let flood = futures::stream::iter(flood).buffered(200).collect::<Vec<()>>();
        timeout(PATIENCE, flood).await.expect("the broker takes events");
        let mut service = scene.serve();
        slowed(&scene.bus).await;
        let beyond = stats(&scene.bus).await.map_or(0, |stats| stats.total().events);
        let more = rng.random_range(0..u64::from(FLOOD / 4));
        let goes_on = async {
            // Once nothing is slowed any more, it is too late to wait for more.
            while stats(&scene.bus).await.is_none_or(|stats| {
                stats.total().events < beyond + more && !stats.slowed.is_empty()
            }) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(PATIENCE, goes_on).await.expect("the service goes on");
        service.kill().await.unwrap();
    }
    let mut service = scene.serve();
    settled(&scene.bus).await;
    learned(&scene.bus, id).await;
    settled(&scene.bus).await;
    scene.every_event_counted_once(id, seed).await;
    service.kill().await.unwrap();
    scene.broker.stop().await.unwrap();
}
