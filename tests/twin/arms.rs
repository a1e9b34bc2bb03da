//! Arms of experiments whose customers live under a policy of their own, such as the one before.

use std::time::Duration;

use jumeau::event::{self, Customer, Raw, Time};
use jumeau::policy::{Files, Mistakes, Policy, load};
use jumeau::twin::{Action, ArmAssignment, Decision, Effect, Input, Reaction, Twin, World, react};
use serde_json::json;

const NOW: &str = r#"
[policy]
name = "now"
languages = ["en"]

[experiments.greeting]
describe = "the new greeting is liked better"
arms.before = { share = 0.5, policy = "before" }
arms.now = 0.5
goal = "track:Thanked"
within = "1d"

[[rules]]
name = "greet"
on = "track:Came"
then = [{ act = "greet" }]

[[actions]]
name = "greet"
issue = "service"
value = 0.5
treatments = [{ channel = "app", text.en = "Good to see you." }]
"#;

const BEFORE: &str = r#"
[policy]
name = "then"
languages = ["en"]

[[rules]]
name = "say hello"
on = "track:Came"
when = 'experiments.greeting == "before"'
then = [{ act = "hello" }]

[[actions]]
name = "hello"
issue = "service"
value = 0.5
treatments = [{ channel = "app", text.en = "Hello." }]
"#;

fn both(now: &str, before: &str) -> Result<Policy, Mistakes> {
    load(&Files::new([("now.toml", now), ("arms/before/then.toml", before)]))
}

fn came(twin: &mut Twin, policy: &Policy) -> Reaction {
    happens(twin, policy, 1, "Came")
}

fn happens(twin: &mut Twin, policy: &Policy, sequence: u64, name: &str) -> Reaction {
    let payload = json!({ "type": "track", "data": { "name": name } }).to_string();
    let raw = Raw {
        channel: "web",
        customer: twin.customer.as_str(),
        headers: &[],
        payload: payload.as_bytes(),
        sequence,
    };
    let at = twin.seen + Duration::from_secs(60);
    react(twin, &Input::event(event::parse(&raw).unwrap(), at), &World::of(policy))
}

fn decided(reaction: &Reaction) -> (&Decision, &Action) {
    let decision = reaction.decision().unwrap();
    (decision, &decision.chosen[0])
}

/// The first of some customers who is in the arm.
fn somebody_in(arm: &str, policy: &Policy) -> Twin {
    let experiment = policy.experiments.get("greeting").unwrap();
    let mut names = (0..100).map(|number| format!("c{number}"));
    let name = names.find(|name| experiment.arm_of(name).is_some_and(|of| *of.name == *arm));
    Twin::new(Customer::new(&name.unwrap()).unwrap(), Time::from_ms(1_772_000_000_000))
}

#[test]
fn customers_of_an_arm_live_under_its_policy_as_a_whole() {
    let policy = both(NOW, BEFORE).unwrap();
    for (arm, action, name) in [("before", "hello", "then"), ("now", "greet", "now")] {
        let mut twin = somebody_in(arm, &policy);
        let reaction = came(&mut twin, &policy);
        let (decision, said) = decided(&reaction);
        assert_eq!((&*said.action, &*said.reason.policy), (action, name));
        // One version is that of both.
        assert_eq!((&decision.policy, &said.reason.version), (&policy.version, &policy.version));
        let under = [ArmAssignment { experiment: "greeting".into(), arm: arm.into() }];
        assert_eq!((&decision.arms[..], &said.reason.arms[..]), (&under[..], &under[..]));

        let reaction = happens(&mut twin, &policy, 2, "Thanked");
        let tried = reaction.effects.iter().find_map(|effect| match effect {
            Effect::Try(tried) => Some((&*tried.arm, tried.reached)),
            _ => None,
        });
        assert_eq!(tried, Some((arm, true)), "what is hoped for counts in both");
    }
}

#[test]
fn a_change_of_either_policy_is_a_new_version() {
    let versions = [
        both(NOW, BEFORE).unwrap().version,
        both(NOW, &BEFORE.replace("Hello.", "Hello!")).unwrap().version,
        both(&NOW.replace("Good", "Nice"), BEFORE).unwrap().version,
    ];
    assert!(versions[0] != versions[1] && versions[0] != versions[2] && versions[1] != versions[2]);
}

#[test]
fn a_policy_that_no_arm_uses_is_a_mistake() {
    let text =
        NOW.replace("arms.before = { share = 0.5, policy = \"before\" }", "arms.before = 0.5");
    insta::assert_snapshot!(both(&text, BEFORE).unwrap_err(), @r#"
    arms/before/then.toml: no experiment arm uses this policy: give an arm `policy = "before"`, or remove the folder
    "#);
}

#[test]
fn advice_about_an_experiment_is_given_once_and_names_its_file() {
    let text = NOW.replace("within = \"1d\"", "within = \"1d\"\nuplift = true").replace(
        "arms.now = 0.5",
        "arms.now = 0.3\narms.none = { share = 0.2, does = \"nothing\" }",
    );
    let remarks = both(&text, BEFORE).unwrap().remarks;
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert_eq!((&*remarks[0].file, &*remarks[0].excerpt), ("now.toml", "[experiments.greeting]"));
}

#[test]
fn mistakes_around_an_arm_say_what_to_do() {
    let nested = BEFORE.to_owned()
        + "[experiments.more]\ndescribe = \"x\"\narms = { a = 0.5, b = 0.5 }\ngoal = \"track:X\"\n\
           within = \"1d\"\n";
    let text = NOW.replace("policy = \"before\"", "policy = \"befor\"");
    insta::assert_snapshot!(both(&text, &nested).unwrap_err(), @r#"
    arms/before/then.toml:17:1: an arm's policy cannot define experiments: those of the main policy apply to it; remove these
     17 | [experiments.more]
        | ^^^^^^^^^^^^^^^^^^

    now.toml:8:40: expected a policy in the folder arms/befor/, found none; did you mean `before`?
     8 | arms.before = { share = 0.5, policy = "befor" }
       |                                        ^^^^^
    "#);
}
