//! Whole numbers of any length that a channel can write, on their way through a twin.

use std::time::Duration;

use jumeau::event::{Map, Value};
use serde_json::json;

use super::life::{Life, action, policy_of};

const POLICY: &str = r#"
[policy]
name = "numbers"
languages = ["en"]

[windows.highest]
on = "track:Score"
over = "30d"
keep = "max"
of = "event.properties.score"

[windows.total]
on = "track:Score"
over = "30d"
keep = "sum"
of = "event.properties.score"

[[rules]]
name = "serial"
on = "track:Paid"
then = [
    { set = "serial", to = "event.properties.serial" },
    { set = "half", to = "event.properties.serial / 5" },
    { set = "is_known", to = "event.properties.serial == profile.serial" },
    { set = "is_more", to = "event.properties.serial > 9223372036854775807" },
    { set = "least", to = "min(event.properties.serial, profile.serial)" },
    { set = "round", to = "round(event.properties.serial)" },
    { set = "abs", to = "abs(profile.least)" },
    { set = "list", to = "[event.properties.serial, 1]" },
    { act = "thank" },
]
[[rules]]
name = "too much"
on = "track:Counted"
then = [{ set = "sum", to = "profile.serial + profile.serial" }]

[[actions]]
name = "thank"
issue = "service"
value = 0.5
data = { serial = "event.properties.serial", odd = "profile.odd", all = "event.properties.all" }
treatments = [{ channel = "app", text.en = "No. {{ profile.serial }}, {{ profile.odd }}" }]
"#;

#[test]
fn whole_numbers_come_out_as_they_went_in() {
    let mut life = Life::of("ada", policy_of(POLICY));
    let (serial, odd) = (u64::MAX, 9_007_199_254_740_993_u64);
    let traits = json!({ "serial": serial, "odd": odd, "least": i64::MIN });
    life.event("web", "identify", json!({ "traits": traits }));
    let all = json!([serial, { "odd": odd }]);
    let reaction = life.track("Paid", json!({ "serial": serial, "all": all }));
    assert_eq!(reaction.notes, []);
    let shown = serde_json::to_string(&life.twin.profile.traits).unwrap();
    assert_eq!(
        shown,
        r#"{"least":-9223372036854775808,"odd":9007199254740993,"serial":18446744073709551615}"#
    );
    let said = action(&reaction).unwrap();
    assert_eq!(&*said.text, "No. 18446744073709551615, 9007199254740993");
    assert_eq!(
        serde_json::to_string(&said.data).unwrap(),
        r#"{"all":[18446744073709551615,{"odd":9007199254740993}],"odd":9007199254740993,"serial":18446744073709551615}"#
    );
    let facts = &life.twin.facts;
    let fact = |name: &str| facts.get(name).map(ToString::to_string);
    for (name, is) in [
        ("serial", "18446744073709551615"),
        ("half", "3689348814741910323"),
        ("is_known", "true"),
        ("is_more", "true"),
        ("least", "18446744073709551615"),
        ("round", "18446744073709551615"),
        ("abs", "9223372036854775808"),
        ("list", "[18446744073709551615,1]"),
    ] {
        assert_eq!(fact(name).as_deref(), Some(is), "{name}");
    }
}

#[test]
fn a_result_too_large_for_an_integer_is_an_error() {
    let mut life = Life::of("ada", policy_of(POLICY));
    life.event("web", "identify", json!({ "traits": { "serial": u64::MAX } }));
    let reaction = life.did("Counted");
    assert_eq!(life.twin.facts, Map::default());
    let [note] = &reaction.notes[..] else { panic!("{reaction:?}") };
    assert!(note.to_string().contains("too large"), "{note}");
}

#[test]
fn the_greater_of_two_adjacent_whole_numbers_is_the_maximum() {
    let mut life = Life::of("ada", policy_of(POLICY)).at_pace(Duration::from_secs(1));
    for score in [9_007_199_254_740_992_u64, 9_007_199_254_740_993, 9_007_199_254_740_992] {
        life.track("Score", json!({ "score": score }));
    }
    let of = |window: &str, life: &Life| {
        let window = life.twin.tallies.window(window).unwrap();
        window.read(life.now).value()
    };
    let highest = |life: &Life| of("highest", life);
    assert_eq!(highest(&life), Value::Int(9_007_199_254_740_993));
    assert_eq!(of("total", &life), Value::Int(3 * 9_007_199_254_740_992 + 1));
    let most = u64::MAX - 3 * 9_007_199_254_740_992 - 1;
    life.track("Score", json!({ "score": most - 1 }));
    life.track("Score", json!({ "score": most }));
    assert_eq!(highest(&life), Value::UInt(most));
    life.track("Score", json!({ "score": -9_007_199_254_740_993_i64 }));
    let total = of("total", &life);
    assert!(matches!(total, Value::Float(_)), "no whole number has room for {total}");
    life.track("Score", json!({ "score": -i64::MAX }));
    life.track("Score", json!({ "score": -i64::MAX }));
    let rest = i128::from(u64::MAX) + i128::from(most)
        - 1
        - 9_007_199_254_740_993
        - 2 * i128::from(i64::MAX);
    assert_eq!(of("total", &life).as_whole(), Some(rest));
}
