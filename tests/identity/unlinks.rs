//! What came from an identifier goes back where it came from.

use jumeau::event::Time;
use jumeau::twin::Memory;
use serde_json::json;

use super::town::Town;

#[test]
fn an_unlink_takes_back_what_came_and_leaves_what_changed() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.event("cookie", "signal", json!({ "name": "place", "value": "Ghent" }));
    town.event("cookie", "identify", json!({ "traits": { "city": "Ghent", "plan": "none" } }));
    town.page("ann", "Phones", "blue");
    let (cookie, ann) = (town.twin("cookie").clone(), town.twin("ann").clone());
    town.merge("cookie", "ann");
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
    town.merge("device", "ann");
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
    town.merge("device", "ann");
    town.unlink("ann", "cookie");
    assert_eq!((town.colour("ann", "red"), town.colour("cookie", "red")), (1, 1));
    town.unlink("ann", "device");
    assert_eq!((town.colour("ann", "red"), town.colour("device", "red")), (0, 1));
}

#[test]
fn an_unlinked_identifier_keeps_the_deadlines_of_its_escalations() {
    let mut town = Town::new();
    town.event("ann", "track", json!({ "name": "Rang" }));
    town.event("cookie", "track", json!({ "name": "Asked" }));
    let due = |town: &Town, who: &str| town.twin(who).timers.iter().map(|one| one.due).next();
    let (hers, its) = (due(&town, "ann"), due(&town, "cookie"));
    town.link("cookie", "ann");
    assert_eq!(due(&town, "ann"), hers, "the first promise of both");
    let phones = town.twin("ann").open_escalation("shop", "phones").unwrap().id.clone();
    let resolved = json!({ "escalation": phones, "state": "resolved", "operator": "olga" });
    town.event("ann", "handoff", resolved);
    assert_eq!(due(&town, "ann"), its, "the one that is left");
    town.unlink("ann", "cookie");
    assert_eq!((due(&town, "ann"), due(&town, "cookie")), (None, its));
    assert!(town.refusals.is_empty(), "{:?}", town.refusals);
}
