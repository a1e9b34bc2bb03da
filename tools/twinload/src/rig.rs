//! An embedded broker and a service, as processes, with their costs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_nats::Client;
use futures::TryStreamExt as _;
use jumeau::api::{Stats, verb};
use jumeau::bus::{Broker, BrokerOptions, Bus};
use jumeau::config::settings::{NatsSettings, StreamSettings};
use jumeau::contract::Subjects;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::process::{Child, Command};

/// The prefix of all subjects.
const PREFIX: &str = "jumeau";
/// Partitions of the service, as by default.
pub(crate) const PARTITIONS: u16 = 16;
/// How long a service may take until its first reply.
const START: Duration = Duration::from_secs(60);
/// How long a service may take to stop.
const STOP: Duration = Duration::from_secs(60);

/// A broker with the streams of the service.
pub(crate) struct Rig {
    folder: PathBuf,
    broker: Broker,
    /// A connection to the broker.
    pub(crate) client: Client,
    /// The subjects of the service.
    pub(crate) subjects: Subjects,
}

impl Rig {
    /// Starts a broker in a folder; its streams stay there from one start to the next.
    pub(crate) async fn start(folder: &Path, sync_interval: &str) -> anyhow::Result<Rig> {
        let mut options = BrokerOptions::new(folder.join("broker"));
        options.sync_interval = sync_interval.into();
        let broker = Broker::start(options).await?;
        let client = async_nats::ConnectOptions::new()
            .name("twinload")
            .subscription_capacity(1 << 20)
            .client_capacity(16_384)
            .connect(broker.url())
            .await?;
        let rig = Rig { folder: folder.into(), broker, client, subjects: Subjects::new(PREFIX)? };
        rig.ensure_streams().await?;
        Ok(rig)
    }

    /// The address of the broker.
    pub(crate) fn url(&self) -> String {
        self.broker.url()
    }

    /// Creates missing streams of the service.
    pub(crate) async fn ensure_streams(&self) -> anyhow::Result<()> {
        let nats = NatsSettings {
            url: self.broker.url(),
            prefix: PREFIX.into(),
            ..NatsSettings::default()
        };
        let bus = Bus::connect(&nats).await?;
        bus.ensure_streams(&StreamSettings::default(), PARTITIONS).await?;
        bus.close().await?;
        Ok(())
    }

    /// The number of events in the stream.
    pub(crate) async fn stored_events(&self) -> anyhow::Result<u64> {
        let jetstream = async_nats::jetstream::new(self.client.clone());
        let stream = jetstream.get_stream(self.subjects.events_stream()).await?;
        Ok(stream.cached_info().state.messages)
    }

    /// Deletes every action, the broker's memory of their ids, and how far the events were processed, so that
    /// the next run starts like the previous one: a service with an empty store refuses a stream that another
    /// one has processed.
    pub(crate) async fn forget_runs(&self) -> anyhow::Result<()> {
        let jetstream = async_nats::jetstream::new(self.client.clone());
        jetstream.delete_stream(self.subjects.actions_stream()).await?;
        let events = jetstream.get_stream(self.subjects.events_stream()).await?;
        let consumers: Vec<String> = events.consumer_names().try_collect().await?;
        for name in consumers {
            events.delete_consumer(&name).await?;
        }
        self.ensure_streams().await
    }

    /// Deletes the commit log of another database, if there is one.
    async fn forget_log(&self) -> anyhow::Result<()> {
        let jetstream = async_nats::jetstream::new(self.client.clone());
        let name = self.subjects.log_stream();
        if jetstream.get_stream(&name).await.is_ok() {
            jetstream.delete_stream(name).await?;
        }
        Ok(())
    }

    /// The broker's process.
    pub(crate) fn broker_process(&self) -> anyhow::Result<Process> {
        // The broker names the file of its ports after its process.
        let ports = self.folder.join("broker").join("ports");
        for entry in std::fs::read_dir(&ports)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let id = name.trim_end_matches(".ports").rsplit('_').next().map(str::parse);
            if let Some(Ok(id)) = id {
                return Ok(Process { id });
            }
        }
        bail!("expected a file named after the broker's process in {}", ports.display())
    }

    /// Kills the broker, as a crash would.
    pub(crate) async fn kill_broker(&mut self) -> anyhow::Result<()> {
        Ok(self.broker.kill().await?)
    }

    /// Starts the broker again.
    pub(crate) async fn restart_broker(&mut self) -> anyhow::Result<()> {
        Ok(self.broker.restart().await?)
    }

    /// Stops the broker.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.broker.stop().await?;
        Ok(())
    }

    /// Starts the service with a new database named `name`, and further settings.
    pub(crate) async fn serve(
        &self,
        name: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Service> {
        self.serve_under(&[], name, settings).await
    }

    /// The log of a service of this name.
    pub(crate) fn log_of(&self, name: &str) -> String {
        std::fs::read_to_string(self.log_file(name)).unwrap_or_default()
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// The same, with the service's program started by another one.
    pub(crate) async fn serve_under(
        &self,
        under: &[String],
        name: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Service> {
        if !self.folder.join(name).exists() {
            self.forget_log().await?;
        }
        let binary = service_binary()?;
        let log = self.log_file(name);
        let errors = File::create(&log)?;
        let mut command = match under {
            [] => Command::new(&binary),
            [first, others @ ..] => {
                let mut command = Command::new(first);
                command.args(others).arg(&binary);
                command
            }
        };
        let mut child = command
            .arg("serve")
            .current_dir(&self.folder)
            .env("JUMEAU_NATS__URL", self.broker.url())
            .env("JUMEAU_NATS__PREFIX", PREFIX)
            .env("JUMEAU_STORE__PATH", self.folder.join(name))
            .env("JUMEAU_SERVICE__PARTITIONS", PARTITIONS.to_string())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(errors.try_clone()?)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let deadline = Instant::now() + START;
        let id = child.id().context("the service ended at once")?;
        loop {
            let service = Service { child, process: Process { id }, client: self.client.clone() };
            match service.ask::<Stats>(verb::STATS, &()).await {
                Ok(_) => return Ok(service),
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!("no answer; see {}", log.display())));
                }
                Err(_) => {}
            }
            child = service.child;
            if let Some(status) = child.try_wait()? {
                let log_text = std::fs::read_to_string(&log).unwrap_or_default();
                bail!("the service ended with {status}:\n{log_text}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The service as a process.
pub(crate) struct Service {
    child: Child,
    /// Its process.
    pub(crate) process: Process,
    client: Client,
}

impl Service {
    /// Sends a request to the service.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        verb: &str,
        question: &impl Serialize,
    ) -> anyhow::Result<A> {
        let payload = serde_json::to_vec(question)?;
        let request = async_nats::Request::new()
            .payload(payload.into())
            .timeout(Some(Duration::from_secs(300)));
        let answer = self.client.send_request(format!("{PREFIX}.api.{verb}"), request).await?;
        if let Some(error) = answer.headers.as_ref().and_then(|all| all.get("Nats-Service-Error")) {
            bail!("{verb}: {error}");
        }
        Ok(serde_json::from_slice(&answer.payload)?)
    }

    /// The status of the service.
    pub(crate) async fn stats(&self) -> anyhow::Result<Stats> {
        self.ask(verb::STATS, &()).await
    }

    /// Waits until everything in the stream is processed, durable and published; `seen` is called with
    /// the number of processed events.
    pub(crate) async fn settle(
        &self,
        events: u64,
        mut seen: impl FnMut(u64),
    ) -> anyhow::Result<Stats> {
        loop {
            let stats = self.stats().await?;
            let total = stats.total();
            let taken = taken_in(&stats);
            seen(taken);
            if taken >= events && total.in_flight == 0 && total.outbox == 0 {
                return Ok(stats);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the service ends by itself; returns its exit code.
    pub(crate) async fn ended(mut self) -> anyhow::Result<i32> {
        let status = tokio::time::timeout(STOP, self.child.wait())
            .await
            .context("the service does not end")??;
        status.code().context("the service was killed")
    }

    /// Stops the service gracefully.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.process.id.to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().await?;
        if !status.success() {
            bail!("cannot end the service");
        }
        tokio::time::timeout(STOP, self.child.wait())
            .await
            .context("the service does not stop")??;
        Ok(())
    }
}

/// The number of events that a service has processed since its start, with any result.
pub(crate) fn taken_in(stats: &Stats) -> u64 {
    let total = stats.total();
    total.events + total.duplicates + total.dead.values().sum::<u64>()
}

/// A process whose costs are measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    id: u32,
}

impl Process {
    /// This process.
    pub(crate) fn own() -> Process {
        Process { id: std::process::id() }
    }

    /// Processor time so far in seconds; 0 if the system does not report it.
    pub(crate) fn cpu_seconds(self) -> f64 {
        // The kernel reports hundredths of a second to every program, whatever its own clock.
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id)).unwrap_or_default();
        // The second field, the name, may contain blanks; it ends with the last parenthesis.
        let Some((_, fields)) = stat.rsplit_once(") ") else { return 0.0 };
        let ticks =
            fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        ticks.sum::<f64>() / TICKS_PER_SECOND
    }

    /// Resident memory in bytes; 0 if the system does not report it.
    pub(crate) fn resident_bytes(self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }
}

/// The service's program: `JUMEAU_BIN` is not a setting of the service, so it is `TWINLOAD_SERVICE`; or
/// else the `jumeau` beside this program.
fn service_binary() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("TWINLOAD_SERVICE") {
        return Ok(named.into());
    }
    let beside = std::env::current_exe()?.with_file_name("jumeau");
    if beside.is_file() {
        return Ok(beside);
    }
    bail!(
        "expected the service's program at {}; build it with tools/build, or name it with \
         TWINLOAD_SERVICE",
        beside.display()
    )
}
