//! A device that changes hands, customers who are known, and identifiers that are nobody's.

use std::time::Duration;

use jumeau::config::limits;
use jumeau::event::{Reason, Value};
use jumeau::twin::InputResult;
use serde_json::json;

use super::town::Town;

fn traits(town: &mut Town, who: &str, name: &str) {
    town.event(who, "identify", json!({ "traits": { "first_name": name } }));
}

fn name(town: &Town, who: &str) -> Option<Value> {
    town.twin(who).profile.traits.get("first_name").cloned()
}

fn identifiers(town: &Town, who: &str) -> Vec<String> {
    town.twin(who).identifiers.iter().map(|known| known.customer.to_string()).collect()
}

#[test]
fn a_tablet_that_changes_hands_leaves_its_memory_with_the_first_customer() {
    let mut town = Town::new();
    traits(&mut town, "alice", "Alice");
    traits(&mut town, "bob", "Bob");
    town.event("alice", "consent", json!({ "purpose": "marketing", "granted": true }));
    town.page("tablet", "Tablets", "red");
    town.link("tablet", "alice");
    town.page("tablet", "Tablets", "red");
    town.link("tablet", "bob");
    town.page("tablet", "Phones", "blue");

    assert_eq!((town.forwards("alice"), town.forwards("bob")), (None, None));
    assert_eq!(town.forwards("tablet"), Some("bob"));
    assert_eq!(name(&town, "alice"), Some("Alice".into()));
    assert_eq!(name(&town, "bob"), Some("Bob".into()));
    assert!(town.twin("bob").profile.consents.is_empty());
    let colours = |who: &str| (town.colour(who, "red"), town.colour(who, "blue"));
    assert_eq!((colours("alice"), colours("bob")), ((2, 0), (0, 1)));
    assert_eq!(
        (identifiers(&town, "alice"), identifiers(&town, "bob")),
        (vec![], vec!["tablet".into()])
    );
    assert!(town.refusals.is_empty(), "{:?}", town.refusals);
}

#[test]
fn no_customer_disappears_when_a_tablet_changes_hands_repeatedly() {
    let mut town = Town::new();
    // Nobody has told a trait of theirs.
    for (who, colour) in
        [("alice", "a"), ("bob", "b"), ("alice", "c"), ("carl", "d"), ("alice", "e")]
    {
        town.link("tablet", who);
        town.page("tablet", "Tablets", colour);
        assert_eq!(town.forwards("tablet"), Some(who));
    }
    for (who, colours) in [("alice", &["a", "c", "e"][..]), ("bob", &["b"]), ("carl", &["d"])] {
        assert_eq!(town.forwards(who), None);
        for colour in ["a", "b", "c", "d", "e"] {
            let expected = u32::from(colours.contains(&colour));
            assert_eq!(town.colour(who, colour), expected, "{who} {colour}");
        }
    }
    assert_eq!(identifiers(&town, "bob"), Vec::<String>::new());
    assert_eq!(identifiers(&town, "alice"), ["tablet"]);
}

#[test]
fn a_repeated_link_changes_nothing() {
    let mut town = Town::new();
    town.page("tablet", "Tablets", "red");
    town.link("tablet", "alice");
    let (epoch, alice) = (town.twin("tablet").epoch, town.twin("alice").clone());
    assert!(town.link("tablet", "alice").effects.is_empty());
    let again = town.sequence;
    assert_eq!((town.twin("tablet").epoch, town.twin("alice")), (epoch, &alice));
    // Nor does a copy of it, when the tablet is somebody else's.
    town.link("tablet", "bob");
    town.sequence = again - 1;
    assert_eq!(town.link("tablet", "alice").result, InputResult::Duplicate);
}

#[test]
fn a_copy_of_an_earlier_sign_in_does_not_bring_the_tablet_back() {
    let mut town = Town::new();
    town.page("tablet", "Tablets", "red");
    town.link("tablet", "alice");
    let first = town.sequence;
    town.link("tablet", "bob");
    town.sequence = first - 1;
    assert_eq!(town.link("tablet", "alice").result, InputResult::Duplicate);
    assert_eq!(town.forwards("tablet"), Some("bob"));
    // Nor does a copy of what was told to alice go to bob.
    town.sequence = first;
    town.page("tablet", "Tablets", "blue");
    town.link("tablet", "alice");
    town.sequence = first;
    town.page("tablet", "Tablets", "blue");
    assert_eq!((town.colour("alice", "blue"), town.colour("bob", "blue")), (0, 0));
}

#[test]
fn a_copy_is_recognised_by_its_identifier_under_any_owner() {
    let mut town = Town::new();
    town.link("tablet", "alice");
    town.page("tablet", "Tablets", "red");
    let page = town.sequence;
    town.link("tablet", "bob");
    town.unlink("bob", "tablet");
    town.sequence = page - 1;
    assert_eq!(town.page("tablet", "Tablets", "red").result, InputResult::Duplicate);
    let reds = ["alice", "bob", "tablet"].map(|who| town.colour(who, "red"));
    assert_eq!(reds, [1, 0, 0]);
}

#[test]
fn identifiers_linked_through_a_tablet_follow_the_tablet() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.link("tablet", "alice");
    town.link("cookie", "tablet");
    assert_eq!(identifiers(&town, "alice"), ["cookie", "tablet"]);
    town.link("tablet", "bob");
    assert_eq!(identifiers(&town, "alice"), Vec::<String>::new());
    assert_eq!((town.colour("alice", "red"), town.colour("bob", "red")), (1, 0));
    town.page("cookie", "Tablets", "blue");
    assert_eq!((town.colour("alice", "blue"), town.colour("bob", "blue")), (0, 1));
}

#[test]
fn a_link_to_another_identifier_of_the_same_customer_loses_nothing_of_what_it_brought() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.link("cookie", "tablet");
    town.merge("tablet", "alice");
    town.link("cookie", "alice");
    assert_eq!(identifiers(&town, "alice"), ["cookie", "tablet"]);
    town.unlink("alice", "cookie");
    assert_eq!((town.colour("alice", "red"), town.colour("cookie", "red")), (0, 1));
}

#[test]
fn two_known_customers_become_one_by_a_merge_and_never_by_a_link() {
    let mut town = Town::new();
    traits(&mut town, "alice", "Alice");
    traits(&mut town, "bob", "Bob");
    // Carl is known by his tablet, and once he was.
    town.link("tablet", "carl");
    town.link("carl", "bob");
    town.link("tablet", "bob");
    town.link("carl", "bob");
    town.link("alice", "bob");
    assert_eq!((town.forwards("alice"), town.forwards("carl")), (None, None));
    let said: Vec<&str> = town.refusals.iter().map(|refusal| &*refusal.detail).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    expected a link of an identifier that belongs to no customer yet, found `carl`, a known customer to whom another identifier was linked; if both are the same customer, send `"merge": true` from a channel listed in `service.merging-channels`
    expected a link of an identifier that belongs to no customer yet, found `carl`, a known customer to whom another identifier was linked; if both are the same customer, send `"merge": true` from a channel listed in `service.merging-channels`
    expected a link of an identifier that belongs to no customer yet, found `alice`, a known customer who was identified; if both are the same customer, send `"merge": true` from a channel listed in `service.merging-channels`
    "#);

    town.merge("alice", "bob");
    assert_eq!(town.forwards("alice"), Some("bob"));
    town.unlink("bob", "alice");
    assert_eq!(name(&town, "alice"), Some("Alice".into()));
    assert_eq!(name(&town, "bob"), Some("Bob".into()));
    assert_eq!(town.forwards("alice"), None);
}

#[test]
fn a_customer_who_was_merged_with_another_is_taken_away_by_no_link() {
    let mut town = Town::new();
    traits(&mut town, "bob", "Bob");
    traits(&mut town, "robert", "Robert");
    town.merge("bob", "robert");
    town.link("bob", "mallory");
    insta::assert_snapshot!(town.refusals[0].detail, @"expected a link of an identifier that belongs to no customer yet, found `bob`, a known customer who was merged with another; `unlink` it there first");
    assert_eq!(town.forwards("bob"), Some("robert"));
    // Who signs in with it once more says nothing new.
    town.link("bob", "robert");
    town.unlink("robert", "bob");
    assert_eq!((town.refusals.len(), name(&town, "bob")), (1, Some("Bob".into())));
}

#[test]
fn an_identifier_that_is_linked_to_and_fro_without_end_stays_where_it_is_for_the_rest_of_the_minute()
 {
    let mut town = Town::new();
    let sign_in = |town: &mut Town, number: usize| {
        let id = format!("in-{number}");
        let to = ["alice", "bob"][number % 2];
        let link = json!({ "type": "link", "id": id, "data": { "to": to } }).to_string();
        town.take("app", "tablet", link.as_bytes());
        town.arrive();
    };
    for number in 0..limits::LINKS_A_MINUTE {
        sign_in(&mut town, number);
    }
    assert_eq!((town.forwards("tablet"), town.refusals.len()), (Some("bob"), 0));
    // Who signs in once more where they are changes nothing, and is no change too many.
    sign_in(&mut town, 1_001);
    sign_in(&mut town, 1_002);
    insta::assert_snapshot!(town.refusals[0].detail, @"expected at most 100 changes of the link of `tablet` within a minute, found one more; give each device its own identifier");
    assert_eq!((town.forwards("tablet"), town.refusals.len()), (Some("bob"), 1));
    town.now = town.now + Duration::from_secs(60);
    sign_in(&mut town, 1_004);
    assert_eq!((town.forwards("tablet"), town.refusals.len()), (Some("alice"), 1));
}

#[test]
fn an_identifier_that_is_nobodys_is_neither_a_customer_nor_linked_to() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.link("cookie", "undefined");
    town.page("NULL", "Tablets", "red");
    assert_eq!(town.forwards("cookie"), None);
    let reasons: Vec<Reason> = town.refusals.iter().map(|refusal| refusal.reason).collect();
    assert_eq!(reasons, [Reason::BadCustomer; 2]);
    insta::assert_snapshot!(town.refusals[0].detail, @"expected the identifier of one customer, found `undefined`, a placeholder that programs send when they know no customer; use an identifier of the device, or list it in the policy's `[identity]` under `customers` if it is a real customer");
}

#[test]
fn a_memory_that_cannot_return_to_a_tablet_that_changed_hands_stays() {
    let mut town = Town::new();
    town.page("tablet", "Tablets", "red");
    town.link("tablet", "alice");
    // Both are on their way when the other arrives.
    town.publish("alice", "unlink", json!({ "from": "tablet" }));
    town.publish("tablet", "link", json!({ "to": "bob" }));
    town.arrive();
    assert_eq!(town.forwards("tablet"), Some("bob"));
    let reds = ["alice", "bob", "tablet"].map(|who| town.colour(who, "red"));
    assert_eq!(reds, [1, 0, 0]);
}

#[test]
fn a_memory_beyond_the_limit_stays_with_its_receiver_if_the_tablet_changed_hands() {
    let mut town = Town::new();
    for number in 0..limits::IDENTIFIERS {
        town.link(&format!("cookie{number}"), "ann");
    }
    town.page("tablet", "Tablets", "red");
    town.publish("tablet", "link", json!({ "to": "ann" }));
    town.publish("tablet", "link", json!({ "to": "bob" }));
    town.arrive();
    assert_eq!(town.forwards("tablet"), Some("bob"));
    let reds = ["ann", "bob", "tablet"].map(|who| town.colour(who, "red"));
    assert_eq!(reds, [1, 0, 0]);
}

#[test]
fn events_in_a_cycle_of_links_are_counted_and_the_cycle_is_broken() {
    let mut town = Town::new();
    for (from, to) in [("b", "c"), ("c", "d"), ("d", "b")] {
        town.publish(from, "page", json!({ "name": "x", "properties": { "colour": "red" } }));
        town.publish(from, "link", json!({ "to": to }));
        town.publish(from, "page", json!({ "name": "x", "properties": { "colour": "red" } }));
    }
    town.arrive();
    assert_eq!(town.forwards("b"), None);
    assert_eq!((town.forwards("c"), town.forwards("d")), (Some("d"), Some("b")));
    assert_eq!(town.colour("b", "red"), 6);
    assert_eq!(identifiers(&town, "b"), ["c", "d"]);
}

#[test]
fn an_event_forwarded_too_often_is_counted_where_it_is() {
    let mut town = Town::new();
    let last = limits::FORWARDING_HOPS + 5;
    let chain: Vec<String> = (0..=last).map(|number| format!("i{number:03}")).collect();
    // From the front, so that each is linked before the memory of another comes.
    for pair in chain.windows(2) {
        town.publish(&pair[0], "link", json!({ "to": pair[1] }));
    }
    town.publish("i000", "page", json!({ "name": "x", "properties": { "colour": "red" } }));
    town.arrive();
    let reds: u32 = chain.iter().map(|who| town.colour(who, "red")).sum();
    assert_eq!(reds, 1);
    town.page("i000", "Tablets", "blue");
    let blues: u32 = chain.iter().map(|who| town.colour(who, "blue")).sum();
    assert_eq!(blues, 1);
}

#[test]
fn a_busy_twin_knows_copies_of_what_its_timeline_has_let_go_of_for_twenty_minutes() {
    let mut town = Town::new();
    town.page("ann", "Tablets", "red");
    let first = town.sequence;
    for _ in 0..200 {
        town.page("ann", "Tablets", "blue");
    }
    let last = town.sequence;
    town.sequence = first - 1;
    assert_eq!(town.page("ann", "Tablets", "red").result, InputResult::Duplicate);
    // It is the identifier that knows, also when what came of it has moved.
    town.sequence = last;
    town.link("ann", "bob");
    town.sequence = first - 1;
    assert_eq!(town.page("ann", "Tablets", "red").result, InputResult::Duplicate);
    town.sequence = last + 1;
    town.now = town.now + Duration::from_secs(3_600);
    town.page("ann", "Tablets", "blue");
    assert!(town.twin("ann").recent.len() < 3);
}

#[test]
fn the_same_id_on_two_channels_names_two_events() {
    let mut town = Town::new();
    let page = br#"{"type":"page","id":"1","data":{"name":"x","properties":{"colour":"red"}}}"#;
    for channel in ["web", "app", "web"] {
        town.take(channel, "ann", page);
    }
    assert_eq!(town.colour("ann", "red"), 2);
}
