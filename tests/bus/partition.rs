//! The actor of one partition, on a store of its own.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Actor, Addr, Arbiter};
use jumeau::actors::{
    Clock, Confirmed, Durable, Eraser, FatalError, PartitionActor, PartitionSetup,
};
use jumeau::bus::{Relay, ResumePoint};
use jumeau::commit::Committer;
use jumeau::config::settings::{self, Answers, TimeMode};
use jumeau::models::Snapshot;
use jumeau::partition::{Bounds, Outgoing, Recovered, StoreSecret};
use jumeau::policy::{self, Files};
use jumeau::store::Store;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::World;

const POLICY: &str = "[policy]\nname = \"one\"\nlanguages = [\"en\"]\n";

pub(crate) struct Part {
    pub(crate) partition: Addr<PartitionActor>,
    /// Why the service is to stop.
    pub(crate) heard: UnboundedReceiver<FatalError>,
    _committer: Committer,
}

pub(crate) fn store(world: &World) -> Arc<Store> {
    let path = world.folder.path().join("store");
    let settings = settings::StoreSettings { path, ..settings::StoreSettings::default() };
    Arc::new(Store::open(&settings, 16).unwrap())
}

impl Part {
    pub(crate) async fn start(world: &World, outbox_max: usize, recovered: Recovered) -> Part {
        Part::on(store(world), world, outbox_max, recovered).await
    }

    pub(crate) async fn on(
        store: Arc<Store>,
        world: &World,
        outbox_max: usize,
        recovered: Recovered,
    ) -> Part {
        let address: Arc<OnceLock<Addr<PartitionActor>>> = Arc::default();
        let (durable, confirmed) = (address.clone(), address.clone());
        let numbers = |of: Vec<(u16, u64)>| of.into_iter().map(|(_, number)| number).collect();
        let durable = move |of| durable.wait().do_send(Durable(numbers(of)));
        let committer = Committer::spawn(store.clone(), durable, |_| ()).unwrap();
        let confirmed = move |of| confirmed.wait().do_send(Confirmed(numbers(of)));
        let relay = Arc::new(Relay::spawn(&world.bus, confirmed).await.unwrap());
        let (fatal, heard) = unbounded_channel();
        let stored = (store.clone(), committer.handle(), None);
        let (eraser, _) = Eraser::new(stored, world.bus.clone(), relay.clone(), 16, fatal.clone());
        let setup = PartitionSetup {
            partition: 7,
            mode: TimeMode::Stream,
            bounds: Bounds {
                resident_twins_max: 10,
                resident_bytes_max: 1 << 20,
                timers_near_max: 10,
                outbox_max,
                rest_after: None,
                wake_pause: Duration::ZERO,
                partitions: 16,
                answers: Answers::Durable,
            },
            outgoing: Outgoing::new(
                Arc::new(world.bus.subjects().clone()),
                StoreSecret::default(),
                16,
            ),
            rights: jumeau::event::Rights::default(),
            policy: Arc::new(policy::load(&Files::new([("one.toml", POLICY)])).unwrap()),
            shadow: None,
            models: Snapshot::nothing(),
            recovered,
            store,
            committer: committer.handle(),
            relay,
            eraser,
            floor: world.intake(ResumePoint::default()).await.floor(),
            clock: Arc::new(Clock::new()),
            fatal,
        };
        let arbiter = Arbiter::new();
        let started = PartitionActor::start_in_arbiter(&arbiter.handle(), move |context| {
            PartitionActor::new(setup, context)
        });
        address.set(started.clone()).unwrap();
        Part { partition: started, heard, _committer: committer }
    }
}
