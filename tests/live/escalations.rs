//! People who take over, through the service API: claims are exclusive, lists survive, and agents are
//! told what to do next.

use std::fs;

use bytes::Bytes;
use futures::future::join;
use jumeau::api::{ActReply, DecideReply, EscalationReply, EscalationsReply, verb};
use jumeau::bus::Error;
use jumeau::twin::EscalationState;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::rig::Rig;

const POLICY: &str = r#"
[policy]
name = "desk"
languages = ["en", "fr"]

[queues.care]
skills = ["care"]
respond = "30m"

[queues.later]

[needs.money]
describe = "wants money back"

[[rules]]
name = "paid twice"
on = "track:Paid Twice"
then = [{ raise = "money", because = "paid {{ event.properties.amount }} twice" }]

[[actions]]
name = "refund"
serves = ["money"]
issue = "service"
value = 0.9
cooldown = "1d"
[[actions.treatments]]
channel = "app"
text.en = "We pay it back."
"#;

const HUMAN: &str = "I would like to talk to a human";

async fn desk() -> (Rig, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    (Rig::start(folder.path().to_str().unwrap(), &[]).await, folder)
}

async fn ask<T: DeserializeOwned>(
    rig: &Rig,
    verb: &str,
    tokens: &[&str],
    told: Value,
) -> Result<T, Error> {
    let answer = rig.ask(verb, tokens, told.to_string().into()).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

async fn list(rig: &Rig) -> Vec<(String, String)> {
    let answer = rig.ask(verb::ESCALATIONS_LIST, &[], Bytes::new()).await.unwrap();
    let reply: EscalationsReply = serde_json::from_slice(&answer).unwrap();
    let listed = reply.escalations.into_iter();
    listed.map(|one| (one.customer.to_string(), one.waiting.state.name().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_agents_who_claim_at_once_exactly_one_wins_and_the_other_is_told_who() {
    let (rig, _policy) = desk().await;
    for number in 0..20 {
        let customer = format!("c-{number}");
        let said = json!({ "text": HUMAN, "from": "customer" });
        rig.event("chat", &customer, "message", said).await;
        rig.settled().await;
        let shown: EscalationReply =
            ask(&rig, verb::ESCALATIONS_SHOW, &[&customer], json!({})).await.unwrap();
        let id = shown.escalation.id;
        let told = |agent: &str| json!({ "escalation": id, "agent": agent });
        let tokens = [customer.as_str()];
        let (kim, sam) = join(
            ask::<ActReply>(&rig, verb::ESCALATIONS_CLAIM, &tokens, told("kim")),
            ask::<ActReply>(&rig, verb::ESCALATIONS_CLAIM, &tokens, told("sam")),
        )
        .await;
        let (winner, loser) = match (kim, sam) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            (kim, sam) => panic!("expected one winner, found {kim:?} and {sam:?}"),
        };
        let told = winner.escalation.unwrap();
        assert_eq!(told.state, EscalationState::Claimed);
        assert!(told.brief.is_some());
        let agent = told.agent.unwrap();
        assert!(loser.to_string().contains(&format!("held by `{agent}`")), "{loser}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_listed_also_after_a_kill_and_goes_along_when_identifiers_are_linked() {
    let (mut rig, _policy) = desk().await;
    let opened: ActReply = ask(
        &rig,
        verb::ESCALATIONS_OPEN,
        &["bob"],
        json!({ "topic": "call", "queue": "later", "priority": 5, "note": "they rang" }),
    )
    .await
    .unwrap();
    assert_eq!(&*opened.escalation.unwrap().because, "they rang");
    rig.event("chat", "cookie", "message", json!({ "text": HUMAN, "from": "customer" })).await;
    rig.settled().await;
    let open = |name: &str| (name.to_owned(), "open".to_owned());
    // What is due comes first, however pressing the other is.
    assert_eq!(list(&rig).await, [open("cookie"), open("bob")]);
    rig.service.kill().await.unwrap();
    rig.restart().await;
    assert_eq!(list(&rig).await, [open("cookie"), open("bob")]);
    rig.event("web", "cookie", "link", json!({ "to": "ann" })).await;
    rig.settled().await;
    assert_eq!(list(&rig).await, [open("ann"), open("bob")]);
    let claimed: ActReply = {
        let shown: EscalationReply =
            ask(&rig, verb::ESCALATIONS_SHOW, &["ann"], json!({})).await.unwrap();
        let told = json!({ "escalation": shown.escalation.id, "agent": "kim" });
        // An agent who knows the customer by the old identifier is passed on.
        ask(&rig, verb::ESCALATIONS_CLAIM, &["cookie"], told).await.unwrap()
    };
    assert_eq!(claimed.customer.as_str(), "ann");
    let id = claimed.escalation.unwrap().id;
    let told = json!({ "escalation": id, "agent": "kim", "outcome": "explained" });
    let _: ActReply = ask(&rig, verb::ESCALATIONS_RESOLVE, &["ann"], told).await.unwrap();
    assert_eq!(list(&rig).await, [open("bob")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_automation_keeps_quiet_the_agent_is_told_what_to_do_next_and_says_so() {
    let (rig, _policy) = desk().await;
    rig.event("chat", "ann", "message", json!({ "text": HUMAN, "from": "customer" })).await;
    rig.settled().await;
    let shown: EscalationReply =
        ask(&rig, verb::ESCALATIONS_SHOW, &["ann"], json!({})).await.unwrap();
    let id = shown.escalation.id;
    let told = json!({ "escalation": id, "agent": "kim" });
    let _: ActReply = ask(&rig, verb::ESCALATIONS_CLAIM, &["ann"], told).await.unwrap();
    let paid = json!({ "name": "Paid Twice", "properties": { "amount": 29 } });
    rig.event("core", "ann", "track", paid).await;
    rig.settled().await;
    assert!(rig.show("ann").await.twin.contacts.is_empty(), "automation keeps quiet");
    let shown: EscalationReply =
        ask(&rig, verb::ESCALATIONS_SHOW, &["ann"], json!({})).await.unwrap();
    assert!(shown.text.contains("refund: “We pay it back.”"), "{}", shown.text);
    let next: DecideReply =
        ask(&rig, verb::DECIDE, &["ann"], json!({ "channel": "desk" })).await.unwrap();
    assert_eq!(&*next.offers[0].action, "refund");
    let elsewhere: DecideReply =
        ask(&rig, verb::DECIDE, &["ann"], json!({ "channel": "app" })).await.unwrap();
    assert!(elsewhere.offers.is_empty(), "others keep quiet");
    let told = json!({
        "escalation": id, "agent": "kim", "said": "You get it back.",
        "decision": next.offers[0].decision, "answer": "accepted",
    });
    let _: ActReply = ask(&rig, verb::ESCALATIONS_NOTE, &["ann"], told).await.unwrap();
    let twin = rig.show("ann").await.twin;
    assert_eq!(twin.contacts[0].outcome.unwrap().kind.name(), "accepted");
    let said: Vec<&str> = twin.interactions[0].lines.iter().map(|line| &*line.text).collect();
    assert_eq!(said, [HUMAN, "You get it back."]);
}
