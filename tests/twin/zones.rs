//! Quiet hours of customers whose time zone is written in whatever way.

use std::time::Duration;

use jumeau::event::Time;
use jumeau::twin::Note;
use serde_json::{Value, json};

use super::life::{Life, action, policy_of, verdict_of};

const POLICY: &str = r#"
[policy]
name = "zones"
languages = ["en"]

[contact]
timezone = "Europe/Brussels"
quiet = "21:00-08:00"

[[rules]]
name = "news"
on = ["track:News", "message"]
then = [{ act = "tell" }, { act = "warn" }]

[[actions]]
name = "tell"
issue = "service"
value = 0.9
cooldown = "0s"
treatments = [{ channel = "app", text.en = "t" }]

[[actions]]
name = "warn"
issue = "service"
value = 0.1
cooldown = "0s"
vital = true
when = "event.properties.grave == true"
treatments = [{ channel = "sms", text.en = "w" }]
"#;

fn of(zone: Value, at: &str) -> Life {
    let mut life = Life::of("ada", policy_of(POLICY));
    life.now = Time::parse(at).unwrap();
    life.event("core", "identify", json!({ "traits": { "timezone": zone } }));
    life
}

#[test]
fn quiet_hours_hold_by_the_customers_clock_however_its_zone_is_written() {
    for zone in [
        "Asia/Kolkata",
        "asia/calcutta",
        " Asia/Kolkata ",
        "+05:30",
        "+0530",
        "UTC+5:30",
        "GMT+05:30",
        "India Standard Time",
        "INDIA STANDARD TIME",
    ] {
        // One in the morning there, half past eight in the evening in Brussels.
        let mut life = of(json!(zone), "2026-03-02T19:30:00Z");
        let reaction = life.did("News");
        assert!(action(&reaction).is_none(), "{zone}");
        let verdict = verdict_of(&reaction, "tell").to_string();
        assert_eq!(verdict, "quiet hours until 2026-03-03T02:30:00Z", "{zone}");
        assert_eq!(reaction.notes, [], "{zone}");
        let fired = life.pass(Duration::from_secs(8 * 3_600));
        assert!(fired.iter().any(|reaction| action(reaction).is_some()), "{zone}");
    }
}

#[test]
fn an_unknown_zone_may_have_night_at_any_hour() {
    for zone in [json!("Mars/Phobos"), json!("IST"), json!(5.5), json!({ "name": "Asia/Kolkata" })]
    {
        for hour in 0..24 {
            let mut life = of(zone.clone(), &format!("2026-03-02T{hour:02}:30:00Z"));
            let reaction = life.did("News");
            assert!(action(&reaction).is_none(), "{zone} at {hour}");
            let verdict = verdict_of(&reaction, "tell").to_string();
            assert!(
                verdict.contains("unknown time zone") && verdict.ends_with("it may be night there"),
                "{verdict}"
            );
            let fired = life.pass(Duration::from_secs(20 * 24 * 3_600));
            assert!(fired.is_empty(), "there is no morning to wait for");
            assert!(matches!(&reaction.notes[..], [Note::Zone(_)]), "{:?}", reaction.notes);
        }
    }
    let mut life = of(json!("Mars/Phobos"), "2026-03-02T12:00:00Z");
    // Who speaks is awake, and what must go out goes out.
    let reaction = life.says("app", "customer", "Any news?", None);
    assert_eq!(action(&reaction).map(|told| &*told.action), Some("tell"));
    let reaction = life.track("News", json!({ "grave": true }));
    assert_eq!(action(&reaction).map(|told| &*told.action), Some("warn"));
    // And once it is understood, all is as it should be.
    life.event("core", "identify", json!({ "traits": { "timezone": "Europe/Brussels" } }));
    assert!(action(&life.did("News")).is_some());
}

#[test]
fn a_zone_that_is_not_understood_is_told_when_it_is_said() {
    let mut life = Life::of("ada", policy_of(POLICY));
    let told = |zone: Value| json!({ "traits": { "timezone": zone } });
    let reaction = life.event("core", "identify", told(json!("Brussels time")));
    assert_eq!(reaction.notes, [Note::Zone("Brussels time".into())]);
    assert_eq!(life.event("core", "identify", json!({ "traits": { "a": 1 } })).notes, []);
    for known in [json!("Romance Standard Time"), json!(""), json!(null)] {
        assert_eq!(life.event("core", "identify", told(known)).notes, []);
        // Who says nothing of it goes by the zone of the policy.
        assert!(action(&life.did("News")).is_some());
    }
}
