//! What asks for too much is refused, or has no result; and the service ends when it is told to.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use bytes::Bytes;
use jumeau::api::{LiveBroadcasts, verb};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use super::rig::{PATIENCE, Rig};

async fn broadcast(rig: &Rig, scope: &str, data: Value) {
    let payload = json!({ "type": "broadcast", "data": data }).to_string();
    rig.publish(&format!("jumeau.broadcast.{scope}"), HeaderMap::new(), payload).await;
}

/// Goes through a list within a list and so on, so many deep.
fn within(depth: usize) -> String {
    let names = ["a", "b", "c", "d", "e"];
    let open: String =
        names[..depth].iter().map(|name| format!("profile.xs.all({name}, ")).collect();
    format!("{open}a == {}{}", names[depth - 1], ")".repeat(depth))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_condition_of_a_broadcast_stops_the_service_and_one_that_is_too_long_is_seen() {
    let mut rig = Rig::start("bank", &[]).await;
    let traits = json!({ "traits": { "xs": vec![1; 150] } });
    rig.event("web", "m1", "identify", traits).await;
    rig.settled().await;

    let data = json!({ "value": 1, "where": within(5), "wake": true });
    broadcast(&rig, "deepest", data).await;
    broadcast(&rig, "deep", json!({ "value": 1, "where": within(2), "wake": true })).await;
    broadcast(&rig, "flat", json!({ "value": 1, "where": within(1), "wake": true })).await;
    rig.settled().await;
    let live = async |rig: &Rig| {
        let answer = rig.ask(verb::BROADCASTS, &[], Bytes::new()).await.unwrap();
        serde_json::from_slice::<LiveBroadcasts>(&answer).unwrap().broadcasts
    };
    rig.until("both scans are done", async || {
        live(&rig).await.iter().all(jumeau::partition::Progress::is_done)
    })
    .await;
    let all = live(&rig).await;
    let scopes: Vec<&str> = all.iter().map(|one| &*one.scope).collect();
    assert_eq!(scopes, ["deep", "flat"], "the deepest one never began");
    assert!(all[0].exceeded > 0, "{:?}", all[0]);
    assert_eq!((all[0].woken, all[1].woken, all[1].exceeded), (0, 1, 0));
    rig.event("web", "m1", "page", json!({ "name": "Home" })).await;
    rig.settled().await;
    assert!(live(&rig).await[0].exceeded > all[0].exceeded, "every input asks again");
    let shown = rig.twinctl(&["broadcasts"]).await.out;
    assert!(shown.contains("its condition exceeded the step limit"), "{shown}");
    let stats = rig.stats().await.unwrap().total();
    assert!(stats.limits.get("CONDITION_STEPS").is_some_and(|count| *count > 0), "{stats:?}");
    let dead = rig.twinctl(&["dead", "list"]).await.out;
    assert!(dead.contains("character 48: expected at most 2 nested list macros"), "{dead}");

    // Nor does it after a restart: what lives is stored.
    assert!(rig.terminate().await.success());
    rig.restart().await;
    rig.event("web", "m1", "page", json!({ "name": "Home" })).await;
    rig.settled().await;
    assert!(live(&rig).await[0].exceeded > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_expression_blocks_a_twin_and_its_line_is_reported() {
    let policy = format!(
        r#"
[policy]
name = "deep"
languages = ["en"]

[[rules]]
name = "through everything"
on = "page"
when = "{}"
then = [{{ set = "told", to = "1" }}]

[[rules]]
name = "counts"
on = "page"
then = [{{ set = "seen", to = "default(facts.seen, 0) + 1" }}]
"#,
        within(5)
    );
    let rig = Rig::with_policy(&policy, &[]).await;
    rig.event("web", "m1", "identify", json!({ "traits": { "xs": vec![1; 150] } })).await;
    rig.event("web", "m1", "page", json!({ "name": "Home" })).await;
    rig.settled().await;
    let twin = rig.show("m1").await.twin;
    assert_eq!(twin.facts.get("told"), None);
    assert_eq!(twin.facts.get("seen").map(ToString::to_string), Some("1".into()));
    let stats = rig.stats().await.unwrap().total();
    let told = stats.last_policy_error.unwrap();
    assert!(told.starts_with("policy.toml:9: expected at most"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_process_at_once() {
    let mut rig = Rig::start("bank", &["service.drain-seconds-max=3600"]).await;
    // What the stream of dead letters does not take waits, and a process that drains waits for it.
    let stream = rig.stream.get_stream("JUMEAU_DEAD").await.unwrap();
    let mut config = stream.cached_info().config.clone();
    config.max_messages = 1;
    config.max_messages_per_subject = -1;
    config.discard = async_nats::jetstream::stream::DiscardPolicy::New;
    rig.stream.update_stream(config).await.unwrap();
    for _ in 0..3 {
        rig.publish("jumeau.events.web.ann", HeaderMap::new(), "no json").await;
    }
    rig.until("a dead letter waits", async || {
        rig.stats().await.is_some_and(|stats| stats.total().outbox > 0 && stats.lag == 0)
    })
    .await;

    let began = Instant::now();
    let id = rig.service.id().unwrap().to_string();
    let status = loop {
        let asked = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(asked.success());
        if let Ok(ended) = timeout(Duration::from_millis(500), rig.service.wait()).await {
            break ended.unwrap();
        }
        assert!(began.elapsed() < PATIENCE, "it does not end");
    };
    assert_eq!(status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_simultaneous_signals_count_as_one() {
    let mut rig = Rig::start("bank", &[]).await;
    rig.event("web", "ann", "page", json!({ "name": "Home" })).await;
    let id = rig.service.id().unwrap();
    let both = format!("kill -TERM {id} && kill -TERM {id}");
    assert!(Command::new("sh").args(["-c", &both]).status().await.unwrap().success());
    let ended = timeout(PATIENCE, rig.service.wait()).await.expect("it ends").unwrap();
    assert!(ended.success(), "it ends in good order: {ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_the_limits_of_an_event() {
    let rig = Rig::start("bank", &[]).await;
    let refused = async |context: Value| {
        let request = json!({ "channel": "web", "context": context });
        rig.decide("ann", request).await.unwrap_err().to_string()
    };
    let mut deep = json!(1);
    for _ in 0..20 {
        deep = json!([deep]);
    }
    assert!(refused(json!({ "a": deep })).await.contains("nested"));
    assert!(refused(json!({ "a": vec![1; 2_000] })).await.contains("values"));
    assert!(refused(json!({ "a".repeat(200): 1 })).await.contains("bytes"));
    let long = refused(json!({ "a": "x".repeat(70_000) })).await;
    assert!(long.contains("expected a request of at most 65536 bytes"), "{long}");
    let id = "i".repeat(300);
    let refusal = rig.decide("ann", json!({ "channel": "web", "id": id })).await.unwrap_err();
    assert!(refusal.to_string().contains("`id` has 300 bytes"), "{refusal}");
}
