//! What a condition of a policy costs, beside the same condition written in Rust.

#![allow(clippy::expect_used, missing_docs, reason = "a bench's input is its own")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jumeau::event::{Map, Value};
use jumeau::policy::{Expression, Found, Path, Root, Scope, Template};

/// As much of a twin as the expressions below read.
struct Traveller {
    properties: Map,
    profile: Map,
    context: Map,
}

impl Traveller {
    fn new() -> Traveller {
        let map = |json| serde_json::from_str(json).expect("the literal is JSON");
        Traveller {
            properties: map(
                r#"{"city": "Lisbon", "country": "PT", "amount": 240.5, "seats": ["2A", "2B"],
                    "departure": "2026-03-09T06:00:00Z"}"#,
            ),
            profile: map(r#"{"country": "BE", "first_name": "Ada", "segment": "gold"}"#),
            context: map(r#"{"balance": 1200, "card_abroad": "blocked"}"#),
        }
    }
}

impl Scope for Traveller {
    fn find(&self, path: &Path) -> Found<'_> {
        let map = match path.root {
            Root::Event => &self.properties,
            Root::Profile => &self.profile,
            Root::Context => &self.context,
            _ => return Found::Missing,
        };
        let found = path.names().last().and_then(|name| map.get(name));
        found.map_or(Found::Missing, Found::Value)
    }
}

fn conditions(bench: &mut Criterion) {
    let traveller = Traveller::new();
    let mut group = bench.benchmark_group("policy");
    group.bench_function("baseline: the same in Rust", |b| {
        let text = |map: &Map, name| map.get(name).and_then(Value::as_text).map(str::to_owned);
        b.iter(|| {
            let traveller = black_box(&traveller);
            text(&traveller.properties, "country") != text(&traveller.profile, "country")
                && text(&traveller.context, "card_abroad").as_deref() == Some("blocked")
        });
    });
    for (name, source) in [
        (
            "condition",
            r#"event.properties.country != profile.country && context.card_abroad == "blocked""#,
        ),
        ("one comparison", r#"context.card_abroad == "blocked""#),
        ("a missing path", "context.usage > 100"),
        ("a number", "event.properties.amount * 1.2 > context.balance"),
        ("a time", "timestamp(event.properties.departure) - days(3)"),
        ("a constant list", r#"profile.segment in ["gold", "platinum"]"#),
        ("a constant", "0.9"),
    ] {
        let expression = Expression::compile(source).expect("the source is CEL");
        group.bench_function(name, |b| {
            b.iter(|| black_box(&expression).test(black_box(&traveller)));
        });
    }
    let template = Template::compile(
        "Hello {{ profile.first_name }}, your flight to {{ event.properties.city }} leaves on \
         {{ event.properties.departure | date('%d.%m.') }}",
    )
    .expect("the source is a template");
    group.bench_function("a text", |b| {
        b.iter(|| black_box(&template).render(black_box(&traveller)));
    });
    group.finish();
}

criterion_group!(benches, conditions);
criterion_main!(benches);
