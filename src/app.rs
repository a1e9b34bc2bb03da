//! The composition root: builds the service from its settings, starts it, drains it, stops it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Arbiter, Context};
use anyhow::{Context as _, bail};
use parking_lot::RwLock;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::actors::{
    Confirmed, Durable, End, Fatal, IsDrained, PartitionActor, Pull, SetPolicy, Setup,
};
use crate::api::{self, Desk};
use crate::bus::{Bus, Intake, Relay, Resume};
use crate::config::{Settings, limits};
use crate::event::Time;
use crate::partition::{Outgoing, Pulled, Recovered, Bounds};
use crate::policy::Policy;
use crate::store::{Committer, Read, Store};

/// Addresses of the partitions' actors, by number; set once they are started.
pub type Partitions = Arc<OnceLock<Vec<Addr<PartitionActor>>>>;

/// The running service.
pub struct Service {
    partitions: Partitions,
    arbiters: Vec<Arbiter>,
    committer: Committer,
    relay: Relay,
    bus: Bus,
    runtime: tokio::runtime::Runtime,
    intake: tokio::task::JoinHandle<()>,
    api: api::Service,
    fatal: UnboundedReceiver<Fatal>,
    drain: Duration,
}

/// A policy and where it came from.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Arc<Policy>,
    /// `embedded`, or the folder.
    pub source: String,
    /// When it was loaded.
    pub at: Time,
}

impl Service {
    /// Joins the broker, opens the store and starts every partition where it was left.
    ///
    /// # Errors
    /// Whatever is in the way: no broker, streams or a database that contradict the settings.
    pub async fn start(settings: &Settings, policy: LoadedPolicy) -> anyhow::Result<Service> {
        let partition_count = settings.service.partitions;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(settings.service.bus_threads.into())
            .thread_name("bus")
            .enable_all()
            .build()
            .context("cannot start the threads of the bus")?;
        // Whatever the client library spawns belongs on the bus's own threads.
        let bus = {
            let (settings, streams) = (settings.clone(), settings.streams.clone());
            runtime
                .spawn(async move {
                    let bus = Bus::connect(&settings.nats).await?;
                    bus.ensure_streams(&streams, settings.service.partitions).await?;
                    anyhow::Ok(bus)
                })
                .await??
        };
        let store = {
            let settings = settings.store.clone();
            let open = move || Store::open(&settings, partition_count);
            Arc::new(runtime.spawn_blocking(open).await??)
        };
        let (fatal_sender, fatal) = unbounded_channel();
        let partitions: Partitions = Arc::default();

        let committer = Committer::spawn(
            store.clone(),
            durable(partitions.clone()),
            stop_on_failure(fatal_sender.clone()),
        )?;
        let relay = {
            let _inside = runtime.enter();
            Relay::spawn(&bus, confirmed(partitions.clone()))
        };

        let recovered = {
            let store = store.clone();
            let recover = move || recover(&store, partition_count);
            runtime.spawn_blocking(recover).await??
        };
        let floor = store.floor()?;
        let resume = Resume::from(recovered.iter().map(|known| known.cursor), floor);
        let intake = {
            let bus = bus.clone();
            runtime.spawn(async move { Intake::open(&bus, resume).await }).await??
        };

        let arbiters: Vec<Arbiter> =
            (0..settings.service.arbiters()).map(|_| Arbiter::new()).collect();
        let share = usize::from(partition_count);
        let bounds = Bounds {
            resident_twins_max: (settings.service.resident_twins_max / share).max(1),
            resident_bytes_max: settings.service.resident_bytes_max / share,
            timers_near_max: limits::TIMER_WINDOW,
        };
        let outgoing = Outgoing::new(bus.shared_subjects());
        let addresses = (0..partition_count)
            .zip(recovered)
            .map(|(partition, recovered)| {
                let setup = Setup {
                    partition,
                    mode: settings.service.time,
                    bounds,
                    outgoing: outgoing.clone(),
                    policy: policy.policy.clone(),
                    recovered,
                    store: store.clone(),
                    committer: committer.handle(),
                    relay: relay.handle(),
                    floor: intake.floor(),
                    fatal: fatal_sender.clone(),
                };
                let arbiter = &arbiters[usize::from(partition) % arbiters.len()];
                PartitionActor::start_in_arbiter(
                    &arbiter.handle(),
                    move |context: &mut Context<PartitionActor>| {
                        PartitionActor::new(setup, context)
                    },
                )
            })
            .collect();
        // Nothing was submitted before, so nobody has looked for an address yet.
        let _ = partitions.set(addresses);

        let desk = Arc::new(Desk {
            bus: bus.clone(),
            store: store.clone(),
            partitions: partitions.clone(),
            mode: settings.service.time,
            policy: RwLock::new(policy.into()),
            started: Instant::now(),
            started_at: chrono::Utc::now().into(),
            resets: intake.resets(),
        });
        let api = {
            let (bus, desk) = (bus.clone(), desk.clone());
            runtime.spawn(async move { api::Service::start(&bus, desk).await }).await??
        };
        let intake = runtime.spawn(take_in(intake, partitions.clone(), fatal_sender));
        let drain = Duration::from_secs(settings.service.drain_seconds_max.into());
        Ok(Service {
            partitions,
            arbiters,
            committer,
            relay,
            bus,
            runtime,
            intake,
            api,
            fatal,
            drain,
        })
    }

    /// From now on, every partition goes by this policy.
    pub fn set_policy(&self, policy: &LoadedPolicy) {
        for partition in self.partitions.get().into_iter().flatten() {
            partition.do_send(SetPolicy(policy.policy.clone()));
        }
        self.api.set_policy(policy.clone());
    }

    /// Waits for something after which the service must stop rather than guess.
    pub async fn failed(&mut self) -> String {
        match self.fatal.recv().await {
            Some(Fatal(why)) => why,
            None => std::future::pending().await,
        }
    }

    /// Takes nothing more in, waits until what was taken in is durable and published, and stops.
    ///
    /// # Errors
    /// If that takes longer than the settings allow. Nothing is lost then either: it is taken in
    /// or published after the next start.
    pub async fn drain(self) -> anyhow::Result<()> {
        self.intake.abort();
        self.api.stop().await;
        let deadline = Instant::now() + self.drain;
        let mut is_drained = false;
        while !is_drained && Instant::now() < deadline {
            is_drained = true;
            for partition in self.partitions.get().into_iter().flatten() {
                is_drained &= partition.send(IsDrained).await.unwrap_or(true);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.stop().await;
        if !is_drained {
            bail!("not everything was durable and published in time; it is after the next start");
        }
        Ok(())
    }

    /// Stops without waiting for anything. What is not durable is taken in again.
    pub async fn stop(self) {
        self.intake.abort();
        for partition in self.partitions.get().into_iter().flatten() {
            let _ = partition.send(End).await;
        }
        for arbiter in self.arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
        self.committer.drain();
        self.relay.stop();
        let _ = self.bus.close().await;
        self.runtime.shutdown_background();
    }
}

/// Where every partition was left.
fn recover(store: &Store, partitions: u16) -> anyhow::Result<Vec<Recovered>> {
    (0..partitions)
        .map(|partition| {
            let meta = store.meta(partition)?;
            let outputs = store.outbox(partition, 0, limits::OUTBOX_RECOVERED)?;
            Ok(Recovered {
                cursor: meta.cursor,
                next_output: meta.next_output,
                next_input: meta.next_input,
                clock: meta.clock,
                outputs,
            })
        })
        .collect()
}

/// Tells each partition which of its commits are durable.
fn durable(partitions: Partitions) -> impl Fn(Vec<(u16, u64)>) + Send + 'static {
    move |tickets| {
        by_partition(tickets, |partition, tickets| {
            if let Some(address) = address(&partitions, partition) {
                address.do_send(Durable(tickets));
            }
        });
    }
}

/// Tells each partition which of its outputs the broker has.
fn confirmed(partitions: Partitions) -> impl Fn(Vec<(u16, u64)>) + Send + Sync + 'static {
    move |sequences| {
        by_partition(sequences, |partition, sequences| {
            if let Some(address) = address(&partitions, partition) {
                address.do_send(Confirmed(sequences));
            }
        });
    }
}

fn address(partitions: &Partitions, partition: u16) -> Option<&Addr<PartitionActor>> {
    partitions.get()?.get(usize::from(partition))
}

/// Hands the numbers of each partition over, in their order.
fn by_partition(mut numbers: Vec<(u16, u64)>, mut hand_over: impl FnMut(u16, Vec<u64>)) {
    // Stable: the numbers of one partition stay in their order.
    numbers.sort_by_key(|(partition, _)| *partition);
    for group in numbers.chunk_by(|(left, _), (right, _)| left == right) {
        if let Some((partition, _)) = group.first() {
            hand_over(*partition, group.iter().map(|(_, number)| *number).collect());
        }
    }
}

fn stop_on_failure(fatal: UnboundedSender<Fatal>) -> impl FnOnce(String) + Send + 'static {
    move |why| {
        // Without a receiver the service is stopping already.
        let _ = fatal.send(Fatal(format!("a commit failed: {why}")));
    }
}

/// Hands what is pulled to the partitions, for as long as there is room.
async fn take_in(mut intake: Intake, partitions: Partitions, fatal: UnboundedSender<Fatal>) {
    let Some(addresses) = partitions.get() else { return };
    let room = Arc::new(Semaphore::new(limits::IN_FLIGHT_EVENTS));
    let mut caught_up = vec![false; addresses.len()];
    loop {
        let pulled = match intake.next().await {
            Ok(pulled) => pulled,
            Err(error) => {
                let _ = fatal.send(Fatal(format!("the stream of events: {error}")));
                return;
            }
        };
        let is_last = pulled.is_caught_up;
        for part in pulled.parts {
            let Some(address) = addresses.get(usize::from(part.partition)) else { continue };
            let permit = acquire(&room, part.deliveries.len()).await;
            caught_up[usize::from(part.partition)] = is_last;
            let pulled =
                Pulled { deliveries: part.deliveries, token: Some(part.receipt), is_last };
            address.do_send(Pull { pulled, permit });
        }
        // Partitions without a part hear of it only when it is news.
        for (address, known) in addresses.iter().zip(&mut caught_up) {
            if std::mem::replace(known, is_last) != is_last {
                let pulled = Pulled { deliveries: Vec::new(), token: None, is_last };
                address.do_send(Pull { pulled, permit: None });
            }
        }
    }
}

/// Room for so many events, or for as many as there can be.
async fn acquire(room: &Arc<Semaphore>, events: usize) -> Option<OwnedSemaphorePermit> {
    let events = u32::try_from(events.min(limits::IN_FLIGHT_EVENTS)).unwrap_or(u32::MAX);
    // The semaphore is never closed.
    room.clone().acquire_many_owned(events).await.ok()
}
