//! What one decision costs: among few actions and among as many as a policy may have, with and
//! without what was learned.

#![allow(clippy::expect_used, missing_docs, reason = "a bench's input is its own")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jumeau::event::{self, Customer, Raw, Time};
use jumeau::policy::{Files, Policy, load};
use jumeau::twin::{Input, Twin, World, react};

/// A policy of so many actions that a channel may ask for, each with so many treatments.
fn policy(actions: u32, treatments: u32, more: &str) -> Policy {
    let mut text = format!(
        r#"
[policy]
name = "wide"
languages = ["en"]
[contact]
pause = {{ after = 3, for = "30d" }}
[[contact.limits]]
most = 31
over = "1h"
{more}
"#
    );
    for action in 0..actions {
        let value = f64::from(action % 97 + 1) / 100.0;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            r#"
[[actions]]
name = "offer-{action}"
issue = "nurture"
value = {value}
cooldown = "0s"
placements = ["home"]
eligible = "profile.age >= {age}"
when = "cases.open == 0 || profile.plan != 'p{action}'"
"#,
            age = action % 40
        );
        for treatment in 0..treatments {
            let tone = ["gentle", "neutral", "warm", "brief"][treatment as usize % 4];
            let _ = writeln!(
                text,
                r#"[[actions.treatments]]
name = "t{treatment}"
channel = "web"
tone = "{tone}"
text.en = "Offer {action} for {{{{ profile.name }}}}."
"#
            );
        }
    }
    load(&Files::new([("wide.toml", text.as_str())]))
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn input(payload: &str, sequence: u64) -> Input {
    let raw = Raw {
        channel: "web",
        customer: "alice",
        headers: &[],
        payload: payload.as_bytes(),
        sequence,
    };
    let event = event::parse(&raw).expect("the literal is an event");
    Input::event(event, Time::from_ms(1_760_000_000_000))
}

fn decisions(bench: &mut Criterion) {
    const LEARNED: &str = r#"
[learn]
features = ["profile.age", "profile.plan", "profile.city", "profile.name", "now.getHours()", "cases.open"]
[explore]
"#;
    let mut group = bench.benchmark_group("decide");
    for (name, actions, treatments, more) in [
        ("50 actions, 200 treatments", 50, 4, ""),
        ("50 actions, 200 treatments, drawn", 50, 4, LEARNED),
        ("2,500 actions, 5,000 treatments", 2_500, 2, ""),
        ("2,500 actions, 5,000 treatments, drawn", 2_500, 2, LEARNED),
    ] {
        let policy = policy(actions, treatments, more);
        let world = World::of(&policy);
        let mut twin = Twin::new(Customer::new("alice").expect("a name"), Time::default());
        let traits = r#"{"type": "identify", "data": {"traits": {"name": "Alice", "age": 44, "plan": "basic", "city": "Ghent"}}}"#;
        react(&mut twin, &input(traits, 1), &world);
        let mut ask = input(r#"{"type": "ask", "data": {"placements": ["home"], "most": 3}}"#, 2);
        group.bench_function(name, |b| {
            b.iter(|| {
                // Another request, an hour later: a duplicate would be no work at all.
                ask.fingerprint = ask.fingerprint.wrapping_add(1);
                ask.at = ask.at + std::time::Duration::from_secs(3_600);
                black_box(react(&mut twin, black_box(&ask), &world))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
