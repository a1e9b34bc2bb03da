//! What the service writes about itself names no customer, and repeats nothing that one said.

use std::process::Stdio;

use async_nats::HeaderMap;
use serde_json::json;
use tokio::process::Command;

use super::rig::{Rig, binary};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_names_no_customer_and_repeats_no_words() {
    const WORDS: &str = "wombat-lantern";
    let mut rig = Rig::start("bank", &[]).await;
    assert!(rig.terminate().await.success());
    let log = rig.folder.path().join("log");
    rig.service = Command::new(binary("jumeau"))
        .args(["serve", "--server", &rig.broker.url(), "--policy", "bank"])
        .arg("--set")
        .arg(format!("store.path={}", rig.folder.path().join("store").display()))
        .args(["--set", "log.filter=debug"])
        .current_dir(rig.folder.path())
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    rig.until("the service is up", async || rig.stats().await.is_some()).await;
    let said = json!({ "text": WORDS, "from": "customer" });
    rig.event("chat", "ferdinand9", "message", said).await;
    rig.event("web", "ferdinand9", "identify", json!({ "traits": { "name": WORDS } })).await;
    rig.event("web", "ferdinand9", "link", json!({ "to": "ferdinand9" })).await;
    rig.publish("jumeau.events.web.ferdinand9", HeaderMap::new(), WORDS).await;
    rig.publish("jumeau.events.ferdinand9", HeaderMap::new(), WORDS).await;
    rig.event("web", "cookie9", "track", json!({ "name": WORDS })).await;
    rig.event("web", "cookie9", "link", json!({ "to": "ferdinand9" })).await;
    rig.settled().await;
    let id = rig.ask("erase", &["ferdinand9"], bytes::Bytes::new()).await.unwrap();
    assert!(!id.is_empty());
    rig.until("the log tells of the erasure", async || {
        std::fs::read_to_string(&log).unwrap().contains("erased")
    })
    .await;
    assert!(rig.terminate().await.success());
    let written = std::fs::read_to_string(&log).unwrap();
    assert!(written.contains("the service is ready"), "it is the log: {written}");
    for word in [WORDS, "ferdinand9", "cookie9"] {
        assert!(!written.contains(word), "{word} is in the log: {written}");
    }
}
