//! The probability that a decision records with its choice: by it, the result of other policies is estimated.

use std::collections::BTreeMap;

use jumeau::event::{self, Customer, Raw, Time};
use jumeau::models::{Arm, Features, Learner, Prior, Snapshot};
use jumeau::policy::{Files, Policy, load};
use jumeau::twin::{CandidateVerdict, Decision, Input, Twin, World, react};
use serde_json::json;

/// Five actions with two treatments each: of `nurture`, in which a share of the decisions is left to chance,
/// two that are well known, and two new ones; and one of another issue.
const ACTIONS: [(&str, f64, &str); 5] = [
    ("known", 0.5, "nurture"),
    ("liked", 0.5, "nurture"),
    ("fresh", 0.3, "nurture"),
    ("green", 0.4, "nurture"),
    ("served", 0.4, "service"),
];

const EXPLORE: &str = r#"
[policy]
name = "p"
languages = ["en"]
[explore]
reach = 0.4
mature = 100
random = { share = 0.2, issues = ["nurture"] }
"#;

/// Everybody is in the control group of the action that is known best.
const HELD: &str = r#"
[experiments.held]
describe = "it is held back"
arms.nothing = { share = 1.0, does = "nothing" }
arms.usual = 0.0
actions = ["known"]
goal = "track:Bought"
within = "1d"
"#;

/// One of the actions is dropped, because it changes too little.
const DROPPED: &str = r#"
[experiments.worth]
describe = "it makes customers buy"
arms.nothing = { share = 0.001, does = "nothing" }
arms.usual = 0.999
actions = ["liked"]
goal = "track:Bought"
within = "1d"
uplift = true
"#;

/// Everybody is in an arm in which these actions are chosen at random.
const RANDOM: &str = r#"
[experiments.random]
describe = "chance is as good"
arms.random = { share = 1.0, does = "random" }
arms.usual = 0.0
actions = ["known", "liked", "fresh"]
goal = "track:Bought"
within = "1d"
"#;

fn policy(experiments: &str) -> Policy {
    let acts = ACTIONS.map(|(name, ..)| format!("{{ act = \"{name}\" }}")).join(", ");
    let rule = format!("[[rules]]\nname = \"offer\"\non = \"track:Offer\"\nthen = [{acts}]\n");
    let actions = ACTIONS.map(|(name, value, issue)| {
        let treatments = ["a", "b"].map(|treatment| {
            format!("{{ name = \"{treatment}\", channel = \"app\", text.en = \"{treatment}\" }}")
        });
        format!(
            "[[actions]]\nname = \"{name}\"\nissue = \"{issue}\"\nvalue = {value}\ncooldown = \
             \"0s\"\ntreatments = [{}]\n",
            treatments.join(", ")
        )
    });
    let text = format!("{EXPLORE}{experiments}{rule}{}", actions.concat());
    load(&Files::new([("p.toml", text.as_str())])).unwrap_or_else(|mistakes| panic!("\n{mistakes}"))
}

fn known(policy: &Policy) -> Snapshot {
    let mut learner = Learner::from(Snapshot::nothing(), 1e6);
    let mut learn = |arm: &Arm, count: u32, rate: f64| {
        for number in 0..count {
            let response = f64::from(number % 10) < rate * 10.0;
            learner.learn(&Features::new(), arm, Prior::default(), response);
        }
    };
    for (name, rate) in [("known", 0.4), ("liked", 0.5), ("served", 0.5)] {
        for treatment in &policy.action(name).unwrap().treatments {
            learn(&treatment.arm, 100, rate);
        }
    }
    if let Some(experiment) = policy.experiments.get("worth") {
        for (with, rate) in [(true, 0.2), (false, 0.4)] {
            learn(&Arm::of_goal(experiment.goal_hash, "liked", with), 200, rate);
        }
    }
    learner.publish()
}

fn decision(number: u64, policy: &Policy, models: &Snapshot) -> Decision {
    let customer = Customer::new(&format!("customer-{number}")).unwrap();
    let mut twin = Twin::new(customer, Time::from_ms(0));
    let payload = json!({ "type": "track", "data": { "name": "Offer" } }).to_string();
    let raw = Raw {
        channel: "shop",
        customer: twin.customer.as_str(),
        headers: &[],
        payload: payload.as_bytes(),
        sequence: number,
    };
    let input = Input::event(event::parse(&raw).unwrap(), Time::from_ms(0));
    let reaction = react(&mut twin, &input, &World::of(policy).knowing(models));
    reaction.decision().unwrap().clone()
}

/// Weighted by the inverse of its recorded chance, each choice counts as often as there were decisions
/// (Horvitz and Thompson, JASA 47, 1952).
#[test]
fn the_recorded_chances_are_those_with_which_each_treatment_is_chosen() {
    const DECISIONS: u64 = 6_000;
    for number in 0..8 {
        let parts = [HELD, DROPPED, RANDOM].iter().enumerate();
        let parts = parts.filter(|(bit, _)| number & (1 << bit) != 0).map(|(_, part)| *part);
        let experiments: String = parts.collect();
        let policy = policy(&experiments);
        let models = known(&policy);
        let mut counted: BTreeMap<(String, String), (u32, f64)> = BTreeMap::new();
        for number in 0..DECISIONS {
            let decision = decision(number, &policy, &models);
            let is_chosen = |verdict| verdict == CandidateVerdict::Chosen;
            let mut chosen =
                decision.candidates.into_iter().filter(|one| is_chosen(one.verdict.clone()));
            let Some(chosen) = chosen.next() else { panic!("{experiments}: nothing is chosen") };
            let name = (chosen.action.to_string(), chosen.treatment.unwrap().to_string());
            let (count, weighted) = counted.entry(name).or_default();
            *count += 1;
            *weighted += 1.0 / chosen.weights.chance / DECISIONS as f64;
        }
        let has = |part| experiments.contains(part);
        // What is dropped is tried only where no arm leaves the choice to chance already.
        let never = usize::from(has(HELD)) + usize::from(has(DROPPED) && has(RANDOM));
        assert_eq!(counted.len(), 2 * (ACTIONS.len() - never), "{experiments}: {counted:?}");
        for (name, (count, weighted)) in &counted {
            let tolerance = 4.0 / f64::from(*count).sqrt();
            let is_right = (weighted - 1.0).abs() < tolerance;
            assert!(is_right, "{experiments}: {name:?}: {count} chosen, {weighted}");
        }
    }
}
