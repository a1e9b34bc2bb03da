//! Several identifiers become one customer, and one becomes several again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

use jumeau::config::limits;
use jumeau::event::{self, Customer, INTERNAL, PassOn, Raw, Reason, Rejection, Time, Value};
use jumeau::policy::{self, Files, Policy};
use jumeau::twin::{
    Derived, Effect, Input, Memory, Reaction, Twin, Verdict, World, invariants, react,
};
use proptest::prelude::*;
use serde_json::json;

const POLICY: &str = r#"
[policy]
name = "identity"
languages = ["en"]

[needs.tablet]
describe = "looks at tablets"
expires = "30d"

[preferences.colour]
evidence = 3

[context.illness]
sensitivity = "sensitive"
purpose = ["care"]

[dissatisfaction]
period = "30d"

[windows.failures]
on = "track:Failed"
over = "1h"

[windows.illnesses]
on = "signal:illness"
over = "30d"
keep = "distinct"
of = "event.value"

[counters.looks]
on = "page"
half_life = "7d"

[needs.care]
describe = "needs care"
expires = "30d"

[[rules]]
name = "failed"
on = "track:Failed"
then = [{ problem = "{{ event.properties.step }}" }]

[[rules]]
name = "ill"
on = "track:Ask"
when = "has(context.illness)"
then = [
  { set = "told", to = "context.illness" },
  { set = "copied", to = "facts.told" },
  { raise = "care", strength = 0.3, because = "has {{ context.illness }}" },
]

[[rules]]
name = "well"
on = "track:Well"
then = [
  { set = "told", to = "'nothing'" },
  { raise = "care", strength = 0.6, because = "asked for it" },
]

[[rules]]
name = "looked"
on = "page"
then = [
  { raise = "tablet", strength = 0.5, because = "looked at {{ event.name }}" },
  { prefer = "colour", value = "event.properties.colour" },
  { set = "looked_at", to = "event.name" },
  { start = "silence", after = "2d" },
]

[[rules]]
name = "told where"
on = "track:Asked"
then = [{ escalate = "shop", topic = "tablets", because = "asked" }]

[[rules]]
name = "welcome"
on = "link"
when = "needs.tablet > 0"
then = [{ act = "show_tablets" }]

[[actions]]
name = "show_tablets"
serves = ["tablet"]
issue = "sales"
value = 0.5
cooldown = "1d"
when = 'event.type == "link"'
[[actions.treatments]]
channel = "web"
text.en = "You were looking at {{ facts.looked_at }}."
"#;

fn the_policy() -> &'static Policy {
    static LOADED: OnceLock<Policy> = OnceLock::new();
    LOADED.get_or_init(|| policy::load(&Files::new([("test.toml", POLICY)])).unwrap())
}

/// Twins, a clock, and what they send each other.
struct Town {
    twins: BTreeMap<String, Twin>,
    now: Time,
    sequence: u64,
    on_its_way: VecDeque<PassOn>,
    refusals: Vec<Rejection>,
}

impl Town {
    fn new() -> Town {
        Town {
            twins: BTreeMap::new(),
            now: Time::parse("2026-03-02T09:00:00Z").unwrap(),
            sequence: 0,
            on_its_way: VecDeque::new(),
            refusals: Vec::new(),
        }
    }

    /// Publishes an event; what twins pass on stays on its way.
    fn publish(&mut self, customer: &str, kind: &str, data: serde_json::Value) -> Reaction {
        self.sequence += 1;
        self.now = self.now + Duration::from_secs(1);
        let payload = json!({ "type": kind, "data": data }).to_string();
        self.take("web", customer, payload.as_bytes())
    }

    /// Publishes an event, and lets everything arrive.
    fn event(&mut self, customer: &str, kind: &str, data: serde_json::Value) -> Reaction {
        let reaction = self.publish(customer, kind, data);
        self.arrive();
        reaction
    }

    fn page(&mut self, customer: &str, name: &str, colour: &str) -> Reaction {
        let data = json!({ "name": name, "properties": { "colour": colour } });
        self.event(customer, "page", data)
    }

    fn link(&mut self, from: &str, to: &str) -> Reaction {
        self.event(from, "link", json!({ "to": to }))
    }

    fn unlink(&mut self, from: &str, identifier: &str) -> Reaction {
        self.event(from, "unlink", json!({ "from": identifier }))
    }

    fn take(&mut self, channel: &str, customer: &str, payload: &[u8]) -> Reaction {
        let raw = Raw { channel, customer, headers: &[], payload, sequence: self.sequence };
        let event = event::parse(&raw).unwrap_or_else(|refusal| panic!("{refusal}"));
        let twin = self
            .twins
            .entry(customer.to_owned())
            .or_insert_with(|| Twin::new(Customer::new(customer).unwrap(), self.now));
        let before = twin.clone();
        let reaction = react(twin, &Input::event(event, self.now), &World::of(the_policy()));
        assert_eq!(invariants::violations(twin), Vec::<String>::new());
        if let Verdict::Refused(refusal) = &reaction.verdict {
            assert_eq!(*twin, before, "a refused event changes nothing");
            self.refusals.push(refusal.clone());
        }
        for effect in &reaction.effects {
            if let Effect::PassOn(message) = effect {
                self.on_its_way.push_back((**message).clone());
            }
        }
        reaction
    }

    fn arrive_one(&mut self) -> bool {
        let Some(message) = self.on_its_way.pop_front() else { return false };
        self.take(INTERNAL, message.to.as_str(), &message.payload);
        true
    }

    fn arrive(&mut self) {
        for _ in 0..1_000 {
            if !self.arrive_one() {
                return;
            }
        }
        panic!("something goes round for ever");
    }

    fn twin(&self, customer: &str) -> &Twin {
        &self.twins[customer]
    }

    fn forwards(&self, customer: &str) -> Option<&str> {
        self.twin(customer).linked_to.as_ref().map(Customer::as_str)
    }

    fn colour(&self, customer: &str, colour: &str) -> u32 {
        let known = self.twin(customer).profile.preference("colour");
        let choices = known.map_or(&[][..], |known| &known.choices);
        let choice = choices.iter().find(|choice| choice.value == Value::from(colour));
        choice.map_or(0, |choice| choice.count)
    }
}

#[test]
fn what_was_learned_of_a_visitor_is_known_of_the_customer() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.event("cookie", "message", json!({ "text": "is it light?", "from": "customer" }));
    town.event("ann", "identify", json!({ "traits": { "first_name": "Ann" } }));
    town.link("cookie", "ann");
    let ann = town.twin("ann");
    assert!(ann.need("tablet", town.now).is_some());
    assert_eq!(ann.facts.get("looked_at"), Some(&Value::from("Tablets")));
    assert_eq!(ann.profile.traits.get("first_name"), Some(&Value::from("Ann")));
    assert_eq!(&*ann.last_conversation().unwrap().lines[0].text, "is it light?");
    assert_eq!(ann.timers.len(), 1);
    // Three of the cookie's, one of hers, and the arrival.
    assert_eq!(ann.timeline.total(), 5);
    let cookie = town.twin("cookie");
    assert_eq!(town.forwards("cookie"), Some("ann"));
    assert!(cookie.needs.is_empty() && cookie.facts.is_empty() && cookie.timeline.is_empty());
}

#[test]
fn a_rule_on_link_hears_of_it_where_the_memory_is() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.publish("cookie", "link", json!({ "to": "ann" }));
    let message = town.on_its_way.pop_front().unwrap();
    let reaction = town.take(INTERNAL, "ann", &message.payload);
    let said = reaction.effects.iter().find_map(|effect| match effect {
        Effect::Act(action) => Some((action.customer.as_str(), &*action.text)),
        _ => None,
    });
    assert_eq!(said, Some(("ann", "You were looking at Tablets.")));
}

#[test]
fn timers_move_with_the_memory() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    let left = town.publish("cookie", "link", json!({ "to": "ann" }));
    assert!(left.effects.iter().any(|one| matches!(one, Effect::CancelTimer { .. })));
    let message = town.on_its_way.pop_front().unwrap();
    let arrived = town.take(INTERNAL, "ann", &message.payload);
    assert!(arrived.effects.iter().any(|one| matches!(one, Effect::StartTimer { .. })));
}

#[test]
fn what_comes_for_a_linked_identifier_is_passed_on_and_counted_once() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.link("cookie", "ann");
    assert_eq!(town.page("cookie", "Phones", "red").verdict, Verdict::PassedOn);
    assert_eq!(town.colour("ann", "red"), 2);
    // Copies of what came before the link, and of what came after it.
    for sequence in [1, 3] {
        town.sequence = sequence - 1;
        town.page("cookie", "Phones", "red");
        assert_eq!(town.colour("ann", "red"), 2);
    }
}

#[test]
fn the_same_memory_twice_is_taken_in_once() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.publish("cookie", "link", json!({ "to": "ann" }));
    let message = town.on_its_way.pop_front().unwrap();
    town.take(INTERNAL, "ann", &message.payload);
    let again = town.take(INTERNAL, "ann", &message.payload);
    assert_eq!(again.verdict, Verdict::Duplicate);
    assert_eq!(town.colour("ann", "red"), 1);
}

#[test]
fn a_linked_identifier_passes_a_further_link_on() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.link("cookie", "device");
    town.link("cookie", "ann");
    assert_eq!(town.forwards("cookie"), Some("device"));
    assert_eq!(town.forwards("device"), Some("ann"));
    assert_eq!(town.colour("ann", "red"), 1);
    let of = |town: &Town| -> Vec<String> {
        let known = town.twin("ann").identifiers.iter();
        known.map(|known| known.customer.to_string()).collect()
    };
    assert_eq!(of(&town), ["cookie", "device"]);
}

#[test]
fn a_link_to_itself_and_one_that_closes_a_circle_are_refused() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.link("cookie", "cookie");
    town.link("cookie", "ann");
    town.link("ann", "cookie");
    let said: Vec<&str> = town.refusals.iter().map(|refusal| &*refusal.detail).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    expected a link to another identifier, found `cookie` itself; link the anonymous identifier to the known one
    expected a link to another customer, found `cookie`, which is an identifier of this one: a circle; unlink it first if that is wrong
    ");
    assert_eq!(town.forwards("ann"), None);
    assert_eq!(town.colour("ann", "red"), 1);
}

#[test]
fn of_two_links_that_cross_one_identifier_survives_with_everything() {
    let mut town = Town::new();
    town.page("ann", "Tablets", "red");
    town.page("bob", "Phones", "red");
    town.publish("ann", "link", json!({ "to": "bob" }));
    town.publish("bob", "link", json!({ "to": "ann" }));
    town.publish("ann", "page", json!({ "name": "x", "properties": { "colour": "red" } }));
    town.publish("bob", "page", json!({ "name": "x", "properties": { "colour": "red" } }));
    town.arrive();
    assert_eq!((town.forwards("ann"), town.forwards("bob")), (None, Some("ann")));
    assert_eq!(town.colour("ann", "red"), 4);
}

#[test]
fn an_unlink_takes_back_what_came_and_leaves_what_changed() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.event("cookie", "signal", json!({ "name": "place", "value": "Ghent" }));
    town.event("cookie", "identify", json!({ "traits": { "city": "Ghent", "plan": "none" } }));
    town.page("ann", "Phones", "blue");
    let (cookie, ann) = (town.twin("cookie").clone(), town.twin("ann").clone());
    town.link("cookie", "ann");
    assert_eq!((town.colour("ann", "red"), town.colour("ann", "blue")), (1, 1));
    town.event("ann", "identify", json!({ "traits": { "plan": "large" } }));
    town.page("cookie", "Tablets", "blue");
    town.unlink("ann", "cookie");

    assert_eq!(town.forwards("cookie"), None);
    assert!(town.twin("ann").identifiers.is_empty());
    assert_eq!((town.colour("cookie", "red"), town.colour("cookie", "blue")), (1, 0));
    // What came for the cookie while it was hers stays with her.
    assert_eq!((town.colour("ann", "red"), town.colour("ann", "blue")), (0, 2));
    assert_eq!(town.twin("cookie").context, cookie.context);
    assert!(town.twin("ann").context.is_empty());
    let city = |who: &str| town.twin(who).profile.traits.get("city").cloned();
    assert_eq!((city("cookie"), city("ann")), (Some("Ghent".into()), None));
    let plan = |who: &str| town.twin(who).profile.traits.get("plan").cloned();
    assert_eq!((plan("cookie"), plan("ann")), (None, Some("large".into())));
    assert_eq!(town.twin("cookie").born, cookie.born);
    assert_eq!(town.twin("ann").born, ann.born);
    // Its own inputs and the link go back, and the return is one more.
    assert_eq!(town.twin("cookie").timeline.total(), cookie.timeline.total() + 2);
    town.page("cookie", "Tablets", "red");
    assert_eq!(town.colour("cookie", "red"), 2);
}

#[test]
fn an_unlink_at_once_leaves_both_as_they_were() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.event("cookie", "track", json!({ "name": "Asked" }));
    town.event("cookie", "preference", json!({ "key": "colour", "forget": true }));
    town.event("ann", "identify", json!({ "traits": { "city": "Lille" } }));
    town.page("ann", "Phones", "red");
    let plain = |town: &Town, who: &str| Memory {
        inputs: 0,
        seen: Time::default(),
        timeline: Vec::new(),
        // What was done in between stays done.
        contacts: Vec::new(),
        ..town.twin(who).memory()
    };
    let before = (plain(&town, "cookie"), plain(&town, "ann"));
    town.link("cookie", "ann");
    town.unlink("ann", "cookie");
    assert_eq!(plain(&town, "cookie"), before.0);
    assert_eq!(plain(&town, "ann"), before.1);
}

#[test]
fn an_unlink_gives_back_what_was_linked_through_it() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.page("device", "Phones", "red");
    town.link("cookie", "device");
    town.link("device", "ann");
    town.unlink("ann", "device");
    assert_eq!(town.colour("ann", "red"), 0);
    assert_eq!(town.colour("device", "red"), 2);
    town.unlink("device", "cookie");
    assert_eq!((town.colour("device", "red"), town.colour("cookie", "red")), (1, 1));
}

#[test]
fn an_identifier_can_be_taken_out_of_the_middle_of_a_chain() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.page("device", "Phones", "red");
    town.link("cookie", "device");
    town.link("device", "ann");
    town.unlink("ann", "cookie");
    assert_eq!((town.colour("ann", "red"), town.colour("cookie", "red")), (1, 1));
    town.unlink("ann", "device");
    assert_eq!((town.colour("ann", "red"), town.colour("device", "red")), (0, 1));
}

#[test]
fn an_identifier_too_many_keeps_its_memory_and_the_refusal_says_so() {
    let mut town = Town::new();
    for number in 0..=limits::IDENTIFIERS {
        let cookie = format!("cookie{number}");
        town.page(&cookie, "Tablets", "red");
        town.link(&cookie, "ann");
    }
    let last = format!("cookie{}", limits::IDENTIFIERS);
    assert_eq!(town.forwards(&last), None);
    assert_eq!(town.colour(&last, "red"), 1);
    assert_eq!(town.colour("ann", "red"), limits::IDENTIFIERS as u32);
    assert_eq!(town.refusals.len(), 1);
    insta::assert_snapshot!(town.refusals[0].detail, @"expected at most 16 identifiers linked to `ann`, found 17; is it one that many people share? its memory stays where it was");
}

#[test]
fn a_memory_that_no_twin_wrote_is_refused() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.publish("cookie", "link", json!({ "to": "ann" }));
    let message = town.on_its_way.pop_front().unwrap();
    let sound: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    let needs = json!([{ "name": "x", "strength": 7.0, "evidence": "",
        "raised": "2026-03-02T09:00:00Z", "until": "2027-03-02T09:00:00Z" }]);
    for (field, forged) in [("needs", needs), ("born", json!("now")), ("other", json!(1))] {
        let mut message = sound.clone();
        message["data"]["memory"][field] = forged;
        town.take(INTERNAL, "ann", message.to_string().as_bytes());
        assert_eq!(town.refusals.pop().map(|refusal| refusal.reason), Some(Reason::BadData));
    }
}

#[test]
fn the_channel_of_twins_is_theirs() {
    let payload = br#"{"type":"track","data":{"name":"x"}}"#;
    let raw = Raw { channel: INTERNAL, customer: "ann", headers: &[], payload, sequence: 1 };
    assert_eq!(event::parse(&raw).unwrap_err().reason, Reason::BadSubject);
    let payload = br#"{"type":"jumeau.pass","data":{"via":[],"hops":1}}"#;
    let refusal = event::parse(&Raw { payload, ..raw }).unwrap_err();
    assert_eq!(refusal.reason, Reason::BadData);
}

#[test]
fn a_memory_too_large_for_a_message_loses_its_oldest_past_first() {
    let mut town = Town::new();
    for number in 0..limits::INTERACTIONS {
        for field in 0..6 {
            let data = json!({ "id": format!("form{number}"), "kind": "form",
                "state": "progressed", "data": { format!("field{field}"): "x".repeat(1_900) } });
            town.event("cookie", "interaction", data);
        }
    }
    town.event("cookie", "consent", json!({ "purpose": "marketing", "granted": false }));
    let left = town.publish("cookie", "link", json!({ "to": "ann" }));
    assert!(left.notes.iter().any(|note| format!("{note:?}").contains("PASSED_BYTES")));
    assert!(town.on_its_way[0].payload.len() <= limits::PASSED_BYTES);
    town.arrive();
    let ann = town.twin("ann");
    // Only its own entry is left of the timeline, then the forms longest untouched are gone.
    assert_eq!(ann.timeline.len(), 1);
    assert!(ann.interactions.len() > 8 && ann.interactions.len() < limits::INTERACTIONS);
    assert_eq!(ann.profile.consent("marketing", None, ann.seen), Some(false));
}

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

/// By name, all that the policy made of what happened, with its guard.
fn made_of(twin: &Twin) -> BTreeMap<String, String> {
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

/// What tells of an illness and could be read for anything.
fn secrets_unguarded(twin: &Twin) -> Vec<String> {
    made_of(twin)
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

/// Who does what to whom: 0 a link, 1 an unlink, else a page; and how many messages arrive then.
type Crossing = (usize, usize, u8, usize);

impl Town {
    /// Lives through links and unlinks that cross on their way; returns how many pages there were.
    fn crossed(steps: &[Crossing]) -> (Town, u32) {
        let mut town = Town::new();
        let mut pages = 0;
        for (one, other, what, delay) in steps {
            let (one, other) = (format!("id{one}"), format!("id{other}"));
            match what {
                0 => drop(town.publish(&one, "link", json!({ "to": other }))),
                1 => drop(town.publish(&one, "unlink", json!({ "from": other }))),
                _ => {
                    pages += 1;
                    let data = json!({ "name": "x", "properties": { "colour": "red" } });
                    town.publish(&one, "page", data);
                }
            }
            for _ in 0..*delay {
                town.arrive_one();
            }
        }
        town.arrive();
        (town, pages)
    }

    /// How often red was chosen, of all twins together.
    fn reds(&self) -> u32 {
        self.twins.keys().map(|who| self.colour(who, "red")).sum()
    }
}

#[test]
fn what_was_linked_to_the_identifier_that_survives_a_circle_goes_back_once() {
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
                town.publish(&format!("id{from}"), "link", json!({ "to": format!("id{to}") }));
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
        let (ann, cookie) = (made_of(town.twin("id0")), made_of(town.twin("id1")));
        town.link("id1", "id0");
        let linked = made_of(town.twin("id0"));
        after.iter().for_each(|happening| town.happen(happening));
        let changed = made_of(town.twin("id0"));
        prop_assert_eq!(secrets_unguarded(town.twin("id0")), Vec::<String>::new());
        town.unlink("id0", "id1");
        let (ann_after, cookie_after) = (made_of(town.twin("id0")), made_of(town.twin("id1")));
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
        steps in prop::collection::vec((0..IDS, 0..IDS, 0..4u8, 0..4usize), 1..60),
    ) {
        let (town, pages) = Town::crossed(&steps);
        prop_assert_eq!(town.reds(), pages);
    }
}
