//! Whose an identifier is was said at some time, and what was said last stands, whatever comes last.

use std::time::Duration;

use jumeau::config::limits;
use jumeau::event::Time;
use jumeau::twin::{InputResult, Note, Reaction};
use proptest::prelude::*;
use serde_json::json;

use super::town::Town;

/// So many minutes after the beginning; everything comes a day later.
fn minute(minutes: u64) -> Time {
    Time::parse("2026-03-01T09:00:00Z").unwrap() + Duration::from_secs(60 * minutes)
}

impl Town {
    /// Something that was said so many minutes after the beginning comes now; what twins send each
    /// other because of it stays on its way.
    fn says(&mut self, at: u64, who: &str, kind: &str, data: serde_json::Value) -> Reaction {
        self.sequence += 1;
        self.now = self.now + Duration::from_secs(1);
        let payload = json!({ "type": kind, "time": minute(at), "data": data }).to_string();
        self.take("app", who, payload.as_bytes())
    }

    fn links(&mut self, at: u64, from: &str, to: &str) -> Reaction {
        let reaction = self.says(at, from, "link", json!({ "to": to }));
        self.arrive();
        reaction
    }

    fn merges(&mut self, at: u64, from: &str, to: &str) -> Reaction {
        let reaction = self.says(at, from, "link", json!({ "to": to, "merge": true }));
        self.arrive();
        reaction
    }

    fn unlinks(&mut self, at: u64, from: &str, identifier: &str) -> Reaction {
        let reaction = self.says(at, from, "unlink", json!({ "from": identifier }));
        self.arrive();
        reaction
    }

    fn has(&self, who: &str) -> Vec<&str> {
        self.twin(who).identifiers.iter().map(|known| known.customer.as_str()).collect()
    }
}

fn is_late(reaction: &Reaction, part: &str) -> bool {
    reaction.result == InputResult::Applied
        && reaction.effects.is_empty()
        && reaction.notes == [Note::Late(part.into())]
}

#[test]
fn the_later_of_two_links_of_one_identifier_wins() {
    let mut town = Town::new();
    town.links(50, "tablet", "bob");
    let late = town.links(30, "tablet", "alice");
    assert!(is_late(&late, "to"), "{late:?}");
    assert_eq!(town.forwards("tablet"), Some("bob"));
    town.page("tablet", "Tablets", "red");
    assert_eq!(town.colour("bob", "red"), 1);
    assert!(!town.twins.contains_key("alice"), "nobody has told her anything");
    // A copy of it is a copy.
    town.sequence -= 2;
    assert_eq!(town.links(30, "tablet", "alice").result, InputResult::Duplicate);
    // At the same moment the one that comes last counts.
    town.links(50, "tablet", "carl");
    assert_eq!(town.forwards("tablet"), Some("carl"));
}

#[test]
fn a_link_that_comes_late_and_is_the_only_one_is_obeyed() {
    let mut town = Town::new();
    town.page("tablet", "Tablets", "red");
    town.links(10, "tablet", "alice");
    assert_eq!((town.forwards("tablet"), town.colour("alice", "red")), (Some("alice"), 1));
}

#[test]
fn an_unlink_that_was_said_before_the_link_takes_nothing_away() {
    let mut town = Town::new();
    town.page("phone", "Phones", "red");
    town.links(30, "phone", "carl");
    let late = town.unlinks(20, "carl", "phone");
    assert!(is_late(&late, "from"), "{late:?}");
    assert_eq!((town.forwards("phone"), town.colour("carl", "red")), (Some("carl"), 1));
    let line = town.twin("carl").timeline.iter().last().unwrap();
    assert!(line.text.starts_with("(late: from) "), "{}", line.text);
    town.unlinks(40, "carl", "phone");
    assert_eq!((town.forwards("phone"), town.colour("phone", "red")), (None, 1));
}

#[test]
fn a_link_that_was_said_before_the_unlink_does_not_take_the_identifier_back() {
    let mut town = Town::new();
    town.page("phone", "Phones", "red");
    town.links(10, "phone", "carl");
    town.unlinks(30, "carl", "phone");
    let late = town.links(20, "phone", "carl");
    assert!(is_late(&late, "to"), "{late:?}");
    assert_eq!((town.forwards("phone"), town.colour("phone", "red")), (None, 1));
    let line = town.twin("phone").timeline.iter().last().unwrap();
    assert!(line.text.starts_with("(late: to) "), "{}", line.text);
    // That it is not carl's says nothing of dora, but what was said before it was carl's does.
    assert!(is_late(&town.links(5, "phone", "dora"), "to"));
    assert_eq!(town.links(20, "phone", "dora").notes, []);
    assert_eq!(town.forwards("phone"), Some("dora"));
}

#[test]
fn a_link_that_was_said_again_after_an_unlink_that_comes_late_stands_with_all_it_brought() {
    let mut town = Town::new();
    town.page("phone", "Phones", "red");
    town.links(10, "phone", "carl");
    // Carl does not hear of it: nothing has changed.
    town.links(30, "phone", "carl");
    town.unlinks(20, "carl", "phone");
    assert_eq!(town.forwards("phone"), Some("carl"));
    assert_eq!((town.colour("carl", "red"), town.has("carl")), (1, vec!["phone"]));
    town.page("phone", "Phones", "red");
    assert_eq!(town.colour("carl", "red"), 2);
    town.unlinks(40, "carl", "phone");
    assert_eq!((town.forwards("phone"), town.colour("phone", "red")), (None, 1));
}

#[test]
fn a_late_merge_applies_to_the_owner_at_its_time() {
    let mut town = Town::new();
    town.links(10, "tablet", "alice");
    town.links(30, "tablet", "bob");
    assert!(is_late(&town.merges(20, "tablet", "carl"), "to"));
    assert_eq!((town.forwards("tablet"), town.forwards("bob")), (Some("bob"), None));
    // One that was said later makes two of them one, and a link from before that is late then.
    town.merges(50, "tablet", "carl");
    assert_eq!(town.forwards("bob"), Some("carl"));
    assert!(is_late(&town.links(40, "tablet", "dora"), "to"));
}

#[test]
fn an_older_statement_does_not_link_again_what_a_chain_has_returned() {
    let mut town = Town::new();
    town.page("cookie", "Tablets", "red");
    town.links(10, "cookie", "tablet");
    town.merges(15, "tablet", "ann");
    assert!(is_late(&town.unlinks(5, "ann", "cookie"), "from"));
    town.unlinks(30, "ann", "cookie");
    for to in ["tablet", "ann"] {
        assert!(is_late(&town.links(20, "cookie", to), "to"), "{to}");
    }
    assert_eq!((town.forwards("cookie"), town.colour("cookie", "red")), (None, 1));
}

#[test]
fn an_identifier_beyond_the_limit_is_linked_by_the_next_statement() {
    let mut town = Town::new();
    for number in 0..limits::IDENTIFIERS {
        town.link(&format!("cookie{number}"), "ann");
    }
    town.links(30, "tablet", "ann");
    assert_eq!(town.forwards("tablet"), None);
    town.links(10, "tablet", "bob");
    assert_eq!(town.forwards("tablet"), Some("bob"), "the later one was not obeyed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// In whatever order the links of a tablet come, and whatever they overtake, the one that was said
    /// last has it, nobody else has, and nothing of it is lost.
    #[test]
    fn a_tablet_is_in_the_hands_in_which_it_was_said_to_be_last(
        hands in prop::collection::vec(0..3usize, 1..8),
        order in Just((0..8usize).collect::<Vec<_>>()).prop_shuffle(),
        delays in prop::collection::vec(0..4usize, 8),
    ) {
        let people = ["alice", "bob", "carl"];
        let mut town = Town::new();
        let mut pages = 0;
        for which in order.into_iter().filter(|which| *which < hands.len()) {
            let to = json!({ "to": people[hands[which]] });
            town.says(10 * which as u64, "tablet", "link", to);
            let colour = json!({ "name": "x", "properties": { "colour": "red" } });
            town.publish("tablet", "page", colour);
            pages += 1;
            for _ in 0..delays[which] {
                town.arrive_one();
            }
        }
        town.arrive();
        let last = people[hands[hands.len() - 1]];
        prop_assert_eq!(town.forwards("tablet"), Some(last));
        for who in people.iter().filter(|who| town.twins.contains_key(**who)) {
            let expected = if *who == last { vec!["tablet"] } else { vec![] };
            prop_assert_eq!(town.has(who), expected, "{}", who);
        }
        let reds: u32 = town.twins.keys().map(|who| town.colour(who, "red")).sum();
        prop_assert_eq!(reds, pages);
    }

    /// Of links to one customer and unlinks of it the last one stands, too, if the first to come is a
    /// link: what is not there cannot be taken back.
    #[test]
    fn an_identifier_is_linked_if_that_was_said_last(
        more in prop::collection::vec(any::<bool>(), 0..8),
        first in 0..8u64,
        order in Just((0..8usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut town = Town::new();
        town.page("phone", "Phones", "red");
        let mut last = (10 * first + 5, true);
        town.links(last.0, "phone", "carl");
        for which in order.into_iter().filter(|which| *which < more.len()) {
            let (at, is_link) = (10 * which as u64, more[which]);
            let was_linked = town.forwards("phone").is_some();
            if is_link {
                town.links(at, "phone", "carl");
            } else {
                town.unlinks(at, "carl", "phone");
            }
            // To take back what is not there is refused, and says nothing.
            if at > last.0 && (is_link || was_linked) {
                last = (at, is_link);
            }
            prop_assert_eq!(town.forwards("phone").is_some(), last.1);
            let reds = (town.colour("phone", "red"), town.colour("carl", "red"));
            prop_assert_eq!(reds, if last.1 { (0, 1) } else { (1, 0) });
        }
    }
}
