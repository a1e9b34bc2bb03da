//! Whatever is linked and taken back, in whatever order it arrives.

use std::collections::BTreeMap;

use jumeau::event::Time;
use jumeau::twin::{Derived, Twin};
use proptest::prelude::*;
use serde_json::json;

use super::town::Town;

#[derive(Debug, Clone)]
enum Happening {
    Page(usize, u8, u8),
    Trait(usize, u8, u8),
    Signal(usize, u8, u8),
    Message(usize, u8),
    Consent(usize, bool),
    Prefer(usize, u8),
    Case(usize, u8, bool),
    Ill(usize, u8),
    Track(usize, &'static str, u8),
}

/// What makes facts, needs, windows, counters and problems, of two identifiers.
fn made() -> impl Strategy<Value = Happening> {
    let names = vec!["Failed", "Ask", "Ask", "Well"];
    prop_oneof![
        (0..2usize, 0..2u8).prop_map(|(who, page)| Happening::Page(who, page, page)),
        (0..2usize, 0..3u8).prop_map(|(who, value)| Happening::Ill(who, value)),
        (0..2usize, 0..2u8, any::<bool>())
            .prop_map(|(who, id, is_open)| Happening::Case(who, id, is_open)),
        (0..2usize, prop::sample::select(names), 0..2u8)
            .prop_map(|(who, name, step)| Happening::Track(who, name, step)),
    ]
}

/// What the policy derived from the inputs, by name, each with its guard.
fn derived_values(twin: &Twin) -> BTreeMap<String, String> {
    let memory = twin.memory();
    let guard = |of, name: &str| format!("{:?}", twin.guard(of, name));
    let mut all = BTreeMap::new();
    for told in &memory.facts {
        let guard = guard(Derived::Fact, &told.name);
        all.insert(format!("fact {}", told.name), format!("{told:?} {guard}"));
    }
    for need in &memory.needs {
        let guard = guard(Derived::Need, &need.name);
        all.insert(format!("need {}", need.name), format!("{need:?} {guard}"));
    }
    for window in &memory.tallies.windows {
        let guard = guard(Derived::Window, &window.name);
        all.insert(format!("window {}", window.name), format!("{window:?} {guard}"));
    }
    for counter in &memory.tallies.counters {
        // A text of a number is exact but for its last bit.
        let value = (counter.value * 1e9).round();
        all.insert(format!("counter {}", counter.name), format!("{value} at {}", counter.at));
    }
    for problem in &memory.problems {
        let of = problem.case.as_ref().map_or(problem.at.to_string(), ToString::to_string);
        all.insert(format!("problem {} {of}", problem.topic), format!("{problem:?}"));
    }
    all
}

/// Derived values that name an illness and have no guard.
fn secrets_unguarded(twin: &Twin) -> Vec<String> {
    derived_values(twin)
        .into_iter()
        .map(|(name, what)| format!("{name}: {what}"))
        .filter(|what| what.contains("secret") && what.ends_with("None"))
        .collect()
}

const IDS: usize = 5;

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..IDS, 0..4u8, 0..3u8).prop_map(|(who, a, b)| Happening::Page(who, a, b)),
        (0..IDS, 0..3u8, 0..3u8).prop_map(|(who, a, b)| Happening::Trait(who, a, b)),
        (0..IDS, 0..3u8, 0..3u8).prop_map(|(who, a, b)| Happening::Signal(who, a, b)),
        (0..IDS, 0..9u8).prop_map(|(who, a)| Happening::Message(who, a)),
        (0..IDS, any::<bool>()).prop_map(|(who, a)| Happening::Consent(who, a)),
        (0..IDS, 0..3u8).prop_map(|(who, a)| Happening::Prefer(who, a)),
        (0..IDS, 0..2u8, any::<bool>()).prop_map(|(who, a, b)| Happening::Case(who, a, b)),
    ]
}

impl Town {
    fn happen(&mut self, happening: &Happening) {
        let (who, kind, data) = match happening {
            Happening::Page(who, name, colour) => {
                let properties = json!({ "colour": format!("c{colour}") });
                (who, "page", json!({ "name": format!("n{name}"), "properties": properties }))
            }
            Happening::Trait(who, name, value) => {
                (who, "identify", json!({ "traits": { format!("t{name}"): value } }))
            }
            Happening::Signal(who, name, value) => {
                (who, "signal", json!({ "name": format!("s{name}"), "value": value }))
            }
            Happening::Message(who, text) => {
                (who, "message", json!({ "text": format!("m{text}"), "from": "customer" }))
            }
            Happening::Consent(who, granted) => {
                (who, "consent", json!({ "purpose": "marketing", "granted": granted }))
            }
            Happening::Prefer(who, value) => {
                (who, "preference", json!({ "key": "seat", "value": value }))
            }
            Happening::Case(who, id, open) => {
                let state = if *open { "open" } else { "closed" };
                (who, "case", json!({ "id": format!("k{id}"), "state": state, "topic": "bill" }))
            }
            Happening::Ill(who, value) => {
                (who, "signal", json!({ "name": "illness", "value": format!("secret{value}") }))
            }
            Happening::Track(who, name, step) => {
                let properties = json!({ "step": format!("step{step}") });
                (who, "track", json!({ "name": name, "properties": properties }))
            }
        };
        self.event(&format!("id{who}"), kind, data);
    }
}

/// Who does what to whom: 0 a merge, 1 an unlink, 2 a page, 3 a page and a wish for a person, 4 a
/// link; and how many messages arrive then.
type Crossing = (usize, usize, u8, usize);

impl Town {
    /// Lives through links and unlinks that cross on their way; returns how many pages there were.
    fn crossed(steps: &[Crossing]) -> (Town, u32) {
        let mut town = Town::new();
        let mut pages = 0;
        for (one, other, what, delay) in steps {
            let (one, other) = (format!("id{one}"), format!("id{other}"));
            match what {
                0 => drop(town.publish(&one, "link", json!({ "to": other, "merge": true }))),
                4 => drop(town.publish(&one, "link", json!({ "to": other }))),
                1 => drop(town.publish(&one, "unlink", json!({ "from": other }))),
                _ => {
                    pages += 1;
                    let data = json!({ "name": "x", "properties": { "colour": "red" } });
                    town.publish(&one, "page", data);
                    if *what == 3 {
                        town.publish(&one, "track", json!({ "name": "Asked" }));
                    }
                }
            }
            for _ in 0..*delay {
                town.arrive_one();
            }
        }
        town.arrive();
        (town, pages)
    }
}

#[test]
fn an_identifier_linked_to_the_survivor_of_a_cycle_returns_once() {
    let steps = [
        (1, 0, 2, 0),
        (0, 2, 0, 0),
        (3, 0, 2, 0),
        (3, 0, 2, 1),
        (4, 3, 0, 1),
        (3, 0, 0, 1),
        (0, 0, 2, 0),
        (2, 0, 2, 0),
        (0, 1, 0, 0),
        (0, 2, 1, 0),
        (0, 3, 1, 0),
        (1, 0, 0, 0),
    ];
    let (town, pages) = Town::crossed(&steps);
    assert_eq!(town.reds(), pages);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the order in which all identifiers are linked, straight or in a chain, and however
    /// what they send each other is delayed, the customer is the same in the end. Left out is what
    /// tells of the links themselves.
    #[test]
    fn any_order_of_links_ends_in_the_same_twin(
        happenings in prop::collection::vec(happening(), 1..40),
        orders in prop::collection::vec(Just((1..IDS).collect::<Vec<_>>()).prop_shuffle(), 2),
        targets in prop::collection::vec(any::<prop::sample::Index>(), 2 * IDS),
        delays in prop::collection::vec(0..3usize, 2 * IDS),
    ) {
        let mut ends = Vec::new();
        for (which, order) in orders.iter().enumerate() {
            let mut town = Town::new();
            for who in 0..IDS {
                town.happen(&Happening::Page(who, 0, 0));
            }
            happenings.iter().for_each(|happening| town.happen(happening));
            for from in order {
                // To one of those before it, so that all end with the first.
                let to = targets[which * IDS + from].index(*from);
                let data = json!({ "to": format!("id{to}"), "merge": true });
                town.publish(&format!("id{from}"), "link", data);
                for _ in 0..delays[which * IDS + from] {
                    town.arrive_one();
                }
            }
            town.arrive();
            prop_assert!(town.refusals.is_empty(), "{:?}", town.refusals);
            let mut memory = town.twin("id0").memory();
            memory.seen = Time::default();
            memory.identifiers.clear();
            memory.contacts.clear();
            // Averages of averages differ in their last bits.
            memory.sentiment = None;
            for choice in memory.preferences.iter_mut().flat_map(|known| &mut known.choices) {
                choice.weight = (choice.weight * 1e9).round();
                choice.against = (choice.against * 1e9).round();
            }
            for counter in &mut memory.tallies.counters {
                counter.value = (counter.value * 1e9).round();
            }
            memory.timeline.retain(|past| past.what.name() != "link");
            memory.inputs = memory.timeline.len() as u64;
            // In the order of their names: those that were never merged are in that of their events.
            memory.consents.sort_by_key(|consent| consent.at);
            memory.context.sort_by_key(|signal| signal.name.clone());
            memory.traits.sort_by_key(|told| told.name.clone());
            memory.facts.sort_by_key(|told| told.name.clone());
            memory.interactions.sort_by_key(|known| known.id.clone());
            memory.cases.sort_by_key(|case| case.id.clone());
            memory.preferences.sort_by_key(|known| known.key.clone());
            ends.push(memory);
        }
        prop_assert_eq!(&ends[0], &ends[1]);
    }

    /// What a link brought goes back as it came, unless it changed since, and what was there before
    /// is as it was. Nothing sensitive is ever without its guard.
    #[test]
    fn an_unlink_takes_back_what_the_policy_made_and_leaves_no_secret_unguarded(
        before in prop::collection::vec(made(), 0..12),
        after in prop::collection::vec(made(), 0..6),
    ) {
        let mut town = Town::new();
        for who in 0..2 {
            town.happen(&Happening::Trait(who, 0, 0));
        }
        before.iter().for_each(|happening| town.happen(happening));
        let (ann, cookie) = (derived_values(town.twin("id0")), derived_values(town.twin("id1")));
        town.merge("id1", "id0");
        let linked = derived_values(town.twin("id0"));
        after.iter().for_each(|happening| town.happen(happening));
        let changed = derived_values(town.twin("id0"));
        prop_assert_eq!(secrets_unguarded(town.twin("id0")), Vec::<String>::new());
        town.unlink("id0", "id1");
        let (ann_after, cookie_after) = (derived_values(town.twin("id0")), derived_values(town.twin("id1")));
        let names = [&ann, &cookie, &changed].into_iter().flat_map(BTreeMap::keys);
        for name in names {
            let is_as_it_came = linked.get(name) == changed.get(name);
            let brought = cookie.get(name).filter(|_| is_as_it_came);
            prop_assert_eq!(cookie_after.get(name), brought, "{} of the cookie", name);
            let came = cookie.contains_key(name);
            let stays = if is_as_it_came && came { ann.get(name) } else { changed.get(name) };
            prop_assert_eq!(ann_after.get(name), stays, "{} of ann", name);
        }
        for who in ["id0", "id1"] {
            prop_assert_eq!(secrets_unguarded(town.twin(who)), Vec::<String>::new(), "{}", who);
        }
    }

    /// Whatever is linked and taken back, in whatever order it arrives: no event is lost, and none
    /// counted twice.
    #[test]
    fn links_and_unlinks_neither_lose_nor_double_an_event(
        steps in prop::collection::vec((0..IDS, 0..IDS, 0..5u8, 0..4usize), 1..120),
    ) {
        let (town, pages) = Town::crossed(&steps);
        prop_assert_eq!(town.reds(), pages);
    }
}
