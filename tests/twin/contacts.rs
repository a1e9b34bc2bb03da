//! How often, and when, a customer is spoken to, and what is taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use jumeau::event::{self, Customer, OutcomeKind, Raw, Time};
use jumeau::policy::{Files, Policy, load};
use jumeau::twin::{
    Action, CandidateVerdict, Effect, Fired, Input, Reaction, Recall, Twin, World, invariants,
    react,
};
use proptest::prelude::*;
use serde_json::json;

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

struct Life {
    twin: Twin,
    policy: Policy,
    now: Time,
    sequence: u64,
}

fn start() -> Time {
    Time::parse("2026-03-02T09:00:00Z").unwrap()
}

impl Life {
    fn new(policy: &str) -> Life {
        let files = Files::new([("contacts.toml", policy)]);
        let policy = load(&files).unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
        let twin = Twin::new(Customer::new("ada").unwrap(), start());
        let mut life = Life { twin, policy, now: start(), sequence: 0 };
        life.event("consent", json!({ "purpose": "tips", "granted": true }));
        life
    }

    fn event(&mut self, kind: &str, data: serde_json::Value) -> Reaction {
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
        self.take(&Input::event(event, self.now))
    }

    fn take(&mut self, input: &Input) -> Reaction {
        let reaction = react(&mut self.twin, input, &World::of(&self.policy));
        assert_eq!(invariants::violations(&self.twin), Vec::<String>::new());
        reaction
    }

    fn track(&mut self, name: &str) -> Reaction {
        self.event("track", json!({ "name": name }))
    }

    fn outcome(&mut self, decision: &str, outcome: OutcomeKind) -> Reaction {
        self.event("outcome", json!({ "decision": decision, "outcome": outcome.name() }))
    }

    /// Lets time pass; what is due fires at its time. Returns what came of that.
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

fn hours(hours: f64) -> Duration {
    Duration::from_secs_f64(hours * 3_600.0)
}

fn acted(reaction: &Reaction) -> Option<&Action> {
    reaction.effects.iter().find_map(|effect| match effect {
        Effect::Act(action) => Some(&**action),
        _ => None,
    })
}

fn recalls(reaction: &Reaction) -> impl Iterator<Item = &Recall> {
    reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Recall(recall) => Some(&**recall),
        _ => None,
    })
}

fn why_not(reaction: &Reaction, action: &str) -> CandidateVerdict {
    let decision = reaction.decision().expect("there was an arbitration");
    let candidate = decision.candidates.iter().find(|candidate| &*candidate.action == action);
    candidate.expect("it was a candidate").verdict.clone()
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
        let mut life = Life::new(CONTACTS);
        let mut said: Vec<(Time, &'static str, String)> = Vec::new();
        for (half_hours, name) in happenings {
            life.pass(hours(f64::from(half_hours) / 2.0));
            let action = match name { "Promo" => "promo", "Tip" => "tip", _ => "alert" };
            let reaction = life.track(name);
            let expected = by_the_book(&said, life.now, action);
            let found = acted(&reaction).map(|action| (&*action.action, &*action.channel));
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
        let mut life = Life::new(BANNERS);
        let mut said: Vec<(Time, &str)> = Vec::new();
        for (half_hours, name, banners) in happenings {
            life.pass(hours(f64::from(half_hours) / 2.0));
            for _ in 0..banners {
                prop_assert!(acted(&life.track("Banner")).is_some());
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
            let reaction = life.track(name);
            prop_assert_eq!(acted(&reaction).is_some(), is_left, "{} at {}", name, life.now);
            if is_left {
                said.push((life.now, action));
            }
        }
    }

    #[test]
    fn whatever_happens_an_action_is_recalled_at_most_once_and_never_after_it_was_seen(
        happenings in prop::collection::vec((0u32..60, 0u8..9), 1..50),
    ) {
        let mut life = Life::new(CONTACTS);
        // By decision: how often it was recalled, and whether it was seen.
        let mut known: BTreeMap<Box<str>, (u32, bool)> = BTreeMap::new();
        let mut last = Box::from("of nobody");
        for (half_hours, what) in happenings {
            let mut reactions = life.pass(hours(f64::from(half_hours) / 2.0));
            reactions.push(match what {
                0 | 1 => life.track("Promo"),
                2 => life.track("Tip"),
                3 => life.event("case", json!({ "id": "c", "state": "open", "topic": "complaint" })),
                4 => life.event("case", json!({ "id": "c", "state": "closed" })),
                5 => life.event("consent", json!({ "purpose": "tips", "granted": false })),
                6 => life.event("consent", json!({ "purpose": "tips", "granted": true })),
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
                if let Some(action) = acted(reaction) {
                    last.clone_from(&action.decision);
                    known.insert(action.decision.clone(), (0, false));
                }
            }
        }
    }
}

#[test]
fn a_twin_that_may_have_forgotten_what_counts_keeps_quiet() {
    let mut life = Life::new(CONTACTS);
    for _ in 0..jumeau::config::limits::CONTACTS {
        assert!(acted(&life.track("Alert")).is_some(), "what is vital goes out");
        life.pass(hours(0.1));
    }
    life.pass(hours(20.0));
    let reaction = life.track("Promo");
    let CandidateVerdict::LimitReached { .. } = why_not(&reaction, "promo") else {
        panic!("{:?}", why_not(&reaction, "promo"))
    };
}

#[test]
fn what_was_taken_back_does_not_count_unless_it_was_seen_after_all() {
    let mut life = Life::new(CONTACTS);
    let first = acted(&life.track("Promo")).unwrap().decision.clone();
    life.pass(hours(1.0));
    let complaint = json!({ "id": "c", "state": "open", "topic": "complaint" });
    let reaction = life.event("case", complaint);
    let recalled: Vec<_> = recalls(&reaction).collect();
    assert_eq!(recalled.len(), 1);
    assert_eq!((&recalled[0].decision, &*recalled[0].channel), (&first, "email"));
    assert_eq!(recalled[0].because.to_string(), "the case complaint is open");
    life.event("case", json!({ "id": "c", "state": "closed" }));
    life.pass(hours(1.0));
    assert!(acted(&life.track("Promo")).is_some(), "one a day, and the first one was none");

    let mut other = Life::new(CONTACTS);
    let first = acted(&other.track("Promo")).unwrap().decision.clone();
    other.event("case", json!({ "id": "c", "state": "open" }));
    other.event("case", json!({ "id": "c", "state": "closed" }));
    other.outcome(&first, OutcomeKind::Seen);
    assert!(matches!(
        why_not(&other.track("Promo"), "promo"),
        CandidateVerdict::LimitReached { .. }
    ));
}

#[test]
fn the_twin_notices_silence_by_itself_and_once() {
    let mut life = Life::new(CONTACTS);
    life.track("Tip");
    life.pass(hours(1.0));
    let answered = acted(&life.track("Tip")).unwrap().decision.clone();
    life.outcome(&answered, OutcomeKind::Clicked);
    life.pass(hours(1.0));
    life.track("Tip");
    life.pass(hours(200.0));
    let uncared = life.twin.facts.get("uncared").map(ToString::to_string);
    assert_eq!(uncared.as_deref(), Some("tip tip "), "one of the three was answered");
    assert!(life.twin.timers.is_empty());
}

#[test]
fn an_outcome_that_comes_late_does_not_undo_what_came_of_it() {
    let mut life = Life::new(CONTACTS);
    let decision = acted(&life.track("Promo")).unwrap().decision.clone();
    life.outcome(&decision, OutcomeKind::Accepted);
    life.outcome(&decision, OutcomeKind::Delivered);
    let outcome = life.twin.last_contact("promo").unwrap().outcome.unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Accepted);
}

#[test]
fn what_is_wanted_later_rests_until_then() {
    let mut life = Life::new(CONTACTS);
    let decision = acted(&life.track("Promo")).unwrap().decision.clone();
    life.outcome(&decision, OutcomeKind::Later);
    life.pass(hours(30.0));
    let CandidateVerdict::WantedLater { until } = why_not(&life.track("Promo"), "promo") else {
        panic!("it does not rest")
    };
    assert_eq!(until, start() + hours(4.0 * 24.0));
    life.pass(hours(3.0 * 24.0));
    assert!(acted(&life.track("Promo")).is_some());
}

#[test]
fn what_nobody_wants_rests_alone_or_with_its_kind() {
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
        let mut life = Life::new(&policy);
        for _ in 0..2 {
            let decision = acted(&life.track("One")).unwrap().decision.clone();
            life.pass(hours(1.0));
            life.outcome(&decision, OutcomeKind::Dismissed);
        }
        let verdict = why_not(&life.track("One"), "one");
        assert!(matches!(verdict, CandidateVerdict::Paused { after: 2, .. }), "{verdict:?}");
        assert_eq!(acted(&life.track("Other")).is_none(), rests, "{per}");
        life.pass(hours(10.0 * 24.0));
        assert!(acted(&life.track("One")).is_some(), "ten days have passed");
    }
}
