//! What was said later stands, whatever comes last.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jumeau::event::{self, InteractionState, Map, Raw, Time, Value};
use jumeau::policy::Policy;
use jumeau::twin::{Fired, Input, InputResult, Note, Reaction, Twin};
use proptest::prelude::*;
use serde_json::json;

use super::life::{Life, action, policy_of, start};

const LATE: &str = r#"
[policy]
name = "late"
languages = ["en"]

[needs.card]
describe = "the card is blocked"
expires = "30d"

[preferences.seat]
relearn_after = "30d"

[purposes.marketing]

[interactions.form]
pause_after = "30m"

[[rules]]
name = "the card is blocked, by the event"
on = "signal:card"
when = 'event.value == "blocked"'
then = [{ raise = "card", strength = 0.9 }, { act = "unblock" }]

[[rules]]
name = "what the event says is kept"
on = "signal:card"
then = [{ set = "last", to = "event.value" }, { set = "known", to = "context.card" }]

[[rules]]
name = "the plan is kept"
on = "identify"
then = [
  { set = "plan", to = "default(event.traits.plan, 'none')" },
  { set = "city", to = "default(event.traits.city, 'none')" },
  { set = "identified", to = "default(facts.identified, 0) + 1" },
]

[[rules]]
name = "an offer"
on = ["consent:marketing", "track:Look"]
then = [{ act = "offer" }]

[[rules]]
name = "a timer"
on = "track:Wait"
then = [{ start = "soon", after = "1m" }]

[[rules]]
name = "it fired"
on = "timer:soon"
then = [{ set = "fired_at", to = "string(now)" }]

[[rules]]
name = "after it"
on = "track:After"
then = [{ act = "unblock" }, { set = "seen_at", to = "string(now)" }]

[[actions]]
name = "unblock"
issue = "service"
value = 0.9
cooldown = "0s"
treatments = [{ channel = "app", text.en = "Shall we unblock your card?" }]

[[actions]]
name = "offer"
issue = "sales"
purpose = "marketing"
value = 0.5
cooldown = "0s"
treatments = [{ channel = "mail", text.en = "An offer." }, { channel = "app", text.en = "An offer." }]
"#;

/// A customer of whom much is said; everything comes after all of it was said.
fn ada() -> Life {
    static POLICY: OnceLock<Arc<Policy>> = OnceLock::new();
    let policy = POLICY.get_or_init(|| policy_of(LATE)).clone();
    let mut life = Life::of("ada", policy).at_pace(Duration::from_secs(1));
    life.wait(24 * 60);
    life
}

/// So many minutes after the beginning.
fn minute(minutes: u64) -> Time {
    start() + Duration::from_secs(60 * minutes)
}

impl Life {
    /// Something that a channel says happened at another time than it comes.
    fn said(&mut self, at: Time, kind: &str, data: serde_json::Value) -> Reaction {
        self.sequence += 1;
        self.now = self.now + self.pace;
        let payload = json!({ "type": kind, "time": at, "data": data }).to_string();
        let raw = Raw {
            channel: "app",
            customer: self.twin.customer.as_str(),
            headers: &[],
            payload: payload.as_bytes(),
            sequence: self.sequence,
        };
        let input = Input::event(event::parse(&raw).unwrap(), self.now);
        self.take(&input)
    }

    fn identify(&mut self, at: u64, traits: serde_json::Value) -> Reaction {
        self.said(minute(at), "identify", json!({ "traits": traits }))
    }

    fn consents(&mut self, at: u64, channel: Option<&str>, granted: bool) -> Reaction {
        let data = json!({ "purpose": "marketing", "channel": channel, "granted": granted });
        self.said(minute(at), "consent", data)
    }

    fn case(&mut self, at: u64, more: serde_json::Value) -> Reaction {
        let mut data = json!({ "id": "c", "state": "open" });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.said(minute(at), "case", data)
    }

    fn offers(&mut self) -> Option<String> {
        let reaction = self.said(self.now, "track", json!({ "name": "Look" }));
        action(&reaction).map(|action| action.channel.to_string())
    }
}

fn late(reaction: &Reaction) -> Vec<&str> {
    let late = reaction.notes.iter().filter_map(|note| match note {
        Note::Late(what) => Some(&**what),
        _ => None,
    });
    late.collect()
}

#[test]
fn the_last_statement_of_each_trait_wins() {
    let mut life = ada();
    life.identify(60, json!({ "plan": "gold", "fax": null }));
    let reaction = life.identify(0, json!({ "plan": "silver", "fax": "555", "city": "Ghent" }));
    assert_eq!(late(&reaction), ["traits.fax", "traits.plan"]);
    life.identify(30, json!({ "plan": "bronze", "city": "Lier" }));
    life.identify(20, json!({ "city": "Aalst" }));
    let traits = &life.twin.profile.traits;
    assert_eq!(traits.get("plan"), Some(&"gold".into()));
    assert_eq!(traits.get("city"), Some(&"Lier".into()));
    assert_eq!(traits.get("fax"), None);
    let line = life.twin.timeline.iter().nth(1).unwrap();
    assert!(line.text.starts_with("(late: traits.fax, traits.plan) "), "{}", line.text);
    life.identify(60, json!({ "plan": "steel" }));
    assert_eq!(life.twin.profile.traits.get("plan"), Some(&"steel".into()), "at once: the last");
}

#[test]
fn a_statement_with_an_impossible_time_has_the_time_of_its_storage() {
    let mut life = ada();
    life.consents(60, None, true);
    for zero in ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:03:12Z"] {
        life.consents(70, None, true);
        let zero = Time::parse(zero).unwrap();
        let data = json!({ "purpose": "marketing", "granted": false });
        let reaction = life.said(zero, "consent", data);
        assert_eq!(late(&reaction), Vec::<&str>::new());
        assert_eq!(reaction.notes, [Note::Time("app".into(), zero)]);
        assert_eq!(life.twin.profile.consent("marketing", None, life.now), Some(false));
        assert_eq!(life.twin.profile.consents[0].at, life.now);
        life.wait(10);
    }
}

#[test]
fn only_the_last_removed_traits_are_remembered() {
    let mut life = ada();
    let nulls: serde_json::Map<_, _> =
        (0..60).map(|of| (format!("t{of:02}"), serde_json::Value::Null)).collect();
    let reaction = life.identify(60, nulls.into());
    assert!(reaction.notes.contains(&Note::Limit("TRAITS_REMOVED")), "{:?}", reaction.notes);
    life.identify(50, json!({ "t00": 1, "t59": 1 }));
    assert_eq!(life.twin.profile.traits.get("t59"), None);
    assert_eq!(life.twin.profile.traits.get("t00"), Some(&Value::Int(1)));
}

#[test]
fn a_signal_that_comes_late_does_not_replace_a_newer_one_nor_one_that_was_taken_away() {
    let mut life = ada();
    let card = |life: &mut Life, at, value: serde_json::Value| {
        life.said(minute(at), "signal", json!({ "name": "card", "value": value }))
    };
    card(&mut life, 60, json!("open"));
    let reaction = card(&mut life, 0, json!("blocked"));
    assert_eq!(late(&reaction), ["value"]);
    assert_eq!(life.twin.signal("card", life.now).unwrap().value, "open".into());
    assert!(action(&reaction).is_none(), "no rule goes by what is out of date");
    assert!(life.twin.needs.is_empty());
    assert_eq!(life.twin.facts.get("last"), Some(&"open".into()));
    card(&mut life, 90, serde_json::Value::Null);
    card(&mut life, 80, json!("blocked"));
    assert_eq!(life.twin.signal("card", life.now), None);
    let shown = serde_json::to_value(&life.twin).unwrap();
    assert_eq!(shown["context"], json!([]), "nobody is shown what is not there");
    let reaction = card(&mut life, 91, json!("blocked"));
    assert!(action(&reaction).is_some());
}

#[test]
fn a_signal_grows_stale_by_when_it_was_said() {
    let mut life = ada();
    let now = life.now;
    let data = json!({ "name": "place", "value": "station", "ttl": 600 });
    life.said(now - Duration::from_secs(3_600), "signal", data.clone());
    assert_eq!(life.twin.signal("place", life.now), None, "it was so an hour ago");
    life.said(now + Duration::from_secs(14 * 86_400), "signal", data);
    assert!(life.twin.signal("place", life.now + Duration::from_secs(599)).is_some());
    assert!(life.twin.signal("place", life.now + Duration::from_secs(600)).is_none());
}

#[test]
fn an_older_yes_does_not_override_a_newer_no() {
    let mut life = ada();
    life.consents(0, None, true);
    life.consents(60, None, false);
    let reaction = life.consents(30, None, true);
    assert_eq!((late(&reaction), action(&reaction).is_some()), (vec!["granted"], false));
    assert_eq!(life.offers(), None);
    assert_eq!(life.twin.profile.consents.len(), 1);
    life.consents(61, None, true);
    assert!(life.offers().is_some());
}

#[test]
fn each_channel_has_its_own_word_and_a_later_no_to_all_outranks_it() {
    let mut life = ada();
    life.consents(10, Some("mail"), true);
    life.consents(20, Some("app"), false);
    life.consents(5, Some("app"), true);
    life.consents(15, Some("mail"), true);
    assert_eq!(life.offers().as_deref(), Some("mail"));
    life.consents(12, None, false);
    assert_eq!(life.offers().as_deref(), Some("mail"), "that was said before");
    life.consents(30, None, false);
    assert_eq!(life.offers(), None);
    life.consents(25, Some("mail"), true);
    assert_eq!(life.offers(), None);
    life.consents(40, Some("mail"), true);
    assert_eq!(life.offers().as_deref(), Some("mail"));
    life.consents(50, None, true);
    life.consents(45, Some("mail"), false);
    assert_eq!(life.twin.profile.consent("marketing", Some("mail"), life.now), Some(false));
}

#[test]
fn a_case_is_not_opened_again_by_an_older_word_and_learns_from_it_what_is_not_known() {
    let mut life = ada();
    life.case(60, json!({ "state": "closed" }));
    let reaction = life.case(0, json!({ "topic": "luggage", "due": minute(500) }));
    assert_eq!(late(&reaction), ["state"]);
    life.case(30, json!({ "due": minute(700) }));
    let reaction = life.case(10, json!({ "due": minute(600), "topic": "bags" }));
    assert_eq!(late(&reaction), ["state", "due"]);
    let known = &life.twin.cases[0];
    assert_eq!((&*known.state, known.due), ("closed", Some(minute(700))));
    assert_eq!(known.topic.as_deref(), Some("bags"));
    life.case(70, json!({}));
    life.case(65, json!({ "due": minute(800) }));
    let known = &life.twin.cases[0];
    assert_eq!((&*known.state, known.due), ("open", Some(minute(800))), "said between the two");
}

#[test]
fn an_interaction_keeps_its_state_and_each_of_its_data_as_they_were_said_last() {
    let mut life = ada();
    let form = |life: &mut Life, at, state: &str, step: u8, data: serde_json::Value| {
        let told = json!({ "id": "f", "kind": "form", "state": state, "step": step, "data": data });
        life.said(minute(at), "interaction", told)
    };
    form(&mut life, 10, "started", 1, json!({ "name": "Ada" }));
    form(&mut life, 30, "progressed", 3, json!({ "amount": 9 }));
    let reaction = form(&mut life, 20, "paused", 2, json!({ "name": "Ada L.", "amount": 5 }));
    assert_eq!(late(&reaction), ["state", "step", "data.amount"]);
    let known = life.interaction("f");
    assert_eq!((known.state, &known.step), (InteractionState::Progressed, &Value::Int(3)));
    assert_eq!(known.data.get("name"), Some(&"Ada L.".into()), "said after the first");
    assert_eq!(known.data.get("amount"), Some(&Value::Int(9)));
    form(&mut life, 40, "completed", 5, json!({}));
    form(&mut life, 35, "started", 1, json!({ "term": 12 }));
    let known = life.interaction("f");
    assert!(!known.state.is_open());
    assert_eq!(known.data.get("term"), Some(&Value::Int(12)));
}

#[test]
fn words_said_before_a_conversation_was_closed_do_not_open_it_again() {
    let mut life = ada();
    let says = |life: &mut Life, at, text: &str| {
        life.said(minute(at), "message", json!({ "text": text, "from": "customer" }))
    };
    says(&mut life, 10, "my bill is wrong");
    let data = json!({ "id": "app", "kind": "conversation", "state": "completed" });
    life.said(minute(20), "interaction", data);
    says(&mut life, 15, "that of May");
    let known = life.interaction("app");
    assert_eq!((known.state.is_open(), known.lines.len()), (false, 2));
    says(&mut life, 30, "once more");
    assert!(life.interaction("app").state.is_open());
}

#[test]
fn a_clock_that_is_two_weeks_ahead_does_not_win_for_two_weeks() {
    let mut life = ada();
    let ahead = life.now + Duration::from_secs(14 * 86_400);
    life.said(ahead, "identify", json!({ "traits": { "plan": "silver" } }));
    assert!(life.twin.seen <= life.now);
    life.said(life.now, "identify", json!({ "traits": { "plan": "gold" } }));
    assert_eq!(life.twin.profile.traits.get("plan"), Some(&"gold".into()));
    life.event("crm", "identify", json!({ "traits": { "plan": "steel" } }));
    assert_eq!(life.twin.profile.traits.get("plan"), Some(&"steel".into()), "said when it came");
}

#[test]
fn on_event_time_what_is_ahead_counts_as_said_when_it_was_stored() {
    let mut life = ada();
    let raw = |time: Time, plan: &str| {
        let told =
            json!({ "type": "identify", "time": time, "data": { "traits": { "plan": plan } } });
        let payload = told.to_string();
        let raw = Raw {
            channel: "app",
            customer: "ada",
            headers: &[],
            payload: payload.as_bytes(),
            sequence: time.ms() as u64,
        };
        event::parse(&raw).unwrap()
    };
    let ahead = minute(14 * 24 * 60);
    life.take(&Input::stored(raw(ahead, "silver"), ahead, minute(10)));
    life.take(&Input::stored(raw(minute(11), "gold"), minute(11), minute(12)));
    life.take(&Input::stored(raw(minute(9), "bronze"), minute(9), minute(13)));
    assert_eq!(life.twin.profile.traits.get("plan"), Some(&"gold".into()));
}

#[test]
fn rules_hear_what_comes_late_but_keep_nothing_of_what_is_out_of_date() {
    let mut life = ada();
    life.identify(60, json!({ "plan": "gold" }));
    life.identify(0, json!({ "plan": "silver", "city": "Ghent" }));
    let facts = &life.twin.facts;
    assert_eq!(facts.get("plan"), Some(&"gold".into()));
    assert_eq!(facts.get("city"), Some(&"Ghent".into()));
    assert_eq!(facts.get("identified"), Some(&Value::Int(2)));
}

#[test]
fn now_does_not_go_back_behind_a_timer() {
    let mut life = ada();
    life.said(life.now, "track", json!({ "name": "Wait" }));
    let timer = life.twin.timers.iter().find(|timer| &*timer.name == "soon").unwrap();
    let fired = Fired { name: "soon".into(), due: timer.due, late: Duration::ZERO };
    let (due, came) = (timer.due, timer.due - Duration::from_millis(300));
    life.take(&Input::timer(fired, due));
    life.now = came - life.pace;
    let reaction = life.said(came, "track", json!({ "name": "After" }));
    assert_eq!(reaction.decision().unwrap().at, due);
    let facts = &life.twin.facts;
    assert_eq!(facts.get("seen_at"), facts.get("fired_at"));
    assert_eq!(life.twin.seen, due);
}

/// One thing that is said, of one kind.
fn statement() -> impl Strategy<Value = (usize, u8)> {
    (0..7usize, 0..3u8)
}

fn say(life: &mut Life, at: u64, (kind, value): (usize, u8)) -> Reaction {
    let null_or = |value: u8| if value == 0 { json!(null) } else { json!(value) };
    let (kind, data) = match kind {
        0 => ("identify", json!({ "traits": { "plan": null_or(value), "city": value } })),
        1 => ("identify", json!({ "traits": { "plan": null_or(value) } })),
        2 => ("signal", json!({ "name": "card", "value": null_or(value) })),
        3 => (
            "preference",
            match value {
                0 => json!({ "key": "seat", "forget": true }),
                value => json!({ "key": "seat", "value": value }),
            },
        ),
        4 => (
            "consent",
            json!({ "purpose": "marketing", "channel": (value > 0).then_some("app"),
                                 "granted": at.is_multiple_of(2) }),
        ),
        5 => (
            "case",
            match value {
                0 => json!({ "id": "c", "state": "closed" }),
                value => json!({ "id": "c", "state": "open", "due": minute(value.into()) }),
            },
        ),
        _ => (
            "interaction",
            json!({ "id": "f", "kind": "form",
            "state": if value == 0 { "paused" } else { "progressed" },
            "step": (value < 2).then_some(value), "data": { format!("field{value}"): at } }),
        ),
    };
    life.said(minute(at), kind, data)
}

/// What was said, without when it came.
fn known(twin: &Twin) -> serde_json::Value {
    let cases = twin.cases.iter().map(|case| (&case.state, case.due)).collect::<Vec<_>>();
    let preferences = twin.profile.preferences.iter();
    let preferences: Vec<_> =
        preferences.map(|known| (&known.key, &known.declared, known.forgotten)).collect();
    let interactions = twin.interactions.iter();
    let interactions: Vec<(InteractionState, &Value, &Map)> =
        interactions.map(|known| (known.state, &known.step, &known.data)).collect();
    let mut consents = twin.profile.consents.clone();
    consents.sort_by_key(|consent| consent.channel.clone());
    let signals = twin.context.iter().filter(|signal| signal.value != Value::Null);
    let signals: Vec<_> = signals.map(|signal| (&signal.value, signal.at)).collect();
    json!([twin.profile.traits, cases, preferences, interactions, consents, signals])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn the_result_does_not_depend_on_the_order_of_arrival(
        said in prop::collection::vec(statement(), 1..12),
        order in prop::collection::vec(any::<u32>(), 12),
    ) {
        let mut in_order = ada();
        for (at, what) in said.iter().enumerate() {
            let reaction = say(&mut in_order, at as u64, *what);
            prop_assert_eq!(late(&reaction), Vec::<&str>::new());
            prop_assert_eq!(reaction.result, InputResult::Applied);
        }
        let mut any_order: Vec<usize> = (0..said.len()).collect();
        any_order.sort_by_key(|at| order[*at]);
        let mut life = ada();
        for at in any_order {
            say(&mut life, at as u64, said[at]);
        }
        prop_assert_eq!(known(&life.twin), known(&in_order.twin));
    }
}
