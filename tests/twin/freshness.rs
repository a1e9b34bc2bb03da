use jumeau::event::Value;
use jumeau::twin::CandidateVerdict;
use serde_json::json;

use super::ada;
use super::life::{Life, action, verdict_of};

/// The weather, told now, and good for an hour.
fn storm(life: &mut Life) {
    let data = json!({ "name": "weather", "value": "storm", "ttl": 3600 });
    life.event("station", "signal", data);
}

#[test]
fn a_rule_reads_a_signal_for_as_long_as_it_is_fresh() {
    let mut life = ada();
    storm(&mut life);
    life.wait(59);
    life.did("Look Outside");
    assert_eq!(life.twin.facts.get("weather"), Some(&Value::from("storm")));
    life.wait(1);
    life.did("Look Outside");
    assert_eq!(life.twin.facts.get("weather"), Some(&Value::from("unknown")));
    let known = life.twin.context.iter().find(|signal| &*signal.name == "weather").unwrap();
    assert!(!known.is_fresh(life.now), "it is there, and shown as stale");
    storm(&mut life);
    life.did("Look Outside");
    assert_eq!(life.twin.facts.get("weather"), Some(&Value::from("storm")));
}

#[test]
fn no_decision_is_made_on_a_signal_that_is_stale() {
    let mut life = ada();
    storm(&mut life);
    life.wait(59);
    let reaction = life.did("Stay In");
    assert_eq!(&*action(&reaction).unwrap().text, "Stay in: storm");
    life.wait(1);
    let reaction = life.did("Stay In");
    assert!(action(&reaction).is_none());
    let verdict = verdict_of(&reaction, "stay_in");
    assert!(matches!(verdict, CandidateVerdict::NotApplicable { .. }), "{verdict:?}");
}

#[test]
fn a_text_does_not_say_what_is_stale() {
    let mut life = ada();
    storm(&mut life);
    life.wait(60);
    let reaction = life.did("Tell Weather");
    assert!(action(&reaction).is_none());
    let verdict = verdict_of(&reaction, "tell_weather");
    assert!(matches!(verdict, CandidateVerdict::NoTreatment { .. }), "{verdict:?}");
}
