//! What is about a customer who is erased and stands elsewhere: at other identifiers, under other
//! spellings of theirs, in wrong places. And what only looks like theirs stays.

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use jumeau::api::{EraseReply, EraseRequest, ErasureReceipt, verb};
use serde_json::json;
use tokio::time::timeout;

use super::rig::Rig;

pub(crate) async fn erased(rig: &Rig, customer: &str) -> ErasureReceipt {
    let ask = async |erasure: Option<Box<str>>| {
        let question = serde_json::to_vec(&EraseRequest { erasure }).unwrap();
        let tokens = [customer];
        let asked = rig.bus.ask(verb::ERASE, &tokens, Bytes::from(question));
        let answer = timeout(Duration::from_secs(3), asked).await.ok()?.ok()?;
        serde_json::from_slice::<EraseReply>(&answer).ok()
    };
    let begun = ask(None).await.unwrap();
    let mut receipt = begun.receipt;
    rig.until("there is a receipt", async || {
        if receipt.is_none() {
            receipt = ask(Some(begun.erasure.clone())).await.and_then(|reply| reply.receipt);
        }
        receipt.is_some()
    })
    .await;
    receipt.unwrap()
}

/// All messages of the streams in which some words stand, anywhere.
pub(crate) async fn holding(rig: &Rig, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["JUMEAU_EVENTS", "JUMEAU_DEAD", "JUMEAU_ACTIONS", "JUMEAU_AUDIT"] {
        let stream = rig.stream.get_stream(name).await.unwrap();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let Ok(message) = stream.get_raw_message(sequence).await else { continue };
            let text = format!(
                "{} {:?} {}",
                message.subject,
                message.headers,
                String::from_utf8_lossy(&message.payload)
            );
            if words.iter().any(|word| text.contains(word)) {
                found.push(format!("{name} {sequence} {}", message.subject));
            }
        }
    }
    found
}

async fn messages(rig: &Rig, stream: &str) -> u64 {
    rig.stream.get_stream(stream).await.unwrap().cached_info().state.messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_that_moved_and_returned_is_deleted_with_the_customer() {
    let rig =
        Rig::start("bank", &["service.partitions=3", "service.merging-channels=[\"web\"]"]).await;
    let traits = json!({ "traits": { "first_name": "BOBWORDS" } });
    rig.event("web", "bobby", "identify", traits).await;
    rig.event("web", "annie", "identify", json!({ "traits": { "first_name": "Ann" } })).await;
    rig.event("web", "bobby", "link", json!({ "to": "annie", "merge": true })).await;
    rig.settled().await;
    // While they are one, what comes for one goes to the other.
    rig.event("web", "bobby", "track", json!({ "name": "BOBWORDS" })).await;
    rig.settled().await;
    rig.event("web", "annie", "unlink", json!({ "from": "bobby" })).await;
    rig.settled().await;
    let own = rig.show("bobby").await;
    assert_eq!(own.customer.as_str(), "bobby", "they are two again");
    let before = rig.show("annie").await.inputs;
    assert!(!holding(&rig, &["BOBWORDS"]).await.is_empty(), "the test looks where the words are");

    let receipt = erased(&rig, "bobby").await;
    receipt.verify(None).unwrap();
    assert_eq!(holding(&rig, &["BOBWORDS", "bobby"]).await, Vec::<String>::new());
    let what: Vec<&str> = receipt
        .told
        .identifiers
        .iter()
        .flat_map(|one| &one.removed)
        .map(|one| &*one.what)
        .collect();
    assert!(what.contains(&"messages to others"), "{what:?}");
    // The other is who she was, and says nothing of him.
    let annie = rig.ask(verb::SHOW, &["annie"], Bytes::new()).await.unwrap();
    let annie = String::from_utf8(annie.to_vec()).unwrap();
    assert!(annie.contains("Ann") && !annie.contains("bobby"), "{annie}");
    assert_eq!(rig.show("annie").await.inputs, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_the_customer_was_spelled_and_wherever_they_stood_nothing_is_left() {
    let rig = Rig::start("bank", &["service.partitions=3"]).await;
    rig.event("web", "bobby", "identify", json!({ "traits": { "first_name": "Bob" } })).await;
    let words = json!({ "type": "identify", "data": { "traits": { "iban": "BOBWORDS" } } });
    for subject in [
        "jumeau.events.web.%62obby",
        "jumeau.events.web.b%6fbby",
        "jumeau.events.web.%62%6F%62%62%79",
        "jumeau.events.web.bobby.x",
        "jumeau.events.web.x.%62obby",
        "jumeau.events.bobby",
        "jumeau.events.web%2Eb.%62obby",
        "jumeau.events.w%65b.bobby",
    ] {
        rig.publish(subject, HeaderMap::new(), words.to_string()).await;
    }
    let others = json!({ "type": "identify", "data": { "traits": { "iban": "OTHERWORDS" } } });
    for subject in
        ["jumeau.events.web.%62obbyx", "jumeau.events.bobby.y.z", "jumeau.broadcast.bobby"]
    {
        rig.publish(subject, HeaderMap::new(), others.to_string()).await;
    }
    rig.settled().await;
    let before = holding(&rig, &["OTHERWORDS"]).await;
    assert_eq!(before.len(), 6, "each is an event and a dead letter: {before:#?}");
    erased(&rig, "bobby").await.verify(None).unwrap();
    assert_eq!(holding(&rig, &["BOBWORDS"]).await, Vec::<String>::new());
    assert_eq!(holding(&rig, &["OTHERWORDS"]).await, before, "others are left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_erasure_of_a_customer_removes_nothing_else_of_the_same_name() {
    let mut rig = Rig::start("bank", &["service.partitions=2"]).await;
    let payment = json!({ "name": "Payment Made", "properties": { "amount": 2400, "to": "G" } });
    rig.event("core", "carl", "track", payment).await;
    rig.settled().await;
    // Dead letters that wait, because their stream takes none.
    let stream = rig.stream.get_stream("JUMEAU_DEAD").await.unwrap();
    let usual = stream.cached_info().config.clone();
    let mut full = usual.clone();
    full.max_messages = 1;
    full.max_messages_per_subject = -1;
    full.discard = async_nats::jetstream::stream::DiscardPolicy::New;
    rig.stream.update_stream(full).await.unwrap();
    for number in 0..20 {
        let subject = format!("jumeau.events.web.u{number}");
        rig.publish(&subject, HeaderMap::new(), "{broken").await;
    }
    let names =
        ["bad-json", "web", "app", "confirm_payment", "cards", "jumeau", "events", "_jumeau"];
    for name in names {
        rig.event("web", name, "page", json!({ "name": "Home" })).await;
    }
    rig.until("all is taken in, and dead letters wait", async || {
        let stats = rig.stats().await;
        stats.is_some_and(|stats| stats.lag == 0 && stats.total().outbox == 19)
    })
    .await;
    let actions = messages(&rig, "JUMEAU_ACTIONS").await;
    assert!(actions > 0);
    for name in names {
        rig.ask(verb::ERASE, &[name], Bytes::new()).await.unwrap();
    }
    rig.until("all are erased", async || {
        let stats = rig.stats().await;
        stats.is_some_and(|stats| stats.total().erasures == names.len() as u64)
    })
    .await;
    assert_eq!(rig.stats().await.unwrap().total().outbox, 19, "they wait for their stream");
    rig.service.kill().await.unwrap();
    rig.restart().await;
    rig.stream.update_stream(usual).await.unwrap();
    rig.settled().await;
    assert_eq!(messages(&rig, "JUMEAU_DEAD").await, 20);
    for name in names {
        erased(&rig, name).await;
    }
    assert_eq!(messages(&rig, "JUMEAU_DEAD").await, 20, "they are of others");
    assert_eq!(messages(&rig, "JUMEAU_ACTIONS").await, actions);
    assert_eq!(rig.show("carl").await.inputs, 1);
}
