//! What is known grows old, and goes.

use std::time::Duration;

use jumeau::event::{self, Customer, Raw, Time};
use jumeau::policy::{Files, Policy, load};
use jumeau::twin::{Effect, Fired, Input, Reaction, Twin, World, invariants, react};
use serde_json::json;

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

struct Life {
    twin: Twin,
    policy: Policy,
    now: Time,
    sequence: u64,
}

impl Life {
    fn new() -> Life {
        let files = Files::new([("retention.toml", RETENTION)]);
        let policy = load(&files).unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
        let now = Time::parse("2026-03-02T09:00:00Z").unwrap();
        let twin = Twin::new(Customer::new("ada").unwrap(), now);
        Life { twin, policy, now, sequence: 0 }
    }

    fn event(&mut self, kind: &str, data: serde_json::Value) {
        self.sequence += 1;
        let payload = json!({ "type": kind, "data": data }).to_string();
        let raw = Raw {
            channel: "shop",
            customer: "ada",
            headers: &[],
            payload: payload.as_bytes(),
            sequence: self.sequence,
        };
        let event = event::parse(&raw).unwrap();
        self.take(&Input::event(event, self.now));
    }

    fn take(&mut self, input: &Input) -> Reaction {
        let reaction = react(&mut self.twin, input, &World::of(&self.policy));
        assert_eq!(invariants::violations(&self.twin), Vec::<String>::new());
        reaction
    }

    fn pass(&mut self, span: Duration) -> Vec<Reaction> {
        let until = self.now + span;
        let mut reactions = Vec::new();
        while let Some(timer) = self.twin.timers.iter().min_by_key(|timer| timer.due)
            && timer.due <= until
        {
            let fired = Fired { name: timer.name.clone(), due: timer.due, late: Duration::ZERO };
            self.now = self.now.max(timer.due);
            reactions.push(self.take(&Input::timer(fired, self.now)));
        }
        self.now = until;
        reactions
    }
}

#[test]
fn each_thing_goes_when_its_class_is_too_old() {
    let mut life = Life::new();
    life.event("signal", json!({ "name": "diagnosis", "value": "x" }));
    life.event("signal", json!({ "name": "weather", "value": "rain", "sensitivity": "public" }));
    life.event("track", json!({ "name": "Remember" }));
    let said = json!({ "text": "my own words", "from": "customer" });
    life.event("message", said);
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
fn who_is_not_seen_for_long_is_forgotten_and_who_comes_back_is_not() {
    let mut life = Life::new();
    life.event("track", json!({ "name": "Looked" }));
    let forgotten = |reactions: &[Reaction]| {
        let effects = reactions.iter().flat_map(|reaction| &reaction.effects);
        effects.filter(|effect| matches!(effect, Effect::Forget { .. })).count()
    };
    assert_eq!(forgotten(&life.pass(DAY * 360)), 0);
    life.event("track", json!({ "name": "Looked" }));
    assert_eq!(forgotten(&life.pass(DAY * 364)), 0, "the customer was back");
    assert_eq!(forgotten(&life.pass(DAY * 2)), 1);
}
