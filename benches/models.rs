//! What it costs to weigh what can be chosen, and to learn from an answer.

#![allow(clippy::expect_used, missing_docs, reason = "a bench's input is its own")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jumeau::models::{
    Arm, ArmParts, Belief, Contender, Features, HORIZON, Learner, Prior, Snapshot, chances, normal,
    seed,
};

/// A situation of twenty values.
fn situation(number: u64) -> Features {
    let mut features = Features::new();
    for value in 0..20 {
        let size = normal(seed(&[number, value])).exp() * 100.0;
        features.number(&format!("value-{value}"), size);
    }
    features
}

/// Arms of so many actions, with two treatments each.
fn arms(actions: u32) -> Vec<Arm> {
    let issues = ["service", "retention", "nurture", "sales"];
    let names: Vec<String> = (0..actions).map(|action| format!("action-{action}")).collect();
    let parts = names.iter().zip(issues.iter().cycle()).flat_map(|(action, issue)| {
        [("soft", "gentle"), ("plain", "direct")].map(|(treatment, tone)| ArmParts {
            action,
            treatment,
            issue,
            channel: "app",
            tone,
        })
    });
    Arm::all(&parts.collect::<Vec<_>>())
}

/// A model that has seen each arm in ten situations.
fn learned(arms: &[Arm]) -> Learner {
    let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
    for (number, arm) in (0..).zip(arms) {
        for turn in 0..10 {
            let features = situation(number * 10 + turn);
            learner.learn(&features, arm, Prior::default(), turn % 7 == 0);
        }
    }
    learner
}

fn models(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("models");
    let features = situation(0);
    for actions in [100, 2_500] {
        let arms = arms(actions);
        let mut learner = learned(&arms);
        let snapshot = learner.publish();
        group.throughput(Throughput::Elements(arms.len() as u64));
        group.bench_function(format!("weigh {} treatments", arms.len()), |b| {
            b.iter(|| {
                let mut scorer = snapshot.scorer(black_box(&features));
                let propensity = |arm| scorer.belief(arm, Prior::default()).propensity();
                arms.iter().map(propensity).sum::<f64>()
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("learn one answer, {} treatments", arms.len()), |b| {
            b.iter(|| learner.learn(black_box(&features), &arms[0], Prior::default(), true));
        });
    }
    let contender = |number: i32| Contender {
        belief: Belief { mean: -1.0 - f64::from(number) / 20.0, variance: 0.3, doubt: 0.1 },
        factor: 0.5,
    };
    let contenders: Vec<Contender> = (0..16).map(contender).collect();
    group.bench_function("chances of 16", |b| b.iter(|| chances(black_box(&contenders))));
    group.finish();
}

criterion_group!(benches, models);
criterion_main!(benches);
