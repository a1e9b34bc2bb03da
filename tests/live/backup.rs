//! A copy of the store that is made while events go on, and what becomes of it elsewhere.

use std::fs;
use std::path::Path;

use async_nats::jetstream;
use jumeau::api::{BackupReply, verb};
use serde_json::json;
use tokio::process::Command;

use super::rig::{Rig, binary};

/// Each event is answered with an action, so that everything can be counted twice.
const ECHO: &str = r#"
[policy]
name = "echo"
languages = ["en"]

[needs.word]
describe = "to hear from us"
expires = "1h"

[[rules]]
name = "heard"
on = "track:Hello"
then = [{ raise = "word", strength = 0.9 }]

[[actions]]
name = "word"
serves = ["word"]
issue = "service"
value = 1.0
cooldown = "0s"
[[actions.treatments]]
name = "plain"
channel = "app"
text.en = "Hello."
"#;

const CUSTOMERS: usize = 50;

/// Publishes events, numbered, some of each customer.
async fn publish(stream: &jetstream::Context, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let data = json!({ "name": "Hello" });
        let event = json!({ "type": "track", "id": format!("e{number}"), "data": data });
        let subject = format!("jumeau.events.app.c{}", number % CUSTOMERS);
        let sent = stream.publish(subject, event.to_string().into()).await.unwrap();
        sent.await.unwrap();
    }
}

async fn jumeau(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(binary("jumeau")).args(arguments).current_dir(folder).output();
    let output = output.await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The identifiers of all actions, in the order of the stream.
async fn actions(rig: &Rig) -> Vec<String> {
    let stream = rig.stream.get_stream("JUMEAU_ACTIONS").await.unwrap();
    let mut found = Vec::new();
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        found.push(message.headers.get("Nats-Msg-Id").unwrap().to_string());
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_under_load_goes_on_elsewhere_and_nothing_is_lost_or_doubled() {
    let policy = tempfile::tempdir().unwrap();
    fs::write(policy.path().join("policy.toml"), ECHO).unwrap();
    let mut rig = Rig::start(policy.path().to_str().unwrap(), &["service.partitions=4"]).await;
    publish(&rig.stream, 0..500).await;

    // Events go on while the copy is made, and after it.
    let going_on = {
        let stream = rig.stream.clone();
        tokio::spawn(async move { publish(&stream, 500..1_500).await })
    };
    let asked = json!({ "name": "nightly" }).to_string();
    let made = rig.ask(verb::BACKUP, &[], asked.clone().into()).await.unwrap();
    let made: BackupReply = serde_json::from_slice(&made).unwrap();
    let twice = rig.ask(verb::BACKUP, &[], asked.into()).await.unwrap_err().to_string();
    assert!(twice.contains("this name is taken"), "{twice}");
    going_on.await.unwrap();
    rig.settled().await;
    let before = actions(&rig).await;

    // The machine is lost; another one has the backup.
    rig.service.kill().await.unwrap();
    let folder = rig.folder.path().to_owned();
    let (sound, said) = jumeau(&folder, &["verify", &made.path]).await;
    assert!(sound && said.contains("50 twins in 4 partitions"), "{said}");
    let set = format!("store.path={}", folder.join("store").display());
    let (restored, said) = jumeau(&folder, &["restore", &made.path, "--set", &set]).await;
    assert!(!restored && said.contains("a folder that is not empty"), "{said}");
    fs::rename(folder.join("store"), folder.join("lost")).unwrap();
    let (restored, said) = jumeau(&folder, &["restore", &made.path, "--set", &set]).await;
    assert!(restored, "{said}");

    publish(&rig.stream, 1_500..1_600).await;
    rig.restart().await;
    rig.settled().await;
    for customer in 0..CUSTOMERS {
        let shown = rig.show(&format!("c{customer}")).await;
        assert_eq!(shown.inputs, 1_600 / CUSTOMERS as u64, "c{customer}");
    }
    // What was said before the loss was not said again, and what came after it was.
    let after = actions(&rig).await;
    assert_eq!(after[..before.len()], before[..]);
    let mut once = after.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), after.len());
    assert!(after.len() > before.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_not_taken_on_with_another_stream_of_the_same_name() {
    let mut rig = Rig::start("bank", &["service.partitions=4"]).await;
    for _ in 0..3 {
        rig.event("app", "ann", "page", json!({ "name": "Home" })).await;
    }
    rig.settled().await;
    rig.terminate().await;
    let stream = rig.stream.get_stream("JUMEAU_EVENTS").await.unwrap();
    let config = stream.cached_info().config.clone();
    rig.stream.delete_stream("JUMEAU_EVENTS").await.unwrap();
    rig.stream.create_stream(config).await.unwrap();
    // More events than there were: the cursors alone would not tell.
    for _ in 0..9 {
        rig.event("app", "bob", "page", json!({ "name": "Home" })).await;
    }
    let server = rig.broker.url();
    let set = format!("store.path={}", rig.folder.path().join("store").display());
    let serve = ["serve", "--server", &server, "--policy", "bank", "--set", &set];
    let serve = [&serve[..], &["--set", "service.partitions=4"]].concat();
    let (started, said) = jumeau(rig.folder.path(), &serve).await;
    assert!(!started && said.contains("found another of this name, created at"), "{said}");
}
