//! Commits that go to the broker's log: the store follows it, changes to and from it lose nothing, and a log that is
//! not the store's is refused with what to do.

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use serde_json::json;

use super::rig::{PATIENCE, Rig};

const POLICY: &str = r#"
[policy]
name = "count"
languages = ["en"]

[[rules]]
name = "count"
on = "track:Add"
then = [{ set = "count", to = "default(facts.count, 0) + 1" }]
"#;

const LOG: &str = "store.durability=log";
const STREAM: &str = "JUMEAU_LOG";

async fn add(rig: &Rig, customer: &str, times: usize) {
    for _ in 0..times {
        rig.event("web", customer, "track", json!({ "name": "Add" })).await;
    }
    rig.settled().await;
}

async fn count(rig: &Rig, customer: &str) -> serde_json::Value {
    let twin = rig.show(customer).await.twin;
    serde_json::to_value(twin.facts.get("count")).unwrap()
}

async fn has_log(rig: &Rig) -> bool {
    rig.stream.get_stream(STREAM).await.is_ok()
}

async fn adopt(rig: &Rig) {
    let store = format!("store.path={}", rig.folder.path().join("store").display());
    let url = rig.broker.url();
    let ran = rig.run("jumeau", &["adopt", "--server", &url, "--set", &store]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_goes_from_the_disk_to_the_log_and_back_and_loses_nothing() {
    let mut rig = Rig::with_policy(POLICY, &[]).await;
    add(&rig, "anna", 5).await;
    assert!(!has_log(&rig).await);
    rig.service.kill().await.unwrap();
    rig.restart_with(&[LOG]).await;
    assert!(has_log(&rig).await);
    add(&rig, "anna", 7).await;
    rig.service.kill().await.unwrap();
    rig.restart().await;
    assert_eq!(count(&rig, "anna").await, json!(12), "what the log holds is applied");
    add(&rig, "anna", 1).await;
    rig.service.kill().await.unwrap();
    rig.restart_with(&["store.durability=disk"]).await;
    assert!(!has_log(&rig).await);
    assert_eq!(count(&rig, "anna").await, json!(13));
    rig.service.kill().await.unwrap();
    rig.restart_with(&[LOG]).await;
    add(&rig, "anna", 1).await;
    assert!(rig.terminate().await.success());
    rig.restart().await;
    assert_eq!(count(&rig, "anna").await, json!(14));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_gone_ends_the_service_and_is_refused_until_it_is_given_up() {
    let mut rig = Rig::with_policy(POLICY, &[LOG]).await;
    add(&rig, "anna", 5).await;
    // What the store was told is in its memory yet.
    rig.service.kill().await.unwrap();
    rig.restart().await;
    rig.stream.delete_stream(STREAM).await.unwrap();
    rig.event("web", "anna", "track", json!({ "name": "Add" })).await;
    let ended = tokio::time::timeout(PATIENCE, rig.service.wait()).await;
    assert!(!ended.expect("it ends").unwrap().success());
    let said = rig.refused(&[]).await;
    assert!(said.contains("expected the stream created at"), "{said}");
    assert!(said.contains("which the store follows, found none"), "{said}");
    assert!(said.contains("run `jumeau adopt`"), "{said}");
    assert!(!has_log(&rig).await, "and none is made");
    adopt(&rig).await;
    rig.restart().await;
    rig.settled().await;
    assert_eq!(count(&rig, "anna").await, json!(6), "the event that waited is taken in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_missed_that_had_commits_which_the_store_never_wrote_to_its_disk() {
    let mut rig = Rig::with_policy(POLICY, &[LOG]).await;
    add(&rig, "anna", 5).await;
    rig.service.kill().await.unwrap();
    rig.stream.delete_stream(STREAM).await.unwrap();
    let said = rig.refused(&[]).await;
    assert!(said.contains("which the store follows, found none"), "{said}");
    adopt(&rig).await;
    rig.restart().await;
    rig.settled().await;
    assert_eq!(count(&rig, "anna").await, json!(5), "the events are taken in again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_lost_begins_anew_once_its_log_is_given_up() {
    let mut rig = Rig::with_policy(POLICY, &[LOG]).await;
    add(&rig, "anna", 5).await;
    rig.service.kill().await.unwrap();
    std::fs::remove_dir_all(rig.folder.path().join("store")).unwrap();
    rig.refused(&[]).await;
    adopt(&rig).await;
    rig.restart().await;
    rig.settled().await;
    assert_eq!(count(&rig, "anna").await, json!(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_store_is_refused_on_a_log_that_is_not_its_own() {
    let mut rig = Rig::with_policy(POLICY, &[LOG]).await;
    add(&rig, "anna", 5).await;
    rig.service.kill().await.unwrap();
    let store = rig.folder.path().join("store");
    std::fs::rename(&store, rig.folder.path().join("kept")).unwrap();
    // Not even if the events do not tell it.
    rig.stream.delete_stream("JUMEAU_EVENTS").await.unwrap();
    let said = rig.refused(&[]).await;
    assert!(said.contains("commit log JUMEAU_LOG: expected the store that follows it"), "{said}");
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::rename(rig.folder.path().join("kept"), &store).unwrap();
    adopt(&rig).await;
    rig.restart().await;
    assert_eq!(count(&rig, "anna").await, json!(5), "what the log holds was applied first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_is_trimmed_and_no_event_is_lost() {
    let mut rig = Rig::with_policy(POLICY, &[LOG, "service.partitions=2"]).await;
    let stream = rig.stream.get_stream(STREAM).await.unwrap();
    let config = Config {
        max_bytes: 40_000,
        discard: DiscardPolicy::New,
        ..stream.cached_info().config.clone()
    };
    rig.stream.update_stream(config.clone()).await.unwrap();
    for number in 0..400 {
        rig.event("web", &format!("c{}", number % 20), "track", json!({ "name": "Add" })).await;
    }
    rig.settled().await;
    for customer in 0..20 {
        assert_eq!(count(&rig, &format!("c{customer}")).await, json!(20));
    }
    rig.service.kill().await.unwrap();
    let said = rig.refused(&[]).await;
    assert!(said.contains("expected room for at least 134217728 bytes"), "{said}");
    rig.stream.update_stream(Config { max_bytes: -1, ..config }).await.unwrap();
    rig.restart().await;
    assert_eq!(count(&rig, "c7").await, json!(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_data_is_not_logged_in_clear_if_the_store_is_sealed() {
    let mut rig = Rig::with_policy(POLICY, &[]).await;
    assert!(rig.terminate().await.success());
    let master = rig.folder.path().join("master");
    std::fs::write(&master, "7".repeat(64)).unwrap();
    std::fs::remove_dir_all(rig.folder.path().join("store")).unwrap();
    let said = rig.refused(&[LOG, &format!("store.master-key={}", master.display())]).await;
    assert!(
        said.contains("expected `store.durability` = \"disk\" with `store.master-key`"),
        "{said}"
    );
}
