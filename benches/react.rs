//! What one reaction costs under the bank's policy, beside an event that no rule answers to.

#![allow(clippy::expect_used, missing_docs, reason = "a bench's input is its own")]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use jumeau::event::{self, Raw, Time};
use jumeau::policy::{Policy, load};
use jumeau::policy_source::read_files;
use jumeau::twin::{Input, Twin, World, react};

fn bank() -> Policy {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/policies/bank");
    load(&read_files(&folder).expect("the folder is there")).expect("the policy has no mistake")
}

fn input(payload: &str) -> Input {
    let raw = Raw {
        channel: "app",
        customer: "alice",
        headers: &[],
        payload: payload.as_bytes(),
        sequence: 1,
    };
    Input::event(event::parse(&raw).expect("the literal is an event"), Time::default())
}

fn reactions(bench: &mut Criterion) {
    let policy = bank();
    let world = World::of(&policy);
    let mut group = bench.benchmark_group("react");
    for (name, payload) in [
        (
            "baseline: no rule",
            r#"{"type": "track", "data": {"name": "Nothing", "properties": {"amount": 40.5}}}"#,
        ),
        (
            "a rule that does not hold",
            r#"{"type": "track", "data": {"name": "Payment Made", "properties": {"amount": 40.5, "to": "Baker"}}}"#,
        ),
        (
            "a signal and two rules",
            r#"{"type": "signal", "data": {"name": "balance", "value": 512.5}}"#,
        ),
        (
            "an action",
            r#"{"type": "track", "data": {"name": "Payment Made", "properties": {"payment": "p-1", "amount": 2400.5, "to": "Garage"}}}"#,
        ),
    ] {
        let mut input = input(payload);
        let mut twin = Twin::new(jumeau::event::Customer::new("alice").expect("a name"), input.at);
        group.bench_function(name, |b| {
            b.iter(|| {
                // Another event, a second later: a duplicate would be no work at all.
                input.fingerprint = input.fingerprint.wrapping_add(1);
                input.at = input.at + std::time::Duration::from_secs(1);
                black_box(react(&mut twin, black_box(&input), &world))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reactions);
criterion_main!(benches);
