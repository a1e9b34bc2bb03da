//! What is known of several identifiers becomes what is known of one customer.

use jumeau::config::limits;
use jumeau::event::{self, INTERNAL, Raw, Reason, Value};
use jumeau::twin::{Effect, InputResult};
use serde_json::json;

use super::town::Town;

#[test]
fn the_customer_keeps_what_was_learned_about_the_visitor() {
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
fn an_event_of_a_linked_identifier_is_forwarded_and_counted_once() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.link("cookie", "ann");
    assert_eq!(town.page("cookie", "Phones", "red").result, InputResult::Forwarded);
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
    assert_eq!(again.result, InputResult::Duplicate);
    assert_eq!(town.colour("ann", "red"), 1);
}

#[test]
fn a_linked_identifier_forwards_that_its_customer_is_another() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.link("cookie", "device");
    town.merge("cookie", "ann");
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
    expected a link to another customer, found `cookie`, which is already an identifier of this customer: a cycle; unlink it first if that is wrong
    ");
    assert_eq!(town.forwards("ann"), None);
    assert_eq!(town.colour("ann", "red"), 1);
}

#[test]
fn two_crossing_links_leave_one_identifier_with_everything() {
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
    insta::assert_snapshot!(town.refusals[0].detail, @"expected at most 16 identifiers linked to `ann`, found 17; is this identifier shared by many people? Its memory stays where it was");
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
    assert!(left.notes.iter().any(|note| format!("{note:?}").contains("FORWARDED_BYTES")));
    assert!(town.on_its_way[0].payload.len() <= limits::FORWARDED_BYTES);
    town.arrive();
    let ann = town.twin("ann");
    // Only its own entry is left of the timeline, then the forms longest untouched are gone.
    assert_eq!(ann.timeline.len(), 1);
    assert!(ann.interactions.len() > 8 && ann.interactions.len() < limits::INTERACTIONS);
    assert_eq!(ann.profile.consent("marketing", None, ann.seen), Some(false));
}

#[test]
fn the_later_statement_wins_across_identifiers() {
    let mut town = Town::new();
    let said = |town: &mut Town, customer: &str, minute: u32, plan: serde_json::Value| {
        let time = format!("2026-03-01T10:{minute:02}:00Z");
        let data = json!({ "traits": { "plan": plan } });
        town.sequence += 1;
        town.now = town.now + std::time::Duration::from_secs(1);
        let payload = json!({ "type": "identify", "time": time, "data": data }).to_string();
        town.take("app", customer, payload.as_bytes());
        town.arrive();
    };
    let plan = |town: &Town| town.twin("ann").profile.traits.get("plan").cloned();
    said(&mut town, "ann", 30, json!("gold"));
    said(&mut town, "cookie", 20, json!("silver"));
    // Both are known: a trait was told of each.
    town.merge("cookie", "ann");
    assert_eq!(plan(&town), Some("gold".into()), "the memory is older");
    said(&mut town, "cookie", 25, json!("bronze"));
    assert_eq!(plan(&town), Some("gold".into()), "and so is what is forwarded");
    said(&mut town, "cookie", 40, json!(null));
    said(&mut town, "ann", 35, json!("steel"));
    assert_eq!(plan(&town), None, "it was taken away after that");
    // What the second one says of a trait that the first took away goes with its memory, too.
    said(&mut town, "phone", 50, json!(null));
    town.merge("phone", "ann");
    said(&mut town, "ann", 45, json!("glass"));
    assert_eq!(plan(&town), None);
    town.unlink("ann", "phone");
    said(&mut town, "ann", 46, json!("glass"));
    assert_eq!(plan(&town), Some("glass".into()), "of that it knows nothing any more");
}

#[test]
fn a_forwarded_event_keeps_its_first_time() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.link("cookie", "ann");
    let consent = |granted| json!({ "purpose": "marketing", "granted": granted });
    town.publish("cookie", "consent", consent(true));
    // It is still on its way.
    town.publish("ann", "consent", consent(false));
    town.arrive();
    let known = &town.twin("ann").profile;
    assert_eq!(known.consent("marketing", None, town.now), Some(false));
}
