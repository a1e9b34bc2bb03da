use std::fs;
use std::time::Duration;

use async_nats::HeaderMap;
use futures::StreamExt;
use serde_json::json;
use tokio::time::timeout;

use super::rig::{PATIENCE, Rig, binary};

const TIMERS: &str = r#"
[policy]
name = "timers"
languages = ["en"]

[needs.word]
describe = "to hear from us"
expires = "1d"

[[rules]]
name = "wait"
on = "track:Wait"
then = [{ start = "soon", after = "event.properties.seconds" }]

[[rules]]
name = "waited"
on = "timer:soon"
then = [{ raise = "word", strength = 0.5 }]

[[actions]]
name = "word"
serves = ["word"]
issue = "service"
value = 1.0
cooldown = "0s"
[[actions.treatments]]
name = "plain"
channel = "app"
text.en = "Here we are."
"#;

async fn with_policy(text: &str, settings: &[&str]) -> (Rig, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), text).unwrap();
    let rig = Rig::start(folder.path().to_str().unwrap(), settings).await;
    (rig, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_starts_before_its_broker_waits_for_it() {
    let mut rig = Rig::start_under("bank", &[], vec!["env".into()]).await;
    assert!(rig.terminate().await.success());
    rig.broker.kill().await.unwrap();
    rig.start_again();
    rig.until("it says so", async || rig.log().contains("no broker answers; retrying")).await;
    rig.broker.restart().await.unwrap();
    rig.event("app", "ann", "page", json!({ "name": "Home" })).await;
    rig.settled().await;
    assert_eq!(rig.show("ann").await.inputs, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_becomes_an_action_with_its_trace_and_its_reason() {
    let rig = Rig::start("bank", &[]).await;
    let mut actions = rig.client.subscribe("jumeau.actions.>").await.unwrap();
    rig.client.flush().await.unwrap();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let event = json!({
        "specversion": "1.0",
        "id": "payment-1",
        "source": "core",
        "type": "track",
        "traceparent": trace,
        "data": { "name": "Payment Made", "properties": { "amount": 2400, "to": "Garage Dupont" } },
    });
    rig.publish("jumeau.events.core.ann", HeaderMap::new(), event.to_string()).await;
    let message = timeout(PATIENCE, actions.next()).await.unwrap().unwrap();
    let headers = message.headers.unwrap();
    assert_eq!(headers.get("traceparent").unwrap().as_str(), trace);
    assert_eq!(headers.get("Content-Type").unwrap().as_str(), "application/cloudevents+json");
    let action: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(action["specversion"], "1.0");
    assert_eq!(action["type"], "jumeau.action");
    assert_eq!(action["subject"], "ann");
    assert_eq!(action["id"], action["data"]["decision"]);
    // The broker knows it by an id that nobody can use first.
    let known_by = headers.get("Nats-Msg-Id").unwrap().as_str();
    assert!(!known_by.contains(action["id"].as_str().unwrap()), "{known_by}");
    assert!(!action["data"]["reason"]["because"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binary_cloudevents_are_understood_and_copies_are_recognised() {
    let rig = Rig::start("bank", &[]).await;
    for id in ["one", "two", "one"] {
        let mut headers = HeaderMap::new();
        headers.insert("ce-specversion", "1.0");
        headers.insert("ce-id", id);
        headers.insert("ce-source", "web");
        headers.insert("ce-type", "track");
        rig.publish("jumeau.events.web.ann", headers, r#"{"name":"Looked"}"#).await;
    }
    rig.settled().await;
    assert_eq!(rig.show("ann").await.inputs, 2);
    assert_eq!(rig.stats().await.unwrap().total().duplicates, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_good_order_leaves_nothing_undone_and_a_start_goes_on_there() {
    let mut rig = Rig::start("bank", &["service.resident-twins-max=16"]).await;
    for number in 0..200 {
        let customer = format!("c{}", number % 50);
        rig.event("web", &customer, "track", json!({ "name": "Looked" })).await;
    }
    assert!(rig.terminate().await.success());
    rig.restart().await;
    rig.settled().await;
    for number in 0..50 {
        assert_eq!(rig.show(&format!("c{number}")).await.inputs, 4);
    }
    let again = rig.stats().await.unwrap().total();
    assert_eq!(again.duplicates, 0, "nothing was taken in twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_fires_although_its_twin_is_passivated_and_the_service_was_down() {
    let (mut rig, _policy) = with_policy(TIMERS, &["service.resident-twins-max=16"]).await;
    let mut actions = rig.client.subscribe("jumeau.actions.>").await.unwrap();
    rig.client.flush().await.unwrap();
    let wait = |seconds: u32| json!({ "name": "Wait", "properties": { "seconds": seconds } });
    rig.event("web", "sleeper", "track", wait(2)).await;
    for number in 0..64 {
        rig.event("web", &format!("other{number}"), "track", json!({ "name": "x" })).await;
    }
    rig.settled().await;
    rig.service.kill().await.unwrap();
    rig.restart().await;
    let action = timeout(PATIENCE, actions.next()).await.unwrap().unwrap();
    assert_eq!(action.subject.as_str(), "jumeau.actions.app.word.sleeper");
    rig.settled().await;
    assert!(timeout(Duration::ZERO, actions.next()).await.is_err(), "it fires once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_policy_is_swapped_in_and_a_broken_one_is_refused() {
    let (rig, folder) = with_policy(TIMERS, &[]).await;
    let file = folder.path().join("policy.toml");
    let first = rig.stats().await.unwrap().policy;

    fs::write(&file, TIMERS.replace("raise = \"word\"", "raise = \"wrod\"")).unwrap();
    rig.until("the broken policy is refused", async || {
        rig.stats().await.is_some_and(|stats| stats.policy.refusal.is_some())
    })
    .await;
    let refused = rig.stats().await.unwrap().policy;
    assert_eq!(refused.version, first.version, "the old one stays");
    let mistakes = refused.refusal.unwrap().mistakes.join("\n");
    assert!(mistakes.contains("word"), "{mistakes}");

    fs::write(&file, TIMERS.replace("Here we are.", "Here we are again.")).unwrap();
    rig.until("the new policy is in force", async || {
        rig.stats().await.is_some_and(|stats| stats.policy.version != first.version)
    })
    .await;
    let mut actions = rig.client.subscribe("jumeau.actions.>").await.unwrap();
    rig.client.flush().await.unwrap();
    let now = json!({ "name": "Wait", "properties": { "seconds": 0 } });
    rig.event("web", "ann", "track", now).await;
    let message = timeout(PATIENCE, actions.next()).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&message.payload).contains("Here we are again."));
}

#[tokio::test]
async fn a_service_that_is_not_to_wait_and_finds_no_broker_says_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens on the discard port.
    let ended = tokio::process::Command::new(binary("jumeau"))
        .args(["serve", "--server", "nats://127.0.0.1:9", "--policy", "bank"])
        .args(["--set", "nats.wait-seconds=0"])
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output();
    let ended = timeout(PATIENCE, ended).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("127.0.0.1:9"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
