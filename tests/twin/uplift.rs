//! Experiments that measure uplift: an action counts by what would not have happened without it.

use std::time::Duration;

use jumeau::config::limits::{self, TIMERS};
use jumeau::event::{self, Customer, Raw, Time, Value};
use jumeau::models::{Arm, Learner, Snapshot, hashed, seed, uniform};
use jumeau::policy::{CatchUp, Files, Policy, load};
use jumeau::twin::{
    Candidate, CandidateVerdict, CounterfactualChange, Effect, Fired, Identifier, Input,
    Observation, Reaction, Timer, Twin, World, counterfactuals, react,
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
cooldown = "30d"
propensity = 0.2
value = 0.5
treatments = [{ channel = "app", text.en = "5 off." }]
"#;

fn policy() -> Policy {
    policy_with(&[])
}

/// The policy, with other parts instead of these.
fn policy_with(changes: &[(&str, &str)]) -> Policy {
    let mut text = POLICY.to_owned();
    for (before, after) in changes {
        assert!(text.contains(before), "{before}");
        text = text.replace(before, after);
    }
    load(&Files::new([("shop.toml", &*text)])).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The first of some customers who is in the arm.
fn somebody_in(arm: &str, policy: &Policy) -> Twin {
    customers_in(&[("worth", arm)], policy).swap_remove(0)
}

/// Those of some customers who are in these arms, each of an experiment.
fn customers_in(arms: &[(&str, &str)], policy: &Policy) -> Vec<Twin> {
    let is_in = |name: &str, (experiment, arm): &(&str, &str)| {
        let of = policy.experiments.get(experiment).unwrap().arm_of(name);
        of.is_some_and(|of| *of.name == **arm)
    };
    let names = (0..2_000).map(|number| format!("c{number}"));
    let names = names.filter(|name| arms.iter().all(|arm| is_in(name, arm)));
    let twin =
        |name: String| Twin::new(Customer::new(&name).unwrap(), Time::from_ms(1_772_000_000_000));
    names.map(twin).collect()
}

fn awaits(twin: &Twin) -> bool {
    twin.trial("worth").is_some_and(|trial| trial.measurement.awaited().is_some())
}

fn happens(twin: &mut Twin, world: &World<'_>, payload: serde_json::Value) -> Reaction {
    happens_in("web", twin, world, payload)
}

fn happens_in(
    channel: &str,
    twin: &mut Twin,
    world: &World<'_>,
    payload: serde_json::Value,
) -> Reaction {
    let payload = payload.to_string();
    let raw = Raw {
        channel,
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
            if uniform(seed(&[number, hashed(kind)])) < *rate {
                tracks(&mut twin, &world, "Bought");
            }
            let reaction = time_passes(&mut twin, &world);
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
fn time_passes(twin: &mut Twin, world: &World<'_>) -> Reaction {
    let timer = twin.timers.iter().find(|timer| &*timer.name == "goal:").unwrap().clone();
    let fired = Fired { name: timer.name, due: timer.due, late: Duration::ZERO };
    react(twin, &Input::timer(fired, timer.due), world)
}

#[test]
fn whether_the_goal_follows_is_observed_with_the_action_and_without_it() {
    let policy = policy();
    let goal = policy.experiments.get("worth").unwrap().goal_hash;
    for (arm, with) in [("usual", true), ("nothing", false)] {
        let mut twin = somebody_in(arm, &policy);
        let reaction = tracks(&mut twin, &World::of(&policy), "Came");
        assert_eq!(is_taken(&reaction), with);
        assert_eq!(observed(&reaction).len(), 0);

        let reaction = tracks(&mut twin, &World::of(&policy), "Bought");
        assert_eq!(observed(&reaction).len(), 0, "a success is learned no sooner than a failure");
        let reaction = time_passes(&mut twin, &World::of(&policy));
        let [found] = observed(&reaction)[..] else { panic!("{reaction:?}") };
        assert_eq!((found.reward, &*found.action), (1, "voucher"));
        assert_eq!(*found.trial.as_ref().unwrap().arm, *arm);
        assert_eq!(found.exposure.arm, Arm::of_goal(goal, "voucher", with));
        assert_eq!(found.exposure.chance, 0.4);
        assert!(twin.timers.is_empty(), "nothing is awaited any more");

        tracks(&mut twin, &World::of(&policy), "Came");
        assert!(!awaits(&twin), "each customer is measured once");
    }
}

#[test]
fn customers_who_return_are_measured_alike_with_the_action_and_without_it() {
    let policy = policy();
    let world = World::of(&policy);
    let rate_in = |arm: &str| {
        let mut reached = Vec::new();
        for mut twin in customers_in(&[("worth", arm)], &policy) {
            let customer = hashed(twin.customer.as_str());
            let mut found = Vec::new();
            let mut bought = 0.0;
            for visit in 0..5 {
                tracks(&mut twin, &world, "Came");
                // The voucher changes nothing, and who bought something buys more.
                if uniform(seed(&[customer, visit])) < 0.3 + 0.15 * bought {
                    tracks(&mut twin, &world, "Bought");
                    bought += 1.0;
                }
                if awaits(&twin) {
                    let reaction = time_passes(&mut twin, &world);
                    found.extend(observed(&reaction).iter().map(|observation| observation.reward));
                }
            }
            assert_eq!(found.len(), 1, "{}", twin.customer);
            reached.push(f64::from(found[0]));
        }
        reached.iter().sum::<f64>() / reached.len() as f64
    };
    let (with, without) = (rate_in("usual"), rate_in("nothing"));
    assert!((with - 0.3).abs() < 0.05 && (without - 0.3).abs() < 0.05, "{with} {without}");
}

#[test]
fn what_could_not_have_been_said_is_not_measured_in_the_control_group_either() {
    let policy = policy_with(&[("5 off.", "5 off, {{ profile.first }}.")]);
    for arm in ["usual", "nothing"] {
        let mut twin = somebody_in(arm, &policy);
        let reaction = tracks(&mut twin, &World::of(&policy), "Came");
        let verdict = candidate(&reaction).verdict;
        assert!(matches!(verdict, CandidateVerdict::NoTreatment { .. }), "{arm}: {verdict:?}");
        assert!(!awaits(&twin), "{arm}");
        let named = json!({ "type": "identify", "data": { "traits": { "first": "Ada" } } });
        happens(&mut twin, &World::of(&policy), named);
        tracks(&mut twin, &World::of(&policy), "Came");
        assert!(awaits(&twin), "{arm}");
    }
}

#[test]
fn what_another_experiment_holds_back_is_not_measured() {
    let other = r#"
[experiments.other]
describe = "nothing is worth anything"
arms.nothing = { share = 0.5, does = "nothing" }
arms.usual = 0.5
goal = "track:Bought"
within = "1d"

[learn]"#;
    let policy = policy_with(&[("[learn]", other)]);
    for arm in ["usual", "nothing"] {
        for (held, is_measured) in [("nothing", false), ("usual", true)] {
            let mut all = customers_in(&[("worth", arm), ("other", held)], &policy);
            let mut twin = all.swap_remove(0);
            tracks(&mut twin, &World::of(&policy), "Came");
            assert_eq!(awaits(&twin), is_measured, "{arm} {held}");
        }
    }
}

#[test]
fn what_is_dropped_is_tried_and_measured_in_the_decisions_that_are_left_to_chance() {
    let random = "[explore]\nrandom = { share = 0.2, issues = [\"sales\"] }\n\n[learn]";
    let policy = policy_with(&[("[learn]", random)]);
    let useless = known(&[("any", 0.3, 0.4)], 1_000);
    for arm in ["usual", "nothing"] {
        let (mut tried, mut all) = (0.0, 0.0);
        for mut twin in customers_in(&[("worth", arm)], &policy) {
            identify(&mut twin, &World::of(&policy), "any");
            let reaction = tracks(&mut twin, &World::of(&policy).knowing(&useless), "Came");
            let candidate = candidate(&reaction);
            if matches!(candidate.verdict, CandidateVerdict::NoUplift { .. }) {
                assert!(!awaits(&twin));
            } else {
                assert!(awaits(&twin) && is_taken(&reaction) == (arm == "usual"));
                assert!(candidate.goal().unwrap().is_too_little(), "so chance chose it");
                let chance = candidate.weights.chance;
                assert!(arm == "nothing" || (chance - 0.2).abs() < 1e-9, "{chance}");
                tried += 1.0;
            }
            all += 1.0;
        }
        let share: f64 = tried / all;
        assert!((share - 0.2).abs() < 0.04, "{arm}: {share}");
    }
}

#[test]
fn customers_who_lived_in_the_experiment_before_it_measured_uplift_are_not_measured() {
    let before = policy_with(&[("uplift = true", "")]);
    for arm in ["usual", "nothing"] {
        let mut twin = somebody_in(arm, &before);
        tracks(&mut twin, &World::of(&before), "Came");
        assert!(twin.trial("worth").is_some());
        twin.contacts.clear();
        tracks(&mut twin, &World::of(&policy()), "Came");
        assert!(!awaits(&twin), "{arm}");
    }
}

#[test]
fn of_several_offers_each_side_measures_the_same_one() {
    let second = r#"
[[actions]]
name = "points"
issue = "sales"
cooldown = "30d"
propensity = 0.1
value = 0.5
placements = ["banner"]
treatments = [{ channel = "app", text.en = "Points.", placement = "banner" }]
"#;
    let placed = r#"placements = ["hero"]
treatments = [{ channel = "app", placement = "hero", "#;
    let text = POLICY.replace("treatments = [{ channel = \"app\", ", placed) + second;
    let policy = load(&Files::new([("shop.toml", &*text)])).unwrap_or_else(|e| panic!("{e}"));
    let measured = ["usual", "nothing"].map(|arm| {
        let mut twin = somebody_in(arm, &policy);
        let asks = json!({ "type": "ask", "data": { "placements": ["hero", "banner"] } });
        happens_in("app", &mut twin, &World::of(&policy), asks);
        let goal = twin.trial("worth").unwrap().measurement.awaited().cloned().unwrap();
        (goal.action.to_string(), goal.decision.ends_with("-0"))
    });
    assert_eq!(measured[0], measured[1]);
    assert_eq!(measured[0].0, "voucher");
}

#[test]
fn an_identifier_that_leaves_takes_no_measurement_with_it_and_leaves_none() {
    let policy = policy();
    let mut twin = somebody_in("usual", &policy);
    tracks(&mut twin, &World::of(&policy), "Came");
    assert!(awaits(&twin));
    let memory = twin.memory();
    let entries = memory.timeline.iter().map(|entry| entry.fingerprint).collect();
    let known = Identifier {
        customer: Customer::new("tablet").unwrap(),
        since: twin.seen,
        epoch: 1,
        said: twin.seen,
        through: None,
        entries,
        brought: Box::new(memory),
        beneath: Box::default(),
    };
    twin.identifiers.push(known);
    let unlink = json!({ "type": "unlink", "data": { "from": "tablet" } });
    let reaction = happens(&mut twin, &World::of(&policy), unlink);
    assert!(twin.trial("worth").is_none_or(|trial| trial.measurement.awaited().is_none()));
    let mut payloads = reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Forward(forwarded) => Some(String::from_utf8_lossy(&forwarded.payload)),
        _ => None,
    });
    let payload = payloads.next().unwrap();
    assert!(payload.contains("worth") && !payload.contains("Awaiting"), "{payload}");
}

#[test]
fn a_goal_without_a_timer_is_not_awaited() {
    let policy = policy();
    let mut twin = somebody_in("usual", &policy);
    let due = twin.seen + Duration::from_secs(1_000_000);
    twin.timers = (0..TIMERS)
        .map(|number| Timer {
            name: format!("timer-{number}").into(),
            due,
            every: None,
            catch_up: CatchUp::Run,
        })
        .collect();
    tracks(&mut twin, &World::of(&policy), "Came");
    assert!(!awaits(&twin));
    let reaction = tracks(&mut twin, &World::of(&policy), "Bought");
    assert_eq!(observed(&reaction).len(), 0, "only the successes would be seen");
}

#[test]
fn a_goal_that_the_policy_changes_is_not_awaited_any_more() {
    let before = policy();
    for (change, to) in [
        (r#"within = "1d""#, r#"within = "2d""#),
        (r#"goal = "track:Bought""#, r#"goal = ["track:Bought", "track:Booked"]"#),
        ("uplift = true", ""),
        (
            "arms.usual = 0.4",
            r#"arms.usual = { share = 0.4, does = "random" }
arms.plain = 0.1"#,
        ),
    ] {
        let after = policy_with(&[(change, to)]);
        let mut twin = somebody_in("usual", &before);
        tracks(&mut twin, &World::of(&before), "Came");
        assert!(awaits(&twin));
        let reaction = tracks(&mut twin, &World::of(&after), "Looked");
        assert!(!awaits(&twin) && observed(&reaction).is_empty(), "{to}");
        assert!(twin.timers.is_empty());
    }
}

#[test]
fn a_goal_that_is_not_reached_in_time_is_observed_too() {
    let policy = policy();
    let mut twin = somebody_in("nothing", &policy);
    let reaction = tracks(&mut twin, &World::of(&policy), "Came");
    let due = twin.seen + Duration::from_secs(86_400);
    let start = Effect::StartTimer { name: "goal:".into(), due };
    assert!(reaction.effects.contains(&start), "{reaction:?}");
    let entries = twin.timeline.total();
    let reaction = time_passes(&mut twin, &World::of(&policy));
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
    assert!(!awaits(&twin) && twin.timers.is_empty());
    let reaction = tracks(&mut twin, &World::of(&policy), "Bought");
    assert_eq!(observed(&reaction).len(), 0);
}

#[test]
fn customers_who_become_anonymous_are_not_observed() {
    let policy = policy_with(&[("[learn]", "[retention]\nanonymous = \"12h\"\n\n[learn]")]);
    let mut twin = somebody_in("nothing", &policy);
    tracks(&mut twin, &World::of(&policy), "Came");
    tracks(&mut twin, &World::of(&policy), "Bought");
    assert!(awaits(&twin));
    let retention =
        |twin: &Twin| twin.timers.iter().find(|timer| &*timer.name == "retention:").cloned();
    while let Some(Timer { name, due, .. }) = retention(&twin) {
        let fired = Fired { name, due, late: Duration::ZERO };
        let reaction = react(&mut twin, &Input::timer(fired, due), &World::of(&policy));
        assert!(observed(&reaction).is_empty());
    }
    assert!(!awaits(&twin) && twin.timers.is_empty(), "{:?}", twin.timers);
    tracks(&mut twin, &World::of(&policy), "Came");
    assert!(!awaits(&twin), "each customer is measured once");
}

#[test]
fn what_is_too_large_to_move_takes_no_measurement_along() {
    let policy = policy();
    let moved = |bytes: usize| {
        let mut twin = somebody_in("usual", &policy);
        tracks(&mut twin, &World::of(&policy), "Came");
        assert!(awaits(&twin));
        twin.facts.insert("long", "x".repeat(bytes).as_str().into());
        let link = json!({ "type": "link", "data": { "to": "ada" } });
        let reaction = happens(&mut twin, &World::of(&policy), link);
        let mut payloads = reaction.effects.iter().filter_map(|effect| match effect {
            Effect::Forward(forwarded) => Some(forwarded.payload.clone()),
            _ => None,
        });
        String::from_utf8(payloads.next().unwrap().to_vec()).unwrap()
    };
    let (whole, shed) = (moved(1_000), moved(limits::FORWARDED_BYTES));
    assert!(whole.contains("Awaiting") && whole.contains("worth"));
    assert!(!shed.contains("Awaiting") && shed.contains("worth"), "the trial stays");
    assert!(shed.len() <= limits::FORWARDED_BYTES);
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
    let CandidateVerdict::NoUplift { experiment, with, without, .. } = candidate(&useless).verdict
    else {
        panic!("{useless:?}")
    };
    assert_eq!(&*experiment, "worth");
    assert!((with - 0.3).abs() < 0.05 && (without - 0.4).abs() < 0.05, "{with} {without}");

    let useful = came(&known(&[("any", 0.4, 0.1)], 1_000));
    assert!(is_taken(&useful));
    let candidate = candidate(&useful);
    let goal = candidate.goal().unwrap();
    assert!((goal.with - 0.4).abs() < 0.05 && (goal.without - 0.1).abs() < 0.05, "{goal:?}");
    assert!(goal.experiment == "worth" && goal.least == 0.0 && !goal.is_too_little());
    let weights = candidate.weights;
    assert!((goal.with * (1.0 - weights.uplift) - goal.without).abs() < 1e-9);
    assert!((weights.uplift - 0.75).abs() < 0.1, "{weights:?}");
    let plain = weights.drawn * weights.context * weights.value * weights.lever;
    assert_eq!(weights.score(), plain * weights.uplift);
}

#[test]
fn what_is_measured_at_first_decisions_counts_at_later_ones_and_in_any_channel() {
    let policy = policy();
    let models = known(&[("any", 0.3, 0.4)], 1_000);
    let world = World::of(&policy).knowing(&models);
    let mut twin = somebody_in("usual", &policy);
    identify(&mut twin, &world, "any");
    let found = ["web", "app", "email"].map(|channel| {
        (0..20).for_each(|_| drop(tracks(&mut twin, &world, "Looked")));
        let came = json!({ "type": "track", "data": { "name": "Came" } });
        match candidate(&happens_in(channel, &mut twin, &world, came)).verdict {
            CandidateVerdict::NoUplift { with, without, .. } => (with, without),
            verdict => panic!("{channel}: {verdict:?}"),
        }
    });
    assert!(found.iter().all(|one| *one == found[0]), "{found:?}");
}

#[test]
fn customers_of_a_kind_that_was_never_measured_are_taken_for_average_ones() {
    let policy = policy();
    for (with, without) in [(0.3, 0.4), (0.6, 0.5), (0.03, 0.06)] {
        let models = known(&[("any", with, without)], 1_500);
        let world = World::of(&policy).knowing(&models);
        let mut twin = somebody_in("usual", &policy);
        identify(&mut twin, &world, "another");
        let found = candidate(&tracks(&mut twin, &world, "Came"));
        let read = |name: &str| match found.read.iter().find(|(known, _)| &**known == name) {
            Some((_, Value::Float(chance))) => *chance,
            _ => panic!("{found:?}"),
        };
        let expected = match &found.verdict {
            CandidateVerdict::NoUplift { with, without, .. } => [*with, *without],
            _ => [read("uplift.worth.with"), read("uplift.worth.without")],
        };
        for (expected, measured) in expected.into_iter().zip([with, without]) {
            assert!((expected - measured).abs() < 0.06, "{measured}: {found:?}");
        }
    }
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
    let policy = policy_with(&[("uplift = true", "uplift = { least_gain = 0.4 }")]);
    let mut twin = somebody_in("usual", &policy);
    identify(&mut twin, &World::of(&policy), "any");
    let models = known(&[("any", 0.4, 0.1)], 1_000);
    let reaction = tracks(&mut twin, &World::of(&policy).knowing(&models), "Came");
    let verdict = candidate(&reaction).verdict.to_string();
    let said =
        "changes too little: the goal of the experiment worth is reached with probability 0.";
    assert!(verdict.starts_with(said), "{verdict}");
    let changes = counterfactuals(reaction.decision().unwrap());
    let CounterfactualChange::Gain { is, above, .. } = changes[0].change else {
        panic!("{changes:?}")
    };
    assert!((is - 0.3).abs() < 0.1 && above == 0.4, "{is} {above}");
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
