//! A defect of ours in a partition ends the service, which would go on half dead.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Arbiter, System};
use jumeau::actors::{Clock, Durable, End, Eraser, Fatal, PartitionActor, Setup};
use jumeau::bus::{Relay, Resume};
use jumeau::config::settings::{self, Answers, TimeMode};
use jumeau::models::Snapshot;
use jumeau::partition::{Bounds, Outgoing, Recovered};
use jumeau::policy::{self, Files};
use jumeau::store::{Committer, Store};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::{PATIENCE, world};

const POLICY: &str = "[policy]\nname = \"panic\"\nlanguages = [\"en\"]\n";

/// A partition of its own, and what it says before the service is to stop.
async fn partition() -> (actix::Addr<PartitionActor>, UnboundedReceiver<Fatal>) {
    let world = world().await;
    let settings =
        settings::Store { path: world.folder.path().join("store"), ..settings::Store::default() };
    let store = Arc::new(Store::open(&settings, 16).unwrap());
    let committer = Committer::spawn(store.clone(), |_| (), |_| ()).unwrap();
    let relay = Arc::new(Relay::spawn(&world.bus, |_| ()).await.unwrap());
    let (fatal, heard) = unbounded_channel();
    let (eraser, _) =
        Eraser::new(store.clone(), world.bus.clone(), relay.clone(), 16, fatal.clone());
    let policy = policy::load(&Files::new([("panic.toml", POLICY)])).unwrap();
    let setup = Setup {
        partition: 7,
        mode: TimeMode::Stream,
        bounds: Bounds {
            resident_twins_max: 10,
            resident_bytes_max: 1 << 20,
            timers_near_max: 10,
            outbox_max: 10,
            rest_after: None,
            wake_pause: Duration::ZERO,
            partitions: 16,
            answers: Answers::Durable,
        },
        outgoing: Outgoing::new(Arc::new(world.bus.subjects().clone())),
        policy: Arc::new(policy),
        shadow: None,
        models: Snapshot::nothing(),
        recovered: Recovered::default(),
        store,
        committer: committer.handle(),
        relay,
        eraser,
        floor: world.intake(Resume::default()).await.floor(),
        clock: Arc::new(Clock::new()),
        fatal,
    };
    let arbiter = Arbiter::new();
    let started = PartitionActor::start_in_arbiter(&arbiter.handle(), move |context| {
        PartitionActor::new(setup, context)
    });
    (started, heard)
}

#[test]
fn a_partition_that_panics_says_that_the_service_has_to_stop() {
    System::new().block_on(async {
        let (partition, mut heard) = partition().await;
        // A commit that nobody made cannot become durable: what the partition believes is wrong.
        partition.do_send(Durable(vec![77]));
        let Fatal(why) = timeout(PATIENCE, heard.recv()).await.expect("in time").unwrap();
        insta::assert_snapshot!(why, @"partition 7 panicked, which is a defect of jumeau; what was not durable is taken in again after the next start");
    });
}

#[test]
fn a_partition_that_is_told_to_end_says_nothing() {
    System::new().block_on(async {
        let (partition, mut heard) = partition().await;
        partition.send(End).await.unwrap();
        assert!(timeout(PATIENCE, heard.recv()).await.expect("in time").is_none());
    });
}
