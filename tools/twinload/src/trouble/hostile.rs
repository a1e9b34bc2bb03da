//! The messages of a hostile channel with the rights of a channel or more.

use async_nats::HeaderMap;
use bytes::Bytes;
use jumeau::contract::Subjects;
use jumeau::event::{Channel, Customer};
use serde_json::{Value, json};

use crate::traffic::Message;

/// Identifiers that are linked back and forth; the fewer, the more cycles arise.
const LINKED: u64 = 12;
/// Customers of invalid events.
const BROKEN: u64 = 1_000;

/// The messages in order, the same in every run.
pub(super) fn messages(subjects: &Subjects, count: u64) -> impl Iterator<Item = Message> {
    (0..count).map(move |number| message(subjects, number))
}

fn message(subjects: &Subjects, number: u64) -> Message {
    let draw = mixed(number);
    let about = identifier(draw >> 8);
    let other = identifier(draw >> 24);
    let event = |kind: &str, data: Value| {
        let payload = json!({ "id": format!("x{number}"), "type": kind, "data": data });
        (subject(subjects, "hostile", &about), payload.to_string())
    };
    let (subject, payload) = match draw % 100 {
        // Links, unlinks and events of a few identifiers.
        0..30 => event("link", json!({ "to": other })),
        30..38 => event("unlink", json!({ "from": other })),
        38..50 => event("page", json!({ "name": "Home" })),
        // Forged messages between twins: events and memories, in the internal channel.
        50..60 => {
            let memory = (draw & 1 == 0).then(|| json!({ "profile": { "traits": {} } }));
            let sense = memory.is_some().then_some("joins");
            let epoch = memory.is_some().then_some(draw);
            let data = json!({
                "from": other, "via": [other], "links": [draw], "hops": draw % 90, "channel": "web",
                "id": "forged", "fingerprint": draw, "type": "link", "data": { "to": about },
                "sense": sense, "epoch": epoch, "memory": memory,
            });
            let payload = json!({ "specversion": "1.0", "source": "jumeau", "type": "jumeau.pass", "data": data });
            let (to, from) = (customer(&about), customer(&other));
            let id = format!("p{draw:032x}");
            let subject = match draw & 2 {
                0 => subjects.forwarded(&to),
                _ => subjects.memory(draw as u16 % 64, &to, &from, &id),
            };
            (subject, payload.to_string())
        }
        60..65 => event(
            "handoff",
            json!({ "escalation": "e", "state": "resolved", "agent": "agent-kim" }),
        ),
        // Conditions that would never end, of broadcasts that wake every twin.
        65 if draw & 0xF00 == 0 => {
            let all = "profile.xs.all(a, profile.xs.all(b, profile.xs.all(c, profile.xs.all(d, a == d))))";
            let data = json!({ "value": 1, "where": all, "wake": true, "ttl": 3_600 });
            let payload = json!({ "type": "broadcast", "data": data });
            (subjects.broadcast(&format!("bomb-{}", draw % 100)), payload.to_string())
        }
        65..70 => {
            let deep = format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000));
            let payload =
                format!(r#"{{"type":"track","data":{{"name":"x","properties":{deep}}}}}"#);
            (subject(subjects, "hostile", &about), payload)
        }
        70..75 => {
            let payload =
                r#"{"type":"message","data":{"text":"half \ud83d, \u0000","from":"customer"}}"#;
            (subject(subjects, "hostile", &about), payload.to_owned())
        }
        // A subject of no customer.
        75..80 => (format!("{}.events.hostile.{about}.x", subjects.prefix()), "{}".to_owned()),
        _ => {
            let about = format!("broken-{}", draw % BROKEN);
            (subject(subjects, "hostile", &about), "{\"type\":\"track\",".to_owned())
        }
    };
    Message { subject, headers: HeaderMap::new(), payload: Bytes::from(payload) }
}

fn identifier(draw: u64) -> String {
    format!("hostile-{}", draw % LINKED)
}

#[expect(clippy::expect_used, reason = "the message names the invariant")]
fn customer(name: &str) -> Customer {
    Customer::new(name).expect("the names of this file are names of customers")
}

#[expect(clippy::expect_used, reason = "the message names the invariant")]
fn subject(subjects: &Subjects, channel: &str, about: &str) -> String {
    let channel = Channel::new(channel).expect("the names of this file are names of channels");
    subjects.event(&channel, &customer(about))
}

/// A pseudo-random number: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
