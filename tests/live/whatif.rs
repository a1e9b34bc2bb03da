//! What would happen is what then happens, whatever has happened before; and asking changes nothing.

use futures::StreamExt;
use jumeau::api::{WhatIfReply, verb};
use jumeau::bus::Error;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::rig::{PATIENCE, Rig};

const CUSTOMERS: [&str; 3] = ["ann", "bob", "cleo"];
const EVENTS: usize = 90;

/// Something that can happen to a customer of the bank.
fn event(rng: &mut StdRng) -> (&'static str, Value) {
    let words = [
        "My card does not work and nobody helps me, this is terrible!",
        "Thank you, that was quick.",
        "J'ai perdu ma carte.",
        "I want to speak to a person, please.",
    ];
    let track = |name: &str, properties: Value| {
        ("track", json!({ "name": name, "properties": properties }))
    };
    let is_likely = rng.random_bool(0.6);
    match rng.random_range(0..14) {
        0 => ("identify", json!({ "traits": { "first_name": "Kim", "language": "en" } })),
        1 => ("consent", json!({ "purpose": "marketing", "granted": is_likely })),
        2 => ("message", json!({ "text": words.choose(rng).unwrap(), "from": "customer" })),
        3 => ("signal", json!({ "name": "card_abroad", "value": "blocked" })),
        4 => ("signal", json!({ "name": "balance", "value": rng.random_range(-500..5_000) })),
        5 => {
            let state = if is_likely { "open" } else { "closed" };
            ("case", json!({ "id": "c1", "state": state, "topic": "complaint" }))
        }
        6 => track("Payment Made", json!({ "amount": rng.random_range(1..5_000), "to": "Ada" })),
        7 => track("Salary Received", json!({ "amount": 3_000 })),
        8 => track("Card Reported Lost", json!({})),
        9 => track("Bot Gave Up", json!({ "topic": "billing" })),
        10 => track(
            "Flight Booked",
            json!({ "city": "Lisbon", "country": "PT", "departure": "2031-03-20T06:40:00Z" }),
        ),
        11 => ("page", json!({ "name": "Home Loans", "properties": {} })),
        12 => ("page", json!({ "name": "Home", "properties": {} })),
        // Refused: there is no such escalation.
        _ => ("handoff", json!({ "escalation": "e0", "state": "claimed", "agent": "Bea" })),
    }
}

/// What is said or handed to people, as far as it does not name the event.
fn told(data: &Value) -> String {
    let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
    match data["queue"].as_str() {
        Some(queue) => format!("{queue}/{}: {}", text("topic"), text("state")),
        None => format!("{} in {}: {}", text("action"), text("channel"), text("text")),
    }
}

async fn what_if(rig: &Rig, customer: &str, kind: &str, data: &Value) -> WhatIfReply {
    let request = json!({ "channel": "web", "type": kind, "data": data }).to_string();
    let reply = rig.ask(verb::WHAT_IF, &[customer], request.into()).await.unwrap();
    serde_json::from_slice(&reply).unwrap()
}

/// All that is known of a customer, byte for byte.
async fn known(rig: &Rig, customer: &str) -> Result<Value, String> {
    let answer: Result<_, Error> = rig.ask(verb::SHOW, &[customer], "".into()).await;
    let mut shown: Value = serde_json::from_slice(&answer.map_err(|error| error.to_string())?)
        .map_err(|error| error.to_string())?;
    // When it was looked at, and how things stand at that moment.
    Ok(shown["twin"].take())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatif_predicts_what_then_happens() {
    let rig = Rig::start("bank", &["service.partitions=2"]).await;
    let mut said = rig.client.subscribe("jumeau.actions.>").await.unwrap();
    let mut handed = rig.client.subscribe("jumeau.escalations.>").await.unwrap();
    let mut taken_back = rig.client.subscribe("jumeau.recalls.>").await.unwrap();
    rig.client.flush().await.unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    let (mut actions, mut escalations, mut refused) = (0, 0, 0);
    for _ in 0..EVENTS {
        let customer = *CUSTOMERS.choose(&mut rng).unwrap();
        let (kind, data) = event(&mut rng);
        let before = (known(&rig, customer).await, rig.stats().await.unwrap().total());
        let expected = what_if(&rig, customer, kind, &data).await;
        let after = (known(&rig, customer).await, rig.stats().await.unwrap().total());
        assert_eq!(after.0, before.0, "{kind} {data}");
        assert_eq!(
            (after.1.events, after.1.actions, after.1.escalations, after.1.cursor),
            (before.1.events, before.1.actions, before.1.escalations, before.1.cursor)
        );

        rig.event("web", customer, kind, data.clone()).await;
        rig.settled().await;
        let now = rig.stats().await.unwrap().total();
        let mut happened = Vec::new();
        for (count, messages) in [
            (now.actions - before.1.actions, &mut said),
            (now.recalls - before.1.recalls, &mut taken_back),
            (now.escalations - before.1.escalations, &mut handed),
        ] {
            for _ in 0..count {
                let message = timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
                let event: Value = serde_json::from_slice(&message.payload).unwrap();
                happened.push(told(&event["data"]));
            }
        }
        let would = expected.actions.iter().map(|one| serde_json::to_value(one).unwrap());
        let would =
            would.chain(expected.recalls.iter().map(|one| serde_json::to_value(one).unwrap()));
        let would =
            would.chain(expected.escalations.iter().map(|one| serde_json::to_value(one).unwrap()));
        let would: Vec<String> = would.map(|one| told(&one)).collect();
        assert_eq!(happened, would, "{kind} {data}");
        let is_refused = now.dead.values().sum::<u64>() > before.1.dead.values().sum();
        assert_eq!(expected.verdict.starts_with("refused"), is_refused, "{kind} {data}");
        actions += expected.actions.len();
        escalations += expected.escalations.len();
        refused += usize::from(is_refused);
    }
    assert!(actions > 5 && escalations > 1 && refused > 1, "{actions} {escalations} {refused}");
}
