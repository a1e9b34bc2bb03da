//! The pure core and the partition over a store in memory and a bus in memory, with seeded faults:
//! crashes between any two steps, redelivery, duplicates, reordering across partitions, delays,
//! failed writes, handlers that panic, a disk without room, a clock on the wall that is set wrong.
//! After every run, the promises must hold.
//!
//! `SEED=<n> cargo test --release --test simulation` replays one run; `SEEDS=<n>` runs that many.

mod asked;
mod checks;
mod erasures;
mod lanes;
mod links;
mod log;
mod people;
mod seen;
mod shared;
mod stream;
mod world;

use jumeau::event::Customer;
use jumeau::partition::Answers;
use links::Links;
use world::World;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Lives through the worlds of many seeds, and says how often things happened; none if these are too
/// few to tell.
fn live(count: u64, world: impl Fn(u64) -> World) -> Option<seen::Seen> {
    let seeds = match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, chosen) => 0..chosen.unwrap_or(count),
    };
    let mut seen = seen::Seen::default();
    for seed in seeds.clone() {
        let mut world = world(seed);
        world.run();
        let violations = world.violations();
        assert!(violations.is_empty(), "seed {seed}: {violations:#?}\nreplay it with SEED={seed}");
        seen.add(&world.seen);
    }
    (seeds.end - seeds.start > 1_000).then_some(seen)
}

#[test]
fn every_accepted_event_is_applied_exactly_once_and_no_action_is_lost_across_failures() {
    // A simulation in which nothing ever goes wrong proves nothing.
    if let Some(seen) = live(3_000, World::new) {
        seen.assert_everything_happened();
    }
}

#[test]
fn a_store_that_follows_a_commit_log_loses_and_doubles_nothing_across_failures() {
    if let Some(seen) = live(3_000, World::logging) {
        let counts = [seen.applied_again, seen.refused_late, seen.trimmed, seen.lost_writes];
        assert!(counts.iter().all(|count| *count > 1_000), "too little went wrong: {seen:?}");
    }
}

#[test]
fn slowed_events_are_processed_once_and_in_order_across_failures() {
    for links in [Links::None, Links::Undone] {
        if let Some(seen) = live(1_500, |seed| World::flooding(seed, links)) {
            assert!(seen.slowed > 1_000 && seen.redelivered > 1_000, "too little: {seen:?}");
        }
    }
}

fn live_with(links: Links) {
    // A world with bursts takes six times as long as one in which devices change hands.
    let count = match links {
        Links::Dense => 150,
        Links::Hands => 400,
        _ => 1_500,
    };
    if let Some(seen) = live(count, |seed| World::with(seed, links)) {
        assert!(seen.forwarded > 1_000, "too little was forwarded: {seen:?}");
        assert!(links != Links::Only || seen.doubled > 100, "too little went wrong: {seen:?}");
    }
}

#[test]
fn one_linked_identifier_survives_with_every_event_exactly_once_across_failures() {
    live_with(Links::Only);
}

#[test]
fn links_and_unlinks_lose_and_double_no_event_across_failures() {
    live_with(Links::Undone);
}

#[test]
fn in_bursts_of_links_every_memory_comes_to_rest_and_no_event_is_lost_or_doubled() {
    live_with(Links::Dense);
}

#[test]
fn a_device_that_changes_hands_separates_its_customers_across_failures() {
    live_with(Links::Hands);
}

#[test]
fn a_broadcast_reaches_each_matching_customer_once_across_failures() {
    if let Some(seen) = live(3_000, World::sharing) {
        assert!(seen.woken > 1_000 && seen.visited > 2 * seen.woken, "too little: {seen:?}");
    }
}

fn live_asking(answers: Answers) {
    if let Some(seen) = live(1_500, |seed| World::asking(seed, answers)) {
        let counts = [
            seen.answered,
            seen.panicked_asks,
            seen.recalls,
            seen.observations,
            seen.crashes,
            seen.failed_lessons,
        ];
        assert!(counts.iter().all(|count| *count > 100), "too little went wrong: {seen:?}");
        assert!(answers == Answers::Early || seen.asked_again > 100, "too little: {seen:?}");
    }
}

#[test]
fn a_durable_answer_is_learned_or_recalled_once_across_failures() {
    live_asking(Answers::Durable);
}

#[test]
fn an_early_answer_is_lost_as_a_whole_or_not_at_all_across_failures() {
    live_asking(Answers::Early);
}

#[test]
fn an_escalation_has_one_holder_at_a_time_across_failures() {
    if let Some(seen) = live(1_500, World::helping) {
        let counts = [seen.answered, seen.asked_again, seen.refused, seen.panics, seen.crashes];
        assert!(counts.iter().all(|count| *count > 100), "too little went wrong: {seen:?}");
    }
}

#[test]
fn an_erased_customer_leaves_nothing_and_does_not_return_across_failures() {
    let seeds = match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(1_500),
    };
    for links in [Links::None, Links::Only] {
        let mut seen = seen::Seen::default();
        for seed in seeds.clone() {
            let mut world = World::erasing(seed, links);
            world.run();
            let violations = world.violations();
            assert!(
                violations.is_empty(),
                "seed {seed}, {links:?}: {violations:#?}\nreplay it with SEED={seed}"
            );
            seen.add(&world.seen);
        }
        if seeds.end - seeds.start > 1_000 {
            assert!(seen.erasures > 500 && seen.of_erased > 500, "too little: {seen:?}");
        }
    }
}

#[test]
fn an_erasure_reaches_no_other_customer_and_spares_a_return_across_failures() {
    if let Some(seen) = live(1_500, World::returning) {
        assert!(seen.erasures > 1_000 && seen.of_erased > 500, "too little: {seen:?}");
    }
}

#[test]
fn a_forgotten_customer_and_their_cookie_may_return_at_once() {
    for seed in 0..number("SEEDS").unwrap_or(300) {
        let mut world = World::forgetting(seed);
        world.run();
        assert_eq!(erasures::check_forgotten(&world), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn statements_before_an_erasure_stay_out_even_after_a_return() {
    for seed in 0..number("SEEDS").unwrap_or(300) {
        let mut world = World::back(seed);
        world.run();
        assert_eq!(erasures::check_back(&world), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn an_erasure_is_remembered_until_the_slow_lane_is_past_it_too() {
    let erased = Customer::new("c0-0").unwrap();
    let is_back = |seed, taken_in| {
        let mut world = World::behind(seed, taken_in);
        world.run();
        assert_eq!(world.found, Vec::<String>::new(), "seed {seed}");
        world.twin(0, &erased).is_some()
    };
    let seeds = || 0..number("SEEDS").unwrap_or(100);
    assert_eq!(seeds().find(|seed| is_back(*seed, 0)), None);
    // Once all that was sent before is said to be taken in, it is remembered for its time only.
    assert!(seeds().any(|seed| is_back(seed, u64::MAX)), "the test looks where they come back");
}

#[test]
fn the_same_seed_gives_the_same_outputs_byte_for_byte() {
    for seed in 0..20 {
        let run = |mut world: World| {
            world.run();
            world.published()
        };
        let asking = || World::asking(seed, Answers::Durable);
        assert_eq!(run(World::new(seed)), run(World::new(seed)), "seed {seed}");
        assert_eq!(run(asking()), run(asking()), "seed {seed}");
        assert_eq!(run(World::helping(seed)), run(World::helping(seed)), "seed {seed}");
    }
}
