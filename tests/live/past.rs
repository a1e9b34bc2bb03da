//! The past taken in once more gives the same decisions, byte for byte; and under another policy it
//! shows what would have been said.

use jumeau::api::{JournalReply, WhyReply, verb};
use jumeau::codec::{self, RecordKind};
use jumeau::event::{Customer, Time};
use jumeau::language::Languages;
use jumeau::models::Snapshot;
use jumeau::past::Past;
use jumeau::policy::{Files, load_with};
use jumeau::twin::Decision;
use serde_json::json;

use super::rig::Rig;

pub(crate) const POLICY: &str = r#"
[policy]
name = "past"
languages = ["en"]

[needs.look]
describe = "something to look at"
expires = "1d"

[[rules]]
name = "somebody looks"
on = ["ask:hero", "track:Looked"]
then = [{ raise = "look", strength = "0.3 + facts.looks * 0.1" }]

[[rules]]
name = "looks are counted"
on = "track:Looked"
then = [{ set = "looks", to = "default(facts.looks, 0) + 1" }]

[[actions]]
name = "shoes"
serves = ["look"]
issue = "sales"
value = 0.9
cooldown = "0s"
when = "facts.looks < 3"
[[actions.treatments]]
channel = "web"
text.en = "Shoes, {{ customer.id }}."

[[actions]]
name = "hats"
serves = ["look"]
issue = "nurture"
value = 0.5
cooldown = "0s"
[[actions.treatments]]
channel = "web"
text.en = "Hats."
"#;

fn sealed(decision: &Decision) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(RecordKind::Decision, decision, &mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_gives_the_same_decisions_byte_for_byte() {
    let rig = Rig::with_policy(POLICY, &[]).await;
    let ask = json!({ "channel": "web", "placements": ["hero"], "context": { "page": "a" } });
    for _ in 0..3 {
        rig.event("web", "ann", "track", json!({ "name": "Looked" })).await;
        rig.event("web", "bob", "track", json!({ "name": "Looked" })).await;
        rig.settled().await;
        // Between two events: in the past it comes there, too.
        rig.decide("ann", ask.clone()).await.unwrap();
    }
    let ann = Customer::new("ann").unwrap();
    let mut past = Past::default();
    rig.bus
        .past(Some(&ann), |mut delivery| {
            let event = delivery.read().unwrap().clone();
            past.event(delivery.sequence, delivery.stored, event);
            true
        })
        .await
        .unwrap();
    let journal = rig.ask(verb::JOURNAL, &["ann"], "".into()).await.unwrap();
    let journal: JournalReply = serde_json::from_slice(&journal).unwrap();
    assert!(journal.is_whole);
    journal.inputs.into_iter().for_each(|one| past.journalled(one.at, one.number, one.input));
    assert_eq!(past.len(), 6, "three events and three requests");

    let files = Files::new([("policy.toml", POLICY)]);
    let policy = load_with(&files, &Languages::embedded()).unwrap();
    let lived = past.live(&ann, &policy, Time::MIN, &Snapshot::nothing());
    let why: WhyReply =
        serde_json::from_slice(&rig.ask(verb::WHY, &["ann"], "".into()).await.unwrap()).unwrap();
    assert_eq!(lived.decisions.len(), why.known.len());
    for (decision, known) in lived.decisions.iter().rev().zip(&why.known) {
        let asked = json!({ "decision": known.id }).to_string();
        let told: WhyReply =
            serde_json::from_slice(&rig.ask(verb::WHY, &["ann"], asked.into()).await.unwrap())
                .unwrap();
        // The numbers of a message have six digits; those of the record have all.
        let sent = serde_json::to_value(&decision.chosen).unwrap();
        let shown =
            Decision { chosen: serde_json::from_value(sent).unwrap(), ..Decision::clone(decision) };
        assert_eq!(sealed(&shown), sealed(&told.decision));
    }

    let other = rig.policy("other", &POLICY.replace("facts.looks < 3", "facts.looks < 2"));
    let ran = rig.twinctl(&["replay", "ann", "--policy", &other]).await;
    let said = "3 unchanged, 2 removed, 2 new";
    assert!(ran.out.contains(said), "{}{}", ran.out, ran.err);
    assert_eq!(lived.actions.len(), 5);
}

/// Two ways to say it, of which one is liked: something to learn.
const LEARNING: &str = r#"
[policy]
name = "learning"
languages = ["en"]

[learn]
features = ["profile.traits.age"]

[needs.look]
describe = "something to look at"
expires = "1d"

[[rules]]
name = "somebody looks"
on = ["ask:hero", "track:Looked"]
then = [{ raise = "look", strength = 0.5 }]

[[actions]]
name = "shoes"
serves = ["look"]
issue = "sales"
value = 0.9
cooldown = "0s"
propensity = 0.2
[[actions.treatments]]
channel = "web"
text.en = "Shoes."
[[actions.treatments]]
name = "loud"
channel = "web"
text.en = "Shoes!"

[[actions]]
name = "hats"
serves = ["look"]
issue = "sales"
value = 0.8
cooldown = "0s"
propensity = 0.2
[[actions.treatments]]
channel = "web"
text.en = "Hats."
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_learning_does_not_change_a_replay() {
    let mut rig = Rig::with_policy(LEARNING, &[]).await;
    let ask = json!({ "channel": "web", "placements": ["hero"] });
    let mut versions = Vec::new();
    for (round, answer) in ["accepted", "rejected", "accepted", "accepted"].iter().enumerate() {
        if round == 2 {
            // What was learned from is kept as long as what was learned.
            rig.service.kill().await.unwrap();
            rig.restart().await;
        }
        for customer in ["ann", "bob"] {
            rig.event("web", customer, "identify", json!({ "traits": { "age": 20 + round } }))
                .await;
            rig.event("web", customer, "track", json!({ "name": "Looked" })).await;
        }
        rig.settled().await;
        let before = rig.stats().await.unwrap().learning.version;
        for customer in ["ann", "bob"] {
            let reply = rig.decide(customer, ask.clone()).await.unwrap();
            let outcome = json!({ "decision": reply.offers[0].decision, "outcome": answer });
            rig.event("web", customer, "outcome", outcome).await;
        }
        rig.until("it was learned", async || {
            rig.stats().await.is_some_and(|stats| stats.learning.version > before)
        })
        .await;
        let why = rig.ask(verb::WHY, &["ann"], "".into()).await.unwrap();
        let why: WhyReply = serde_json::from_slice(&why).unwrap();
        versions.push(why.decision.model);
    }
    assert!(versions.is_sorted() && versions[3] > versions[1], "{versions:?}");

    let live = rig.folder.path().join("live");
    let replay = async |more: &[&str]| {
        let arguments = ["replay", "ann", "--policy", live.to_str().unwrap()];
        let ran = rig.twinctl(&[&arguments, more].concat()).await;
        ran.out + &ran.err
    };
    let told = replay(&[]).await;
    assert!(
        told.contains("8 decisions that are stored replayed identically, byte for byte"),
        "{told}"
    );
    assert!(told.contains("8 unchanged, 0 removed, 0 new"), "{told}");
    let told = replay(&["--models", "now"]).await;
    assert!(told.contains("of the stored decisions, 0 replayed identically"), "{told}");
}
