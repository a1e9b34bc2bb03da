//! How often, and when, a customer is spoken to, and what is taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use jumeau::event::{OutcomeKind, Time};
use jumeau::twin::{CandidateVerdict, Effect, Reaction, Recall};
use proptest::prelude::*;
use serde_json::json;

use super::life::{self, Life, action, policy_of, start, verdict_of};

const CONTACTS: &str = r#"
[policy]
name = "contacts"
languages = ["en"]

[contact]
later = "4d"

[[contact.limits]]
most = 3
over = "7d"
[[contact.limits]]
issue = "sales"
most = 1
over = "1d"
[[contact.limits]]
channel = "email"
most = 2
over = "3d"
[[contact.limits]]
action = "promo"
most = 2
over = "10d"

[[rules]]
name = "promo"
on = "track:Promo"
then = [{ act = "promo" }]
[[rules]]
name = "tip"
on = "track:Tip"
then = [{ act = "tip" }]
[[rules]]
name = "alert"
on = "track:Alert"
then = [{ act = "alert" }]
[[rules]]
name = "nobody cares"
on = "outcome:ignored"
then = [{ set = "uncared", to = "default(facts.uncared, '') + event.action + ' '" }]

[[actions]]
name = "promo"
issue = "sales"
value = 0.5
cooldown = "0s"
pending = "3d"
treatments = [{ channel = "email", text.en = "p" }, { channel = "app", text.en = "p" }]

[[actions]]
name = "tip"
issue = "nurture"
purpose = "tips"
value = 0.5
cooldown = "0s"
ignored_after = "2d"
treatments = [{ channel = "app", text.en = "t" }]

[[actions]]
name = "alert"
issue = "service"
value = 0.5
cooldown = "0s"
pending = "0s"
vital = true
treatments = [{ channel = "email", text.en = "a" }]
"#;

/// Limits for some, and banners that anybody may see at any time.
const BANNERS: &str = r#"
[policy]
name = "banners"
languages = ["en"]

[[contact.limits]]
issue = "sales"
most = 1
over = "3d"
[[contact.limits]]
action = "tip"
most = 3
over = "7d"
[[contact.limits]]
channel = "email"
most = 4
over = "30d"

[[rules]]
name = "promo"
on = "track:Promo"
then = [{ act = "promo" }]
[[rules]]
name = "tip"
on = "track:Tip"
then = [{ act = "tip" }]
[[rules]]
name = "mail"
on = "track:Mail"
then = [{ act = "mail" }]
[[rules]]
name = "banner"
on = "track:Banner"
then = [{ act = "banner" }]

[[actions]]
name = "promo"
issue = "sales"
value = 0.5
cooldown = "0s"
treatments = [{ channel = "app", text.en = "p" }]
[[actions]]
name = "tip"
issue = "nurture"
value = 0.5
cooldown = "0s"
treatments = [{ channel = "app", text.en = "t" }]
[[actions]]
name = "mail"
issue = "service"
value = 0.5
cooldown = "0s"
treatments = [{ channel = "email", text.en = "m" }]
[[actions]]
name = "banner"
issue = "service"
value = 0.5
cooldown = "0s"
treatments = [{ channel = "app", text.en = "b" }]
"#;

/// A customer who may be given tips.
fn ada(policy: &str) -> Life {
    let mut life = Life::of("ada", policy_of(policy));
    life.consent("tips", true);
    life
}

impl Life {
    fn outcome(&mut self, decision: &str, outcome: OutcomeKind) -> Reaction {
        self.event("shop", "outcome", json!({ "decision": decision, "outcome": outcome.name() }))
    }
}

fn hours(hours: f64) -> Duration {
    Duration::from_secs_f64(hours * 3_600.0)
}

fn recalls(reaction: &Reaction) -> impl Iterator<Item = &Recall> {
    reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Recall(recall) => Some(&**recall),
        _ => None,
    })
}

/// What may be said by the limits above, counted naively over everything that was ever said.
fn by_the_book(
    said: &[(Time, &'static str, String)],
    now: Time,
    action: &str,
) -> Option<&'static str> {
    let count = |over: f64, fits: &dyn Fn(&str, &str) -> bool| {
        let since = now.ms() - (over * 86_400_000.0) as i64;
        said.iter().filter(|(at, name, channel)| at.ms() > since && fits(name, channel)).count()
    };
    let is_full = count(7.0, &|_, _| true) >= 3;
    let is_email_full = count(3.0, &|_, channel| channel == "email") >= 2;
    match action {
        "alert" => Some("email"),
        "tip" => (!is_full).then_some("app"),
        _ => {
            let is_promo_full = count(1.0, &|name, _| name == "promo") >= 1
                || count(10.0, &|name, _| name == "promo") >= 2;
            let channel = if is_email_full { "app" } else { "email" };
            (!is_full && !is_promo_full).then_some(channel)
        }
    }
}

fn happenings() -> impl Strategy<Value = Vec<(u32, &'static str)>> {
    // Half hours: windows end just where something happens.
    let names = prop::sample::select(vec!["Promo", "Promo", "Tip", "Tip", "Alert"]);
    prop::collection::vec((0u32..96, names), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_budget_is_exact_over_windows_that_move_along(happenings in happenings()) {
        let mut life = ada(CONTACTS);
        let mut said: Vec<(Time, &'static str, String)> = Vec::new();
        for (half_hours, name) in happenings {
            life.pass(hours(f64::from(half_hours) / 2.0));
            let action = match name { "Promo" => "promo", "Tip" => "tip", _ => "alert" };
            let reaction = life.did(name);
            let expected = by_the_book(&said, life.now, action);
            let found = life::action(&reaction).map(|action| (&*action.action, &*action.channel));
            prop_assert_eq!(found, expected.map(|channel| (action, channel)));
            if let Some((_, channel)) = found {
                said.push((life.now, action, channel.to_owned()));
            }
        }
    }

    /// Banners count for no limit, and are shown so often that no other contact would be remembered.
    #[test]
    fn the_budget_is_exact_however_often_a_page_asks(
        happenings in prop::collection::vec(
            (0u32..48, prop::sample::select(vec!["Promo", "Tip", "Mail"]), 0usize..40),
            1..25,
        ),
    ) {
        let mut life = ada(BANNERS);
        let mut said: Vec<(Time, &str)> = Vec::new();
        for (half_hours, name, banners) in happenings {
            life.pass(hours(f64::from(half_hours) / 2.0));
            for _ in 0..banners {
                prop_assert!(life::action(&life.did("Banner")).is_some());
            }
            let count = |over: f64, action: &str| {
                let since = life.now.ms() - (over * 86_400_000.0) as i64;
                said.iter().filter(|(at, name)| at.ms() > since && *name == action).count()
            };
            let (action, is_left) = match name {
                "Promo" => ("promo", count(3.0, "promo") < 1),
                "Tip" => ("tip", count(7.0, "tip") < 3),
                _ => ("mail", count(30.0, "mail") < 4),
            };
            let reaction = life.did(name);
            prop_assert_eq!(life::action(&reaction).is_some(), is_left, "{} at {}", name, life.now);
            if is_left {
                said.push((life.now, action));
            }
        }
    }

    #[test]
    fn an_action_is_recalled_at_most_once_and_never_after_it_was_seen(
        happenings in prop::collection::vec((0u32..60, 0u8..9), 1..50),
    ) {
        let mut life = ada(CONTACTS);
        // By decision: how often it was recalled, and whether it was seen.
        let mut known: BTreeMap<Box<str>, (u32, bool)> = BTreeMap::new();
        let mut last = Box::from("of nobody");
        for (half_hours, what) in happenings {
            let mut reactions = life.pass(hours(f64::from(half_hours) / 2.0));
            reactions.push(match what {
                0 | 1 => life.did("Promo"),
                2 => life.did("Tip"),
                3 => life.event("shop", "case", json!({ "id": "c", "state": "open", "topic": "complaint" })),
                4 => life.event("shop", "case", json!({ "id": "c", "state": "closed" })),
                5 => life.event("shop", "consent", json!({ "purpose": "tips", "granted": false })),
                6 => life.event("shop", "consent", json!({ "purpose": "tips", "granted": true })),
                7 => life.outcome(&last, OutcomeKind::Delivered),
                _ => {
                    if let Some((_, seen)) = known.get_mut(&last) {
                        *seen = true;
                    }
                    life.outcome(&last, OutcomeKind::Seen)
                }
            });
            for reaction in &reactions {
                for recall in recalls(reaction) {
                    let (count, seen) = known.get_mut(&recall.decision).expect("it was sent");
                    *count += 1;
                    prop_assert_eq!((*count, *seen), (1, false));
                }
                if let Some(action) = action(reaction) {
                    last.clone_from(&action.decision);
                    known.insert(action.decision.clone(), (0, false));
                }
            }
        }
    }
}

#[test]
fn a_twin_that_may_have_forgotten_what_counts_keeps_quiet() {
    let mut life = ada(CONTACTS);
    for _ in 0..jumeau::config::limits::CONTACTS {
        assert!(action(&life.did("Alert")).is_some(), "what is vital goes out");
        life.pass(hours(0.1));
    }
    life.pass(hours(20.0));
    let reaction = life.did("Promo");
    let CandidateVerdict::LimitReached { .. } = verdict_of(&reaction, "promo") else {
        panic!("{:?}", verdict_of(&reaction, "promo"))
    };
}

#[test]
fn a_recalled_action_counts_only_if_it_was_seen() {
    let mut life = ada(CONTACTS);
    let first = action(&life.did("Promo")).unwrap().decision.clone();
    life.pass(hours(1.0));
    let complaint = json!({ "id": "c", "state": "open", "topic": "complaint" });
    let reaction = life.event("shop", "case", complaint);
    let recalled: Vec<_> = recalls(&reaction).collect();
    assert_eq!(recalled.len(), 1);
    assert_eq!((&recalled[0].decision, &*recalled[0].channel), (&first, "email"));
    assert_eq!(recalled[0].because.to_string(), "the case complaint is open");
    life.event("shop", "case", json!({ "id": "c", "state": "closed" }));
    life.pass(hours(1.0));
    assert!(action(&life.did("Promo")).is_some(), "one a day, and the first one was none");

    let mut other = ada(CONTACTS);
    let first = action(&other.did("Promo")).unwrap().decision.clone();
    other.event("shop", "case", json!({ "id": "c", "state": "open" }));
    other.event("shop", "case", json!({ "id": "c", "state": "closed" }));
    other.outcome(&first, OutcomeKind::Seen);
    assert!(matches!(
        verdict_of(&other.did("Promo"), "promo"),
        CandidateVerdict::LimitReached { .. }
    ));
}

#[test]
fn the_twin_notices_silence_by_itself_and_once() {
    let mut life = ada(CONTACTS);
    life.did("Tip");
    life.pass(hours(1.0));
    let answered = action(&life.did("Tip")).unwrap().decision.clone();
    life.outcome(&answered, OutcomeKind::Clicked);
    life.pass(hours(1.0));
    life.did("Tip");
    life.pass(hours(200.0));
    let uncared = life.twin.facts.get("uncared").map(ToString::to_string);
    assert_eq!(uncared.as_deref(), Some("tip tip "), "one of the three was answered");
    assert!(life.twin.timers.is_empty());
}

#[test]
fn an_outcome_that_comes_late_does_not_undo_what_came_of_it() {
    let mut life = ada(CONTACTS);
    let decision = action(&life.did("Promo")).unwrap().decision.clone();
    life.outcome(&decision, OutcomeKind::Accepted);
    life.outcome(&decision, OutcomeKind::Delivered);
    let outcome = life.twin.last_contact("promo").unwrap().outcome.unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Accepted);
}

#[test]
fn an_action_answered_later_rests_until_then() {
    let mut life = ada(CONTACTS);
    let decision = action(&life.did("Promo")).unwrap().decision.clone();
    life.outcome(&decision, OutcomeKind::Later);
    life.pass(hours(30.0));
    let CandidateVerdict::WantedLater { until } = verdict_of(&life.did("Promo"), "promo") else {
        panic!("it does not rest")
    };
    assert_eq!(until, start() + hours(4.0 * 24.0));
    life.pass(hours(3.0 * 24.0));
    assert!(action(&life.did("Promo")).is_some());
}

#[test]
fn a_refused_action_rests_alone_or_with_its_issue() {
    for (per, rests) in [("action", false), ("issue", true), ("customer", true)] {
        let policy = format!(
            r#"
[policy]
name = "pause"
languages = ["en"]
[contact]
pause = {{ after = 2, of = "dismissed", for = "10d", per = "{per}" }}
[[rules]]
name = "one"
on = "track:One"
then = [{{ act = "one" }}]
[[rules]]
name = "other"
on = "track:Other"
then = [{{ act = "other" }}]
[[actions]]
name = "one"
issue = "nurture"
value = 0.5
cooldown = "0s"
treatments = [{{ channel = "app", text.en = "one" }}]
[[actions]]
name = "other"
issue = "nurture"
value = 0.5
cooldown = "0s"
treatments = [{{ channel = "app", text.en = "other" }}]
"#
        );
        let mut life = ada(&policy);
        for _ in 0..2 {
            let decision = action(&life.did("One")).unwrap().decision.clone();
            life.pass(hours(1.0));
            life.outcome(&decision, OutcomeKind::Dismissed);
        }
        let verdict = verdict_of(&life.did("One"), "one");
        assert!(matches!(verdict, CandidateVerdict::Paused { after: 2, .. }), "{verdict:?}");
        assert_eq!(action(&life.did("Other")).is_none(), rests, "{per}");
        life.pass(hours(10.0 * 24.0));
        assert!(action(&life.did("One")).is_some(), "ten days have passed");
    }
}
