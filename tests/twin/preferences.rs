use jumeau::event::Value;
use jumeau::twin::CandidateVerdict;
use serde_json::json;

use super::ada;
use super::life::{Life, action, verdict_of};

#[test]
fn three_equal_choices_become_a_preference_with_its_evidence() {
    let mut life = ada();
    let rule = life.policy.preferences["seat"].clone();
    let usable = |life: &Life| {
        life.twin
            .profile
            .preference("seat")
            .and_then(|seat| seat.usable(Some(&rule), life.now).cloned())
    };
    life.track("Seat", json!({ "seat": "aisle" }));
    life.track("Seat", json!({ "seat": "aisle" }));
    assert_eq!(usable(&life), None);
    life.track("Seat", json!({ "seat": "aisle" }));
    assert_eq!(usable(&life), Some(Value::from("aisle")));
    let seat = life.twin.profile.preference("seat").unwrap();
    assert_eq!(seat.choices[0].evidence, [0, 1, 2]);
}

#[test]
fn a_declared_preference_wins_over_what_was_inferred_and_can_be_forgotten() {
    let mut life = ada();
    for _ in 0..4 {
        life.track("Seat", json!({ "seat": "aisle" }));
    }
    life.event("web", "preference", json!({ "key": "seat", "value": "window" }));
    let rule = life.policy.preferences["seat"].clone();
    let seat = life.twin.profile.preference("seat").unwrap();
    assert_eq!(seat.usable(Some(&rule), life.now), Some(&Value::from("window")));
    life.event("web", "preference", json!({ "key": "seat", "forget": true }));
    let seat = life.twin.profile.preference("seat").unwrap();
    assert_eq!(seat.usable(Some(&rule), life.now), None);
    assert!(seat.choices.is_empty() && seat.declared.is_none());
}

#[test]
fn a_preference_is_said_only_when_it_is_surer_than_to_be_used() {
    let mut life = ada();
    for _ in 0..3 {
        life.track("Seat", json!({ "seat": "aisle" }));
    }
    let reaction = life.did("Keep Seat");
    assert_eq!(&*action(&reaction).unwrap().text, "Your aisle seat is kept");
    life.wait(60 * 24 * 60);
    let reaction = life.did("Keep Seat");
    let action = action(&reaction).unwrap();
    assert_eq!(&*action.text, "Your seat is kept");
    assert_eq!(action.data.get("seat"), Some(&Value::from("aisle")));
}

#[test]
fn a_preference_in_the_customers_words_is_declared() {
    let mut life = ada();
    for _ in 0..3 {
        life.track("Seat", json!({ "seat": "aisle" }));
    }
    let data = json!({ "text": "a window from now on, please", "from": "customer" });
    life.event("chat", "message", data);
    let reaction = life.did("Keep Seat");
    assert_eq!(&*action(&reaction).unwrap().text, "Your window seat is kept");
}

#[test]
fn a_customer_who_names_the_only_channels_is_spoken_to_nowhere_else() {
    let mut life = ada();
    life.event("web", "preference", json!({ "key": "channel", "value": ["sms"] }));
    assert_eq!(&*action(&life.did("Keep Seat")).unwrap().channel, "sms");
    let quiet = life.track("Help", json!({ "why": "x" }));
    assert!(action(&quiet).is_none());
    assert!(matches!(verdict_of(&quiet, "help"), CandidateVerdict::NoTreatment { .. }));
}

#[test]
fn the_channel_and_the_hour_in_which_a_customer_answers_are_learned() {
    let mut life = ada();
    life.event("web", "identify", json!({ "traits": { "timezone": "Asia/Tokyo" } }));
    for _ in 0..3 {
        let told = json!({ "text": "hello", "from": "customer" });
        life.event("sms", "message", told.clone());
        // A minute later is the same answer.
        life.wait(1);
        life.event("sms", "message", told);
        life.wait(24 * 60 - 1);
    }
    let reaction = life.did("Keep Seat");
    let action = action(&reaction).unwrap();
    assert_eq!(&*action.channel, "sms");
    assert_eq!(action.data.get("hour"), Some(&Value::Int(18)));
    assert_eq!(life.twin.profile.preference("channel").unwrap().choices[0].count, 3);
}

#[test]
fn a_channel_in_which_nobody_answers_is_left_for_one_that_works() {
    let mut life = ada();
    let mut outcomes = |outcome: &str, times: usize| {
        for _ in 0..times {
            let reaction = life.did("Keep Seat");
            let action = action(&reaction).unwrap();
            let (channel, decision) = (action.channel.clone(), action.decision.clone());
            for outcome in ["seen", outcome, outcome] {
                let data = json!({ "decision": decision, "outcome": outcome });
                life.event(&channel, "outcome", data);
            }
        }
        let channel = life.twin.profile.preference("channel").unwrap();
        channel.usable(Some(&life.policy.preferences["channel"]), life.now).cloned()
    };
    assert_eq!(outcomes("clicked", 3), Some("app".into()));
    assert_eq!(outcomes("dismissed", 3), None);
}
