//! What somebody does against an erasure: goes on naming the customer, or publishes once more what the
//! service itself had written. And what others keep of the customer without meaning to.

use async_nats::HeaderMap;
use futures::StreamExt;
use jumeau::contract::partition_of;
use jumeau::event::{Customer, Erasure, owner_hash};
use serde_json::json;

use super::erase_elsewhere::{erased, holding};
use super::rig::Rig;

async fn tell(rig: &Rig, who: &str, name: &str) {
    rig.event("branch", who, "identify", json!({ "traits": { "first_name": name } })).await;
}

/// A link to a customer that nobody can read.
fn broken_link(to: &str) -> String {
    json!({ "type": "link", "time": "x", "data": { "to": to } }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_never_stops_naming_a_customer_holds_up_no_erasure() {
    let rig = Rig::start("bank", &["service.partitions=2"]).await;
    for who in ["bobby", "dora"] {
        tell(&rig, who, who).await;
    }
    rig.settled().await;
    let flood = async {
        loop {
            rig.publish("jumeau.events.web.zed", HeaderMap::new(), broken_link("bobby")).await;
        }
    };
    let erasures = async {
        for who in ["bobby", "dora"] {
            erased(&rig, who).await.verify(None).unwrap();
        }
    };
    tokio::select! {
        () = flood => unreachable!("it never stops"),
        () = erasures => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_link_and_a_tablet_that_changed_hands_reveal_no_erased_customer() {
    let rig = Rig::start("bank", &["service.partitions=3"]).await;
    for who in ["verawolkenstein", "zoe", "alice", "carl"] {
        tell(&rig, who, "somebody").await;
    }
    // Of two known customers neither becomes the other, and what cannot be read is no link.
    rig.event("web", "zoe", "link", json!({ "to": "verawolkenstein" })).await;
    let broken = broken_link("verawolkenstein");
    rig.publish("jumeau.events.web.zoe", HeaderMap::new(), broken).await;
    for who in ["alice", "verawolkenstein", "carl"] {
        rig.event("app", "tablet", "link", json!({ "to": who })).await;
        rig.settled().await;
    }
    let hash = owner_hash("verawolkenstein").to_string();
    let traces = ["verawolkenstein", &hash];
    assert!(!holding(&rig, &[&hash]).await.is_empty(), "the test looks where the hash is");

    erased(&rig, "verawolkenstein").await.verify(None).unwrap();
    assert_eq!(holding(&rig, &traces).await, Vec::<String>::new());
    assert_eq!(rig.show("tablet").await.customer.as_str(), "carl");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_other_partitions_that_name_an_erased_customer_are_removed() {
    let rig = Rig::start("bank", &["service.partitions=3"]).await;
    let vera = "verawolkenstein";
    let home = |name: &str| partition_of(&Customer::new(name).unwrap(), 3);
    let elsewhere = |name: &str| {
        let mut names = (0..).map(|number| format!("{name}{number}"));
        names.find(|one| home(one) != home(vera)).unwrap()
    };
    let (zoe, tablet) = (elsewhere("zoe"), elsewhere("tablet"));
    for who in [vera, &zoe, "alice"] {
        tell(&rig, who, "somebody").await;
    }
    rig.event("app", &tablet, "link", json!({ "to": "alice" })).await;
    rig.settled().await;
    erased(&rig, vera).await.verify(None).unwrap();

    // A link that is refused, one that cannot be read, and one behind what was said later.
    rig.event("web", &zoe, "link", json!({ "to": vera })).await;
    rig.publish(&format!("jumeau.events.web.{zoe}"), HeaderMap::new(), broken_link(vera)).await;
    let early = json!({ "type": "link", "time": "2020-01-01T00:00:00Z", "data": { "to": vera } });
    rig.publish(&format!("jumeau.events.app.{tablet}"), HeaderMap::new(), early.to_string()).await;
    rig.settled().await;
    rig.until("they are gone", async || holding(&rig, &[vera]).await.is_empty()).await;
    assert_eq!(rig.show(&tablet).await.customer.as_str(), "alice");
    let stats = rig.stats().await.unwrap().total();
    assert!(stats.dead.is_empty(), "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_message_of_the_service_erases_nobody_and_restores_nothing() {
    let rig = Rig::start("bank", &["service.partitions=2"]).await;
    let mut written = rig.client.subscribe("jumeau.events._jumeau.>").await.unwrap();
    rig.client.flush().await.unwrap();
    tell(&rig, "ben", "Old").await;
    rig.event("app", "cookie", "track", json!({ "name": "BENWORDS" })).await;
    rig.event("app", "cookie", "link", json!({ "to": "ben" })).await;
    rig.settled().await;
    rig.event("app", "cookie", "track", json!({ "name": "BENWORDS" })).await;
    rig.settled().await;
    erased(&rig, "ben").await.verify(None).unwrap();
    let back = json!({
        "type": "identify", "time": chrono::Utc::now().to_rfc3339(),
        "data": { "traits": { "first_name": "New" }, "anew": true },
    });
    rig.publish("jumeau.events.branch.ben", HeaderMap::new(), back.to_string()).await;
    rig.settled().await;
    let before = rig.show("ben").await;
    assert_eq!(before.inputs, 1, "he is back");

    // A memory, an event that was forwarded, and the erasures.
    let mut again = Vec::new();
    while again.len() < 4 {
        again.push(written.next().await.unwrap());
    }
    let is_erasure = |headers: &HeaderMap| headers.get(Erasure::HEADER).is_some();
    let erasures =
        again.iter().filter_map(|one| one.headers.as_ref()).filter(|one| is_erasure(one));
    assert_eq!(erasures.count(), 2);
    for message in again {
        let mut headers = HeaderMap::new();
        for (name, values) in message.headers.unwrap_or_default().iter() {
            // What the broker goes by would have it refused as a copy.
            if !name.to_string().starts_with("Nats-") {
                headers.insert(name.clone(), values[0].clone());
            }
        }
        rig.publish(&message.subject, headers, message.payload).await;
    }
    rig.settled().await;
    let after = rig.show("ben").await;
    assert_eq!((after.inputs, after.twin.identifiers.len()), (1, 0));
    rig.until("the copies are gone", async || holding(&rig, &["BENWORDS"]).await.is_empty()).await;
}
