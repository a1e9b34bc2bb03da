use super::*;
use crate::event::{self, Customer, Raw, Time};
use crate::policy::{Files, Policy, load};
use crate::twin::{Effect, Input, Note, Reaction, World, invariants, react};

const POLICY: &str = r#"
[policy]
name = "test"
languages = ["en"]

[context.diagnosis]
sensitivity = "sensitive"
purpose = ["care"]

[queues.nurses]
purpose = "care"

[needs.walk]
describe = "should walk more"

[[rules]]
name = "illness means a need"
on = ["track:Look", "signal:diagnosis"]
when = 'context.diagnosis == "diabetes"'
then = [
  { raise = "walk", because = "has {{ context.diagnosis }}" },
  { set = "illness", to = "context.diagnosis" },
]

[[rules]]
name = "so that only the guards can tell"
on = "track:Guess"
then = [{ set = "illness", to = "event.name" }, { raise = "walk" }]

[[rules]]
name = "copied once more"
on = "track:Copy"
then = [{ set = "copy", to = "facts.illness + '!'" }, { set = "other", to = "1" }]

[[rules]]
name = "people are asked"
on = "track:Ask"
then = [
  { escalate = "nurses", topic = "t", because = "has {{ facts.illness }}" },
  { escalate = "sellers", topic = "t", because = "has {{ facts.illness }}" },
]

[[rules]]
name = "something is said"
on = ["track:Copy", "track:Say"]
then = [{ act = "care" }, { act = "sell" }]

[[actions]]
name = "sell"
serves = ["walk"]
issue = "sales"
value = 0.9
cooldown = "0s"
[[actions.treatments]]
name = "naming"
channel = "app"
text.en = "Shoes for {{ facts.copy }}"
[[actions.treatments]]
name = "plain"
channel = "app"
when = "event.name == 'Say'"
text.en = "Shoes"

[[actions]]
name = "care"
serves = ["walk"]
issue = "service"
purpose = "care"
value = 0.5
cooldown = "0s"
data = { illness = "facts.illness" }
[[actions.treatments]]
name = "push"
channel = "push"
discreet = true
when = "event.type == 'signal'"
text.en = "News"
[[actions.treatments]]
name = "naming"
channel = "app"
text.en = "Walk, with your {{ facts.illness }}"

[queues.sellers]
"#;

struct Life {
    twin: Twin,
    policy: Policy,
    inputs: u64,
}

impl Life {
    fn new() -> Life {
        let policy = load(&Files::new([("test.toml", POLICY)]))
            .unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
        let twin = Twin::new(Customer::new("ada").unwrap(), Time::from_ms(0));
        let mut life = Life { twin, policy, inputs: 0 };
        life.at(r#"{"type": "consent", "data": {"purpose": "care", "granted": true}}"#);
        life
    }

    fn at(&mut self, json: &str) -> Reaction {
        self.inputs += 1;
        let payload = json.as_bytes();
        let sequence = self.inputs;
        let raw = Raw { channel: "web", customer: "ada", headers: &[], payload, sequence };
        let now = Time::from_ms(1_760_000_000_000 + self.inputs as i64);
        let reaction = {
            let input = Input::event(event::parse(&raw).unwrap(), now);
            react(&mut self.twin, &input, &World::of(&self.policy))
        };
        assert_eq!(invariants::violations(&self.twin), Vec::<String>::new());
        reaction
    }

    fn track(&mut self, name: &str) -> Reaction {
        self.at(&format!(r#"{{"type": "track", "data": {{"name": "{name}"}}}}"#))
    }

    fn ill(&mut self) -> Reaction {
        self.at(r#"{"type": "signal", "data": {"name": "diagnosis", "value": "diabetes"}}"#)
    }
}

fn messages(reaction: &Reaction) -> Vec<(&str, &str)> {
    let actions = reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Act(action) => Some((&*action.action, &*action.text)),
        _ => None,
    });
    actions.collect()
}

#[test]
fn values_derived_from_a_sensitive_signal_serve_its_purposes_only() {
    let mut life = Life::new();
    let reaction = life.ill();
    assert_eq!(messages(&reaction), [("care", "News")], "though selling has the higher score");
    let Some(Effect::Act(action)) = reaction.effects.first() else { panic!("{reaction:?}") };
    assert_eq!(&*action.reason.because, "", "nothing sensitive goes with a discreet text");
    assert!(action.data.is_empty());
    assert!(
        matches!(&reaction.notes[0], Note::Policy(_, why) if why.contains("may be used for care"))
    );
    let care = Purposes::new(["care".into()]);
    assert_eq!(life.twin.guard(Derived::Fact, "illness"), Some(&care));
    assert_eq!(life.twin.guard(Derived::Need, "walk"), Some(&care));
    assert_eq!(messages(&life.track("Look")), [("care", "Walk, with your diabetes")]);
}

#[test]
fn a_fact_derived_from_a_sensitive_fact_is_sensitive_and_others_are_not() {
    let mut life = Life::new();
    life.ill();
    life.track("Copy");
    assert!(life.twin.guard(Derived::Fact, "copy").is_some());
    assert!(life.twin.guard(Derived::Fact, "other").is_none());
}

#[test]
fn a_text_that_names_withheld_data_is_not_sent() {
    let mut life = Life::new();
    life.ill();
    life.track("Copy");
    life.twin.needs.clear();
    life.policy.actions[1].value = crate::policy::Worth::Fixed(0.1);
    assert_eq!(messages(&life.track("Say")), [("sell", "Shoes")]);
}

#[test]
fn agents_see_the_data_that_fits_the_purpose_of_their_queue() {
    let mut life = Life::new();
    life.ill();
    let reaction = life.track("Ask");
    let escalations: Vec<(&str, &str, usize)> = reaction
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Escalate(escalation) => Some((
                &*escalation.queue,
                &*escalation.because,
                escalation.brief.as_ref().map_or(0, |b| b.needs.len()),
            )),
            _ => None,
        })
        .collect();
    assert_eq!(escalations, [("nurses", "has diabetes", 1), ("sellers", "", 0)]);
    for entry in life.twin.timeline.iter() {
        assert!(!entry.text.contains("diabetes"), "{}", entry.text);
    }
}

#[test]
fn an_action_that_reads_withheld_data_is_a_mistake_with_its_line() {
    let text = POLICY
        .replace("Shoes for {{ facts.copy }}", "Shoes for {{ context.diagnosis }}")
        .replace("text.en = \"News\"", "text.en = \"News of {{ context.diagnosis }}\"");
    let mistakes = load(&Files::new([("test.toml", &*text)])).unwrap_err();
    let lines: Vec<String> = mistakes
        .iter()
        .map(|mistake| mistake.to_string().lines().next().unwrap_or_default().to_owned())
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    test.toml:57:25: `context.diagnosis` is sensitive and may be used for care only; this action would use it for sales. Leave it out, or give the action a fitting issue and `purpose`
    test.toml:77:23: `context.diagnosis` is sensitive and cannot be used in a discreet text; use another treatment
    ");
}
