//! The composition root: builds the service from its settings, starts it, drains it, stops it.

mod disk_space;
mod ending;
mod intake;
mod stream;

pub use stream::{AdoptedStream, adopt};

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Arbiter, Context};
use anyhow::{Context as _, bail};
use futures::FutureExt as _;
use futures::future::join_all;
use parking_lot::RwLock;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::actors::{
    Clock, Confirmed, Durable, Eraser, FatalError, HoldScans, IsDrained, LearnerThread,
    PartitionActor, PartitionSetup, Partitions, SetModels, SetPolicy, StopPartition,
};
use crate::api::{self, AuditWriter, CurrentPolicy, PolicyRefusal, PolicyStatus, ReceiptSigner};
use crate::bus::{
    self, Analyser, Bus, Intake, LastTakenEvent, Ownership, Relay, ResumePoint, StreamMonitor,
};
use crate::config::settings::{LogIdentifiers, TimeMode};
use crate::config::{Settings, limits};
use crate::event::{AgentChannels, Channel, Cursors, Rights, SlowLane, Time};
use crate::models::Snapshot;
use crate::partition::{Bounds, ErasedMarks, Outgoing, Recovered, StoreSecret, Trainer};
use crate::policy::{Mistakes, Policy};
use crate::router::{BackupWriter, Probes, Router, Services};
use crate::store::{Committer, DiskMonitor, Store};
use crate::tables::Read;

pub use self::ending::end_at_the_second_signal;
use self::ending::{Deadline, end_now};

/// The running service.
pub struct RunningService {
    partitions: Partitions,
    arbiters: Vec<Arbiter>,
    committer: Committer,
    learner: LearnerThread,
    bus: Bus,
    ownership: Ownership,
    threads: Threads,
    intake: tokio::task::JoinHandle<()>,
    eraser: tokio::task::JoinHandle<()>,
    api: bus::ApiService,
    policy: PolicyHandle,
    fatal: UnboundedReceiver<FatalError>,
    drain: Duration,
}

/// The threads of the bus, and those that read the store. Dropping them does not wait for their end: the
/// thread that drops them, above all after a failed start, must not block.
struct Threads {
    handle: tokio::runtime::Handle,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Threads {
    fn start(count: usize) -> anyhow::Result<Threads> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("bus")
            .enable_all()
            .build()
            .context("cannot start the threads of the bus")?;
        Ok(Threads { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Threads {
    /// Ends the threads, and waits some time for reads of the store: a process that ends during a read
    /// crashes.
    fn end(mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let waiting = std::thread::spawn(move || runtime.shutdown_timeout(READERS_END));
        // If the thread panicked, there is nothing to wait for.
        let _ = waiting.join();
    }
}

/// A live thread answers within this time, even on a loaded machine.
const ANSWER: Duration = Duration::from_secs(3);

/// The maximum duration of a stop; after it, the process ends anyway.
const STOP: Duration = Duration::from_secs(30);

/// The maximum duration of a read of the store; after it, the read is abandoned.
const READERS_END: Duration = Duration::from_secs(5);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A handle for changing the policy at run time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PolicyHandle {
    partitions: Partitions,
    current: Arc<RwLock<CurrentPolicy>>,
    auditor: AuditWriter,
    threads: tokio::runtime::Handle,
}

impl PolicyHandle {
    /// Activates a policy in every partition; a refused one changes nothing and is reported in the
    /// status.
    pub fn change(&self, changed: Result<Arc<Policy>, Mistakes>) {
        match changed {
            Ok(policy) => {
                let source = self.current.read().status.source.clone();
                self.write_down(policy.version.to_string(), true);
                tracing::info!(policy = %policy.name, version = %policy.version, "a new policy");
                *self.current.write() = current(&policy, source);
                for partition in self.partitions.all() {
                    partition.do_send(SetPolicy(policy.clone()));
                }
            }
            Err(mistakes) => {
                let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                let (count, first) =
                    (mistakes.len(), mistakes.first().cloned().unwrap_or_default());
                tracing::warn!(mistakes = count, first, "a changed policy is refused");
                let ending = if count == 1 { "" } else { "s" };
                self.write_down(format!("{count} mistake{ending}"), false);
                self.current.write().status.refusal = Some(PolicyRefusal { at: now(), mistakes });
            }
        }
    }
}

impl PolicyHandle {
    fn write_down(&self, version: String, is_taken: bool) {
        let auditor = self.auditor.clone();
        self.threads.spawn(async move { auditor.policy_changed(&version, is_taken).await });
    }
}

fn current(policy: &Policy, source: String) -> CurrentPolicy {
    let status = PolicyStatus {
        name: policy.name.to_string(),
        version: policy.version.to_string(),
        source,
        loaded: now(),
        rules: policy.rules.len(),
        needs: policy.needs.len(),
        actions: policy.actions.len(),
        refusal: None,
    };
    CurrentPolicy { status, files: policy.files.clone() }
}

fn now() -> Time {
    chrono::Utc::now().into()
}

impl RunningService {
    /// Connects to the broker, opens the store and starts every partition at its cursor.
    ///
    /// # Errors
    /// If there is no broker, or the streams or the database contradict the settings.
    pub async fn start(
        settings: &Settings,
        policy: Arc<Policy>,
        shadow: Option<Arc<Policy>>,
        source: String,
    ) -> anyhow::Result<RunningService> {
        let partition_count = settings.service.partitions;
        let threads = Threads::start(settings.service.bus_threads.into())?;
        let runtime = &threads.handle;
        // Tasks that the client library spawns belong on the bus's own runtime.
        let bus = {
            let settings = settings.nats.clone();
            runtime.spawn(async move { Bus::join(&settings).await }).await??
        };
        let store = {
            let settings = settings.store.clone();
            let open = move || Store::open(&settings, partition_count);
            Arc::new(runtime.spawn_blocking(open).await??)
        };
        let (fatal_sender, fatal) = unbounded_channel();
        let partitions = Partitions::default();
        // Nothing is created or changed on the broker before we own the prefix.
        let ownership = {
            let own =
                stream::own(bus.clone(), store.clone(), settings.clone(), fatal_sender.clone());
            runtime.spawn(own).await??
        };

        let committer = Committer::spawn(
            store.clone(),
            durable(partitions.clone()),
            stop_on_failure(fatal_sender.clone()),
        )?;
        let relay = {
            let (bus, confirmed) = (bus.clone(), confirmed(partitions.clone()));
            let relay = runtime.spawn(async move { Relay::spawn(&bus, confirmed).await });
            Arc::new(relay.await??)
        };

        let signer = {
            let store = store.clone();
            let secret = move || store.secret(api::fresh_secret());
            ReceiptSigner::new(&runtime.spawn_blocking(secret).await??)
        };
        let recovered = {
            let store = store.clone();
            let is_plain = settings.log.identifiers == LogIdentifiers::Plain;
            let secret = signer.marks().with_plain_log(is_plain);
            let recover = move || recover(&store, partition_count, &secret);
            runtime.spawn_blocking(recover).await??
        };
        let lessons = {
            let store = store.clone();
            let resume = move || Trainer::resume(&*store, partition_count);
            runtime.spawn_blocking(resume).await??
        };
        let floor = store.floor()?;
        let taken = recovered.iter().filter_map(|known| {
            Some(LastTakenEvent { sequence: known.cursors.main, stored: known.stored? })
        });
        let known = ResumePoint::from(recovered.iter().map(|known| known.cursors.main), floor);
        let slow = recovered.iter().map(|known| known.cursors.slow);
        let lanes = recovered.iter().map(|known| known.slow_lane.clone());
        let lane = SlowLane::newest(lanes);
        if settings.service.time == TimeMode::Event && lane.is_open() {
            anyhow::bail!(
                "expected a store in which no event waits, because on event time all come in their \
                 order, found that those of {} do; start once more on stream time, until `stats` says \
                 that there is no lag",
                lane.slowed().collect::<Vec<_>>().join(", ")
            );
        }
        let resume = ResumePoint {
            highest: slow.fold(known.highest, u64::max),
            taken: taken.collect(),
            lane,
            // On event time, events are processed in their order.
            may_slow: settings.service.time == TimeMode::Stream,
            ..known
        };
        let mut intake = {
            let bus = bus.clone();
            runtime
                .spawn(async move { Intake::open(&bus, partition_count, resume).await })
                .await??
        };
        intake.spare(&relay);

        let (eraser, erasures) = Eraser::new(
            store.clone(),
            bus.clone(),
            relay.clone(),
            partition_count,
            fatal_sender.clone(),
        );

        let arbiters: Vec<Arbiter> =
            (0..settings.service.arbiters()).map(|_| Arbiter::new()).collect();
        let share = usize::from(partition_count);
        let bounds = Bounds {
            resident_twins_max: (settings.service.resident_twins_max / share).max(1),
            resident_bytes_max: settings.service.resident_bytes_max / share,
            timers_near_max: limits::TIMER_WINDOW,
            outbox_max: limits::OUTBOX_BACKLOG,
            rest_after: Some(Duration::from_secs(settings.service.rest_after_seconds.into()))
                .filter(|after| !after.is_zero()),
            wake_pause: Duration::from_secs(partition_count.into())
                / settings.broadcast.wake_per_second,
            partitions: partition_count,
            answers: settings.service.answers,
        };
        let desks = AgentChannels::new(settings.service.desks.iter().map(String::as_str));
        let outgoing =
            Outgoing::new(Arc::new(bus.subjects().clone()), signer.marks(), partition_count);
        let merging = &settings.service.merging_channels;
        for channel in merging {
            Channel::new(channel).map_err(anyhow::Error::msg)?;
        }
        let rights = Rights::new(desks, merging.iter().map(String::as_str));
        let clock = Arc::new(Clock::new());
        clock.compare(bus.ahead_of_broker_ms().await);
        let addresses = (0..partition_count)
            .zip(recovered)
            .map(|(partition, recovered)| {
                let setup = PartitionSetup {
                    partition,
                    mode: settings.service.time,
                    bounds,
                    rights: rights.clone(),
                    outgoing: outgoing.clone(),
                    policy: policy.clone(),
                    shadow: shadow.clone(),
                    models: lessons.model().clone(),
                    recovered,
                    store: store.clone(),
                    committer: committer.handle(),
                    relay: relay.clone(),
                    eraser: eraser.clone(),
                    floor: intake.floor(),
                    clock: clock.clone(),
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
        partitions.enter(addresses);
        let room = Arc::new(DiskMonitor::new(&settings.store));
        disk_space::look(&room, &partitions).await;
        runtime.spawn(disk_space::watch(room.clone(), partitions.clone()));
        let learner = LearnerThread::spawn(
            store.clone(),
            lessons,
            publish(partitions.clone()),
            stop_on_failure(fatal_sender.clone()),
        )?;

        let watch = {
            let bus = bus.clone();
            let settings = settings.streams.clone();
            runtime
                .spawn(async move { StreamMonitor::spawn(&bus, settings, partition_count) })
                .await?
        };
        let current = Arc::new(RwLock::new(current(&policy, source)));
        let auditor = AuditWriter::new(&bus, settings.audit.identifiers, signer.audit());
        let policy = PolicyHandle {
            partitions: partitions.clone(),
            current: current.clone(),
            auditor: auditor.clone(),
            threads: runtime.clone(),
        };
        let router = Arc::new(Router::new(
            bus.clone(),
            partitions.clone(),
            settings.service.time,
            current,
            Probes {
                resets: intake.resets(),
                missed: intake.missed(),
                floor: intake.floor(),
                relay,
                watch,
                room,
                clock,
                rights,
            },
            Services {
                learner: learner.handle(),
                keeper: BackupWriter::new(store.clone(), settings.store.backups.clone()),
                auditor,
                signer,
            },
        ));
        let api = {
            let bus = bus.clone();
            let answer = move |request| {
                let router = router.clone();
                async move { router.answer(request).await }
            };
            let endpoints: Vec<_> = api::VERBS.iter().map(|verb| verb.endpoint).collect();
            let start = async move { bus::ApiService::start(&bus, &endpoints, answer).await };
            runtime.spawn(start).await??
        };
        let analyser = settings.analyser.subject.as_ref().map(|subject| {
            let patience = Duration::from_millis(settings.analyser.timeout_ms.into());
            Analyser::new(&bus, subject, patience)
        });
        let eraser = runtime.spawn(watched("the eraser", erasures.run(), fatal_sender.clone()));
        let take_in = intake::take_in(intake, analyser, partitions.clone(), fatal_sender.clone());
        let intake = runtime.spawn(watched("the intake", take_in, fatal_sender));
        let drain = Duration::from_secs(settings.service.drain_seconds_max.into());
        Ok(RunningService {
            partitions,
            arbiters,
            committer,
            learner,
            bus,
            ownership,
            threads,
            intake,
            eraser,
            api,
            policy,
            fatal,
            drain,
        })
    }

    /// The handle for changing the policy.
    pub fn policy(&self) -> PolicyHandle {
        self.policy.clone()
    }

    /// The service's connection to the broker.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Waits for a fatal error.
    pub async fn failed(&mut self) -> String {
        match self.fatal.recv().await {
            Some(FatalError(why)) => why,
            None => std::future::pending().await,
        }
    }

    /// Stops the intake, waits until events in flight are durable and published, and stops. If a
    /// partition does not respond within the configured time, the process exits.
    ///
    /// # Errors
    /// If that takes longer than configured. Nothing is lost then either: the rest is processed or
    /// published after the next start.
    pub async fn drain(self) -> anyhow::Result<()> {
        self.intake.abort();
        let deadline = Instant::now() + self.drain;
        for partition in self.partitions.all() {
            partition.do_send(HoldScans);
        }
        let mut is_drained = false;
        while !is_drained && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now()).max(ANSWER);
            let asked = self.partitions.all().iter().map(|partition| partition.send(IsDrained));
            let answers = join_all(asked.map(|asked| tokio::time::timeout(left, asked))).await;
            let stuck: Vec<String> = (0..)
                .zip(&answers)
                .filter(|(_, answer)| answer.is_err())
                .map(|(partition, _): (u32, _)| partition.to_string())
                .collect();
            if !stuck.is_empty() {
                end_now(&format!(
                    "partitions that do not answer after {} s: {}; the process ends without them; \
                     nothing durable is lost, and what they were at is taken in again after the next \
                     start",
                    self.drain.as_secs(),
                    stuck.join(", ")
                ));
            }
            is_drained = answers.into_iter().all(|answer| matches!(answer, Ok(Ok(true) | Err(_))));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.stop().await;
        if !is_drained {
            bail!("not everything was durable and published in time; it is after the next start");
        }
        Ok(())
    }

    /// Stops immediately. Uncommitted events are processed again after the restart. If a thread does not
    /// end within some seconds, the process exits.
    pub async fn stop(self) {
        let _deadline = Deadline::start(
            STOP,
            "a thread does not end; the process ends without it; nothing durable is lost",
        );
        self.intake.abort();
        // Unfinished erasures resume after the next start.
        self.eraser.abort();
        // Later callers are told by the broker that there is no responder.
        self.api.stop().await;
        for partition in self.partitions.all() {
            let _ = partition.send(StopPartition).await;
        }
        for arbiter in self.arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
        self.learner.close();
        self.committer.close();
        self.ownership.give_up().await;
        let _ = self.bus.close().await;
        self.threads.end();
    }
}

/// The stored state of every partition.
fn recover(store: &Store, partitions: u16, secret: &StoreSecret) -> anyhow::Result<Vec<Recovered>> {
    let erased_marks = ErasedMarks::default();
    (0..partitions)
        .map(|partition| {
            let meta = store.meta(partition)?;
            let outputs = store.outbox(partition, 0, limits::OUTBOX_BACKLOG)?;
            let outputs_left = match outputs.len() {
                limits::OUTBOX_BACKLOG => {
                    store.outbox_len(partition)?.saturating_sub(outputs.len() as u64)
                }
                _ => 0,
            };
            Ok(Recovered {
                cursors: Cursors { main: meta.cursor, slow: meta.slow_cursor },
                stored: meta.stored,
                slow_lane: meta.slow_lane,
                next_output: meta.next_output,
                next_input: meta.next_input,
                clock: meta.clock,
                version: meta.version,
                outputs,
                outputs_left,
                broadcasts: store.broadcasts(partition)?,
                sweeps: store.sweeps(partition)?,
                results: store.results(partition)?,
                secret: secret.clone(),
                tombstones: store.tombstones(partition)?,
                erased_marks: erased_marks.clone(),
            })
        })
        .collect()
}

/// Notifies each partition of its durable commits.
fn durable(partitions: Partitions) -> impl Fn(Vec<(u16, u64)>) + Send + 'static {
    move |tickets| {
        by_partition(tickets, |partition, tickets| {
            if let Some(address) = partitions.answer(partition) {
                address.do_send(Durable(tickets));
            }
        });
    }
}

/// Sends a model snapshot to each partition, which uses it from its next round on.
fn publish(partitions: Partitions) -> impl Fn(Snapshot) + Send + 'static {
    move |snapshot| {
        for partition in partitions.all() {
            partition.do_send(SetModels(snapshot.clone()));
        }
    }
}

/// Notifies each partition of its confirmed outputs.
fn confirmed(partitions: Partitions) -> impl Fn(Vec<(u16, u64)>) + Send + 'static {
    move |sequences| {
        by_partition(sequences, |partition, sequences| {
            if let Some(address) = partitions.answer(partition) {
                address.do_send(Confirmed(sequences));
            }
        });
    }
}

/// Sends the numbers of each partition to it, in order.
fn by_partition(mut numbers: Vec<(u16, u64)>, mut hand_over: impl FnMut(u16, Vec<u64>)) {
    // The sort is stable: the numbers of one partition stay in order.
    numbers.sort_by_key(|(partition, _)| *partition);
    for group in numbers.chunk_by(|(left, _), (right, _)| left == right) {
        if let Some((partition, _)) = group.first() {
            hand_over(*partition, group.iter().map(|(_, number)| *number).collect());
        }
    }
}

fn stop_on_failure(
    fatal: UnboundedSender<FatalError>,
) -> impl FnOnce(crate::tables::Error) + Send + 'static {
    move |error| {
        // Without a receiver the service is stopping already.
        let _ = fatal.send(FatalError(format!("a commit failed: {error}")));
    }
}

/// Runs a task that the service depends on, and reports a fatal error if it panics.
async fn watched(
    what: &'static str,
    task: impl Future<Output = ()>,
    fatal: UnboundedSender<FatalError>,
) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        // Without a receiver the service is stopping already.
        let _ = fatal.send(FatalError(format!("{what} panicked, which is a defect of jumeau")));
    }
}
