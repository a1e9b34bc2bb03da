//! Broadcasts against the real service: it dies in the middle of waking customers, and each of those
//! whom it concerns hears of it once.

use std::collections::BTreeMap;
use std::time::Instant;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer;
use bytes::Bytes;
use futures::StreamExt;
use jumeau::api::{LiveBroadcasts, verb};
use jumeau::event::Reason;
use jumeau::partition::Progress;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::rig::{PATIENCE, Rig};

const RATE: &str = "broadcast.wake-per-second";
const SLOW: u32 = 8;
const PARTITIONS: u32 = 4;
const CUSTOMERS: usize = 1_200;
const REGIONS: [&str; 3] = ["NSW", "VIC", "QLD"];

const POLICY: &str = r#"
[policy]
name = "fires"
languages = ["en"]

[broadcasts]
scopes = ["fires"]
INDEX

[needs.safety]
describe = "to be safe"
expires = "1d"

[[rules]]
name = "there are fires"
on = "broadcast:fires"
then = [{ raise = "safety", strength = 0.9 }]

[[actions]]
name = "help"
serves = ["safety"]
issue = "service"
value = 1.0
cooldown = "0s"
[[actions.treatments]]
name = "plain"
channel = "app"
text.en = "Fires of level {{ shared.fires.level }} in {{ profile.region }}"
"#;

async fn rig(index: &str, settings: &[&str]) -> Rig {
    let partitions = format!("service.partitions={PARTITIONS}");
    let settings = [&[&*partitions], settings].concat();
    Rig::with_policy(&POLICY.replace("INDEX", index), &settings).await
}

async fn populate(rig: &Rig) {
    for number in 0..CUSTOMERS {
        let region = REGIONS[number % REGIONS.len()];
        let data = json!({ "traits": { "region": region } });
        rig.event("web", &format!("c{number}"), "identify", data).await;
    }
    rig.settled().await;
}

async fn broadcast(rig: &Rig, data: Value) {
    let payload = json!({ "type": "broadcast", "data": data }).to_string();
    rig.publish("jumeau.broadcast.fires", HeaderMap::new(), payload).await;
}

fn fires() -> Value {
    json!({ "value": { "level": 3 }, "where": "profile.region in ['NSW', 'VIC']", "wake": true })
}

async fn progress(rig: &Rig) -> Option<Progress> {
    let answer = rig.ask(verb::BROADCASTS, &[], Bytes::new()).await.ok()?;
    let answer: LiveBroadcasts = serde_json::from_slice(&answer).unwrap();
    answer.broadcasts.into_iter().next()
}

async fn until(rig: &Rig, what: &str, holds: impl Fn(&Progress) -> bool) -> Progress {
    rig.until(what, async || progress(rig).await.is_some_and(|one| holds(&one))).await;
    progress(rig).await.unwrap()
}

/// What was said to each customer.
async fn said(rig: &Rig) -> BTreeMap<String, Vec<String>> {
    let mut stream = rig.stream.get_stream("JUMEAU_ACTIONS").await.unwrap();
    let count = stream.info().await.unwrap().state.messages;
    let config = consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..count {
        let message = timeout(PATIENCE, messages.next()).await.unwrap().unwrap().unwrap();
        let customer = message.subject.rsplit('.').next().unwrap().to_owned();
        let action: Value = serde_json::from_slice(&message.payload).unwrap();
        found.entry(customer).or_default().push(action["data"]["text"].as_str().unwrap().into());
    }
    found
}

/// Those in the regions were told once, and nobody else.
fn check(said: &BTreeMap<String, Vec<String>>) {
    for number in 0..CUSTOMERS {
        let region = REGIONS[number % REGIONS.len()];
        let customer = format!("c{number}");
        let expected = match region {
            "QLD" => None,
            region => Some(vec![format!("Fires of level 3 in {region}")]),
        };
        assert_eq!(said.get(&customer), expected.as_ref(), "{customer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_while_it_wakes_customers_goes_on_and_each_is_woken_once() {
    let slow = format!("{RATE}={SLOW}");
    let mut rig = rig("", &[&slow, "service.resident-twins-max=64"]).await;
    populate(&rig).await;
    let since = Instant::now();
    broadcast(&rig, fires()).await;
    for (kill, visited) in [(1, 8), (2, 24)] {
        let before = until(&rig, "some are woken", |one| one.visited > visited).await;
        // To come to the end would take longer than anybody waits here.
        assert!(!before.is_done(), "{before:?}");
        // No more than the rate allows, and the first one of each partition and process.
        let most = since.elapsed().as_secs_f64() * f64::from(SLOW) + f64::from(kill * PARTITIONS);
        assert!(before.visited as f64 <= most, "{before:?} and at most {most}");
        rig.service.kill().await.unwrap();
        rig.restart().await;
    }
    rig.service.kill().await.unwrap();
    rig.restart_with(&[&format!("{RATE}=100000")]).await;
    let after = until(&rig, "all are woken", Progress::is_done).await;
    rig.settled().await;
    assert_eq!((after.visited, after.woken), (CUSTOMERS as u64, CUSTOMERS as u64 * 2 / 3));
    check(&said(&rig).await);

    // One who moves in hears of it, one who comes later too, and nobody once it is over.
    let moves = |region: &str| json!({ "traits": { "region": region } });
    rig.event("web", "c2", "identify", moves("VIC")).await;
    rig.event("web", "newcomer", "identify", moves("NSW")).await;
    rig.settled().await;
    broadcast(&rig, json!({ "ended": true })).await;
    rig.event("web", "latecomer", "identify", moves("NSW")).await;
    rig.settled().await;
    assert!(progress(&rig).await.is_none());
    let said = said(&rig).await;
    assert_eq!(said["c2"], ["Fires of level 3 in VIC"]);
    assert_eq!(said["newcomer"], ["Fires of level 3 in NSW"]);
    assert!(!said.contains_key("latecomer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_finds_the_matching_customers_and_wakes_no_others() {
    let mut rig = rig(r#"index = ["profile.region"]"#, &["broadcast.wake-per-second=100000"]).await;
    populate(&rig).await;
    rig.service.kill().await.unwrap();
    rig.restart().await;
    broadcast(&rig, fires()).await;
    let after = until(&rig, "all are woken", Progress::is_done).await;
    rig.settled().await;
    let concerned = CUSTOMERS as u64 * 2 / 3;
    assert!(after.by_index);
    assert_eq!((after.visited, after.woken), (concerned, concerned));
    check(&said(&rig).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_with_a_mistake_is_buried_once_with_a_sentence_that_helps() {
    let rig = rig("", &[]).await;
    broadcast(&rig, json!({ "value": 1, "where": "profle.region == 'NSW'" })).await;
    rig.settled().await;
    let letters = rig.bus.dead_letters(None, 0, 10).await.unwrap();
    assert_eq!(letters.len(), 1, "four partitions bury it once: {letters:?}");
    assert!(letters[0].detail.contains("did you mean `profile`?"), "{}", letters[0].detail);
    assert_eq!(letters[0].reason, Reason::BadData.token());
    let dead = rig.stats().await.unwrap().total().dead;
    assert_eq!(dead, BTreeMap::from([(Reason::BadData, 1)]));
}
