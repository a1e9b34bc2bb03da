use std::collections::BTreeMap;

use async_nats::HeaderMap;
use futures::StreamExt;
use jumeau::codec;
use jumeau::config::{limits, settings};
use jumeau::contract::partition_of;
use jumeau::event::{self, Analysis, Customer, Event, EventKind, Raw, Time};
use jumeau::language::Languages;
use jumeau::policy_source::PolicySource;
use jumeau::store::Store;
use jumeau::tables::Read;
use jumeau::twin::{Input, Journalled, Twin, World, react};
use serde_json::json;
use tokio::time::timeout;

use super::rig::{PATIENCE, Rig};

/// Of the settings as they are.
const PARTITIONS: u16 = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analyser_outside_is_believed_if_it_answers_in_time_and_makes_sense() {
    let rig = Rig::start("bank", &["analyser.subject=test.read"]).await;
    let mut asked = rig.client.subscribe("test.read").await.unwrap();
    rig.client.flush().await.unwrap();
    let client = rig.client.clone();
    let analyser = tokio::spawn(async move {
        while let Some(question) = asked.next().await {
            let text = String::from_utf8_lossy(&question.payload).into_owned();
            let answer = match &text {
                text if text.contains("silence") => continue,
                text if text.contains("nonsense") => r#"{"valence": 7}"#,
                _ => r#"{"valence": -0.875, "words": [{"text": "special", "weight": -0.5}]}"#,
            };
            client.publish(question.reply.unwrap(), answer.into()).await.unwrap();
        }
    });
    let texts = ["Nothing special.", "silence please", "nonsense here", "Special again."];
    for text in texts {
        let event = json!({ "type": "message", "data": { "text": text, "from": "customer" } });
        rig.publish("jumeau.events.chat.ann", HeaderMap::new(), event.to_string()).await;
    }
    let bot = json!({ "type": "message", "data": { "text": "Special!", "from": "bot" } });
    rig.publish("jumeau.events.chat.ann", HeaderMap::new(), bot.to_string()).await;

    rig.until("every message is taken in", async || {
        rig.stats().await.is_some_and(|stats| stats.total().events == 5)
    })
    .await;
    let heard = rig.show("ann").await.twin.sentiment.unwrap().evidence;
    let numbers: Vec<u64> = heard.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3], "in the order in which they were said");
    let by_analyser: Vec<bool> =
        heard.iter().map(|one| (one.reading.valence + 0.875).abs() < 1e-6).collect();
    assert_eq!(by_analyser, [true, false, false, true]);
    assert_eq!(&*heard[0].reading.words[0].text, "special");
    analyser.abort();
}

/// Messages of a channel that floods the stream.
const FLOOD: usize = 12_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analyser_of_a_flooding_channel_delays_no_other_channel() {
    let settings = ["analyser.subject=test.read", "analyser.timeout-ms=10000"];
    let mut rig = Rig::start("bank", &settings).await;
    rig.service.kill().await.unwrap();
    let message = |text: &str| {
        let data = json!({ "text": text, "from": "customer" });
        json!({ "type": "message", "data": data }).to_string()
    };
    rig.event("web", "ann", "page", json!({ "name": "Home" })).await;
    for number in 0..FLOOD {
        // Where the slow lane begins, it is asked about.
        let payload = match number {
            1_100..2_000 => message(&format!("Shop {number}")),
            _ => json!({ "type": "page", "data": { "name": "Shop" } }).to_string(),
        };
        let subject = format!("jumeau.events.shop.bob{}", number % 100);
        let sent = rig.stream.publish(subject, payload.into()).await.unwrap();
        if number % 100 == 99 {
            sent.await.unwrap();
        }
    }
    rig.publish("jumeau.events.chat.ann", HeaderMap::new(), message("I am in a hurry.")).await;

    let mut asked = rig.client.subscribe("test.read").await.unwrap();
    rig.client.flush().await.unwrap();
    rig.start_again();
    // What is asked of the shop has no answer until Ann's message has one.
    let (mut waiting, mut is_heard) = (Vec::new(), false);
    while !is_heard {
        let question = timeout(PATIENCE, asked.next()).await.expect("it is asked").unwrap();
        is_heard = String::from_utf8_lossy(&question.payload).contains("hurry");
        waiting.push(question.reply.unwrap());
    }
    assert!(waiting.len() < limits::ANALYSER_QUESTIONS, "{} came before", waiting.len());
    for reply in waiting {
        rig.client.publish(reply, r#"{"valence": 0.5}"#.into()).await.unwrap();
    }
    rig.until("she is heard", async || rig.show("ann").await.inputs == 2).await;
}

/// The stream and the journal are all that a twin is made of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_and_the_journal_make_the_same_twin_again_byte_for_byte() {
    let mut rig = Rig::start("bank", &["analyser.subject=test.read"]).await;
    let mut asked = rig.client.subscribe("test.read").await.unwrap();
    rig.client.flush().await.unwrap();
    let client = rig.client.clone();
    let analyser = tokio::spawn(async move {
        while let Some(question) = asked.next().await {
            let text = String::from_utf8_lossy(&question.payload).into_owned();
            let valence = if text.contains("great") { "-0.75" } else { "0.5" };
            let answer = format!(r#"{{"valence": {valence}, "urgency": 0.25}}"#);
            client.publish(question.reply.unwrap(), answer.into()).await.unwrap();
        }
    });
    for text in ["This is great!", "How sad.", "I am angry about that fee."] {
        rig.event("chat", "ann", "message", json!({ "text": text, "from": "customer" })).await;
        rig.event("web", "ann", "page", json!({ "name": "Home" })).await;
    }
    rig.settled().await;
    let status = rig.terminate().await;
    assert!(status.success());
    analyser.abort();

    let settings = settings::StoreSettings {
        path: rig.folder.path().join("store"),
        ..settings::StoreSettings::default()
    };
    let store = Store::open(&settings, PARTITIONS).unwrap();
    let ann = Customer::new("ann").unwrap();
    let partition = partition_of(&ann, PARTITIONS).unwrap();
    let kept = store.load(partition, std::slice::from_ref(&ann)).unwrap().remove(0).unwrap();
    let mut answers = BTreeMap::new();
    for journalled in store.inputs(partition, &ann, Time::MIN, 100).unwrap() {
        match codec::decode(codec::RecordKind::Input, &journalled.encoded).unwrap() {
            Journalled::Analysis { event, analysis } => {
                answers.insert(event, (journalled.at, analysis));
            }
            other => panic!("nothing else happened: {other:?}"),
        }
    }
    assert_eq!(answers.len(), 3);

    let policy = PolicySource::find("bank").unwrap().policy(&Languages::embedded()).unwrap();
    let replayed = |answers: &BTreeMap<u64, (Time, Analysis)>, events: &[(Event, Time)]| {
        let mut twin = Twin::new(ann.clone(), events[0].1);
        for (event, at) in events {
            let mut event = event.clone();
            if let (EventKind::Message(told), Some((journalled_at, analysis))) =
                (&mut event.kind, answers.get(&event.fingerprint))
            {
                assert_eq!(journalled_at, at);
                told.analysis = Some(Box::new(analysis.clone()));
            }
            react(&mut twin, &Input::event(event, *at), &World::of(&policy));
        }
        let mut encoded = Vec::new();
        codec::encode(codec::RecordKind::Twin, &twin.record(), &mut encoded).unwrap();
        encoded
    };
    let stream = rig.stream.get_stream("JUMEAU_EVENTS").await.unwrap();
    let mut events = Vec::new();
    for sequence in 1..=6 {
        let stored = stream.get_raw_message(sequence).await.unwrap();
        let mut tokens = stored.subject.rsplit('.');
        let (customer, channel) = (tokens.next().unwrap(), tokens.next().unwrap());
        let raw = Raw { channel, customer, headers: &[], payload: &stored.payload, sequence };
        let at = i64::try_from(stored.time.unix_timestamp_nanos() / 1_000_000).unwrap();
        events.push((event::parse(&raw).unwrap(), Time::from_ms(at)));
    }
    assert_eq!(replayed(&answers, &events), *kept.state);
    assert_ne!(replayed(&BTreeMap::new(), &events), *kept.state, "the answers made a difference");
}
