//! People who take over, through the service API: claims are exclusive, lists survive, and agents are
//! told what to do next.

use std::fs;

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::future::join;
use jumeau::api::{ActReply, DecideReply, EscalationReply, EscalationsReply, verb};
use jumeau::bus::{Error, OutputSubscription};
use jumeau::event::Time;
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
next = "chiefs"

[queues.chiefs]
respond = "1h"

[queues.later]

[needs.money]
describe = "wants money back"

[[rules]]
name = "where the agent stopped"
on = "handoff:handed-back"
then = [{ act = "go_on" }]

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

[[actions]]
name = "go_on"
issue = "service"
value = 1.0
[[actions.treatments]]
channel = "chat"
text.en = "I have heard: {{ escalations.last.note }}. Let us go on."
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
async fn one_of_two_simultaneous_claims_wins_and_the_other_agent_learns_who() {
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
        assert!(loser.to_string().contains(&format!("claimed by `{agent}`")), "{loser}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_escalations_are_listed_after_a_kill_and_move_with_links() {
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
        // An agent who knows the customer by the old identifier is redirected.
        ask(&rig, verb::ESCALATIONS_CLAIM, &["cookie"], told).await.unwrap()
    };
    assert_eq!(claimed.customer.as_str(), "ann");
    let id = claimed.escalation.unwrap().id;
    let told = json!({ "escalation": id, "agent": "kim", "outcome": "explained" });
    let _: ActReply = ask(&rig, verb::ESCALATIONS_RESOLVE, &["ann"], told).await.unwrap();
    assert_eq!(list(&rig).await, [open("bob")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_gets_the_next_action_while_automation_is_quiet() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_a_queue_reaches_only_that_queue_under_the_callers_name() {
    let (rig, _policy) = desk().await;
    let opened = json!({ "topic": "call", "queue": "later" });
    let opened: ActReply = ask(&rig, verb::ESCALATIONS_OPEN, &["bob"], opened).await.unwrap();
    let id = opened.escalation.unwrap().id;
    let mine = json!({ "escalation": id });

    let of = async |verb: &str, queue: &str, told: Value| {
        // The broker lets an agent of some queues publish on these subjects only.
        let subject = format!("jumeau.as.agent-lea.{verb}.{queue}");
        let answer = rig.client.request(subject, told.to_string().into()).await.unwrap();
        let error = answer.headers.and_then(|all| all.get("Nats-Service-Error").cloned());
        error.map_or(Ok(answer.payload), |error| Err(error.to_string()))
    };
    let list = async |queue: &str| {
        let answer = of(verb::ESCALATIONS_LIST, queue, json!({})).await.unwrap();
        serde_json::from_slice::<EscalationsReply>(&answer).unwrap().found
    };
    assert_eq!((list("care").await, list("later").await), (0, 1));
    let other = of(verb::ESCALATIONS_LIST, "care", json!({ "queue": "later" })).await;
    assert_eq!(
        other.unwrap_err(),
        "expected the queue of the subject, `care`, found `later`; leave `queue` out"
    );
    let seen = of(verb::ESCALATIONS_SHOW, "care.bob", mine.clone()).await.unwrap_err();
    assert_eq!(seen, "`bob` has no open escalation of this id in the queue `care`");
    for verb in [verb::ESCALATIONS_CLAIM, verb::ESCALATIONS_NOTE, verb::ESCALATIONS_RESOLVE] {
        let refused = of(verb, "care.bob", mine.clone()).await.unwrap_err();
        assert!(refused.contains("of the queue `care`, found one of `later`"), "{refused}");
    }
    for name in ["agent", "operator"] {
        let told = json!({ "escalation": id, name: "kim" });
        let refused = of(verb::ESCALATIONS_CLAIM, "later.bob", told).await.unwrap_err();
        assert!(refused.contains("an agent acting in their own name"), "{refused}");
    }
    let next = of(verb::ESCALATIONS_NEXT, "later.bob", json!({})).await.unwrap_err();
    assert!(next.contains("that you have claimed"), "{next}");

    of(verb::ESCALATIONS_CLAIM, "later.bob", mine.clone()).await.unwrap();
    of(verb::ESCALATIONS_NEXT, "later.bob", json!({})).await.unwrap();
    of(verb::ESCALATIONS_SHOW, "later.bob", json!({})).await.unwrap();
    of(verb::ESCALATIONS_HANDBACK, "later.bob", mine.clone()).await.unwrap();
    assert!(of(verb::ESCALATIONS_SHOW, "later.bob", mine).await.is_err(), "it is over");
}

/// What twins wanted done since the last time, in short.
async fn told(rig: &Rig, heard: &mut OutputSubscription) -> Vec<String> {
    rig.settled().await;
    rig.bus.sync().await.unwrap();
    let mut lines = Vec::new();
    while let Some((subject, payload)) = heard.ready() {
        let told: Value = serde_json::from_slice(&payload).unwrap();
        let text = |name: &str| told["data"][name].as_str().unwrap_or_default().to_owned();
        let news = told["data"]["changed"].as_array().into_iter().flatten();
        let news: String = news.map(|one| format!(", {}", one["what"].as_str().unwrap())).collect();
        lines.push(match subject.split('.').nth(1).unwrap() {
            "escalations" => {
                format!("escalation {}/{} {}{news}", text("queue"), text("topic"), text("state"))
            }
            what => format!("{what}: {} {}", text("action"), text("text")).trim_end().to_owned(),
        });
    }
    // Of what is of one kind the order is that of the twin.
    lines.sort_by_key(|line| line.chars().next());
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chatbot_fails_an_agent_continues_and_gives_back_and_the_bot_goes_on_from_there() {
    let (rig, _policy) = desk().await;
    let mut heard = rig.bus.listen().await.unwrap();
    let say = async |from: &str, text: &str| {
        let said = json!({ "text": text, "from": from, "interaction": "chat-9" });
        rig.event("chat", "ann", "message", said).await;
    };
    let paid_twice = async |amount: u32| {
        let paid = json!({ "name": "Paid Twice", "properties": { "amount": amount } });
        rig.event("core", "ann", "track", paid).await;
    };

    paid_twice(29).await;
    say("customer", "My card payment in Ghent was booked two times").await;
    say("bot", "You can see all your payments in the app.").await;
    say("customer", "That's not what I asked. The payment in Ghent was booked two times!").await;
    say("bot", "Would you like to order a new card?").await;
    say("customer", "No, that doesn't help. This is useless.").await;
    let failed = told(&rig, &mut heard).await;
    assert_eq!(failed, ["actions: refund We pay it back.", "escalation care/bot open"]);

    let shown: EscalationReply =
        ask(&rig, verb::ESCALATIONS_SHOW, &["ann"], json!({})).await.unwrap();
    let id = shown.escalation.id;
    let act = async |verb: &str, more: Value| {
        let mut told = json!({ "escalation": id, "agent": "kim" });
        told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask::<ActReply>(&rig, verb, &["ann"], told).await.unwrap()
    };
    act(verb::ESCALATIONS_CLAIM, json!({})).await;
    let claimed = told(&rig, &mut heard).await;
    assert_eq!(claimed, ["escalation care/bot claimed", "recalls: refund"]);

    act(verb::ESCALATIONS_NOTE, json!({ "said": "I see it: send me the receipt." })).await;
    say("customer", "Where do I find it?").await;
    paid_twice(30).await;
    let held = told(&rig, &mut heard).await;
    let news = ["note", "message", "track"].map(|it| format!("escalation care/bot claimed, {it}"));
    assert_eq!(held, news, "the agent hears of everything, and automation keeps quiet");

    let note = "the receipt of Ghent is missing";
    let left = json!({ "note": note, "step": "receipt", "data": { "booking": "p-77" } });
    let done = act(verb::ESCALATIONS_HANDBACK, left).await;
    assert_eq!(done.escalation.unwrap().note.as_deref(), Some(note));
    let handed_back = told(&rig, &mut heard).await;
    let goes_on = format!("actions: go_on I have heard: {note}. Let us go on.");
    assert_eq!(handed_back, [&*goes_on, "escalation care/bot handed-back"]);
    let twin = rig.show("ann").await.twin;
    let chat = twin.interactions.iter().find(|one| &*one.id == "chat-9").unwrap();
    assert_eq!((chat.state.name(), chat.step.as_text()), ("resumed", Some("receipt")));
    assert_eq!(chat.data.get("booking").and_then(|it| it.as_text()), Some("p-77"));
    let said: Vec<&str> = chat.lines.iter().rev().take(2).map(|line| &*line.text).collect();
    assert_eq!(said, ["Where do I find it?", "I see it: send me the receipt."]);
    assert!(list(&rig).await.is_empty(), "nobody waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unclaimed_escalation_moves_to_the_next_queue_across_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    let mut rig = Rig::start(folder.path().to_str().unwrap(), &["service.time=event"]).await;
    let mut heard = rig.bus.listen().await.unwrap();
    let said = json!({
        "type": "message", "time": "2026-03-02T09:00:00Z",
        "data": { "text": HUMAN, "from": "customer" },
    });
    rig.publish("jumeau.events.chat.ann", HeaderMap::new(), said.to_string()).await;
    assert_eq!(told(&rig, &mut heard).await, ["escalation care/wish open"]);
    rig.service.kill().await.unwrap();
    rig.restart().await;
    // What was confirmed just before may come once more, under the same id.
    told(&rig, &mut heard).await;

    let advance = async |to: &str| {
        let _: Value = ask(&rig, verb::ADVANCE, &[], json!({ "to": to })).await.unwrap();
    };
    advance("2026-03-02T09:29:59Z").await;
    assert!(told(&rig, &mut heard).await.is_empty());
    advance("2026-03-02T09:30:00Z").await;
    let expired = told(&rig, &mut heard).await;
    assert_eq!(expired, ["escalation care/wish expired", "escalation chiefs/wish open"]);
    let wanted = json!({ "queue": "chiefs" });
    let reply: EscalationsReply = ask(&rig, verb::ESCALATIONS_LIST, &[], wanted).await.unwrap();
    let waiting = &reply.escalations[0].waiting;
    assert_eq!((waiting.level, waiting.due), (1, Time::parse("2026-03-02T10:30:00Z")));
}
