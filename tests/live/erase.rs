//! A customer is erased: from the twin, from the store's files, from the broker's files; and stays
//! so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::future::join_all;
use jumeau::api::{EraseReply, EraseRequest, ErasureReceipt, verb};
use jumeau::config::settings;
use jumeau::store::Store;
use jumeau::tables::{Read, Table};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use super::rig::{Rig, binary};

/// What only this customer ever said, and what they are called.
const WORDS: &str = "quokka-marmalade";
const NAME: &str = "Zenobia-Wrzesniewska";
/// What others are called.
const OTHERS: &str = "Bartholomew-Ziegler";

/// The files below a folder in which some bytes stand.
fn holding(folder: &Path, bytes: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // A file may go while it is looked for.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(content) = std::fs::read(&path)
                && content.windows(bytes.len()).any(|window| window == bytes.as_bytes())
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The same, but for files that are written anew from time to time and hold names until then: the
/// broker's indexes of subjects every two minutes, the list of RocksDB's files with the next start.
fn naming(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = holding(folder, name);
    found.retain(|path| {
        let file = path.file_name().unwrap().to_string_lossy();
        file != "index.db" && !file.starts_with("MANIFEST")
    });
    found
}

/// No row of the store that the service has left holds one of these words, compressed or not.
fn assert_in_no_row(path: PathBuf, words: &[&str]) {
    let settings = settings::StoreSettings { path, ..settings::StoreSettings::default() };
    let store = Store::open(&settings, 3).unwrap();
    for &table in Table::ALL {
        let looked = store.scan(table, &[], &[u8::MAX; 2], &mut |key, value| {
            for word in words {
                let is_in = |bytes: &[u8]| bytes.windows(word.len()).any(|w| w == word.as_bytes());
                assert!(!is_in(key) && !is_in(value), "{word} is in {}", table.name());
            }
            Ok(true)
        });
        looked.unwrap();
    }
}

async fn ask(rig: &Rig, customer: &str, erasure: Option<Box<str>>) -> Option<EraseReply> {
    let question = serde_json::to_vec(&EraseRequest { erasure }).unwrap();
    let tokens = [customer];
    let asked = rig.bus.ask(verb::ERASE, &tokens, Bytes::from(question));
    let answer = timeout(Duration::from_secs(3), asked).await.ok()?.ok()?;
    serde_json::from_slice(&answer).ok()
}

/// Waits for the receipt of an erasure.
async fn receipt(rig: &Rig, customer: &str, erasure: Box<str>) -> ErasureReceipt {
    let mut receipt = None;
    rig.until("there is a receipt", async || {
        let reply = ask(rig, customer, Some(erasure.clone())).await;
        receipt = reply.and_then(|reply| reply.receipt);
        receipt.is_some()
    })
    .await;
    receipt.unwrap()
}

async fn say(rig: &Rig, customer: &str, text: &str) {
    let said = json!({ "text": text, "from": "customer" });
    rig.event("chat", customer, "message", said).await;
}

/// Events of a customer with two identifiers, and of others.
async fn fill(rig: &Rig) {
    let traits = json!({ "traits": { "name": NAME } });
    rig.event("web", "zenobia7", "identify", traits).await;
    rig.event("web", "cookie-zz", "track", json!({ "name": WORDS })).await;
    rig.event("web", "cookie-zz", "link", json!({ "to": "zenobia7" })).await;
    for number in 0..40 {
        say(rig, "zenobia7", &format!("my {WORDS} number {number} is lost, a person please")).await;
        say(rig, &format!("other{number}"), "where is my card?").await;
    }
    let traits = json!({ "traits": { "name": OTHERS } });
    rig.event("web", "other7", "identify", traits).await;
    let payment = json!({ "name": "Payment Made", "properties": { "amount": 2400, "to": WORDS } });
    rig.event("core", "zenobia7", "track", payment).await;
    // What cannot be read becomes a dead letter, with its bytes.
    rig.publish("jumeau.events.web.zenobia7", HeaderMap::new(), format!("{{{WORDS}")).await;
    rig.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_customer_is_in_no_file_and_the_receipt_lists_what_was_removed() {
    assert_erased_everywhere("disk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_customer_is_in_no_file_of_the_commit_log_either() {
    assert_erased_everywhere("log").await;
}

async fn assert_erased_everywhere(durability: &str) {
    let durability = format!("store.durability={durability}");
    let rig = Rig::start("bank", &["service.partitions=3", &durability]).await;
    fill(&rig).await;
    let [store, nats] = ["store", "nats"].map(|name| rig.folder.path().join(name));
    for folder in [&store, &nats] {
        // A store that follows the log has what is new in memory.
        if folder == &nats || durability.ends_with("disk") {
            assert!(!holding(folder, WORDS).is_empty(), "the test looks where the words are");
            assert!(!holding(folder, "zenobia7").is_empty(), "and where the name is");
        }
    }

    let paper = rig.folder.path().join("receipt.json");
    let paper = paper.to_str().unwrap();
    let twinctl = async |arguments: &[&str]| {
        let mut command = Command::new(binary("twinctl"));
        command.args(["--server", &rig.broker.url()]).args(arguments).env("NO_COLOR", "1");
        command.output().await.unwrap()
    };
    let strange = twinctl(&["erase", "nobody-at-all", "--yes"]).await;
    let strange = String::from_utf8_lossy(&strange.stdout).into_owned();
    assert!(strange.contains("nothing was known of this customer"), "{strange}");
    let unconfirmed = twinctl(&["erase", "zenobia7"]).await;
    assert_eq!(unconfirmed.status.code(), Some(2), "without --yes somebody has to confirm it");
    let erased = twinctl(&["erase", "zenobia7", "--yes", "--output", paper]).await;
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    let verified = twinctl(&["receipt", "verify", paper]).await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    let text = std::fs::read_to_string(paper).unwrap();
    assert!(!text.contains("zenobia7") && !text.contains(WORDS), "{text}");
    let receipt: ErasureReceipt = serde_json::from_str(&text).unwrap();
    assert_eq!(receipt.told.identifiers.len(), 2, "both identifiers: {text}");
    let removed = |place: &str, what: &str| -> u64 {
        let all = receipt.told.identifiers.iter().flat_map(|one| &one.removed);
        all.filter(|one| *one.place == *place && *one.what == *what).map(|one| one.count).sum()
    };
    assert_eq!(removed("store", "states"), 2, "{text}");
    assert!(removed("store", "decisions") > 0, "{text}");
    assert!(removed("JUMEAU_EVENTS", "events") >= 45, "{text}");
    assert!(removed("JUMEAU_ACTIONS", "actions") > 0, "{text}");
    assert_eq!(removed("JUMEAU_DEAD", "dead letters"), 1, "{text}");

    for folder in [&nats, &store] {
        for word in [WORDS, NAME] {
            assert_eq!(holding(folder, word), Vec::<PathBuf>::new(), "{word}");
        }
        for name in ["zenobia7", "cookie-zz"] {
            assert_eq!(naming(folder, name), Vec::<PathBuf>::new(), "{name}");
        }
    }
    assert!(!holding(&store, OTHERS).is_empty(), "others are where they were");
    assert!(!holding(&nats, OTHERS).is_empty(), "and so are their events");

    // What comes late is dropped, with its bytes; what cannot be read, too.
    say(&rig, "zenobia7", &format!("my {WORDS} again")).await;
    rig.publish("jumeau.events.web.cookie-zz", HeaderMap::new(), format!("{{{WORDS}")).await;
    rig.settled().await;
    rig.until("events that came after the erasure are gone", async || {
        holding(&nats, WORDS).is_empty()
    })
    .await;
    let stats = rig.stats().await.unwrap().total();
    // Both identifiers, and the name that nobody knew.
    assert_eq!((stats.erased, stats.erasures, stats.dead.len()), (2, 3, 1), "{stats:?}");
    let nobody = rig.ask(verb::SHOW, &["zenobia7"], Bytes::new()).await.unwrap_err();
    assert!(nobody.to_string().contains("is unknown"), "{nobody}");

    // Unless the customer says so.
    rig.event("web", "zenobia7", "identify", json!({ "traits": {}, "anew": true })).await;
    rig.settled().await;
    assert!(rig.ask(verb::SHOW, &["zenobia7"], Bytes::new()).await.is_err(), "it could be a copy");
    let now = chrono::Utc::now().to_rfc3339();
    let anew = json!({
        "type": "identify", "time": now, "data": { "traits": { "name": "Z" }, "anew": true },
    });
    rig.publish("jumeau.events.web.zenobia7", HeaderMap::new(), anew.to_string()).await;
    rig.settled().await;
    assert_eq!(rig.show("zenobia7").await.inputs, 1);

    // No row knows what was said before.
    let mut rig = rig;
    assert!(rig.terminate().await.success());
    assert_in_no_row(store, &[WORDS, NAME, "cookie-zz"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_erased_during_a_flood_of_events_while_the_service_is_killed() {
    // Where rows are sealed there are two databases, and keys that go with the customer.
    let keys = tempfile::tempdir().unwrap();
    let master = keys.path().join("master");
    std::fs::write(&master, "7".repeat(64)).unwrap();
    let sealed = format!("store.master-key={}", master.display());
    let mut rig = Rig::start("bank", &["service.partitions=4", &sealed]).await;
    let flood = async |rig: &Rig, round: usize| {
        let events = (0..60).map(async |number| {
            let customer = if number % 3 == 0 { "zenobia7" } else { "bystander" };
            say(rig, customer, &format!("{WORDS} {round}.{number}")).await;
        });
        join_all(events).await;
    };
    flood(&rig, 0).await;
    let mut erasure = None;
    let mut bystander = 40;
    for round in 1..6 {
        flood(&rig, round).await;
        bystander += 40;
        if erasure.is_none() {
            erasure = ask(&rig, "zenobia7", None).await.map(|reply| reply.erasure);
        }
        rig.service.kill().await.unwrap();
        flood(&rig, round + 100).await;
        bystander += 40;
        rig.restart().await;
    }
    let erasure = erasure.expect("the wish was taken");
    let receipt = receipt(&rig, "zenobia7", erasure).await;
    receipt.verify(None).unwrap();
    let removed = &receipt.told.identifiers[0].removed;
    let keys: u64 = removed.iter().filter(|r| *r.place == *"vault").map(|r| r.count).sum();
    assert_eq!(keys, 1, "{removed:?}");
    rig.settled().await;
    assert!(rig.ask(verb::SHOW, &["zenobia7"], Bytes::new()).await.is_err());
    assert_eq!(rig.show("bystander").await.inputs, bystander, "nobody else lost anything");

    let nats = rig.folder.path().join("nats");
    rig.until("events that came after the erasure are gone", async || {
        naming(&nats, "zenobia7").is_empty()
    })
    .await;
    assert!(rig.terminate().await.success());
    let store = rig.folder.path().join("store");
    assert!(holding(&store, WORDS).is_empty(), "and never was");
    let refused = Store::open(
        &settings::StoreSettings { path: store, ..settings::StoreSettings::default() },
        4,
    );
    assert!(refused.unwrap_err().to_string().contains("expected the master key"));
    rig.restart().await;
    let found = holding(&rig.folder.path().join("store"), "zenobia7");
    assert!(found.is_empty(), "after a start the manifest is new, too: {found:?}");
    let places: BTreeSet<_> =
        receipt.told.identifiers[0].removed.iter().map(|r| &r.place).collect();
    assert!(places.len() >= 2, "{places:?}");
}
