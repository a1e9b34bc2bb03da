//! One customer is erased, under all identifiers of theirs, and nobody else.

use std::collections::VecDeque;

use jumeau::config::limits;
use jumeau::event::Customer;
use serde_json::json;

use super::town::Town;

/// The erasures of one customer that are on their way, as partitions forward them.
struct Erasures {
    on_their_way: VecDeque<Wanted>,
    erased: Vec<String>,
}

/// Who is to be erased: because of the link of this number, or because this one is the same.
type Wanted = (Customer, Option<u64>, Option<(Customer, u64)>);

impl Erasures {
    fn of(customer: &str) -> Erasures {
        let wanted = (Customer::new(customer).unwrap(), None, None);
        Erasures { on_their_way: [wanted].into(), erased: Vec::new() }
    }

    /// The first one arrives.
    fn arrive_one(&mut self, town: &mut Town) -> bool {
        let Some((customer, link, of)) = self.on_their_way.pop_front() else { return false };
        let Some(twin) = town.twins.get_mut(customer.as_str()) else { return true };
        let is_over = link.is_some_and(|link| !twin.is_still_linked_by(link))
            || of.is_some_and(|(one, link)| twin.has_parted_from(&one, link));
        if !is_over && !self.erased.contains(&customer.to_string()) {
            let gone = twin.erase();
            let others = gone.others(link).cloned();
            self.on_their_way.extend(others.map(|(other, link)| {
                (other, link, link.is_none().then(|| (customer.clone(), gone.epoch)))
            }));
            self.erased.push(customer.to_string());
        }
        true
    }

    /// All arrive. Who was erased, in the order of their names.
    fn arrive(mut self, town: &mut Town) -> String {
        while self.arrive_one(town) {}
        self.erased.sort();
        self.erased.join(" ")
    }
}

/// A tablet of alice's, and a cookie that was found on it.
fn a_tablet_with_a_cookie() -> Town {
    let mut town = Town::new();
    for who in ["alice", "bob"] {
        town.event(who, "identify", json!({ "traits": { "first_name": who } }));
    }
    town.link("tablet", "alice");
    town.link("cookie", "tablet");
    town
}

#[test]
fn a_customer_is_erased_under_all_identifiers_whichever_was_named() {
    for named in ["alice", "tablet", "cookie"] {
        let mut town = a_tablet_with_a_cookie();
        assert_eq!(Erasures::of(named).arrive(&mut town), "alice cookie tablet", "{named}");
    }
}

#[test]
fn a_customer_who_signs_in_on_a_tablet_is_not_erased_with_its_former_owner() {
    let mut town = a_tablet_with_a_cookie();
    let mut erasures = Erasures::of("alice");
    erasures.arrive_one(&mut town);
    town.link("tablet", "bob");
    assert_eq!(erasures.arrive(&mut town), "alice cookie");
    assert!(town.twin("bob").profile.traits.get("first_name").is_some());
}

#[test]
fn an_identifier_that_is_named_takes_along_whose_it_is_and_not_whose_it_was() {
    let mut town = a_tablet_with_a_cookie();
    town.link("tablet", "bob");
    assert_eq!(Erasures::of("tablet").arrive(&mut town), "bob tablet");
    assert!(town.twin("alice").profile.traits.get("first_name").is_some());
}

#[test]
fn a_customer_who_unlinks_an_identifier_during_its_erasure_is_not_erased() {
    let mut town = a_tablet_with_a_cookie();
    let mut erasures = Erasures::of("tablet");
    // She says that it is not hers before she hears of the erasure, and the tablet after it.
    town.publish("alice", "unlink", json!({ "from": "tablet" }));
    erasures.arrive_one(&mut town);
    assert_eq!(erasures.arrive(&mut town), "tablet");
    assert!(town.twin("alice").profile.traits.get("first_name").is_some());
}

#[test]
fn a_customer_who_linked_an_identifier_again_is_erased_with_it() {
    let mut town = Town::new();
    town.event("alice", "identify", json!({ "traits": { "first_name": "alice" } }));
    town.link("tablet", "alice");
    town.unlink("alice", "tablet");
    town.link("tablet", "alice");
    assert_eq!(Erasures::of("tablet").arrive(&mut town), "alice tablet");
}

#[test]
fn a_customer_without_room_for_an_identifier_is_not_erased_with_it() {
    let mut town = a_tablet_with_a_cookie();
    for number in 0..limits::IDENTIFIERS {
        town.link(&format!("device{number}"), "bob");
    }
    town.publish("phone", "page", json!({ "name": "Home" }));
    town.publish("phone", "link", json!({ "to": "bob" }));
    // Its memory is on its way back.
    town.arrive_one();
    assert_eq!(town.forwards("phone"), Some("bob"));
    assert_eq!(Erasures::of("phone").arrive(&mut town), "phone");
    assert!(town.twin("bob").profile.traits.get("first_name").is_some());
}
