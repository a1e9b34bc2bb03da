//! What goes on without end, for as long as somebody reads it.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use super::rig::{Rig, binary};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_when_its_reader_is_gone() {
    let rig = Rig::start("bank", &[]).await;
    for watched in [
        ["tail"].as_slice(),
        &["tail", "--json"],
        &["escalations", "watch"],
        &["stats", "--watch"],
        &["stats", "--watch", "--json"],
    ] {
        let mut watching = Command::new(binary("twinctl"))
            .args(["--server", &rig.broker.url()])
            .args(watched)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        drop(watching.stdout.take());
        let mut ended = None;
        let mut customers = (0..).map(|number| format!("{}{number}", watched[0]));
        rig.until(&format!("{watched:?} has ended"), async || {
            let wish = json!({ "text": "I want to talk to a human", "from": "customer" });
            // One whom nobody takes care of yet.
            rig.event("chat", &customers.next().unwrap(), "message", wish).await;
            ended = watching.try_wait().unwrap();
            ended.is_some()
        })
        .await;
        assert!(ended.unwrap().success(), "{watched:?}: {ended:?}");
    }
}
