//! The store under the load it is made for: synced commits of 512 changed twins, and the reads that
//! activate twins, beside a bare append and sync of the same bytes to a file.
//!
//! `BENCH_DIR` names the folder to work in; it should be on the disk that the service will use.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jumeau::config::settings;
use jumeau::event::{Customer, Time};
use jumeau::store::Store;
use jumeau::tables::{Batch, Commit, Read};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

const TWINS: u64 = 200_000;
const COMMIT: usize = 512;
const ENTRIES: u16 = 20;

fn folder() -> TempDir {
    let within = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    TempDir::new_in(within).unwrap()
}

fn customer(number: u64) -> Customer {
    Customer::new(&format!("customer-{number:08}")).unwrap()
}

/// What a round of a busy partition changes: states of 300 to 800 bytes that compress a little,
/// one entry each, and how far it has come.
fn changes(chance: &mut StdRng, slot: u16) -> Batch {
    let mut batch = Batch::with_capacity(COMMIT * 1_024);
    for _ in 0..COMMIT {
        let customer = customer(chance.random_range(0..TWINS));
        let mut state = vec![0; chance.random_range(300..800)];
        let (noise, _) = state.split_at_mut(200);
        chance.fill(noise);
        batch.put_twin(0, &customer, &state);
        batch.put_block(0, &customer, slot, &state[..80]);
    }
    batch.set_cursor(0, u64::from(slot));
    batch.set_clock(0, Time::from_ms(0));
    batch
}

fn filled(settings: &settings::StoreSettings) -> Store {
    let relaxed = settings::StoreSettings { sync: settings::SyncMode::Os, ..settings.clone() };
    let store = Store::open(&relaxed, 16).unwrap();
    let mut chance = StdRng::seed_from_u64(1);
    let begin = Instant::now();
    for chunk in 0..TWINS / 1_000 {
        let mut batch = Batch::with_capacity(4 << 20);
        for number in chunk * 1_000..(chunk + 1) * 1_000 {
            let customer = customer(number);
            let mut state = vec![0; chance.random_range(300..800)];
            let (noise, _) = state.split_at_mut(200);
            chance.fill(noise);
            batch.put_twin(0, &customer, &state);
            (0..ENTRIES).for_each(|slot| batch.put_block(0, &customer, slot, &state[..80]));
        }
        store.commit(&[batch]).unwrap();
    }
    println!("filled with {TWINS} twins in {:?}", begin.elapsed());
    drop(store);
    Store::open(settings, 16).unwrap()
}

fn commits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit of 512 twins");
    group.throughput(Throughput::Elements(COMMIT as u64));
    group.measurement_time(Duration::from_secs(8)).sample_size(20);
    let mut chance = StdRng::seed_from_u64(2);
    for (name, sync) in
        [("synced", settings::SyncMode::Always), ("to the system", settings::SyncMode::Os)]
    {
        let folder = folder();
        let settings = settings::StoreSettings {
            path: folder.path().into(),
            sync,
            ..settings::StoreSettings::default()
        };
        let store = filled(&settings);
        let mut slot = 0;
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || {
                    slot = (slot + 1) % 64;
                    [changes(&mut chance, slot)]
                },
                |batches| store.commit(&batches).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
    let folder = folder();
    let path = folder.path().join("log");
    let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
    let bytes = vec![7; changes(&mut chance, 0).bytes()];
    group.bench_function("baseline: append and sync of a file", |bench| {
        bench.iter(|| {
            log.write_all(&bytes).unwrap();
            log.sync_data().unwrap();
        });
    });
    group.finish();
}

fn reads(criterion: &mut Criterion) {
    let folder = folder();
    let settings = settings::StoreSettings {
        path: folder.path().into(),
        ..settings::StoreSettings::default()
    };
    let store = Arc::new(filled(&settings));
    let mut chance = StdRng::seed_from_u64(3);
    for slot in 0..100 {
        store.commit(&[changes(&mut chance, slot % 64)]).unwrap();
    }
    let mut group = criterion.benchmark_group("activate 256 twins");
    group.throughput(Throughput::Elements(256)).sample_size(20);
    let mut pick = |from: u64| -> Vec<Customer> {
        (0..256).map(|_| customer(from + chance.random_range(0..TWINS))).collect()
    };
    group.bench_function("that exist, with their timelines", |bench| {
        bench.iter_batched(
            || pick(0),
            |customers| {
                let found = store.load(0, &customers).unwrap();
                assert!(found.iter().all(Option::is_some));
                found
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("that are new", |bench| {
        bench.iter_batched(
            || pick(TWINS),
            |customers| {
                let found = store.load(0, &customers).unwrap();
                assert!(found.iter().all(Option::is_none));
                found
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    println!("{:?}", store.usage());
}

fn batches(criterion: &mut Criterion) {
    let customers: Vec<Customer> = (0..COMMIT as u64).map(customer).collect();
    let state = vec![7; 550];
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(COMMIT as u64));
    group.bench_function("512 twins, an entry each", |bench| {
        bench.iter(|| {
            let mut batch = Batch::with_capacity(COMMIT * 1_024);
            for customer in &customers {
                batch.put_twin(3, black_box(customer), &state);
                batch.put_block(3, customer, 9, &state[..80]);
            }
            batch
        });
    });
    group.finish();
}

criterion_group!(benches, batches, commits, reads);
criterion_main!(benches);
