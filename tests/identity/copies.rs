//! A copy comes by the stream soon after the first, whatever moves a twin's time in between.

use std::time::Duration;

use jumeau::event::{ForwardedEvent, INTERNAL};
use jumeau::twin::{Fired, Input, InputResult, World, react};
use proptest::prelude::*;
use serde_json::json;

use super::town::{Town, the_policy};

const DAY: Duration = Duration::from_secs(86_400);

impl Town {
    /// What is due fires, at a moment far ahead of the stream: the clock of the service is set wrong.
    fn rings(&mut self, who: &str) {
        let Some(twin) = self.twins.get_mut(who) else { return };
        let Some(timer) = twin.timers.iter().min_by_key(|timer| timer.due) else { return };
        let fired = Fired { name: timer.name.clone(), due: timer.due, late: Duration::ZERO };
        let input = Input::timer(fired, timer.due).by_stream(Some(self.now));
        react(twin, &input, &World::of(the_policy()));
    }

    /// A red page comes; where `copy_of` is one that came before, it is a copy of that one.
    fn red(&mut self, who: &str, copy_of: Option<u64>) -> InputResult {
        let last = self.sequence;
        if let Some(first) = copy_of {
            self.sequence = first - 1;
        }
        let result = self.page(who, "Tablets", "red").result;
        self.sequence = self.sequence.max(last);
        result
    }
}

/// Whether a message is about an event, of which the stream may hold copies.
fn is_event(message: &ForwardedEvent) -> bool {
    !String::from_utf8_lossy(&message.payload).contains("\"carried\"")
}

#[test]
fn a_copy_is_known_though_a_timer_fired_far_ahead_of_the_stream() {
    let mut town = Town::new();
    town.red("ann", None);
    let first = town.sequence;
    town.rings("ann");
    for _ in 0..100 {
        town.page("ann", "Tablets", "blue");
    }
    assert_eq!(town.red("ann", Some(first)), InputResult::Duplicate);
}

#[test]
fn an_identifier_that_is_linked_knows_a_copy_though_a_timer_fired_far_ahead_of_the_stream() {
    let mut town = Town::new();
    town.red("tablet", None);
    let first = town.sequence;
    town.rings("tablet");
    town.link("tablet", "ann");
    assert_eq!(town.red("tablet", Some(first)), InputResult::Duplicate);
}

#[test]
fn on_event_time_a_copy_is_known_though_the_events_happened_days_apart() {
    let mut town = Town::new();
    let mut moment = town.now;
    town.moment = Some(moment);
    town.red("tablet", None);
    let first = town.sequence;
    for _ in 0..100 {
        moment = moment + DAY;
        town.moment = Some(moment);
        town.page("tablet", "Tablets", "blue");
    }
    assert_eq!(town.red("tablet", Some(first)), InputResult::Duplicate);
    let last = town.sequence;
    town.moment = Some(moment + DAY);
    town.link("tablet", "ann");
    for copied in [first, last] {
        assert_eq!(town.red("tablet", Some(copied)), InputResult::Duplicate);
    }
}

#[derive(Debug, Clone)]
enum Happening {
    /// So many pages come.
    Pages(&'static str, u8),
    /// One of those pages comes once more.
    Copy(prop::sample::Index),
    /// One of those messages that twins sent each other comes once more.
    CopyForwarded(prop::sample::Index),
    Rings(&'static str),
    Link,
    Unlink,
}

fn happening() -> impl Strategy<Value = Happening> {
    let who = || prop::sample::select(vec!["ann", "tablet"]);
    prop_oneof![
        3 => (who(), 1..40u8).prop_map(|(who, count)| Happening::Pages(who, count)),
        3 => any::<prop::sample::Index>().prop_map(Happening::Copy),
        3 => any::<prop::sample::Index>().prop_map(Happening::CopyForwarded),
        2 => who().prop_map(Happening::Rings),
        1 => Just(Happening::Link),
        1 => Just(Happening::Unlink),
    ]
}

proptest! {
    /// All of it comes within the twenty minutes of the stream for which identities are remembered.
    #[test]
    fn every_event_counts_once_under_any_clock_of_twins(
        happened in prop::collection::vec(happening(), 1..25),
        is_on_event_time in any::<bool>(),
    ) {
        let mut town = Town::new();
        let mut pages: Vec<(&str, u64)> = Vec::new();
        let mut forwarded: Vec<ForwardedEvent> = Vec::new();
        for (at, one) in happened.into_iter().enumerate() {
            if is_on_event_time {
                town.moment = Some(town.now + DAY * at as u32);
            }
            match one {
                Happening::Pages(who, count) => {
                    for _ in 0..count {
                        let data = json!({ "name": "Tablets", "properties": { "colour": "red" } });
                        town.publish(who, "page", data);
                        pages.push((who, town.sequence));
                        forwarded.extend(town.on_its_way.iter().filter(|one| is_event(one)).cloned());
                        town.arrive();
                    }
                }
                Happening::Copy(which) if !pages.is_empty() => {
                    let (who, first) = pages[which.index(pages.len())];
                    prop_assert_eq!(town.red(who, Some(first)), InputResult::Duplicate);
                }
                Happening::CopyForwarded(which) if !forwarded.is_empty() => {
                    let message = forwarded[which.index(forwarded.len())].clone();
                    town.take(INTERNAL, message.to.as_str(), &message.payload);
                    town.arrive();
                }
                Happening::Copy(_) | Happening::CopyForwarded(_) => {}
                Happening::Rings(who) => town.rings(who),
                Happening::Link => drop(town.link("tablet", "ann")),
                Happening::Unlink => drop(town.unlink("ann", "tablet")),
            }
            prop_assert_eq!(town.reds() as usize, pages.len());
        }
    }
}
