use std::collections::BTreeMap;

use async_nats::HeaderMap;
use bytes::Bytes;
use jumeau::api::{DeadLetterView, DeadListReply, DeadRetryReply, verb};
use jumeau::config::limits;
use jumeau::contract::{Subjects, dead_letter};
use jumeau::event::{Headers, Original, Reason, Rejection};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::rig::Rig;

/// What nobody should send, and why it cannot be used.
fn corpus() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let events = "jumeau.events.web.mallory";
    let long = "x".repeat(limits::NAME_BYTES + 1);
    let deep = format!(
        r#"{{"type":"track","data":{{"name":"Deep","properties":{{"p":{}1{}}}}}}}"#,
        "[".repeat(40),
        "]".repeat(40)
    );
    let bottomless = "[".repeat(30_000);
    let wide: Vec<u32> = (0..5_000).collect();
    let text = |value: serde_json::Value| value.to_string().into_bytes();
    let track = |name: &str| json!({ "type": "track", "data": { "name": name } });
    vec![
        ("nothing", events, Vec::new()),
        ("no json", events, b"hello".to_vec()),
        ("half of it", events, br#"{"type":"track","data":{"#.to_vec()),
        ("a list", events, b"[1,2,3]".to_vec()),
        ("a number", events, b"42".to_vec()),
        ("bytes that are no text", events, vec![0xFF, 0xFE, 0x00, 0x80]),
        ("half a character", events, b"{\"type\":\"track\",\"data\":{\"name\":\"\xC3\"}}".to_vec()),
        ("no type", events, text(json!({ "data": {} }))),
        ("a type that is no text", events, text(json!({ "type": 7, "data": {} }))),
        ("an unknown type", events, text(json!({ "type": "trak", "data": { "name": "x" } }))),
        ("no data", events, text(json!({ "type": "track" }))),
        ("data of another shape", events, text(json!({ "type": "track", "data": [] }))),
        (
            "a name that is no text",
            events,
            text(json!({ "type": "track", "data": { "name": {} } })),
        ),
        ("an empty name", events, text(track(""))),
        ("a long name", events, text(track(&long))),
        (
            "an unknown speaker",
            events,
            text(json!({ "type": "message", "data": { "text": "x", "from": "cat" } })),
        ),
        (
            "a negative ttl",
            events,
            text(json!({ "type": "signal", "data": { "name": "x", "value": 1, "ttl": -1 } })),
        ),
        (
            "a time that is none",
            events,
            text(json!({ "type": "track", "time": "soon", "data": { "name": "x" } })),
        ),
        (
            "another version",
            events,
            text(
                json!({ "specversion": "9", "id": "1", "type": "track", "data": { "name": "x" } }),
            ),
        ),
        (
            "an empty id",
            events,
            text(json!({ "id": "", "type": "track", "data": { "name": "x" } })),
        ),
        (
            "a number without end",
            events,
            format!(
                r#"{{"type":"track","data":{{"name":"x","properties":{{"n":1e{}}}}}}}"#,
                "9".repeat(400)
            )
            .into_bytes(),
        ),
        ("deep", events, deep.into_bytes()),
        ("bottomless", events, bottomless.into_bytes()),
        (
            "wide",
            events,
            text(json!({ "type": "track", "data": { "name": "x", "properties": { "p": wide } } })),
        ),
        ("too large", events, vec![b' '; limits::EVENT_BYTES + 1]),
        ("as large as the broker takes", events, vec![b'x'; 1024 * 1024 - 512]),
        (
            "no such escalation",
            events,
            text(
                json!({ "type": "handoff", "data": { "escalation": "e", "state": "claimed", "agent": "kim" } }),
            ),
        ),
        ("no customer", "jumeau.events.web", text(track("x"))),
        ("one token too many", "jumeau.events.web.mallory.x", text(track("x"))),
        ("a second spelling", "jumeau.events.web.%6Dallory", text(track("x"))),
        ("a broken spelling", "jumeau.events.web.mallory%", text(track("x"))),
        ("a second spelling of the channel", "jumeau.events.%77eb.mallory", text(track("x"))),
    ]
}

async fn letters(rig: &Rig) -> DeadListReply {
    let answer = rig.ask(verb::DEAD_LIST, &[], Bytes::new()).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_bytes_become_dead_letters_and_the_next_event_is_processed() {
    let rig = Rig::start("bank", &[]).await;
    let corpus = corpus();
    for (at, (_, subject, payload)) in corpus.iter().enumerate() {
        rig.publish(subject, HeaderMap::new(), payload.clone()).await;
        let name = format!("sound {at}");
        rig.event("web", "mallory", "track", json!({ "name": name })).await;
    }
    rig.settled().await;

    let found = letters(&rig).await;
    let total: u64 = found.counts.values().sum();
    let by_sequence: BTreeMap<u64, &DeadLetterView> =
        found.letters.iter().map(|letter| (letter.event_sequence, letter)).collect();
    for (at, (what, _, payload)) in corpus.iter().enumerate() {
        // Each is followed by a sound event.
        let letter = by_sequence.get(&(2 * at as u64 + 1));
        let letter = letter.unwrap_or_else(|| panic!("{what}: there is no dead letter"));
        assert_eq!(letter.bytes, payload.len() as u64, "{what}");
        assert!(letter.detail.len() > 20, "{what}: `{}` helps nobody", letter.detail);
    }
    assert_eq!(total, corpus.len() as u64, "{:?}", found.counts);
    let twin = rig.show("mallory").await;
    assert_eq!(twin.inputs, corpus.len() as u64, "every sound event was taken in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_never_stop_a_partition() {
    let rig = Rig::start("bank", &["service.partitions=2"]).await;
    let mut rng = StdRng::seed_from_u64(7);
    let sound =
        json!({ "type": "track", "data": { "name": "x", "properties": { "a": [1, "b"] } } });
    let sound = sound.to_string().into_bytes();
    for _ in 0..400 {
        let mut bytes = sound.clone();
        if rng.random_bool(0.5) {
            bytes = (0..rng.random_range(0..600)).map(|_| rng.random()).collect();
        } else {
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
        }
        let subject = format!("jumeau.events.web.c{}", rng.random_range(0..9));
        rig.publish(&subject, HeaderMap::new(), bytes).await;
    }
    rig.event("web", "last", "track", json!({ "name": "x" })).await;
    rig.settled().await;
    assert_eq!(rig.show("last").await.inputs, 1);
    let stats = rig.stats().await.unwrap().total();
    let dead: u64 = stats.dead.values().sum();
    assert!(dead > 100, "{dead} of 400 were dead");
    assert_eq!(stats.events + stats.duplicates + dead, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_can_be_shown_and_retried() {
    let rig = Rig::start("bank", &[]).await;
    rig.event(
        "desk",
        "ann",
        "handoff",
        json!({ "escalation": "e", "state": "claimed", "agent": "kim" }),
    )
    .await;
    rig.settled().await;
    let first = letters(&rig).await.letters[0].clone();
    assert_eq!(first.reason, "refused");

    let ask = Bytes::from(json!({ "sequence": first.sequence }).to_string());
    let shown = rig.ask(verb::DEAD_SHOW, &[], ask).await.unwrap();
    let shown: DeadLetterView = serde_json::from_slice(&shown).unwrap();
    assert!(shown.text.unwrap().contains("\"escalation\":\"e\""));

    let ask = Bytes::from(json!({ "sequences": [first.sequence] }).to_string());
    let retried = rig.ask(verb::DEAD_RETRY, &[], ask).await.unwrap();
    let retried: DeadRetryReply = serde_json::from_slice(&retried).unwrap();
    assert_eq!(retried.retried, [first.sequence]);
    rig.settled().await;
    // The reason persists: a new dead letter has taken the place of the old one.
    let found = letters(&rig).await;
    assert_eq!(found.letters.len(), 1);
    assert_ne!(found.letters[0].sequence, first.sequence);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_message_of_the_service_has_no_effect() {
    let rig = Rig::start("bank", &[]).await;
    rig.event("web", "ann", "identify", json!({ "traits": { "first_name": "Ann" } })).await;
    rig.settled().await;
    let forged = json!({
        "specversion": "1.0", "id": "p1", "source": "jumeau", "type": "jumeau.pass",
        "data": {
            "from": "mallory", "via": ["mallory"], "links": [1], "hops": 1, "channel": "web",
            "id": "x", "fingerprint": 7, "type": "identify",
            "data": { "traits": { "first_name": "Mallory" } },
        },
    });
    for subject in ["jumeau.events._jumeau.ann", "jumeau.events._jumeau.ann.0.mallory.p1"] {
        for (name, value) in
            [("Carries-Memory", "1"), ("Jumeau-Erase", &"7".repeat(32)), ("Passed-Mark", "00")]
        {
            let mut headers = HeaderMap::new();
            headers.insert(name, value);
            rig.publish(subject, headers, forged.to_string()).await;
        }
    }
    rig.settled().await;
    let dead = rig.stats().await.unwrap().total().dead;
    assert_eq!(dead, BTreeMap::from([(Reason::BadSubject, 6)]));
    let ann = rig.show("ann").await;
    assert_eq!(ann.inputs, 1);
    assert_eq!(ann.twin.profile.traits.get("first_name"), Some(&"Ann".into()));
}

const GREETS: &str = r#"
[policy]
name = "greets"
languages = ["en"]

[queues.care]

[[rules]]
name = "hello"
on = "track:Hello"
then = [{ act = "hello" }]

[[actions]]
name = "hello"
issue = "service"
value = 0.5
treatments = [{ channel = "app", text.en = "Hello." }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_used_before_by_another_channel_suppresses_nothing() {
    // In event time, what follows from an event is the same in each of two services.
    let said = async |used: &[String]| {
        let rig = Rig::with_policy(GREETS, &["service.time=event", "service.partitions=4"]).await;
        for id in used {
            for subject in ["jumeau.actions.x.y.z", "jumeau.dead.bad-json"] {
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Msg-Id", id.as_str());
                rig.publish(subject, headers, "{}").await;
            }
        }
        let subject = "jumeau.events.web.ann";
        for (kind, data) in [
            ("track", json!({ "name": "Hello" })),
            ("handoff", json!({ "state": "opened", "topic": "bot" })),
        ] {
            let time = "2026-03-02T10:00:00Z";
            let event = json!({ "type": kind, "id": kind, "time": time, "data": data });
            rig.publish(subject, HeaderMap::new(), event.to_string()).await;
        }
        rig.publish(subject, HeaderMap::new(), "{").await;
        rig.settled().await;
        let mut found = Vec::new();
        for stream in ["JUMEAU_ACTIONS", "JUMEAU_DEAD"] {
            let stream = rig.stream.get_stream(stream).await.unwrap();
            for sequence in used.len() as u64 + 1..=stream.cached_info().state.last_sequence {
                let message = stream.get_raw_message(sequence).await.unwrap();
                let event: serde_json::Value =
                    serde_json::from_slice(&message.payload).unwrap_or_default();
                found.push((message.subject.to_string(), event["id"].as_str().map(str::to_owned)));
            }
        }
        found
    };
    let first = said(&[]).await;
    let subjects: Vec<&str> = first.iter().map(|(subject, _)| subject.as_str()).collect();
    let expected =
        ["jumeau.actions.app.hello.ann", "jumeau.escalations.care.ann", "jumeau.dead.bad-json"];
    assert_eq!(subjects, expected);
    // Without the secret, the ids of outputs could be computed from the event alone.
    let mut used: Vec<String> = first.iter().filter_map(|(_, id)| id.clone()).collect();
    let bad = Original {
        subject: "jumeau.events.web.ann".into(),
        headers: Headers::default(),
        payload: "{".into(),
    };
    let why = Rejection::new(Reason::BadJson, "");
    used.push(dead_letter(&Subjects::default(), 0, 3, &bad, &why).id.into());
    assert_eq!(said(&used).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_known_customers_are_one_if_a_channel_says_so_that_may() {
    let rig = Rig::start("bank", &["service.merging-channels=[\"crm\"]"]).await;
    for who in ["ann", "anne"] {
        rig.event("web", who, "identify", json!({ "traits": { "first_name": who } })).await;
    }
    let merge = json!({ "to": "ann", "merge": true });
    rig.event("web", "anne", "link", json!({ "to": "ann" })).await;
    rig.event("web", "anne", "link", merge.clone()).await;
    rig.event("web", "undefined", "link", json!({ "to": "ann" })).await;
    rig.settled().await;
    let dead = rig.stats().await.unwrap().total().dead;
    let (refused, nobody) = (Reason::Refused, Reason::BadCustomer);
    assert_eq!(dead, BTreeMap::from([(refused, 2), (nobody, 1)]));
    assert_eq!(rig.show("anne").await.customer.as_str(), "anne");
    rig.event("crm", "anne", "link", merge).await;
    rig.settled().await;
    assert_eq!(rig.show("anne").await.customer.as_str(), "ann");
}
