//! Campaigns against the real service: tried first, then carried out at a bounded rate; the service
//! dies in the middle, and everybody whom it concerns decides once.

use std::collections::BTreeMap;
use std::path::Path;

use async_nats::HeaderMap;
use bytes::Bytes;
use jumeau::api::{LiveBroadcasts, verb};
use jumeau::partition::{CampaignCounts, Progress};
use serde_json::json;
use tokio::process::Command;

use crate::rig::{Rig, binary};

const CUSTOMERS: usize = 300;

const POLICY: &str = r#"
[policy]
name = "plans"
languages = ["en"]

[needs.plan]
describe = "another plan would fit better"

[[rules]]
name = "somebody wants more"
on = "track:Wanted More"
then = [{ act = "offer_more" }]

[[actions]]
name = "offer_more"
issue = "sales"
value = 0.9
treatments = [{ channel = "app", text.en = "More." }]

[[actions]]
name = "offer_plan"
serves = ["plan"]
issue = "sales"
value = 0.5
[[actions.treatments]]
channel = "app"
text.en = "A plan, in the app."
[[actions.treatments]]
channel = "email"
text.en = "A plan, by mail."
"#;

async fn twinctl(rig: &Rig, arguments: &[&str]) -> String {
    let output = Command::new(binary("twinctl"))
        .args(["--server", &rig.broker.url()])
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

async fn progress(rig: &Rig) -> Option<Progress> {
    let answer = rig.ask(verb::BROADCASTS, &[], Bytes::new()).await.ok()?;
    let answer: LiveBroadcasts = serde_json::from_slice(&answer).unwrap();
    answer.broadcasts.into_iter().next()
}

fn start(folder: &Path) -> impl Future<Output = Rig> {
    std::fs::write(folder.join("plans.toml"), POLICY).unwrap();
    let settings = ["service.partitions=4", "broadcast.wake-per-second=2000"];
    let folder = folder.to_str().unwrap().to_owned();
    async move { Rig::start(&folder, &settings).await }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_matching_customer_decides_once_in_a_campaign_across_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = start(folder.path()).await;
    for number in 0..CUSTOMERS {
        let city = ["Ghent", "Liège", "Namur"][number % 3];
        let customer = format!("c{number}");
        rig.event("web", &customer, "identify", json!({ "traits": { "city": city } })).await;
        if number % 6 == 0 {
            let case = json!({ "id": "c", "state": "open", "topic": "bill" });
            rig.event("phone", &customer, "case", case).await;
        }
    }
    rig.settled().await;
    let campaign =
        ["campaign", "spring", "--where", "profile.city != 'Namur'", "--action", "offer_plan"];
    let campaign = [&campaign[..], &["--channel", "email"]].concat();
    let typo = twinctl(&rig, &["campaign", "spring", "--action", "offer_pla"]).await;
    assert!(typo.contains("the service's policy has no action `offer_pla`"), "{typo}");
    for (option, name, lack) in [
        ("--issue", "nurture", "no action of the issue `nurture`"),
        ("--place", "home", "no action for the placement `home`"),
        ("--channel", "fax", "no treatment for the channel `fax`"),
    ] {
        for last in ["--dry-run", "--no-wait"] {
            let wrong =
                twinctl(&rig, &["campaign", "spring", "--where", "true", option, name, last]).await;
            assert!(wrong.contains(lack), "{wrong}");
        }
    }

    let tried = twinctl(&rig, &[&campaign[..], &["--dry-run"]].concat()).await;
    let expected = "300 customers visited, 200 matched, 200 decided";
    assert!(tried.contains(expected), "{tried}");
    assert!(tried.contains("150  offer_plan in email"), "{tried}");
    assert!(tried.contains("50  nothing: not suitable now"), "{tried}");
    assert_eq!(rig.stats().await.unwrap().total().actions, 0, "nothing is said");

    let begun = twinctl(&rig, &[&campaign[..], &["--rate", "100", "--no-wait"]].concat()).await;
    assert!(begun.contains("is stored as"), "{begun}");
    rig.until("some are visited", async || {
        progress(&rig).await.is_some_and(|one| one.visited > 30)
    })
    .await;
    let so_far = progress(&rig).await.unwrap();
    assert!(!so_far.is_done(), "a hundred a second take three seconds: {so_far:?}");
    rig.service.kill().await.unwrap();
    rig.restart().await;
    // An event during the campaign does not make the customer decide before their turn, nor twice.
    rig.event("web", "c1", "track", json!({ "name": "Looked" })).await;
    rig.until("all are visited", async || progress(&rig).await.is_some_and(|one| one.is_done()))
        .await;
    rig.settled().await;
    let one = progress(&rig).await.unwrap();
    assert_eq!((one.visited, one.woken), (300, 200));
    let silent = BTreeMap::from([("suitability".into(), 50)]);
    assert_eq!(one.campaign, Some(CampaignCounts { said: 150, silent }));
    let mut said: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let each = |action: jumeau::twin::Action| {
        let told = said.entry(action.customer.as_str().to_owned()).or_default();
        told.push((action.action.to_string(), action.channel.to_string()));
    };
    rig.bus.read_actions(None, each).await.unwrap();
    assert_eq!(said.len(), 150);
    let once = [("offer_plan".to_owned(), "email".to_owned())];
    assert!(said.values().all(|told| told[..] == once), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_event_time_a_dry_run_begins_at_the_time_of_the_events() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plans.toml"), POLICY).unwrap();
    let settings = ["service.partitions=4", "service.time=event"];
    let rig = Rig::start(folder.path().to_str().unwrap(), &settings).await;
    for number in 0..12 {
        let event = json!({
            "type": "identify",
            "time": "2026-03-02T09:00:00Z",
            "data": { "traits": { "city": "Ghent" } },
        });
        let subject = format!("jumeau.events.web.c{number}");
        rig.publish(&subject, HeaderMap::new(), event.to_string()).await;
    }
    rig.settled().await;
    let campaign = ["campaign", "spring", "--where", "true", "--action", "offer_plan", "--dry-run"];
    let tried = twinctl(&rig, &campaign).await;
    assert!(tried.contains("12 customers visited, 12 matched, 12 decided"), "{tried}");
}

/// Publishes a campaign, or a copy of it.
async fn say(rig: &Rig, id: &str, data: serde_json::Value) {
    let payload = json!({ "type": "broadcast", "id": id, "data": data }).to_string();
    rig.bus.broadcast("spring", payload.into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_campaign_begins_nothing_whether_it_still_lives_or_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = start(folder.path()).await;
    for number in 0..CUSTOMERS {
        let traits = json!({ "traits": { "city": "Ghent" } });
        rig.event("web", &format!("c{number}"), "identify", traits).await;
    }
    rig.settled().await;
    let decide = json!({ "actions": ["offer_plan"], "channel": "email", "rate": 200 });
    let spring = json!({ "where": "profile.city == 'Ghent'", "decide": decide });
    let silent = json!({ "ended": true });
    let counted = async |rig: &Rig| {
        let one = progress(rig).await.unwrap();
        (one.visited, one.woken, one.campaign.unwrap().said)
    };
    let everybody = (CUSTOMERS as u64, CUSTOMERS as u64, CUSTOMERS as u64);

    say(&rig, "s-1", spring.clone()).await;
    rig.until("it has begun", async || progress(&rig).await.is_some_and(|one| one.visited > 30))
        .await;
    // Once while it goes on, once after the service has died, once when it is done.
    say(&rig, "s-1", spring.clone()).await;
    rig.service.kill().await.unwrap();
    rig.restart().await;
    say(&rig, "s-1", spring.clone()).await;
    rig.until("it is done", async || progress(&rig).await.is_some_and(|one| one.is_done())).await;
    rig.settled().await;
    assert_eq!(counted(&rig).await, everybody);
    say(&rig, "s-1", spring.clone()).await;
    rig.settled().await;
    assert_eq!(counted(&rig).await, everybody);

    // It ends; a late copy does not revive it, also not after another start.
    say(&rig, "s-2", silent.clone()).await;
    rig.until("it has ended", async || progress(&rig).await.is_none()).await;
    say(&rig, "s-1", spring.clone()).await;
    rig.settled().await;
    assert_eq!(progress(&rig).await, None);
    rig.service.kill().await.unwrap();
    rig.restart().await;
    say(&rig, "s-1", spring.clone()).await;
    rig.settled().await;
    assert_eq!(progress(&rig).await, None);

    // Another one of the scope begins; a copy of the first one's end does not end it.
    say(&rig, "s-3", spring).await;
    rig.until("another begins", async || progress(&rig).await.is_some()).await;
    say(&rig, "s-2", silent).await;
    rig.settled().await;
    let another = progress(&rig).await.unwrap();
    assert_eq!(another.partitions, 4, "as many as there are, whether they know of it yet or not");

    let mut said: BTreeMap<String, u32> = BTreeMap::new();
    let each = |action: jumeau::twin::Action| {
        *said.entry(action.customer.as_str().to_owned()).or_default() += 1;
    };
    rig.bus.read_actions(None, each).await.unwrap();
    assert_eq!(said.len(), CUSTOMERS);
    assert!(said.values().all(|times| *times == 1), "the cooldown is a day: {said:?}");
}
