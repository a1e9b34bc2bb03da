//! A stream that is not any more what was taken in, and a service that is not the only one: refused
//! with what to do, and what to do works.

use std::path::Path;

use jumeau::config::settings;
use jumeau::event::SlowLane;
use jumeau::store::Store;
use jumeau::tables::{Batch, Commit};
use serde_json::json;

use super::rig::Rig;

const POLICY: &str = r#"
[policy]
name = "count"
languages = ["en"]

[[rules]]
name = "count"
on = "track:Add"
then = [{ set = "count", to = "default(facts.count, 0) + 1" }]
"#;

async fn add(rig: &Rig, customer: &str, times: usize) {
    for _ in 0..times {
        rig.event("web", customer, "track", json!({ "name": "Add" })).await;
    }
}

async fn count(rig: &Rig, customer: &str) -> serde_json::Value {
    let twin = rig.show(customer).await.twin;
    serde_json::to_value(twin.facts.get("count")).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

async fn adopt(rig: &Rig) -> String {
    let store = format!("store.path={}", rig.folder.path().join("store").display());
    let url = rig.broker.url();
    let ran = rig.run("jumeau", &["adopt", "--server", &url, "--set", &store]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_put_back_is_refused_and_gone_on_with_if_that_is_wanted() {
    let mut rig = Rig::with_policy(POLICY, &[]).await;
    let streams = rig.folder.path().join("nats/jetstream");
    let kept = rig.folder.path().join("kept");
    add(&rig, "anna", 10).await;
    rig.settled().await;
    assert!(rig.terminate().await.success());
    rig.broker.stop().await.unwrap();
    copy(&streams, &kept);
    rig.broker.restart().await.unwrap();
    rig.restart().await;
    add(&rig, "anna", 20).await;
    rig.settled().await;
    assert_eq!(count(&rig, "anna").await, json!(30));
    assert!(rig.terminate().await.success());

    rig.broker.kill().await.unwrap();
    std::fs::remove_dir_all(&streams).unwrap();
    copy(&kept, &streams);
    rig.broker.restart().await.unwrap();
    add(&rig, "bob", 25).await;
    let said = rig.refused(&[]).await;
    assert!(said.contains("expected the message 30 that was stored at"), "{said}");
    assert!(said.contains("run `jumeau adopt` to continue with the stream as it is"), "{said}");

    let said = adopt(&rig).await;
    assert!(said.contains("it had processed every event up to 30"), "{said}");
    assert!(said.contains("the next start processes events 11 to 35"), "{said}");
    rig.restart().await;
    rig.settled().await;
    assert_eq!(count(&rig, "bob").await, json!(25), "what came since is taken in");
    assert_eq!(count(&rig, "anna").await, json!(30), "and what was taken in is not, once more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_is_refused_on_a_stream_that_another_has_taken_in() {
    let mut rig = Rig::with_policy(POLICY, &[]).await;
    add(&rig, "anna", 10).await;
    rig.settled().await;
    assert!(rig.terminate().await.success());
    std::fs::remove_dir_all(rig.folder.path().join("store")).unwrap();
    let said = rig.refused(&[]).await;
    assert!(said.contains("has processed it up to sequence 10, found an empty one"), "{said}");
    let store = format!("store.path={}", rig.folder.path().join("store").display());
    let url = rig.broker.url();
    let ran = rig.run("jumeau", &["adopt", "--server", &url, "--set", &store, "--json"]).await;
    let told: serde_json::Value = serde_json::from_str(&ran.out).expect(&ran.err);
    let expected = json!({
        "stream": "JUMEAU_EVENTS", "before": 0, "now": 0, "until": null, "last": 10, "given_up": [],
    });
    assert_eq!(told, expected);
    rig.restart().await;
    rig.settled().await;
    assert_eq!(count(&rig, "anna").await, json!(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_deleted_ends_the_service_and_can_begin_anew() {
    let mut rig = Rig::with_policy(POLICY, &[]).await;
    add(&rig, "anna", 10).await;
    rig.settled().await;
    rig.stream.delete_stream("JUMEAU_EVENTS").await.unwrap();
    let ended = tokio::time::timeout(super::rig::PATIENCE, rig.service.wait()).await;
    assert!(!ended.expect("it ends").unwrap().success());
    let said = rig.refused(&[]).await;
    assert!(said.contains("processed up to sequence 10, found none"), "{said}");
    assert!(rig.stream.get_stream("JUMEAU_EVENTS").await.is_err(), "and none is made");
    let said = adopt(&rig).await;
    assert!(said.contains("there is no such stream; the next start makes it"), "{said}");
    rig.restart().await;
    add(&rig, "bob", 3).await;
    rig.settled().await;
    assert_eq!((count(&rig, "anna").await, count(&rig, "bob").await), (json!(10), json!(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_service_is_refused_and_changes_nothing_on_the_broker() {
    let mut rig = Rig::with_policy(POLICY, &[]).await;
    let other = format!("store.path={}", rig.folder.path().join("other").display());
    let said = rig.refused(&[&other]).await;
    assert!(
        said.contains("expected to be the only service under `jumeau`, found another"),
        "{said}"
    );
    // The store's own lock comes first.
    let said = rig.refused(&["nats.prefix=fresh"]).await;
    assert!(said.contains("store"), "{said}");
    for stream in ["FRESH_EVENTS", "FRESH_OWNER"] {
        assert!(rig.stream.get_stream(stream).await.is_err(), "{stream} is not made");
    }
    add(&rig, "anna", 1).await;
    rig.settled().await;
    assert_eq!(count(&rig, "anna").await, json!(1), "the first one serves");
    // One that was killed serves again at once, and one that stopped lets another.
    rig.service.kill().await.unwrap();
    rig.restart().await;
    assert!(rig.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_events_of_a_channel_wait_the_time_of_events_is_refused() {
    let mut rig = Rig::with_policy(POLICY, &["service.partitions=4"]).await;
    add(&rig, "anna", 1).await;
    rig.settled().await;
    assert!(rig.terminate().await.success());
    let path = rig.folder.path().join("store");
    let store = Store::open(&settings::StoreSettings { path, ..Default::default() }, 4).unwrap();
    let mut lane = SlowLane::default();
    lane.slow("shop", 2);
    let mut batch = Batch::new();
    batch.set_slow_lane(3, &lane);
    store.commit(&[batch]).unwrap();
    store.sync().unwrap();
    drop(store);
    let said = rig.refused(&["service.time=event"]).await;
    assert!(
        said.contains(
            "found events of shop in it; start once more with `service.time` on `stream`"
        ),
        "{said}"
    );
    rig.restart().await;
    add(&rig, "anna", 1).await;
    rig.settled().await;
    rig.until("the slow lane is closed", async || {
        rig.stats().await.is_some_and(|stats| stats.slowed.is_empty())
    })
    .await;
    assert!(rig.terminate().await.success());
    rig.restart_with(&["service.time=event"]).await;
    assert_eq!(count(&rig, "anna").await, json!(2));
}
