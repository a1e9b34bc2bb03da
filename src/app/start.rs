//! Starts the service, one step after the other.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Arbiter, Context};
use parking_lot::RwLock;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::callbacks::{confirmed, durable, publish, stop_on_failure, watched};
use super::commits::Commits;
use super::disk_space::SpaceWatch;
use super::policy_handle::{PolicyHandle, current};
use super::recovery::{recover, resume_point};
use super::threads::IoThreads;
use super::{RunningService, intake, stream};
use crate::actors::{
    Clock, Eraser, EraserTask, FatalError, LearnerThread, PartitionActor, PartitionSetup,
    Partitions,
};
use crate::api::{self, AuditWriter, ReceiptSigner};
use crate::bus::{self, Analyser, Bus, CommitLog, Intake, Ownership, Relay, StreamMonitor};
use crate::commit::{ClaimedChains, Committer, LogCommitter};
use crate::config::settings::{self, LogIdentifiers};
use crate::config::{Settings, limits};
use crate::event::{AgentChannels, Channel, Rights};
use crate::partition::{Bounds, Outgoing, Recovered, Trainer};
use crate::policy::Policy;
use crate::router::{BackupWriter, Probes, Router, Services};
use crate::store::{DiskMonitor, Store};

/// What every step of the start uses.
struct Start<'a> {
    settings: &'a Settings,
    threads: IoThreads,
    bus: Bus,
    store: Arc<Store>,
    partitions: Partitions,
    fatal: UnboundedSender<FatalError>,
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
        let (fatal_sender, fatal) = unbounded_channel();
        let start = Start::open(settings, fatal_sender).await?;
        // Nothing is created or changed on the broker before we own the prefix.
        let (ownership, chains) = start.own().await?;
        let mut parts = start.parts(chains).await?;
        let recovered = std::mem::take(&mut parts.recovered);
        let arbiters = start.partitions(recovered, |partition, recovered| {
            start.partition_setup(&parts, (&policy, shadow.as_ref()), partition, recovered)
        });
        let room = start.disk_monitor(parts.commits.log()).await;
        let learner = LearnerThread::spawn(
            (start.store.clone(), parts.commits.handle()),
            parts.trainer,
            publish(start.partitions.clone()),
            stop_on_failure(start.fatal.clone()),
        )?;

        let policy = start.policy_handle(&policy, source, &parts.signer);
        let probes = Probes {
            resets: parts.intake.resets(),
            missed: parts.intake.missed(),
            floor: parts.intake.floor(),
            relay: parts.relay,
            watch: start.stream_monitor().await?,
            room,
            clock: parts.clock,
            rights: parts.rights,
        };
        let services = Services {
            learner: learner.handle(),
            backups: BackupWriter::new(start.store.clone(), settings.store.backups.clone()),
            auditor: policy.auditor.clone(),
            signer: parts.signer,
        };
        let api = start.api(policy.current.clone(), probes, services).await?;
        let eraser = start.spawn("the eraser", parts.erasures.run());
        let intake = start.start_intake(parts.intake);
        let Start { threads, bus, partitions, .. } = start;
        let drain = Duration::from_secs(settings.service.drain_seconds_max.into());
        Ok(RunningService {
            partitions,
            arbiters,
            commits: parts.commits,
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
}

/// What is there before the first partition, and is used by all of them.
struct Parts {
    commits: Commits,
    relay: Arc<Relay>,
    signer: ReceiptSigner,
    /// The stored state of each partition.
    recovered: Vec<Recovered>,
    trainer: Trainer,
    intake: Intake,
    eraser: Eraser,
    erasures: EraserTask,
    rights: Rights,
    clock: Arc<Clock>,
    outgoing: Outgoing,
}

impl<'a> Start<'a> {
    /// Connects to the broker and opens the store.
    async fn open(
        settings: &'a Settings,
        fatal: UnboundedSender<FatalError>,
    ) -> anyhow::Result<Start<'a>> {
        let threads = IoThreads::start(settings.service.bus_threads.into())?;
        let nats = settings.nats.clone();
        let bus = threads.run(async move { Bus::join(&nats).await }).await??;
        let (of_store, count) = (settings.store.clone(), settings.service.partitions);
        let store = threads.read(move || Store::open(&of_store, count)).await??;
        let partitions = Partitions::default();
        Ok(Start { settings, threads, bus, store: Arc::new(store), partitions, fatal })
    }

    async fn own(&self) -> anyhow::Result<(Ownership, Option<ClaimedChains>)> {
        let (bus, store) = (self.bus.clone(), self.store.clone());
        let own = stream::own(bus, store, self.settings.clone(), self.fatal.clone());
        self.threads.run(own).await?
    }

    /// What makes commits durable: the commit log if its chains were claimed, or else the disk.
    async fn commits(&self, chains: Option<ClaimedChains>) -> anyhow::Result<Commits> {
        let (store, durable) = (self.store.clone(), durable(self.partitions.clone()));
        let failed = stop_on_failure(self.fatal.clone());
        let Some(chains) = chains else {
            return Ok(Commits::Disk(Committer::spawn(store, durable, failed)?));
        };
        let spawn = async move { LogCommitter::spawn(store, chains, durable, failed) };
        Ok(Commits::Log(self.threads.run(spawn).await??))
    }

    async fn parts(&self, chains: Option<ClaimedChains>) -> anyhow::Result<Parts> {
        let commits = self.commits(chains).await?;
        let relay = self.relay().await?;
        let signer = self.signer().await?;
        let recovered = self.recover(&signer).await?;
        let trainer = self.trainer().await?;
        let mut intake = self.intake(&recovered).await?;
        intake.spare(&relay);
        let (eraser, erasures) = Eraser::new(
            (self.store.clone(), commits.handle(), commits.eraser()),
            self.bus.clone(),
            relay.clone(),
            self.settings.service.partitions,
            self.fatal.clone(),
        );
        let rights = rights(&self.settings.service)?;
        let clock = Arc::new(Clock::new());
        clock.compare(self.bus.ahead_of_broker_ms().await);
        let subjects = Arc::new(self.bus.subjects().clone());
        let outgoing = Outgoing::new(subjects, signer.marks(), self.settings.service.partitions);
        Ok(Parts {
            commits,
            relay,
            signer,
            recovered,
            trainer,
            intake,
            eraser,
            erasures,
            rights,
            clock,
            outgoing,
        })
    }

    async fn relay(&self) -> anyhow::Result<Arc<Relay>> {
        let (bus, confirmed) = (self.bus.clone(), confirmed(self.partitions.clone()));
        let relay = self.threads.run(async move { Relay::spawn(&bus, confirmed).await });
        Ok(Arc::new(relay.await??))
    }

    async fn signer(&self) -> anyhow::Result<ReceiptSigner> {
        let store = self.store.clone();
        let secret = self.threads.read(move || store.secret(api::fresh_secret())).await??;
        Ok(ReceiptSigner::new(&secret))
    }

    async fn recover(&self, signer: &ReceiptSigner) -> anyhow::Result<Vec<Recovered>> {
        let (store, count) = (self.store.clone(), self.settings.service.partitions);
        let is_plain = self.settings.log.identifiers == LogIdentifiers::Plain;
        let secret = signer.marks().with_plain_log(is_plain);
        self.threads.read(move || recover(&store, count, &secret)).await?
    }

    async fn trainer(&self) -> anyhow::Result<Trainer> {
        let (store, count) = (self.store.clone(), self.settings.service.partitions);
        Ok(self.threads.read(move || Trainer::resume(&*store, count)).await??)
    }

    async fn intake(&self, recovered: &[Recovered]) -> anyhow::Result<Intake> {
        let resume = resume_point(recovered, self.settings.service.time)?;
        let (bus, count) = (self.bus.clone(), self.settings.service.partitions);
        let open = async move { Intake::open(&bus, count, resume).await };
        Ok(self.threads.run(open).await??)
    }

    /// The parts of one partition; of the two policies the second is the shadow policy.
    fn partition_setup(
        &self,
        parts: &Parts,
        (policy, shadow): (&Arc<Policy>, Option<&Arc<Policy>>),
        partition: u16,
        recovered: Recovered,
    ) -> PartitionSetup {
        let settings = self.settings;
        PartitionSetup {
            partition,
            mode: settings.service.time,
            bounds: bounds(settings),
            rights: parts.rights.clone(),
            outgoing: parts.outgoing.clone(),
            policy: policy.clone(),
            shadow: shadow.cloned(),
            models: parts.trainer.model().clone(),
            recovered,
            store: self.store.clone(),
            committer: parts.commits.handle(),
            relay: parts.relay.clone(),
            eraser: parts.eraser.clone(),
            floor: parts.intake.floor(),
            clock: parts.clock.clone(),
            fatal: self.fatal.clone(),
        }
    }

    /// Starts every partition, in turn on the threads of as many arbiters as the settings say.
    fn partitions(
        &self,
        recovered: Vec<Recovered>,
        setup: impl Fn(u16, Recovered) -> PartitionSetup,
    ) -> Vec<Arbiter> {
        let arbiters: Vec<Arbiter> =
            (0..self.settings.service.arbiters()).map(|_| Arbiter::new()).collect();
        let start = |(partition, recovered): (u16, Recovered)| {
            let setup = setup(partition, recovered);
            let arbiter = &arbiters[usize::from(partition) % arbiters.len()];
            PartitionActor::start_in_arbiter(
                &arbiter.handle(),
                move |context: &mut Context<PartitionActor>| PartitionActor::new(setup, context),
            )
        };
        let addresses = (0..self.settings.service.partitions).zip(recovered).map(start).collect();
        self.partitions.enter(addresses);
        arbiters
    }

    async fn disk_monitor(&self, log: Option<CommitLog>) -> Arc<DiskMonitor> {
        let monitor = Arc::new(DiskMonitor::new(&self.settings.store));
        let mut watch = SpaceWatch::new(monitor.clone(), log, self.partitions.clone());
        watch.check().await;
        self.threads.handle.spawn(watch.run());
        monitor
    }

    async fn stream_monitor(&self) -> anyhow::Result<StreamMonitor> {
        let (bus, count) = (self.bus.clone(), self.settings.service.partitions);
        let settings = self.settings.streams.clone();
        self.threads.run(async move { StreamMonitor::spawn(&bus, settings, count) }).await
    }

    fn policy_handle(
        &self,
        policy: &Policy,
        source: String,
        signer: &ReceiptSigner,
    ) -> PolicyHandle {
        let identifiers = self.settings.audit.identifiers;
        PolicyHandle {
            partitions: self.partitions.clone(),
            current: Arc::new(RwLock::new(current(policy, source))),
            auditor: AuditWriter::new(&self.bus, identifiers, signer.audit()),
            threads: self.threads.handle.clone(),
        }
    }

    async fn api(
        &self,
        policy: Arc<RwLock<api::CurrentPolicy>>,
        probes: Probes,
        services: Services,
    ) -> anyhow::Result<bus::ApiService> {
        let (bus, partitions) = (self.bus.clone(), self.partitions.clone());
        let mode = self.settings.service.time;
        let router = Arc::new(Router::new(bus.clone(), partitions, mode, policy, probes, services));
        let answer = move |request| {
            let router = router.clone();
            async move { router.answer(request).await }
        };
        let endpoints: Vec<_> = api::VERBS.iter().map(|verb| verb.endpoint).collect();
        let start = async move { bus::ApiService::start(&bus, &endpoints, answer).await };
        Ok(self.threads.run(start).await??)
    }

    fn start_intake(&self, intake: Intake) -> tokio::task::JoinHandle<()> {
        let analyser = self.settings.analyser.subject.as_ref().map(|subject| {
            let patience = Duration::from_millis(self.settings.analyser.timeout_ms.into());
            Analyser::new(&self.bus, subject, patience)
        });
        let (partitions, fatal) = (self.partitions.clone(), self.fatal.clone());
        self.spawn("the intake", intake::dispatch(intake, analyser, partitions, fatal))
    }

    /// Runs a task that the service depends on.
    fn spawn(
        &self,
        what: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.threads.handle.spawn(watched(what, task, self.fatal.clone()))
    }
}

/// The bounds of one partition: its share of those of the service.
fn bounds(settings: &Settings) -> Bounds {
    let service = &settings.service;
    let share = usize::from(service.partitions);
    let rest_after = Duration::from_secs(service.rest_after_seconds.into());
    Bounds {
        resident_twins_max: (service.resident_twins_max / share).max(1),
        resident_bytes_max: service.resident_bytes_max / share,
        timers_near_max: limits::TIMER_WINDOW,
        outbox_max: limits::OUTBOX_BACKLOG,
        rest_after: Some(rest_after).filter(|after| !after.is_zero()),
        wake_pause: Duration::from_secs(service.partitions.into())
            / settings.broadcast.wake_per_second,
        partitions: service.partitions,
        answers: service.answers,
    }
}

/// Which channels may speak for agents, and which may merge customers.
fn rights(service: &settings::ServiceSettings) -> anyhow::Result<Rights> {
    for channel in &service.merging_channels {
        Channel::new(channel).map_err(anyhow::Error::msg)?;
    }
    let desks = AgentChannels::new(service.desks.iter().map(String::as_str));
    Ok(Rights::new(desks, service.merging_channels.iter().map(String::as_str)))
}
