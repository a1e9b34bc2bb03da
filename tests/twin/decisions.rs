//! What a decision weighs, and what it drops at which stage.

use std::sync::Arc;
use std::time::Duration;

use jumeau::event::{self, Customer, Raw, Time};
use jumeau::models::{Features, Learner, Prior, Snapshot};
use jumeau::policy::{Files, Policy, load};
use jumeau::twin::{
    Action, Candidate, CandidateVerdict, Effect, Input, Reaction, Stage, StageCounts, Twin, World,
    react,
};
use proptest::prelude::*;
use serde_json::json;

use super::life::Life;

/// A policy with these tables, and a rule that proposes every action of these names on `Offer`.
fn policy(names: &[&str], more: &str) -> Policy {
    let acts: Vec<String> = names.iter().map(|name| format!("{{ act = \"{name}\" }}")).collect();
    let acts = if acts.is_empty() { vec!["{ set = \"x\", to = \"1\" }".to_owned()] } else { acts };
    let text = format!(
        "[policy]\nname = \"p\"\nlanguages = [\"en\"]\n[[rules]]\nname = \"offer\"\non = \
         \"track:Offer\"\nthen = [{}]\n{more}",
        acts.join(", ")
    );
    load(&Files::new([("p.toml", text.as_str())])).unwrap_or_else(|mistakes| panic!("\n{mistakes}"))
}

/// An action that is said in the app.
fn action(name: &str, issue: &str, value: &str, more: &str) -> String {
    format!(
        "[[actions]]\nname = \"{name}\"\nissue = \"{issue}\"\nvalue = {value}\ncooldown = \
         \"0s\"\n{more}\ntreatments = [{{ channel = \"app\", text.en = \"{name}\" }}]\n"
    )
}

fn of(customer: &str, policy: Policy) -> Life {
    Life::of(customer, Arc::new(policy)).at_pace(Duration::from_secs(60))
}

impl Life {
    fn offer(&mut self) -> Reaction {
        self.event("shop", "track", json!({ "name": "Offer" }))
    }
}

fn taken(reaction: &Reaction) -> Vec<&Action> {
    let acts = reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Act(action) => Some(&**action),
        _ => None,
    });
    acts.collect()
}

fn names(reaction: &Reaction) -> Vec<&str> {
    taken(reaction).into_iter().map(|action| &*action.action).collect()
}

fn candidate<'a>(reaction: &'a Reaction, action: &str) -> &'a Candidate {
    let decision = reaction.decision().expect("there was an arbitration");
    let found = decision.candidates.iter().find(|candidate| &*candidate.action == action);
    found.expect("it was a candidate")
}

const ANGRY: &str = "This is terrible. I am so angry and disappointed, what a disgrace.";

#[test]
fn a_customer_in_distress_gets_no_sales_under_any_policy() {
    let all = ["sell", "care", "keep", "help"];
    let actions = action("sell", "sales", "1.0", "")
        + &action("care", "nurture", "0.9", "")
        + &action("keep", "retention", "0.5", "")
        + &action("help", "service", "0.4", "");
    let mut life = of("ada", policy(&all, &actions));
    assert_eq!(names(&life.offer()), ["sell"]);
    life.says("chat", "customer", ANGRY, None);
    let reaction = life.offer();
    assert_eq!(names(&reaction), ["keep"]);
    for dropped in ["sell", "care"] {
        let Candidate { stage, verdict, .. } = candidate(&reaction, dropped);
        assert_eq!(*stage, Stage::Suitability);
        assert!(matches!(verdict, CandidateVerdict::Distressed { .. }), "{verdict:?}");
    }
}

/// Conditions of one reaction share a budget of evaluation steps. Distress is computed before any of them.
#[test]
fn expensive_conditions_of_other_actions_do_not_hide_distress() {
    let pairs = "profile.xs.all(a, profile.xs.all(b, a == b || true))";
    let distress = format!(
        "[dissatisfaction]\nmood = \"{pairs} ? -1.0 : 0.0\"\nsentiment = 0.9\nalarm = 0.95\n"
    );
    let sell = action("sell", "sales", "1.0", "");
    let costly = |number: usize| {
        let asks = format!("eligible = \"{pairs}\"\nwhen = \"{pairs}\"\nsuitable = \"!({pairs})\"");
        action(&format!("help_{number}"), "service", "0.5", &asks)
    };
    let costly: String = (0..12).map(costly).collect();
    let last = action("last", "service", "0.5", &format!("when = \"{pairs}\""));
    // Candidates are asked in the policy's order.
    let actions = costly + &sell + &last;
    let numbered = (0..12).map(|number| format!("help_{number}"));
    let names: Vec<String> = numbered.chain(["sell".into(), "last".into()]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let offered = |tables: &str| {
        let mut life = of("ada", policy(&names, &(tables.to_owned() + &actions)));
        let xs: Vec<u32> = (0..60).collect();
        life.event("web", "identify", json!({ "traits": { "xs": xs } }));
        life.offer()
    };
    for tables in ["", &distress] {
        let reaction = offered(tables);
        let verdict = &candidate(&reaction, "last").verdict;
        assert!(
            verdict.to_string().contains("evaluation steps"),
            "the budget is used up: {verdict}"
        );
    }
    let reaction = offered(&distress);
    let verdict = &candidate(&reaction, "sell").verdict;
    assert!(matches!(verdict, CandidateVerdict::Distressed { .. }), "{verdict}");
}

#[test]
fn while_something_is_open_nothing_is_sold_but_nurture_may_go_on() {
    let actions = action("sell", "sales", "1.0", "") + &action("care", "nurture", "0.9", "");
    let mut life = of("ada", policy(&["sell", "care"], &actions));
    life.event("phone", "case", json!({ "id": "c", "state": "open", "topic": "complaint" }));
    let reaction = life.offer();
    assert_eq!(names(&reaction), ["care"]);
    let verdict = candidate(&reaction, "sell").verdict.to_string();
    assert_eq!(verdict, "the case complaint is open");
    life.event("phone", "case", json!({ "id": "c", "state": "closed" }));
    assert_eq!(names(&life.offer()), ["sell"]);
}

#[test]
fn a_policy_may_move_the_thresholds() {
    let tables = "[suitability]\nlevel = -1\nurgency = 1\ncases = false\nescalations = false\n";
    let mut life =
        of("ada", policy(&["sell"], &(tables.to_owned() + &action("sell", "sales", "1.0", ""))));
    life.says("chat", "customer", ANGRY, None);
    life.event("phone", "case", json!({ "id": "c", "state": "open" }));
    assert_eq!(names(&life.offer()), ["sell"]);
}

#[test]
fn each_stage_drops_by_its_own_question_and_says_where_it_stands_and_what_it_read() {
    let actions = action("adults", "nurture", "0.9", "eligible = \"profile.age >= 18\"")
        + &action("rich", "nurture", "0.9", "when = \"profile.age > 90\"")
        + &action("calm", "nurture", "0.9", "suitable = \"profile.age == 1\"")
        + &action("odd", "nurture", "\"profile.worth\"", "")
        + &action("plain", "nurture", "0.1", "");
    let mut life = of("ada", policy(&["adults", "rich", "calm", "odd", "plain"], &actions));
    life.event("web", "identify", json!({ "traits": { "age": 17 } }));
    let reaction = life.offer();
    assert_eq!(names(&reaction), ["plain"]);
    let decision = reaction.decision().unwrap();
    let told: Vec<String> = decision
        .candidates
        .iter()
        .map(|one| {
            let read: Vec<String> =
                one.read.iter().map(|(path, value)| format!("{path}={value}")).collect();
            let Candidate { action, place, stage, verdict, .. } = one;
            format!("{action} {place} {} | {verdict} | {}", stage.name(), read.join(" "))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    adults p.toml:8 eligibility | not for this customer: profile.age >= 18 | profile.age=17
    rich p.toml:15 applicability | condition not met: profile.age > 90 | profile.age=17
    calm p.toml:22 suitability | not suitable now: profile.age == 1 | profile.age=17
    plain p.toml:36 treatment | chosen | 
    odd p.toml:29 arbitration | no value at profile.worth | profile.worth=null
    ");
    assert_eq!(
        (decision.considered, decision.dropped),
        (5, StageCounts::of([0, 1, 1, 1, 0, 0, 1, 0]))
    );
    assert_eq!((&*decision.by, decision.chosen.len()), ("track:Offer", 1));
    assert_eq!(decision.id, decision.chosen[0].decision);
}

#[test]
fn the_score_is_the_product_of_what_is_written_down() {
    let tables = "[weights]\nservice = 2\nnurture = \"profile.age > 10 ? 3 : 1\"\n";
    let actions = action("a", "service", "0.5", "lever = 1.5\npropensity = 0.2")
        + &action("b", "nurture", "\"profile.age / 100\"", "")
        + &action("c", "retention", "\"profile.age\"", "propensity = 0.01");
    let mut life = of("ada", policy(&["a", "b", "c"], &(tables.to_owned() + &actions)));
    life.event("web", "identify", json!({ "traits": { "age": 40 } }));
    let reaction = life.offer();
    for (action, score) in
        [("a", 0.2 * 2.0 * 0.5 * 1.5), ("b", 0.5 * 3.0 * 0.4), ("c", 0.01 * 1.0 * 1.0)]
    {
        let found = candidate(&reaction, action);
        assert!((found.score - score).abs() < 1e-12, "{action}: {found:?}");
    }
    assert_eq!(names(&reaction), ["b"]);
}

#[test]
fn a_channel_that_asks_gets_the_best_for_each_place_in_its_own_channel() {
    let shown = |name: &str, value: &str, places: &str| {
        action(name, "nurture", value, &format!("placements = [{places}]"))
    };
    let actions = shown("both", "0.5", "\"hero\", \"side\"")
        + &shown("hero", "0.4", "\"hero\"")
        + &shown("side", "0.3", "\"side\"")
        + &shown("low", "0.1", "\"side\"");
    let mut life =
        of("ada", policy(&[], &actions.replace("channel = \"app\"", "channel = \"web\"")));
    let ask = json!({ "placements": ["side", "hero"], "most": 2 });
    let reaction = life.event("web", "ask", ask.clone());
    let told: Vec<(&str, Option<&str>)> = taken(&reaction)
        .into_iter()
        .map(|action| (&*action.action, action.placement.as_deref()))
        .collect();
    let (side, hero) = (Some("side"), Some("hero"));
    assert_eq!(told, [("both", side), ("side", side), ("hero", hero)]);
    let decisions: std::collections::BTreeSet<_> =
        taken(&reaction).into_iter().map(|action| action.decision.clone()).collect();
    assert_eq!(decisions.len(), 3, "outcomes tell them apart");
    assert!(taken(&life.event("tv", "ask", ask)).is_empty(), "nothing is made for television");
    assert!(life.offer().decision().is_none(), "room alone is no reason to speak");
}

#[test]
fn a_deferred_decision_is_made_again_and_another_action_may_win() {
    let tables = "[contact]\nquiet = \"00:00-12:00\"\n";
    let actions = action("first", "nurture", "0.9", "when = \"profile.moved != true\"")
        + &action("second", "nurture", "0.5", "");
    let mut life = of("ada", policy(&["first", "second"], &(tables.to_owned() + &actions)));
    let reaction = life.offer();
    assert!(taken(&reaction).is_empty());
    let verdict = &candidate(&reaction, "first").verdict;
    assert_eq!(verdict.to_string(), "quiet hours until 2026-03-02T12:00:00Z");
    let timers: Vec<&str> = life.twin.timers.iter().map(|timer| &*timer.name).collect();
    assert_eq!(timers, ["quiet:first"], "the best of them waits, and not all");
    life.event("web", "identify", json!({ "traits": { "moved": true } }));
    let fired = life.pass(Duration::from_secs(3 * 3_600));
    assert!(fired.len() == 1 && taken(&fired[0]).is_empty(), "it does not hold any more");
    assert!(life.twin.timers.is_empty());
}

#[test]
fn a_new_action_is_tried_in_few_decisions_beside_a_known_one() {
    let tables = "[explore]\nreach = 0.1\nmature = 100\n";
    let actions = action("known", "nurture", "0.1", "") + &action("fresh", "nurture", "1.0", "");
    let policy = policy(&["known", "fresh"], &(tables.to_owned() + &actions));
    let mut learner = Learner::from(Snapshot::nothing(), 1e6);
    let arm = &policy.action("known").unwrap().treatments[0].arm;
    for _ in 0..150 {
        learner.learn(&Features::new(), arm, Prior::default(), true);
    }
    let known = learner.publish();
    let fresh_in = |models: &Snapshot| {
        let offered = offers_to_500(&policy, models);
        offered.iter().filter(|reaction| names(reaction) == ["fresh"]).count()
    };
    let tried = fresh_in(&known);
    assert!((30..=70).contains(&tried), "{tried} of 500, where 50 are within reach");
    let alone = fresh_in(&Snapshot::nothing());
    assert!(alone > 300, "{alone} of 500: where everything is new, nothing holds it back");
}

/// The first reactions of so many customers.
fn offers_to_500(policy: &Policy, models: &Snapshot) -> Vec<Reaction> {
    let offered = (0..500).map(|number| {
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
        react(&mut twin, &input, &World::of(policy).knowing(models))
    });
    offered.collect()
}

#[test]
fn an_action_that_was_given_up_is_tried_in_the_share_that_is_left_to_chance() {
    let tables = "[explore]\nmature = 0\nrandom = { share = 0.2, issues = [\"nurture\"] }\n";
    let good = action("good", "nurture", "0.1", "");
    let given_up = action("given_up", "nurture", "0.1", "");
    let policy = |more: &str| {
        let text = tables.to_owned() + &good + &given_up + more;
        policy(&["good", "given_up", "urgent"][..2 + usize::from(!more.is_empty())], &text)
    };
    let two = policy("");
    let mut learner = Learner::from(Snapshot::nothing(), 1e6);
    for (name, response) in [("good", true), ("given_up", false)] {
        let arm = &two.action(name).unwrap().treatments[0].arm;
        (0..500).for_each(|_| {
            learner.learn(&Features::new(), arm, Prior::default(), response);
        });
    }
    let known = learner.publish();
    let offered = offers_to_500(&two, &known);
    let tried: Vec<_> = offered.iter().filter(|one| names(one) == ["given_up"]).collect();
    assert!((30..=70).contains(&tried.len()), "{} of 500, where 50 are expected", tried.len());
    let chosen = |reaction: &Reaction| reaction.decision().unwrap().candidates[0].weights.chance;
    assert!(tried.iter().all(|one| (chosen(one) - 0.1).abs() < 0.01), "{}", chosen(tried[0]));

    let three = policy(&action("urgent", "service", "1.0", ""));
    let offered = offers_to_500(&three, &known);
    assert!(offered.iter().all(|one| names(one) == ["urgent"]), "other issues keep their rank");
}

proptest! {
    #[test]
    fn the_same_event_leads_to_the_same_decision_byte_for_byte(
        customer in "c-[a-z]{1,6}", values in prop::collection::vec(0.0f64..1.0, 1..8),
    ) {
        let names: Vec<String> = (0..values.len()).map(|number| format!("a{number}")).collect();
        let actions: String = names
            .iter()
            .zip(&values)
            .map(|(name, value)| action(name, "nurture", &format!("{value:?}"), ""))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = String::from("[explore]\nreach = 0.5\n[learn]\nfeatures = []\n") + &actions;
        let twice = [(); 2].map(|()| {
            let mut life = of(&customer, policy(&names, &text));
            let reaction = life.offer();
            serde_json::to_vec(reaction.decision().unwrap()).unwrap()
        });
        prop_assert_eq!(&twice[0], &twice[1]);
    }
}
