//! The pure core and the partition over a store in memory and a bus in memory, with seeded faults:
//! crashes between any two steps, redelivery, duplicates, reordering across partitions, delays,
//! failed writes, handlers that panic, a disk without room, a clock on the wall that is set wrong.
//! After every run, the promises must hold.
//!
//! `SEED=<n> cargo test --release --test simulation` replays one run; `SEEDS=<n>` runs that many.

mod checks;
mod erasures;
mod links;
mod seen;
mod shared;
mod stream;
mod world;

use links::Links;
use world::World;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[test]
fn every_accepted_event_is_applied_exactly_once_and_no_action_is_lost_whatever_fails() {
    let seeds = match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(3_000),
    };
    let mut seen = seen::Seen::default();
    for seed in seeds.clone() {
        let mut world = World::new(seed);
        world.run();
        let violations = world.violations();
        assert!(violations.is_empty(), "seed {seed}: {violations:#?}\nreplay it with SEED={seed}",);
        seen.add(&world.seen);
    }
    if seeds.end - seeds.start > 1_000 {
        // A simulation in which nothing ever goes wrong proves nothing.
        seen.assert_everything_happened();
    }
}

fn live_with(links: Links) {
    let seeds = match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(1_500),
    };
    let mut seen = seen::Seen::default();
    for seed in seeds.clone() {
        let mut world = World::with(seed, links);
        world.run();
        let violations = world.violations();
        assert!(violations.is_empty(), "seed {seed}: {violations:#?}\nreplay it with SEED={seed}");
        seen.add(&world.seen);
    }
    if seeds.end - seeds.start > 1_000 {
        assert!(seen.passed_on > 1_000, "too little was passed on: {seen:?}");
        assert!(links != Links::Only || seen.doubled > 100, "too little went wrong: {seen:?}");
    }
}

#[test]
fn of_linked_identifiers_one_survives_with_every_event_exactly_once_whatever_fails() {
    live_with(Links::Only);
}

#[test]
fn links_and_unlinks_lose_no_event_and_double_none_whatever_fails() {
    live_with(Links::Undone);
}

#[test]
fn a_broadcast_touches_once_whom_it_concerns_and_nobody_else_whatever_fails() {
    let seeds = match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(3_000),
    };
    let mut seen = seen::Seen::default();
    for seed in seeds.clone() {
        let mut world = World::sharing(seed);
        world.run();
        let violations = world.violations();
        assert!(violations.is_empty(), "seed {seed}: {violations:#?}\nreplay it with SEED={seed}");
        seen.add(&world.seen);
    }
    if seeds.end - seeds.start > 1_000 {
        assert!(seen.woken > 1_000 && seen.looked_at > 2 * seen.woken, "too little: {seen:?}");
    }
}

#[test]
fn whoever_is_erased_leaves_nothing_behind_and_does_not_come_back_whatever_fails() {
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
            assert!(seen.erasures > 500 && seen.late > 500, "too little: {seen:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_outputs_byte_for_byte() {
    for seed in 0..20 {
        let run = || {
            let mut world = World::new(seed);
            world.run();
            world.published()
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}
