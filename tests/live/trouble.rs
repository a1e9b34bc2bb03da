//! What goes wrong around the service: nothing is lost, it can be seen, and it goes on by itself.

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use bytes::Bytes;
use jumeau::api::{Stats, verb};
use jumeau::bus::Error;
use jumeau::config::limits;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::disk::Disk;
use super::rig::{PATIENCE, Rig};

/// A policy that says something to everybody who asks for it, however often.
const POLICY: &str = r#"
[policy]
name = "trouble"
languages = ["en"]

[needs.more]
describe = "one more of these"
expires = "1d"

[[rules]]
name = "more"
on = "track:More"
then = [{ raise = "more", strength = 0.5 }]

[[actions]]
name = "answer"
serves = ["more"]
issue = "service"
value = 1.0
cooldown = "0s"
[[actions.treatments]]
name = "plain"
channel = "app"
text.en = "More for {{ customer.id }}."
"#;

fn policy() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trouble.toml"), POLICY).unwrap();
    let path = folder.path().display().to_string();
    (folder, path)
}

async fn more(rig: &Rig, customer: &str) {
    rig.event("web", customer, "track", json!({ "name": "More" })).await;
}

async fn ask(rig: &Rig, customer: &str) -> Result<Bytes, Error> {
    let request = json!({ "channel": "app" }).to_string();
    rig.ask(verb::DECIDE, &[customer], request.into()).await
}

/// Waits until the service says this of itself.
async fn until(rig: &Rig, what: &str, holds: impl Fn(&Stats) -> bool) {
    rig.until(what, async || rig.stats().await.is_some_and(|stats| holds(&stats))).await;
}

/// Changes the stream of actions.
async fn change_actions(rig: &Rig, change: impl FnOnce(&mut Config)) {
    let stream = rig.stream.get_stream("JUMEAU_ACTIONS").await.unwrap();
    let mut config = stream.cached_info().config.clone();
    change(&mut config);
    rig.stream.update_stream(config).await.unwrap();
}

/// Waits until the broker has so many events.
async fn stored(rig: &Rig, events: u64) {
    rig.until("the broker has every event", async || {
        let stream = rig.stream.get_stream("JUMEAU_EVENTS").await.unwrap();
        stream.cached_info().state.messages == events
    })
    .await;
}

async fn actions(rig: &Rig) -> u64 {
    let stream = rig.stream.get_stream("JUMEAU_ACTIONS").await.unwrap();
    stream.cached_info().state.messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_broker_comes_back_the_service_goes_on_and_says_how_long_it_was_gone() {
    let mut rig = Rig::start("bank", &[]).await;
    rig.event("web", "ann", "track", json!({ "name": "Before" })).await;
    rig.settled().await;
    rig.broker.kill().await.unwrap();
    rig.broker.restart().await.unwrap();
    until(&rig, "it answers again", |stats| stats.connected).await;
    let client = async_nats::connect(rig.broker.url()).await.unwrap();
    rig.stream = async_nats::jetstream::new(client);
    rig.event("web", "ann", "track", json!({ "name": "After" })).await;
    rig.settled().await;
    assert_eq!(rig.show("ann").await.inputs, 2);
    let outages = rig.stats().await.unwrap().publishing.outages;
    assert!(outages.times >= 1 && outages.ms > 0, "{outages:?}");
    assert_eq!(rig.service.try_wait().unwrap(), None, "it is the same process");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_pauses_the_service_which_reports_it_and_stops_cleanly() {
    let mut rig = Rig::start("bank", &["store.reserve-bytes=18446744073709551615"]).await;
    until(&rig, "it sees that there is no room", |stats| stats.space.is_short).await;
    rig.event("web", "ann", "track", json!({ "name": "Anything" })).await;
    until(&rig, "the event is on its way", |stats| stats.lag == 1).await;
    let refusal = ask(&rig, "ann").await.unwrap_err().to_string();
    assert!(refusal.contains("the disk is nearly full"), "{refusal}");
    let stats = rig.stats().await.unwrap();
    assert_eq!((stats.lag, stats.total().events, stats.space.times), (1, 0, 1));
    assert!(rig.ask(verb::SHOW, &["ann"], Bytes::new()).await.is_err(), "nobody knows her");

    assert!(rig.terminate().await.success(), "there was nothing to wait for");
    rig.restart_with(&["store.reserve-bytes=0"]).await;
    rig.settled().await;
    assert_eq!(rig.show("ann").await.inputs, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_stops_the_intake_before_it_is_full_and_room_lets_it_go_on() {
    let small = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(small.path(), 96 << 20).await else {
        println!("no namespaces here: the other tests of the disk say what can be said");
        return;
    };
    let store = format!("store.path={}", small.path().join("store").display());
    let settings = [&store, "store.write-buffer-bytes=1048576", "store.reserve-bytes=33554432"];
    let mut rig = Rig::start_under("bank", &settings, disk.command_prefix()).await;
    rig.event("web", "ann", "track", json!({ "name": "Before" })).await;
    rig.settled().await;

    let ballast = small.path().join("ballast").display().to_string();
    disk.run(&["dd", "if=/dev/zero", &format!("of={ballast}"), "bs=1M", "count=70"]).await;
    until(&rig, "it sees that there is little room", |stats| stats.space.is_short).await;
    rig.event("web", "ann", "track", json!({ "name": "During" })).await;
    until(&rig, "the event is on its way", |stats| stats.lag == 1).await;
    assert!(ask(&rig, "ann").await.is_err());

    disk.run(&["rm", &ballast]).await;
    rig.settled().await;
    let stats = rig.stats().await.unwrap();
    assert!(!stats.space.is_short && stats.space.times == 1, "{:?}", stats.space);
    assert_eq!(rig.show("ann").await.inputs, 2);
    assert!(ask(&rig, "ann").await.is_ok());
    assert_eq!(rig.service.try_wait().unwrap(), None, "it is the same process");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_ends_the_process_with_a_sentence_that_helps_and_a_restart_loses_nothing()
 {
    // For a process, a file that must not grow is like a full disk.
    let under = ["sh", "-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"];
    let settings = ["store.write-buffer-bytes=16777216", "log.filter=warn"];
    let under = under.map(str::to_owned).into();
    let mut rig = Rig::start_under("bank", &settings, under).await;
    let long = "x".repeat(1_900);
    let mut published = 0;
    // What is published while the service is down waits for it.
    while rig.service.try_wait().unwrap().is_none() {
        let customer = format!("c{}", published % 50);
        let traits: serde_json::Map<_, _> =
            (0..20).map(|at| (format!("t{at}"), json!(format!("{published} {long}")))).collect();
        rig.event("web", &customer, "identify", json!({ "traits": traits })).await;
        published += 1;
        assert!(published < 5_000, "so much does not fit");
    }
    let status = timeout(PATIENCE, rig.service.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
    let log = rig.log();
    assert!(log.contains("a commit failed") && log.contains("its free space"), "{log}");

    rig.restart_with(&[]).await;
    rig.settled().await;
    let mut inputs = 0;
    for customer in 0..published.min(50) {
        inputs += rig.show(&format!("c{customer}")).await.inputs;
    }
    assert_eq!(inputs, published, "each event is taken in once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_an_integrator_missed_are_counted_for_it() {
    let (_folder, policy) = policy();
    let rig = Rig::start(&policy, &[]).await;
    let stream = rig.stream.get_stream("JUMEAU_ACTIONS").await.unwrap();
    let config = pull::Config {
        durable_name: Some("crm".into()),
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    };
    stream.create_consumer(config).await.unwrap();
    change_actions(&rig, |config| config.max_bytes = 32 * 1024).await;
    for number in 0..100 {
        more(&rig, &format!("c{number}")).await;
    }
    rig.settled().await;
    let kept = actions(&rig).await;
    assert!((1..100).contains(&kept), "some of the hundred are gone: {kept} are there");
    until(&rig, "it says what the integrator missed", |stats| {
        let streams = stats.streams.iter().filter(|kept| kept.stream == "JUMEAU_ACTIONS");
        let mut readers = streams.flat_map(|kept| &kept.readers);
        readers.any(|crm| crm.name == "crm" && (crm.waiting, crm.missed) == (kept, 100 - kept))
    })
    .await;
    assert_eq!(rig.stats().await.unwrap().total().actions, 100, "nobody else was held up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_wait_for_a_broker_that_has_no_room_and_the_service_says_so_until_it_has() {
    let (_folder, policy) = policy();
    let rig = Rig::start(&policy, &[]).await;
    let limit = |most| {
        move |config: &mut Config| {
            config.discard = DiscardPolicy::New;
            config.max_bytes = most;
        }
    };
    change_actions(&rig, limit(8 * 1024)).await;
    for number in 0..50 {
        more(&rig, &format!("c{number}")).await;
    }
    until(&rig, "it says why outputs wait", |stats| {
        let why = stats.publishing.trouble.as_deref().unwrap_or_default();
        why.contains("maximum bytes") && stats.lag == 0
    })
    .await;
    let stats = rig.stats().await.unwrap();
    assert_eq!(stats.total().events, 50, "events are taken in all the same");
    assert!(stats.total().outbox > 0);

    change_actions(&rig, limit(-1)).await;
    rig.settled().await;
    assert_eq!(actions(&rig).await, 50, "each action is there once");
    assert_eq!(rig.stats().await.unwrap().publishing.trouble, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_of_one_customer_are_processed_while_others_are_served() {
    const EVENTS: u64 = 10_000;
    let rig = Rig::start("bank", &[]).await;
    for number in 0..EVENTS {
        let data = json!({ "name": "Step", "properties": { "number": number } });
        let event = json!({ "type": "track", "data": data }).to_string();
        rig.client.publish("jumeau.events.web.hot", event.into()).await.unwrap();
        if number % 500 == 0 {
            let other = format!("c{}", number / 500);
            rig.event("web", &other, "track", json!({ "name": "Step" })).await;
            assert!(ask(&rig, &other).await.is_ok());
        }
    }
    stored(&rig, EVENTS + EVENTS / 500).await;
    rig.settled().await;
    let hot = rig.show("hot").await;
    assert_eq!(hot.inputs, EVENTS);
    for other in 0..EVENTS / 500 {
        assert_eq!(rig.show(&format!("c{other}")).await.inputs, 2, "its event, and the request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_of_invalid_events_is_counted_and_delays_no_other() {
    const RUBBISH: u64 = 5_000;
    const KEPT: u64 = 64 * 1024;
    let rig = Rig::start("bank", &[&format!("streams.dead-bytes-max={KEPT}")]).await;
    for number in 0..RUBBISH {
        // One partition, which writes no more letters at once than it may.
        rig.client.publish("jumeau.events.broken.bob", "{".into()).await.unwrap();
        if number % 250 == 0 {
            let sound = json!({ "type": "track", "data": { "name": "Step" } }).to_string();
            rig.publish("jumeau.events.web.ann", HeaderMap::new(), sound).await;
        }
    }
    stored(&rig, RUBBISH + RUBBISH / 250).await;
    rig.settled().await;
    let stats = rig.stats().await.unwrap().total();
    assert_eq!(stats.dead.values().sum::<u64>(), RUBBISH, "each is counted");
    assert_eq!(rig.show("ann").await.inputs, RUBBISH / 250);
    let dead = rig.stream.get_stream("JUMEAU_DEAD").await.unwrap();
    let state = &dead.cached_info().state;
    assert!(state.bytes <= KEPT && state.messages > 0, "{state:?}");
    let unwritten = stats.limits.get("DEAD_LETTERS_AT_ONCE").copied().unwrap_or(0);
    assert!(unwritten > 0 && state.last_sequence >= limits::DEAD_LETTERS_AT_ONCE as u64);
    assert_eq!(state.last_sequence + unwritten, RUBBISH, "each was written, or that is counted");
}
