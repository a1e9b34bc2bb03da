//! What is known grows old, and goes.

use std::time::Duration;

use jumeau::twin::{Effect, Reaction};
use serde_json::json;

use super::life::{Life, policy_of};

const RETENTION: &str = r#"
[policy]
name = "retention"
languages = ["en"]

[retention]
public = "90d"
personal = "30d"
sensitive = "7d"
inactive = "365d"

[context.diagnosis]
sensitivity = "sensitive"
[context.weather]
sensitivity = "public"

[[rules]]
name = "remember"
on = "track:Remember"
then = [{ set = "remembered", to = "true" }]

[[rules]]
name = "conclude"
on = "signal:diagnosis"
then = [{ set = "ill", to = "true" }]
"#;

const DAY: Duration = Duration::from_secs(86_400);

fn ada() -> Life {
    Life::of("ada", policy_of(RETENTION)).at_pace(Duration::from_secs(1))
}

#[test]
fn each_thing_goes_when_its_class_is_too_old() {
    let mut life = ada();
    life.event("shop", "signal", json!({ "name": "diagnosis", "value": "x" }));
    life.event(
        "shop",
        "signal",
        json!({ "name": "weather", "value": "rain", "sensitivity": "public" }),
    );
    life.event("shop", "track", json!({ "name": "Remember" }));
    let data = json!({ "text": "my own words", "from": "customer" });
    life.event("shop", "message", data);
    let names = |life: &Life| -> Vec<String> {
        life.twin.context.iter().map(|signal| signal.name.to_string()).collect()
    };
    life.pass(DAY * 6);
    assert_eq!(names(&life), ["diagnosis", "weather"]);
    assert!(life.twin.facts.get("ill").is_some());

    life.pass(DAY * 2);
    assert_eq!(names(&life), ["weather"], "what is sensitive goes first");
    assert!(life.twin.facts.get("ill").is_none(), "and what was made of it");
    assert!(life.twin.facts.get("remembered").is_some());
    assert_eq!(life.twin.timeline.len(), 4);

    life.pass(DAY * 23);
    assert!(life.twin.facts.get("remembered").is_none());
    assert_eq!(life.twin.timeline.len(), 0, "the words are gone");
    assert_eq!(life.twin.timeline.total(), 4, "and the count stays");
    assert_eq!(names(&life), ["weather"]);

    life.pass(DAY * 60);
    assert!(life.twin.context.is_empty());
}

#[test]
fn a_customer_not_seen_for_long_becomes_anonymous_and_keeps_their_counts() {
    let policy = RETENTION.replace("personal = \"30d\"\n", "anonymous = \"180d\"\n");
    let more = r#"
[windows.bought]
on = "track:Bought"
of = "event.properties.what"
keep = "distinct"
over = "1000d"
[counters.visits]
on = "track:Bought"
half_life = "1000d"
[[rules]]
name = "count"
on = "track:Bought"
then = [
  { set = "bought", to = "default(facts.bought, 0) + 1" },
  { set = "last", to = "event.properties.what" },
]
"#;
    let mut life = Life::of("ada", policy_of(&format!("{policy}{more}"))).at_pace(DAY);
    let words = "quokka-marmalade";
    life.event("shop", "identify", json!({ "traits": { "name": words } }));
    life.event("shop", "signal", json!({ "name": "weather", "value": words }));
    life.event("shop", "signal", json!({ "name": "diagnosis", "value": words }));
    life.event("shop", "preference", json!({ "key": "colour", "value": words }));
    life.event("shop", "case", json!({ "id": words, "state": words, "topic": words }));
    let form =
        json!({ "id": words, "kind": "form", "state": "progressed", "data": { "a": words } });
    life.event("shop", "interaction", form);
    life.event("shop", "message", json!({ "text": words, "from": "customer" }));
    life.track("Bought", json!({ "what": words }));
    life.consent("marketing", false);
    let said = |life: &Life| {
        let (twin, memory) = (&life.twin, serde_json::to_string(&life.twin.memory()).unwrap());
        (memory.contains(words), twin.timeline.total(), twin.facts.get("bought").cloned())
    };
    let total = life.twin.timeline.total();
    let one = Some(jumeau::event::Value::Int(1));
    assert_eq!(said(&life), (true, total, one.clone()));
    life.pass(DAY * 179);
    assert_eq!(said(&life), (true, total, one.clone()), "not yet");
    let reactions = life.pass(DAY * 2);
    assert_eq!(said(&life), (false, total, one), "words are gone, and figures are not");
    assert!(life.twin.facts.get("ill").is_none(), "nor is what was made of something sensitive");
    assert_eq!(life.twin.tallies.counters.len(), 1);
    assert!(!life.twin.allows(&life.policy, "marketing", None, life.now), "a no is a no");
    let let_go = |reactions: &[Reaction]| {
        let effects = reactions.iter().flat_map(|reaction| &reaction.effects);
        effects.filter(|effect| matches!(effect, Effect::LetGo)).count()
    };
    assert_eq!(let_go(&reactions), 1);
    assert_eq!(let_go(&life.pass(DAY * 100)), 0, "once is enough");
    life.event("shop", "track", json!({ "name": "Looked" }));
    assert_eq!(life.twin.timeline.total(), total + 1, "and who comes back goes on from there");
}

#[test]
fn a_customer_not_seen_for_long_is_forgotten_unless_they_return() {
    let mut life = ada();
    life.event("shop", "track", json!({ "name": "Looked" }));
    let forgotten = |reactions: &[Reaction]| {
        let effects = reactions.iter().flat_map(|reaction| &reaction.effects);
        effects.filter(|effect| matches!(effect, Effect::Forget { .. })).count()
    };
    assert_eq!(forgotten(&life.pass(DAY * 360)), 0);
    life.event("shop", "track", json!({ "name": "Looked" }));
    assert_eq!(forgotten(&life.pass(DAY * 364)), 0, "the customer was back");
    assert_eq!(forgotten(&life.pass(DAY * 2)), 1);
}
