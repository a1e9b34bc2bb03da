//! What a channel asks: answered, remembered, and not said once more on the bus.

use std::time::Duration;

use futures::StreamExt;
use jumeau::api::{DecideReply, WhatIfReply, WhyReply, verb};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::rig::{PATIENCE, Rig};

const SHOP: &str = r#"
[policy]
name = "shop"
languages = ["en"]

[needs.look]
describe = "something to look at"
expires = "1d"

[[rules]]
name = "somebody looks"
on = "ask:hero"
then = [{ raise = "look", strength = 0.5, because = "{{ event.properties.page }} is open" }]

[[actions]]
name = "shoes"
serves = ["look"]
issue = "sales"
value = 0.9
cooldown = "1h"
[[actions.treatments]]
channel = "web"
text.en = "Shoes for the {{ event.properties.page }}."

[[actions]]
name = "hats"
serves = ["look"]
issue = "sales"
value = 0.5
cooldown = "1h"
[[actions.treatments]]
channel = "web"
text.en = "Hats."
"#;

async fn shop(settings: &[&str]) -> Rig {
    Rig::with_policy(SHOP, settings).await
}

fn actions(reply: &DecideReply) -> Vec<&str> {
    reply.offers.iter().map(|offer| &*offer.action).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_gets_an_offer_for_an_unknown_customer_which_is_stored() {
    let mut rig = shop(&[]).await;
    let mut on_the_bus = rig.client.subscribe("jumeau.actions.>").await.unwrap();
    rig.client.flush().await.unwrap();
    let request =
        json!({ "channel": "web", "placements": ["hero"], "context": { "page": "beach" } });
    let first = rig.decide("ann", request.clone()).await.unwrap();
    assert_eq!(actions(&first), ["shoes"]);
    assert_eq!(&*first.offers[0].text, "Shoes for the beach.");

    // A process that dies then and there has not forgotten what it said.
    rig.service.kill().await.unwrap();
    rig.restart().await;
    let second = rig.decide("ann", request).await.unwrap();
    assert_eq!(actions(&second), ["hats"], "the shoes rest");
    let seen = json!({ "decision": first.offers[0].decision, "outcome": "clicked" });
    rig.event("web", "ann", "outcome", seen).await;
    rig.settled().await;
    let twin = rig.show("ann").await.twin;
    let outcomes: Vec<_> = twin.contacts.iter().map(|contact| contact.outcome.is_some()).collect();
    assert_eq!(outcomes, [true, false]);
    assert!(timeout(Duration::ZERO, on_the_bus.next()).await.is_err(), "nothing is said twice");
    assert_eq!(rig.stats().await.unwrap().total().asks, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ask_on_the_stream_is_answered_with_an_action() {
    let rig = shop(&[]).await;
    let mut on_the_bus = rig.client.subscribe("jumeau.actions.>").await.unwrap();
    rig.client.flush().await.unwrap();
    let ask = json!({ "placements": ["side", "hero"], "properties": { "page": "beach" } });
    rig.event("web", "ann", "ask", ask).await;
    let action = timeout(PATIENCE, on_the_bus.next()).await.unwrap().unwrap();
    assert_eq!(action.subject.as_str(), "jumeau.actions.web.shoes.ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_a_linked_identifier_is_answered_by_the_customers_twin() {
    let rig = shop(&["service.answers=early"]).await;
    rig.event("web", "cookie", "link", json!({ "to": "ann" })).await;
    rig.settled().await;
    let context = json!({ "page": "beach" });
    let request = json!({ "channel": "web", "placements": ["hero"], "context": context });
    let reply = rig.decide("cookie", request).await.unwrap();
    // The reply does not name the customer whom the identifier is linked to.
    assert_eq!((reply.customer.as_str(), actions(&reply)), ("cookie", vec!["shoes"]));
    assert_eq!(rig.show("ann").await.twin.contacts.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_says_why() {
    let rig = shop(&[]).await;
    let refused = async |request: Value| match rig.decide("ann", request).await {
        Err(error) => error.to_string(),
        Ok(reply) => panic!("answered with {reply:?}"),
    };
    let said = refused(json!({ "placements": ["hero"] })).await;
    assert!(said.contains("expected the `channel` that asks, found none"), "{said}");
    let said = refused(json!({ "channel": "web", "most": 99 })).await;
    assert!(said.contains("1 to 16 fit"), "{said}");
    let said = refused(json!({ "channel": "web", "placement": ["hero"] })).await;
    assert!(said.contains("found `placement`; did you mean `placements`?"), "{said}");
    let once = json!({ "channel": "web", "id": "r1" });
    assert!(rig.decide("ann", once.clone()).await.unwrap().offers.is_empty());
    let said = refused(once).await;
    assert!(said.contains("already answered"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_subject_names_need_not_be_named_again() {
    let rig = shop(&[]).await;
    let ask = async |tokens: &[&str], request: &str| {
        rig.ask(verb::DECIDE, tokens, request.to_owned().into()).await.map_err(|e| e.to_string())
    };
    let request = r#"{"placements": ["hero"], "context": {"page": "beach"}}"#;
    let answer = ask(&["web", "ann"], request).await.unwrap();
    let reply: DecideReply = serde_json::from_slice(&answer).unwrap();
    assert_eq!(actions(&reply), ["shoes"]);
    assert!(ask(&["web", "ann"], "").await.is_ok());
    assert!(ask(&["web", "ann"], r#"{"channel": "web"}"#).await.is_ok());
    let said = ask(&["web", "ann"], r#"{"channel": "app"}"#).await.unwrap_err();
    assert!(said.contains("expected the channel of the subject, `web`, found `app`"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_shows_the_losing_candidates_and_what_would_have_won() {
    let rig = shop(&[]).await;
    let context = json!({ "page": "beach" });
    let request = json!({ "channel": "web", "placements": ["hero"], "context": context });
    let reply = rig.decide("ann", request).await.unwrap();
    let why: WhyReply =
        serde_json::from_slice(&rig.ask(verb::WHY, &["ann"], "".into()).await.unwrap()).unwrap();
    assert!(why.decision.is(&reply.offers[0].decision));
    let told: Vec<_> =
        why.decision.candidates.iter().map(|one| (&*one.action, one.score)).collect();
    assert_eq!((told[0].0, told[1].0), ("shoes", "hats"));
    assert!(told[0].1 > told[1].1);
    assert!(why.flips.iter().any(|flip| &*flip.action == "hats" && flip.wins));
    let none = rig.ask(verb::WHY, &["nobody"], "".into()).await.unwrap_err().to_string();
    assert!(none.contains("customer `nobody` is unknown"), "{none}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatif_answers_and_changes_nothing() {
    let rig = shop(&[]).await;
    rig.event("web", "ann", "identify", json!({ "traits": { "city": "Ghent" } })).await;
    rig.settled().await;
    let mut on_the_bus = rig.client.subscribe("jumeau.>").await.unwrap();
    rig.client.flush().await.unwrap();
    let before = (rig.show("ann").await.twin, rig.stats().await.unwrap().total());
    let data = json!({ "placements": ["hero"], "context": { "page": "beach" } });
    let request = json!({ "channel": "web", "type": "ask", "data": data }).to_string();
    for customer in ["ann", "nobody"] {
        let reply = rig.ask(verb::WHAT_IF, &[customer], request.clone().into()).await.unwrap();
        let reply: WhatIfReply = serde_json::from_slice(&reply).unwrap();
        assert_eq!((&*reply.actions[0].action, reply.is_known), ("shoes", customer == "ann"));
        assert_eq!(reply.needs[0].after, 0.5);
    }
    let after = (rig.show("ann").await.twin, rig.stats().await.unwrap().total());
    assert_eq!(after.0, before.0);
    assert_eq!((after.1.commits, after.1.actions), (before.1.commits, before.1.actions));
    let none = rig.ask(verb::WHY, &["ann"], "".into()).await.unwrap_err().to_string();
    assert!(none.contains("no decision for `ann` yet"), "{none}");
    let mut published = Vec::new();
    while let Ok(Some(message)) = timeout(Duration::ZERO, on_the_bus.next()).await {
        published.push(message.subject.to_string());
    }
    // What was asked, and the line of the audit that it was.
    published.retain(|subject| {
        !subject.starts_with("jumeau.api.") && !subject.starts_with("jumeau.audit.")
    });
    assert!(published.is_empty(), "{published:?}");
}
