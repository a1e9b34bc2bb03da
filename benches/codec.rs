//! Sealing and opening the state of a twin, beside bincode alone: what envelope, version, checksum
//! and limits cost.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jumeau::codec::{self, RecordKind};
use jumeau::event::{Channel, Customer, InteractionState, Map, Sensitivity, Time, Value};
use jumeau::twin::{
    Consent, Contact, Dates, Interaction, Need, Pause, PausedBy, Record, Signal, Timer, Twin,
};

/// As in the service: opening a record is mostly making room for its texts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: i64 = 1_760_000_000_000;

fn map(pairs: &[(&str, Value)]) -> Map {
    pairs.iter().map(|(name, value)| (Box::<str>::from(*name), value.clone())).collect()
}

/// So many minutes ago.
fn at(minutes: i64) -> Time {
    Time::from_ms(NOW - minutes * 60_000)
}

fn paused_form(channel: Channel) -> Interaction {
    Interaction {
        id: "loan-form-7".into(),
        kind: "loan-form".into(),
        state: InteractionState::Paused,
        step: Value::Int(3),
        data: map(&[("amount", Value::Int(12_000)), ("term", Value::Int(48))]),
        channel,
        started: at(700),
        touched: at(650),
        stated: Some(at(650)),
        stepped: None,
        lines: Vec::new(),
        pause: Some(Pause { at: at(650), by: PausedBy::Silence, offered: None }),
        older: Dates::default(),
    }
}

/// A twin that some twenty events have passed through: about 500 bytes.
fn twin() -> Twin {
    let web = Channel::new("web").unwrap();
    let mut twin = Twin::new(Customer::new("customer-000042").unwrap(), at(90_000));
    twin.profile.traits = map(&[
        ("first_name", "Ada".into()),
        ("city", "Montpellier".into()),
        ("segment", "gold".into()),
        ("age", Value::Int(44)),
        ("card_abroad", Value::Bool(false)),
    ]);
    twin.profile.consents = ["service", "marketing"]
        .map(|purpose| Consent {
            purpose: purpose.into(),
            channel: None,
            granted: true,
            at: at(80_000),
            by: "web".into(),
            proof: None,
            until: None,
        })
        .into();
    twin.context = ["place", "weather"]
        .map(|name| Signal {
            name: name.into(),
            value: "somewhere".into(),
            source: web.clone(),
            at: at(5),
            stale_at: Some(at(-60)),
            sensitivity: Sensitivity::default(),
            purpose: None,
        })
        .into();
    twin.facts = map(&[("flights", Value::Int(3)), ("last_spend", Value::Float(182.4))]);
    twin.interactions = vec![paused_form(web)];
    twin.needs = vec![Need {
        name: "travel-payment".into(),
        strength: 0.8,
        evidence: "bought a flight to Lisbon while the card is blocked abroad".into(),
        raised: at(60),
        until: at(-4_000),
    }];
    twin.contacts = (0..3)
        .map(|n| Contact {
            decision: format!("{n:016x}").into(),
            action: "open-card-abroad".into(),
            channel: "app".into(),
            at: at(n * 1_000),
            outcome: None,
            shown: None,
        })
        .collect();
    twin.timers = vec![Timer {
        name: "departure".into(),
        due: at(-3_000),
        every: None,
        catch_up: jumeau::policy::CatchUp::Run,
    }];
    twin
}

fn codec(criterion: &mut Criterion) {
    let twin = twin();
    let mut sealed = Vec::new();
    codec::encode(RecordKind::Twin, &twin.record(), &mut sealed).unwrap();
    let bare = bincode::serde::encode_to_vec(twin.record(), bincode::config::standard()).unwrap();
    println!("a twin of {} bytes, sealed {}", bare.len(), sealed.len());

    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Bytes(sealed.len() as u64));
    let mut into = Vec::with_capacity(4_096);
    group.bench_function("seal", |bench| {
        bench.iter(|| {
            into.clear();
            codec::encode(RecordKind::Twin, &black_box(&twin).record(), &mut into).unwrap();
        });
    });
    let mut into = vec![0; 4_096];
    group.bench_function("seal, baseline: bincode alone", |bench| {
        let config = bincode::config::standard();
        bench.iter(|| {
            bincode::serde::encode_into_slice(black_box(&twin).record(), &mut into, config)
        });
    });
    group.bench_function("open", |bench| {
        bench.iter(|| {
            codec::decode::<Record<'static>>(RecordKind::Twin, black_box(&sealed)).unwrap()
        });
    });
    group.bench_function("open, baseline: bincode alone", |bench| {
        let config = bincode::config::standard();
        bench.iter(|| {
            bincode::serde::decode_from_slice::<Record<'static>, _>(black_box(&bare), config)
        });
    });
    group.bench_function("check", |bench| {
        bench.iter(|| codec::check(RecordKind::Twin, black_box(&sealed)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
