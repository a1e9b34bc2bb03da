use proptest::prelude::*;

use super::*;
use crate::event::{self, Customer, Raw};
use crate::policy::{Files, Policy, load};
use crate::twin::state::Twin;
use crate::twin::{Input, Note, Reaction, World, invariants, react};

const POLICY: &str = r#"
[policy]
name = "test"
languages = ["en"]

[windows.logins_failed]
on = "track:Login Failed"
over = "1h"

[windows.spent]
on = ["track:Paid", "track:Bought"]
when = "event.properties.amount > 1"
over = "24h"
keep = "sum"
of = "event.properties.amount"

[windows.shops]
on = "track:Paid"
over = "24h"
keep = "distinct"
of = "event.properties.shop"

[counters.interest]
on = "page:Suv"
half_life = "7d"

[[rules]]
name = "what is known is said"
on = "track"
then = [
  { set = "failed", to = "windows.logins_failed" },
  { set = "spent", to = "windows.spent" },
  { set = "shops", to = "windows.shops" },
  { set = "interest", to = "counters.interest" },
]
"#;

fn policy(text: &str) -> Policy {
    load(&Files::new([("test.toml", text)])).unwrap_or_else(|mistakes| panic!("\n{mistakes}"))
}

/// A twin whose inputs are timed in minutes.
struct Life {
    twin: Twin,
    policy: Policy,
    inputs: u64,
}

impl Life {
    fn new() -> Life {
        let twin = Twin::new(Customer::new("ada").unwrap(), minute(0));
        Life { twin, policy: policy(POLICY), inputs: 0 }
    }

    fn at(&mut self, minutes: i64, json: &str) -> Reaction {
        self.inputs += 1;
        let raw = Raw {
            channel: "web",
            customer: "ada",
            headers: &[],
            payload: json.as_bytes(),
            sequence: self.inputs,
        };
        let input = Input::event(event::parse(&raw).unwrap(), minute(minutes));
        let reaction = react(&mut self.twin, &input, &World::of(&self.policy));
        assert_eq!(invariants::violations(&self.twin), Vec::<String>::new());
        reaction
    }

    fn track(&mut self, minutes: i64, name: &str, properties: &str) -> Reaction {
        let json = format!(
            r#"{{"type": "track", "data": {{"name": "{name}", "properties": {properties}}}}}"#
        );
        self.at(minutes, &json)
    }

    fn fact(&self, name: &str) -> Option<String> {
        self.twin.facts.get(name).map(Value::to_string)
    }
}

fn minute(minutes: i64) -> Time {
    Time::from_ms(1_760_000_000_000 + minutes * 60_000)
}

#[test]
fn a_window_counts_the_present_event_and_drops_those_older_than_its_period() {
    let mut life = Life::new();
    for minutes in [0, 10, 50] {
        life.track(minutes, "Login Failed", "{}");
    }
    assert_eq!(life.fact("failed").unwrap(), "3");
    life.track(60, "Anything", "{}");
    assert_eq!(life.fact("failed").unwrap(), "2", "an hour later the first is out");
    life.track(300, "Anything", "{}");
    assert_eq!(life.fact("failed").unwrap(), "0");
}

#[test]
fn a_sum_adds_the_values_of_matching_events_and_stays_an_integer() {
    let mut life = Life::new();
    life.track(0, "Paid", r#"{"amount": 40, "shop": "a"}"#);
    life.track(1, "Bought", r#"{"amount": 2}"#);
    life.track(2, "Paid", r#"{"amount": 1, "shop": "b"}"#);
    life.track(3, "Paid", r#"{"shop": "a"}"#);
    assert_eq!(life.fact("spent").unwrap(), "42");
    assert_eq!(life.fact("shops").unwrap(), "2");
    life.track(4, "Paid", r#"{"amount": 1.5}"#);
    assert_eq!(life.fact("spent").unwrap(), "43.5");
}

#[test]
fn a_value_that_is_not_a_number_is_noted_and_not_counted() {
    let mut life = Life::new();
    life.policy = policy(&POLICY.replace("when = \"event.properties.amount > 1\"\n", ""));
    let reaction = life.track(0, "Paid", r#"{"amount": "much"}"#);
    let [Note::Policy(place, why)] = reaction.notes.as_slice() else { panic!("{reaction:?}") };
    assert_eq!(place.to_string(), "test.toml:10");
    assert_eq!(why, "expected a number, found a text");
    assert_eq!(life.fact("spent").unwrap(), "0");
}

#[test]
fn a_counter_falls_to_half_within_its_half_life() {
    let mut life = Life::new();
    life.at(0, r#"{"type": "page", "data": {"name": "Suv"}}"#);
    life.at(0, r#"{"type": "page", "data": {"name": "Suv"}}"#);
    life.track(7 * 24 * 60, "Anything", "{}");
    assert_eq!(life.fact("interest").unwrap(), "1.0");
}

#[test]
fn aggregates_absent_from_the_policy_are_dropped() {
    let mut life = Life::new();
    life.track(0, "Login Failed", "{}");
    life.track(0, "Paid", r#"{"amount": 4, "shop": "a"}"#);
    life.policy = policy(
        &POLICY
            .replace("windows.shops", "windows.places")
            .replace("{ set = \"shops\", to = \"windows.places\" },", ""),
    );
    life.track(1, "Login Failed", "{}");
    assert!(life.twin.tallies.window("shops").is_none());
    assert!(life.twin.tallies.window("spent").is_some());
    life.policy = policy("[policy]\nname = \"none\"\nlanguages = [\"en\"]\n");
    life.track(2, "Login Failed", "{}");
    assert!(life.twin.tallies.is_empty());
}

#[test]
fn a_full_window_notes_its_limit_and_keeps_the_exact_count() {
    let mut life = Life::new();
    life.policy = policy(&POLICY.replace("over = \"1h\"", "over = \"9d\""));
    let mut reached = 0;
    for minutes in 0..100 {
        let notes = life.track(minutes, "Login Failed", "{}").notes;
        reached += usize::from(notes.contains(&Note::Limit("WINDOW_ENTRIES")));
    }
    assert_eq!(life.fact("failed").unwrap(), "100");
    assert_eq!(reached, 100 - limits::WINDOW_ENTRIES);
}

fn window(keep: AggregateFunction, history: &[(i64, i64)]) -> Window {
    let mut window = Window::new("w", keep, Duration::from_secs(600));
    let mut now = Time::MIN;
    for (minutes, value) in history {
        let at = minute(*minutes);
        now = now.max(at);
        let value = if keep == AggregateFunction::Count { Value::Null } else { Value::Int(*value) };
        window.add(Counted { at, count: 1, value }, now, &mut Notes::default());
    }
    window
}

/// The result for the ten minutes before a time, computed from the whole history.
fn recomputed(keep: AggregateFunction, history: &[(i64, i64)], now: i64) -> Option<f64> {
    let live: Vec<(i64, i64)> =
        history.iter().copied().filter(|(minutes, _)| *minutes > now - 10).collect();
    let values = || live.iter().map(|(_, value)| *value);
    let sum = values().sum::<i64>() as f64;
    match keep {
        AggregateFunction::Count => Some(live.len() as f64),
        AggregateFunction::Sum => Some(sum),
        AggregateFunction::Mean => (!live.is_empty()).then(|| sum / live.len() as f64),
        AggregateFunction::Min => values().min().map(|value| value as f64),
        AggregateFunction::Max => values().max().map(|value| value as f64),
        AggregateFunction::Distinct => {
            Some(values().collect::<std::collections::BTreeSet<_>>().len() as f64)
        }
        // Of several at the last time, the one that arrived last.
        AggregateFunction::Last => {
            live.iter().max_by_key(|(minutes, _)| *minutes).map(|last| last.1 as f64)
        }
    }
}

fn found(window: &Window, now: i64) -> Option<f64> {
    match window.read(minute(now)) {
        Found::Int(number) => Some(number as f64),
        Found::Float(number) => Some(number),
        Found::Value(value) => value.as_number(),
        _ => None,
    }
}

fn histories() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((0i64..60, -5i64..5), 0..50)
}

proptest! {
    #[test]
    fn a_window_equals_a_computation_over_the_whole_history(
        history in histories(),
        keep in prop::sample::select(AggregateFunction::ALL.to_vec()),
        wait in 0i64..20,
    ) {
        let now = history.iter().map(|(minutes, _)| *minutes).max().unwrap_or(0) + wait;
        prop_assert_eq!(found(&window(keep, &history), now), recomputed(keep, &history, now));
    }

    #[test]
    fn merged_windows_equal_a_computation_over_both_histories_in_any_order(
        one in histories(),
        other in histories(),
        keep in prop::sample::select(AggregateFunction::ALL.to_vec()),
        wait in 0i64..20,
    ) {
        let (left, right) = (window(keep, &one), window(keep, &other));
        let mut merged = left.clone();
        merged.merge(right.clone());
        let mut turned = right;
        turned.merge(left);
        prop_assert_eq!(&merged, &turned);
        let both = [one, other].concat();
        let now = both.iter().map(|(minutes, _)| *minutes).max().unwrap_or(0) + wait;
        // Two last ones at the same time have no order; every other function has one result.
        if keep != AggregateFunction::Last {
            prop_assert_eq!(found(&merged, now), recomputed(keep, &both, now));
        }
    }

    #[test]
    fn merged_windows_stay_within_the_limit_and_keep_the_count(
        lens in prop::array::uniform2(0usize..=limits::WINDOW_ENTRIES),
    ) {
        let over = Duration::from_secs(1 << 30);
        let of = |len: usize, first: i64| {
            let times = (0..len as i64).map(|at| minute(first + 2 * at));
            let entries = times.map(|at| Counted { at, count: 1, value: Value::Null }).collect();
            Window { entries, ..Window::new("w", AggregateFunction::Count, over) }
        };
        let mut all = of(lens[0], 0);
        all.merge(of(lens[1], 1));
        prop_assert!(all.entries.len() <= limits::WINDOW_ENTRIES);
        prop_assert_eq!(found(&all, 1_000), Some((lens[0] + lens[1]) as f64));
    }

    #[test]
    fn a_window_stays_within_its_limit_and_keeps_the_count(
        steps in prop::collection::vec(0i64..3, 0..300),
    ) {
        let mut window = Window::new("w", AggregateFunction::Count, Duration::from_secs(1 << 30));
        let mut now = 0;
        for step in &steps {
            now += step;
            let entry = Counted { at: minute(now), count: 1, value: Value::Null };
            window.add(entry, minute(now), &mut Notes::default());
            prop_assert!(window.entries.len() <= limits::WINDOW_ENTRIES);
        }
        prop_assert_eq!(found(&window, now), Some(steps.len() as f64));
    }

    #[test]
    fn a_counter_decays_over_two_periods_as_over_their_sum(
        value in -1e6f64..1e6, first in 0i64..100_000, second in 0i64..100_000,
    ) {
        let counter = Counter {
            name: "c".into(),
            half_life: Duration::from_secs(86_400),
            value,
            at: minute(0),
        };
        let between = Counter {
            value: counter.read(minute(first)),
            at: minute(first),
            ..counter.clone()
        };
        let (both, steps) =
            (counter.read(minute(first + second)), between.read(minute(first + second)));
        prop_assert!((both - steps).abs() <= 1e-9 * value.abs().max(1.0), "{both} {steps}");
    }

    #[test]
    fn a_counter_is_independent_of_the_order_of_events(
        history in prop::collection::vec((0i64..100_000, -5.0f64..5.0), 1..20),
        split in any::<prop::sample::Index>(),
    ) {
        let counted = |history: &[(i64, f64)]| {
            let (first, rest) = history.split_first().unwrap();
            let half_life = Duration::from_secs(86_400);
            let at = minute(first.0);
            let mut counter = Counter { name: "c".into(), half_life, value: first.1, at };
            rest.iter().for_each(|(minutes, by)| counter.add(*by, minute(*minutes)));
            counter
        };
        let whole = counted(&history);
        let mut ordered = history.clone();
        ordered.sort_by_key(|(minutes, _)| *minutes);
        let last = minute(100_000);
        prop_assert!((whole.read(last) - counted(&ordered).read(last)).abs() < 1e-9);

        let (one, other) = history.split_at(split.index(history.len()));
        if !one.is_empty() && !other.is_empty() {
            let (mut merged, mut turned) = (counted(one), counted(other));
            turned.merge(&merged);
            merged.merge(&counted(other));
            prop_assert!((merged.read(last) - whole.read(last)).abs() < 1e-9);
            prop_assert!((turned.read(last) - whole.read(last)).abs() < 1e-9);
        }
    }
}
