//! What is nobody's business: identifiers in the audit and in answers to channels, passwords in
//! addresses, files of the store.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bytes::Bytes;
use jumeau::api::{AuditReply, verb};
use serde_json::json;
use tokio::process::Command;

use super::rig::{Rig, binary};

async fn audit(rig: &Rig, wanted: serde_json::Value) -> AuditReply {
    let answer = rig.ask(verb::AUDIT, &[], wanted.to_string().into()).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_of_the_audit_does_not_write_the_customer_into_it() {
    let rig = Rig::start("bank", &[]).await;
    rig.event("web", "annabella", "page", json!({ "name": "Home" })).await;
    rig.settled().await;
    rig.show("annabella").await;
    let found = audit(&rig, json!({ "about": "annabella" })).await.records;
    let [line] = &found[..] else { panic!("{found:?}") };
    let mark = line.about.clone().unwrap();
    let found = audit(&rig, json!({ "about": "annabella", "act": "audit" })).await.records;
    let [search] = &found[..] else { panic!("a search for her is about her: {found:?}") };
    assert_eq!(search.about.as_ref(), Some(&mark));
    assert_eq!(search.what.as_deref(), Some(&*format!(r#"{{"about":"{mark}"}}"#)));
    let _ = rig.ask(verb::DEAD_RETRY, &[], "annabella, no JSON".into()).await;
    let _ = rig.ask(verb::SHOW, &["%61nnabella"], Bytes::new()).await;

    let stream = rig.stream.get_stream("JUMEAU_AUDIT").await.unwrap();
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let line = stream.get_raw_message(sequence).await.unwrap();
        let text = format!("{} {}", line.subject, String::from_utf8_lossy(&line.payload));
        assert!(!text.contains("nnabella"), "{text}");
    }
    // Somebody who has the audit but not the store cannot find a customer by trying names.
    let other = Rig::start("bank", &[]).await;
    other.event("web", "annabella", "page", json!({ "name": "Home" })).await;
    other.settled().await;
    other.show("annabella").await;
    let found = audit(&other, json!({ "about": "annabella" })).await.records;
    assert_ne!(found[0].about.as_ref(), Some(&mark), "the hash has a key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_asks_about_a_cookie_does_not_learn_whose_it_is() {
    let rig = Rig::start("bank", &[]).await;
    rig.event("web", "annabella", "identify", json!({ "traits": { "first_name": "Ann" } })).await;
    rig.event("web", "cookie", "link", json!({ "to": "annabella" })).await;
    rig.settled().await;
    let request = json!({ "channel": "web" }).to_string();
    let answer = rig.ask(verb::DECIDE, &["cookie"], request.into()).await.unwrap();
    let text = String::from_utf8(answer.to_vec()).unwrap();
    assert!(text.contains(r#""customer":"cookie""#), "{text}");
    assert!(!text.contains("annabella"), "{text}");
    assert_eq!(rig.show("cookie").await.customer.as_str(), "annabella", "it was her twin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_of_an_address_is_shown() {
    let run = async |program: &str, arguments: &[&str]| {
        let mut command = Command::new(binary(program));
        command.args(arguments).env("NATS_URL", "nats://max:hush-hush@127.0.0.1:1");
        let output = command.output().await.unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let server = "nats://max:hush-hush@127.0.0.1:1,nats://t0ken-hush-hush@127.0.0.1:1";
    for (program, arguments) in [
        ("twinctl", &["--help"][..]),
        ("twinctl", &["stats"]),
        ("jumeau", &["check", "--server", server]),
        ("jumeau", &["serve", "--server", server, "--set", "nats.wait-seconds=0"]),
        ("jumeau", &["serve", "--server", server, "--set", "nats.wait-seconds=1"]),
    ] {
        let said = run(program, arguments).await;
        assert!(!said.contains("hush-hush"), "{program} {arguments:?}: {said}");
    }
    let said = run("jumeau", &["check", "--server", server]).await;
    assert!(said.contains("nats://max:***@127.0.0.1:1,nats://***@127.0.0.1:1"), "{said}");
}

/// Files and folders below one that others may do anything with.
fn open_to_others(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What the engine has just thrown away is gone.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.permissions().mode() & 0o077 != 0 {
            found.push(path.display().to_string());
        }
        if metadata.is_dir() {
            open_to_others(&path, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_store_keys_and_backups_are_private() {
    let keys = tempfile::tempdir().unwrap();
    let master = keys.path().join("master");
    std::fs::write(&master, "7".repeat(64)).unwrap();
    let sealed = format!("store.master-key={}", master.display());
    let rig = Rig::start("bank", &["service.partitions=2", &sealed, "store.backups=backups"]).await;
    rig.event("web", "ann", "page", json!({ "name": "Home" })).await;
    rig.settled().await;
    let name = json!({ "name": "nightly" }).to_string();
    rig.ask(verb::BACKUP, &[], name.into()).await.unwrap();
    for folder in ["store", "store-keys", "backups"] {
        let path = rig.folder.path().join(folder);
        let mut found = Vec::new();
        open_to_others(&path, &mut found);
        assert!(found.is_empty(), "{found:?}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
    for name in ["customers-keys", "customers-keys.next", "customers-keys.last", "a/b", "nightly"] {
        let asked = json!({ "name": name }).to_string();
        assert!(rig.ask(verb::BACKUP, &[], asked.into()).await.is_err(), "{name}");
    }
}
