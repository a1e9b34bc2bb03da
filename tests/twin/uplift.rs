//! Experiments that measure uplift: an action counts by what would not have happened without it.

use std::time::Duration;

use jumeau::event::{self, Customer, Raw, Time};
use jumeau::models::{Arm, Learner, Snapshot, hashed, seed, uniform};
use jumeau::policy::{Files, Policy, load};
use jumeau::twin::{
    Candidate, CandidateVerdict, Effect, Fired, Input, Observation, Reaction, Twin, World, react,
};
use serde_json::json;

const POLICY: &str = r#"
[policy]
name = "shop"
languages = ["en"]

[experiments.worth]
describe = "a voucher makes customers buy"
arms.nothing = { share = 0.4, does = "nothing" }
arms.usual = 0.4
goal = "track:Bought"
within = "1d"
uplift = true

[learn]
features = ["profile.kind"]

[[rules]]
name = "comes"
on = "track:Came"
then = [{ act = "voucher" }]

[[actions]]
name = "voucher"
issue = "sales"
cooldown = "1m"
propensity = 0.2
value = 0.5
treatments = [{ channel = "app", text.en = "5 off." }]
"#;

fn policy() -> Policy {
    load(&Files::new([("shop.toml", POLICY)])).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The first of some customers who is in the arm.
fn somebody_in(arm: &str, policy: &Policy) -> Twin {
    let experiment = policy.experiments.get("worth").unwrap();
    let mut names = (0..100).map(|number| format!("c{number}"));
    let name = names.find(|name| experiment.arm_of(name).is_some_and(|of| *of.name == *arm));
    Twin::new(Customer::new(&name.unwrap()).unwrap(), Time::from_ms(1_772_000_000_000))
}

fn happens(twin: &mut Twin, world: &World<'_>, payload: serde_json::Value) -> Reaction {
    let payload = payload.to_string();
    let raw = Raw {
        channel: "web",
        customer: twin.customer.as_str(),
        headers: &[],
        payload: payload.as_bytes(),
        sequence: twin.timeline.total() + 1,
    };
    let at = twin.seen + Duration::from_secs(60);
    react(twin, &Input::event(event::parse(&raw).unwrap(), at), world)
}

fn tracks(twin: &mut Twin, world: &World<'_>, name: &str) -> Reaction {
    happens(twin, world, json!({ "type": "track", "data": { "name": name } }))
}

fn observed(reaction: &Reaction) -> Vec<&Observation> {
    let observed = reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Observe(observation) => Some(&**observation),
        _ => None,
    });
    observed.collect()
}

fn is_taken(reaction: &Reaction) -> bool {
    reaction.effects.iter().any(|effect| matches!(effect, Effect::Act(_)))
}

fn candidate(reaction: &Reaction) -> Candidate {
    reaction.decision().unwrap().candidates[0].clone()
}

/// What is learned from so many customers of each kind, who reach the goal this often with the voucher and
/// without it.
fn known(kinds: &[(&str, f64, f64)], customers: u64) -> Snapshot {
    let policy = policy();
    let world = World::of(&policy);
    let experiment = policy.experiments.get("worth").unwrap();
    let mut learner = Learner::from(Snapshot::nothing(), 1e6);
    for number in 0..customers {
        for (kind, with, without) in kinds {
            let customer = Customer::new(&format!("{kind}{number}")).unwrap();
            if experiment.arm_of(customer.as_str()).is_none() {
                continue;
            }
            let mut twin = Twin::new(customer, Time::from_ms(1_772_000_000_000));
            identify(&mut twin, &world, kind);
            let rate = if is_taken(&tracks(&mut twin, &world, "Came")) { with } else { without };
            let reaction = if uniform(seed(&[number, hashed(kind)])) < *rate {
                tracks(&mut twin, &world, "Bought")
            } else {
                give_up(&mut twin, &world)
            };
            let [found] = observed(&reaction)[..] else { panic!("{reaction:?}") };
            found.exposure.teach(&mut learner, found.reward > 0);
        }
    }
    learner.publish()
}

fn identify(twin: &mut Twin, world: &World<'_>, kind: &str) {
    happens(twin, world, json!({ "type": "identify", "data": { "traits": { "kind": kind } } }));
}

/// The time in which the goal may be reached is over.
fn give_up(twin: &mut Twin, world: &World<'_>) -> Reaction {
    let timer = twin.timers.iter().find(|timer| &*timer.name == "goal:").unwrap().clone();
    let fired = Fired { name: timer.name, due: timer.due, late: Duration::ZERO };
    react(twin, &Input::timer(fired, timer.due), world)
}

#[test]
fn whether_the_goal_follows_is_observed_with_the_action_and_without_it() {
    let policy = policy();
    for (arm, with) in [("usual", true), ("nothing", false)] {
        let mut twin = somebody_in(arm, &policy);
        let reaction = tracks(&mut twin, &World::of(&policy), "Came");
        assert_eq!(is_taken(&reaction), with);
        assert_eq!(observed(&reaction).len(), 0);

        let reaction = tracks(&mut twin, &World::of(&policy), "Bought");
        let [found] = observed(&reaction)[..] else { panic!("{reaction:?}") };
        assert_eq!((found.reward, &*found.action), (1, "voucher"));
        assert_eq!(*found.trial.as_ref().unwrap().arm, *arm);
        assert_eq!(found.exposure.arm, Arm::of_goal("worth", "voucher", with));

        let reaction = tracks(&mut twin, &World::of(&policy), "Bought");
        assert_eq!(observed(&reaction).len(), 0, "one answer for each decision");
        tracks(&mut twin, &World::of(&policy), "Came");
        let reaction = tracks(&mut twin, &World::of(&policy), "Bought");
        assert_eq!(observed(&reaction).len(), 1, "the next decision is observed anew");
    }
}

#[test]
fn a_goal_that_is_not_reached_in_time_is_observed_by_a_timer() {
    let policy = policy();
    let mut twin = somebody_in("nothing", &policy);
    let reaction = tracks(&mut twin, &World::of(&policy), "Came");
    let due = twin.seen + Duration::from_secs(86_400);
    let start = Effect::StartTimer { name: "goal:".into(), due };
    assert!(reaction.effects.contains(&start), "{reaction:?}");
    let entries = twin.timeline.total();
    let reaction = give_up(&mut twin, &World::of(&policy));
    let [found] = observed(&reaction)[..] else { panic!("{reaction:?}") };
    assert_eq!((found.reward, found.at), (0, due));
    assert_eq!(twin.timeline.total(), entries, "nothing happened to the customer");
    assert!(twin.timers.is_empty());
}

#[test]
fn customers_who_refuse_profiling_are_not_observed() {
    let policy = policy();
    let mut twin = somebody_in("usual", &policy);
    tracks(&mut twin, &World::of(&policy), "Came");
    let refuses =
        json!({ "type": "consent", "data": { "purpose": "profiling", "granted": false } });
    happens(&mut twin, &World::of(&policy), refuses);
    let reaction = tracks(&mut twin, &World::of(&policy), "Bought");
    assert_eq!(observed(&reaction).len(), 0);
    let reaction = give_up(&mut twin, &World::of(&policy));
    assert_eq!(observed(&reaction).len(), 0);
    assert!(twin.trials[0].awaited.is_none());
}

#[test]
fn an_action_that_happens_anyway_is_worth_nothing() {
    let policy = policy();
    let came = |models: &Snapshot| {
        let mut twin = somebody_in("usual", &policy);
        identify(&mut twin, &World::of(&policy), "any");
        tracks(&mut twin, &World::of(&policy).knowing(models), "Came")
    };
    let useless = came(&known(&[("any", 0.3, 0.4)], 1_000));
    assert!(!is_taken(&useless));
    let CandidateVerdict::NoUplift { experiment, with, without } = candidate(&useless).verdict
    else {
        panic!("{useless:?}")
    };
    assert_eq!(&*experiment, "worth");
    assert!((with - 0.3).abs() < 0.05 && (without - 0.4).abs() < 0.05, "{with} {without}");

    let useful = came(&known(&[("any", 0.4, 0.1)], 1_000));
    assert!(is_taken(&useful));
    let weights = candidate(&useful).weights;
    assert!((weights.uplift - 0.75).abs() < 0.1, "{weights:?}");
    let plain = weights.drawn * weights.context * weights.value * weights.lever;
    assert_eq!(weights.score(), plain * weights.uplift);
}

#[test]
fn few_customers_tell_no_uplift() {
    let policy = policy();
    let mut twin = somebody_in("usual", &policy);
    let models = known(&[("any", 0.3, 0.4)], 200);
    let reaction = tracks(&mut twin, &World::of(&policy).knowing(&models), "Came");
    assert!(is_taken(&reaction));
    assert_eq!(candidate(&reaction).weights.uplift, 1.0);
}

#[test]
fn an_action_is_taken_for_those_whom_it_changes() {
    let policy = policy();
    let models =
        known(&[("regular", 0.4, 0.5), ("hesitant", 0.5, 0.1), ("annoyed", 0.1, 0.3)], 1_000);
    for (kind, taken) in [("regular", false), ("hesitant", true), ("annoyed", false)] {
        let mut twin = somebody_in("usual", &policy);
        let world = World::of(&policy).knowing(&models);
        identify(&mut twin, &world, kind);
        let reaction = tracks(&mut twin, &world, "Came");
        assert_eq!(is_taken(&reaction), taken, "{kind}: {:?}", candidate(&reaction));
    }
}

#[test]
fn a_least_uplift_can_be_asked_for() {
    let text = POLICY.replace("uplift = true", "uplift = { least = 0.4 }");
    let policy = load(&Files::new([("shop.toml", &*text)])).unwrap();
    let mut twin = somebody_in("usual", &policy);
    let models = known(&[("any", 0.4, 0.1)], 1_000);
    let reaction = tracks(&mut twin, &World::of(&policy).knowing(&models), "Came");
    let verdict = candidate(&reaction).verdict.to_string();
    let said =
        "changes too little: the goal of the experiment worth is reached with probability 0.";
    assert!(verdict.starts_with(said), "{verdict}");
}

#[test]
fn an_experiment_without_a_control_group_measures_no_uplift() {
    let text = POLICY.replace(r#"{ share = 0.4, does = "nothing" }"#, "0.4");
    let mistakes = load(&Files::new([("shop.toml", &*text)])).unwrap_err();
    insta::assert_snapshot!(mistakes, @r#"
    shop.toml:12:10: expected an arm with `does = "nothing"`, and one that follows this policy: uplift is the difference between both; add the arm, or remove `uplift`
     12 | uplift = true
        |          ^^^^
    "#);
}
