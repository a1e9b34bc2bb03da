//! A policy that decides in the shadow of another: what it would have said is counted, never said.

use std::collections::BTreeMap;

use async_nats::jetstream::stream::Stream;
use serde_json::json;

use crate::rig::Rig;

const POLICY: &str = r#"
[policy]
name = "bills"
languages = ["en"]

[needs.pay]
describe = "a bill is due"

[[rules]]
name = "a bill is due"
on = "track:Bill Due"
when = "event.properties.amount >= LEAST"
then = [{ raise = "pay", strength = 0.5 }]

[[actions]]
name = "remind"
serves = ["pay"]
issue = "service"
value = 0.9
cooldown = "0s"
[[actions.treatments]]
channel = "app"
text.en = "A bill is due."
"#;

async fn messages(rig: &Rig) -> u64 {
    let mut stream: Stream = rig.stream.get_stream("JUMEAU_ACTIONS").await.unwrap();
    stream.info().await.unwrap().state.messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_policys_decisions_are_counted_and_not_published() {
    let policy = |least: &str| POLICY.replace("LEAST", least);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bills.toml"), policy("100")).unwrap();
    let shadow = format!("service.shadow={}", folder.path().display());
    let rig = Rig::with_policy(&policy("10"), &[&shadow]).await;
    for (customer, amount) in [("ann", 5), ("ben", 50), ("cleo", 60), ("dora", 500)] {
        let due = json!({ "name": "Bill Due", "properties": { "amount": amount } });
        rig.event("billing", customer, "track", due).await;
    }
    rig.settled().await;
    let total = rig.stats().await.unwrap().total();
    assert_eq!(total.shadow_same, 1);
    let expected = BTreeMap::from([("remind in app → nothing".to_owned(), 2)]);
    assert_eq!((total.shadow_other, messages(&rig).await), (expected, 3));
}
