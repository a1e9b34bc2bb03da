//! The past taken in once more gives the same decisions, byte for byte; and under another policy it
//! shows what would have been said.

use std::fs;

use jumeau::api::{JournalReply, WhyReply, verb};
use jumeau::codec::{self, Kind};
use jumeau::event::{Customer, Time};
use jumeau::language::Languages;
use jumeau::past::Past;
use jumeau::policy::{Files, load_with};
use jumeau::twin::Decision;
use serde_json::json;
use tokio::process::Command;

use super::rig::{Rig, binary};

const POLICY: &str = r#"
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
    codec::seal(Kind::Decision, decision, &mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_gives_the_same_decisions_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    let rig = Rig::start(folder.path().to_str().unwrap(), &[]).await;
    let ask = json!({ "channel": "web", "placements": ["hero"], "context": { "page": "a" } });
    for _ in 0..3 {
        rig.event("web", "ann", "track", json!({ "name": "Looked" })).await;
        rig.event("web", "bob", "track", json!({ "name": "Looked" })).await;
        rig.settled().await;
        // Between two events: in the past it comes there, too.
        rig.ask(verb::DECIDE, &["ann"], ask.to_string().into()).await.unwrap();
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
    journal.inputs.into_iter().for_each(|one| past.journalled(one.at, one.input));
    assert_eq!(past.len(), 6, "three events and three requests");

    let files = Files::new([("policy.toml", POLICY)]);
    let policy = load_with(&files, &Languages::embedded()).unwrap();
    let lived = past.live(&ann, &policy, Time::MIN);
    let why: WhyReply =
        serde_json::from_slice(&rig.ask(verb::WHY, &["ann"], "".into()).await.unwrap()).unwrap();
    assert_eq!(lived.decisions.len(), why.known.len());
    for (decision, known) in lived.decisions.iter().rev().zip(&why.known) {
        let asked = json!({ "decision": known.id }).to_string();
        let told: WhyReply =
            serde_json::from_slice(&rig.ask(verb::WHY, &["ann"], asked.into()).await.unwrap())
                .unwrap();
        assert_eq!(sealed(decision), sealed(&told.decision));
    }

    let other = tempfile::tempdir().unwrap();
    let changed = POLICY.replace("facts.looks < 3", "facts.looks < 2");
    fs::write(other.path().join("policy.toml"), changed).unwrap();
    let output = Command::new(binary("twinctl"))
        .args(["--server", &rig.broker.url(), "replay", "ann", "--policy"])
        .arg(other.path())
        .env("NO_COLOR", "1")
        .output()
        .await
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("3 the same, 2 not said any more, 2 new"), "{out}{err}");
    assert_eq!(lived.actions.len(), 5);
}
