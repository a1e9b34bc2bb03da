//! What stands in the holes of a text.

use jumeau::event::Time;
use serde_json::{Value, json};

use super::life::{Life, action, policy_of};

const POLICY: &str = r#"
[policy]
name = "texts"
languages = ["en"]

[[rules]]
name = "flight"
on = "track:Flight"
then = [{ act = "tell" }]

[[rules]]
name = "call"
on = "track:Call"
then = [{ start = "call", at = "event.properties.at" }]

[[actions]]
name = "tell"
issue = "service"
value = 0.9
cooldown = "0s"
[[actions.treatments]]
name = "named"
channel = "app"
text.en = "{{ profile.first_name }}, on {{ event.properties.departs | date('%d/%m/%Y') }}"
[[actions.treatments]]
name = "nameless"
channel = "app"
text.en = "On {{ event.properties.departs | date('%d/%m/%Y %H:%M') }}, said at {{ now | date('%H:%M') }}"
"#;

/// What a customer with these traits is told of a flight.
fn told(policy: &str, traits: &Value, departs: &str) -> String {
    let mut life = Life::of("ada", policy_of(policy));
    life.event("core", "identify", json!({ "traits": traits }));
    let reaction = life.track("Flight", json!({ "departs": departs }));
    action(&reaction).map_or(String::new(), |told| told.text.to_string())
}

#[test]
fn a_flight_leaves_on_the_day_on_which_it_leaves_where_it_leaves() {
    for (departs, day) in [
        ("2026-03-20T06:40:00+09:00", "20/03/2026"),
        ("2026-03-20T23:30:00-05:00", "20/03/2026"),
        ("2026-03-20 23:30:00 -0500", "20/03/2026"),
        ("2026-03-20", "20/03/2026"),
    ] {
        for zone in [json!(null), json!("Pacific/Auckland"), json!("Mars/Phobos")] {
            let traits = json!({ "first_name": "Ada", "timezone": zone });
            assert_eq!(told(POLICY, &traits, departs), format!("Ada, on {day}"), "{zone}");
        }
    }
}

#[test]
fn a_moment_in_utc_is_shown_by_the_customers_clock_else_by_that_of_the_policy() {
    let in_brussels = format!("{POLICY}\n[contact]\ntimezone = \"Europe/Brussels\"\n");
    for (policy, zone, shown) in [
        (POLICY, json!("Asia/Tokyo"), "On 20/03/2026 08:30, said at 18:00"),
        (POLICY, json!("+05:30"), "On 20/03/2026 05:00, said at 14:30"),
        (POLICY, json!(null), "On 19/03/2026 23:30, said at 09:00"),
        (POLICY, json!("Mars/Phobos"), "On 19/03/2026 23:30, said at 09:00"),
        (in_brussels.as_str(), json!("Asia/Tokyo"), "On 20/03/2026 08:30, said at 18:00"),
        (in_brussels.as_str(), json!(null), "On 20/03/2026 00:30, said at 10:00"),
        (in_brussels.as_str(), json!("Mars/Phobos"), "On 20/03/2026 00:30, said at 10:00"),
    ] {
        let traits = json!({ "timezone": zone });
        assert_eq!(told(policy, &traits, "2026-03-19T23:30:00Z"), shown, "{zone}");
    }
}

#[test]
fn a_name_that_nobody_filled_in_is_missing() {
    for name in [json!(""), json!(" "), json!("\t"), json!(null)] {
        let text = told(POLICY, &json!({ "first_name": name }), "2026-03-20T12:00:00Z");
        assert_eq!(text, "On 20/03/2026 12:00, said at 09:00", "{name}");
    }
}

#[test]
fn a_timer_is_due_at_a_moment_in_any_form_that_can_only_mean_one() {
    for (at, due) in [
        ("2026-03-20T06:40:00+01:00", Some("2026-03-20T05:40:00Z")),
        ("2026-03-20T06:40:00+0100", Some("2026-03-20T05:40:00Z")),
        ("2026-03-20T06:40Z", Some("2026-03-20T06:40:00Z")),
        ("2026-03-20", Some("2026-03-20T00:00:00Z")),
        ("2026-03-20T06:40:00", None),
        ("20/03/2026", None),
    ] {
        let mut life = Life::of("ada", policy_of(POLICY));
        life.track("Call", json!({ "at": at }));
        let started = life.twin.timers.first().map(|timer| timer.due);
        assert_eq!(started, due.and_then(Time::parse), "{at}");
    }
}
