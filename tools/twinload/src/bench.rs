//! The complete service beside the bare bus, on the same events.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jumeau::api::Stats;
use jumeau::terminal;
use serde::Serialize;

use crate::latency::{self, Latency};
use crate::progress;
use crate::pump::Pump;
use crate::rig::{Process, Rig, Service, taken_in};
use crate::traffic::Traffic;
use crate::{bare, report};

/// What is to be measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BenchOptions {
    /// Events of each run.
    #[arg(long, default_value = "1000000")]
    events: u64,
    /// Customers that they are about.
    #[arg(long, default_value = "100000")]
    customers: u64,
    /// Seconds over which latency is measured; 0: not at all.
    #[arg(long, default_value = "15")]
    latency_seconds: u64,
    /// Only with the broker's default sync (written at once, synced every two minutes).
    #[arg(long, conflicts_with = "only_always")]
    only_default: bool,
    /// Only with a broker that syncs each write.
    #[arg(long)]
    only_always: bool,
    /// A policy other than the bank's.
    #[arg(long, default_value = "bank")]
    policy: String,
    /// A folder for all files, which is kept; without it, a temporary folder.
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
    /// The figures as JSON.
    #[arg(long)]
    json: bool,
}

/// The cost of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Run {
    /// Events per second.
    pub(crate) events_per_second: f64,
    /// Processor time of the broker in seconds, per million events.
    pub(crate) broker_cpu: f64,
    /// Processor time of the client or the service in seconds, per million events.
    pub(crate) own_cpu: f64,
}

/// The measurements with one sync mode of the broker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SyncFigures {
    /// When the broker syncs: `default` or `always`.
    pub(crate) sync: &'static str,
    /// The bare bus.
    pub(crate) bare: Run,
    /// The service.
    pub(crate) service: Run,
    /// Service over bare bus.
    pub(crate) ratio: f64,
    /// Events per action of the service.
    pub(crate) events_per_action: f64,
    /// Events per commit of the service.
    pub(crate) events_per_commit: f64,
    /// From publishing to the action, at a tenth of the service's rate.
    pub(crate) latency: Option<Latency>,
}

/// All measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BenchReport {
    /// Events of each run.
    pub(crate) events: u64,
    /// Their customers.
    pub(crate) customers: u64,
    /// Processors of the machine.
    pub(crate) processors: usize,
    /// The figures, one for each sync mode.
    pub(crate) figures: Vec<SyncFigures>,
}

/// Measures, and prints.
pub(crate) async fn run(options: &BenchOptions) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = options.folder.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;

    let traffic = Traffic { customers: options.customers, name: "c" };
    // Publishing is not measured, so it need not wait for the disk.
    let rig = Rig::start(&folder, "2m").await?;
    publish(&rig, &traffic, options.events).await?;
    rig.stop().await?;

    let mut figures = Vec::new();
    if !options.only_always {
        figures.push(measure(&folder, options, "default", "2m").await?);
    }
    if !options.only_default {
        figures.push(measure(&folder, options, "always", "always").await?);
    }
    let report = BenchReport {
        events: options.events,
        customers: options.customers,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        figures,
    };
    if options.json {
        terminal::say(serde_json::to_string_pretty(&report)?);
    } else {
        terminal::show(report::bench(&report));
    }
    Ok(())
}

/// Publishes the first events of a traffic, as fast as the broker takes them.
pub(crate) async fn publish(rig: &Rig, traffic: &Traffic, events: u64) -> anyhow::Result<()> {
    let bar = progress::bar("publishing events", events);
    let pump = Pump::new(&rig.client, 5_000).await?;
    for number in 0..events {
        let message = traffic.message(&rig.subjects, number);
        pump.send(message.subject, message.headers, message.payload).await?;
        if number % 1_000 == 0 {
            bar.set_position(number);
        }
    }
    pump.finish().await?;
    bar.finish_and_clear();
    Ok(())
}

async fn measure(
    folder: &Path,
    options: &BenchOptions,
    sync: &'static str,
    sync_interval: &str,
) -> anyhow::Result<SyncFigures> {
    let rig = Rig::start(folder, sync_interval).await?;
    let broker = rig.broker_process()?;
    // More than published here, once latency has been measured on the same stream.
    let events = rig.stored_events().await?;
    let millions = events as f64 / 1e6;

    rig.forget_runs().await?;
    let bar = progress::bar("the bare bus", events);
    let before = (broker.cpu_seconds(), Process::own().cpu_seconds());
    let took = bare::run(&rig, events, |taken| bar.set_position(taken)).await?;
    bar.finish_and_clear();
    let bare = Run {
        events_per_second: events as f64 / took.as_secs_f64(),
        broker_cpu: (broker.cpu_seconds() - before.0) / millions,
        own_cpu: (Process::own().cpu_seconds() - before.1) / millions,
    };

    rig.forget_runs().await?;
    let service = rig.serve(sync, &[("JUMEAU_SERVICE__POLICY", &options.policy)]).await?;
    let (run, stats) = follow(&service, broker, events).await?;
    let total = stats.total();
    anyhow::ensure!(
        total.events == events,
        "expected the service to apply {events} events, found {} applied, {} duplicates, dead: {:?}",
        total.events,
        total.duplicates,
        total.dead
    );

    let latency = if options.latency_seconds > 0 {
        let spinner = progress::spinner("latency at a tenth of that");
        written(folder).await?;
        // The same customers, whom the service knows already.
        let traffic = Traffic { customers: options.customers, name: "c" };
        let length = Duration::from_secs(options.latency_seconds);
        let rate = run.events_per_second / 10.0;
        let latency = latency::run(&rig, &traffic, events, rate, length, |_| {}).await?;
        spinner.finish_and_clear();
        Some(latency)
    } else {
        None
    };
    service.stop().await?;
    rig.stop().await?;
    Ok(SyncFigures {
        sync,
        bare,
        service: run,
        ratio: run.events_per_second / bare.events_per_second,
        events_per_action: total.events as f64 / total.actions.max(1) as f64,
        events_per_commit: total.events as f64 / total.commits.max(1) as f64,
        latency,
    })
}

/// Waits until the cached writes of the previous run are on disk: otherwise the disk is busy with them
/// for half a minute, and every commit waits in line.
async fn written(folder: &Path) -> anyhow::Result<()> {
    let status = tokio::process::Command::new("sync").arg("-f").arg(folder).status().await;
    let status = status.context("cannot run `sync`")?;
    anyhow::ensure!(status.success(), "`sync -f {}` ended with {status}", folder.display());
    Ok(())
}

/// Follows a newly started service until it has processed everything; the rate is measured from its first
/// reply on, because starting is not measured.
async fn follow(service: &Service, broker: Process, events: u64) -> anyhow::Result<(Run, Stats)> {
    let bar = progress::bar("the service", events);
    let cpu = |process: Process| process.cpu_seconds();
    let first = service.stats().await?;
    let start = Instant::now();
    let before = (cpu(broker), cpu(service.process));
    let already = taken_in(&first);
    let stats = service.settle(events, |taken| bar.set_position(taken)).await?;
    let took = start.elapsed();
    bar.finish_and_clear();
    let measured = events.checked_sub(already).filter(|left| *left > events / 2);
    let measured = measured.context("too few events: most were taken in before the first look")?;
    let millions = measured as f64 / 1e6;
    let run = Run {
        events_per_second: measured as f64 / took.as_secs_f64(),
        broker_cpu: (cpu(broker) - before.0) / millions,
        own_cpu: (cpu(service.process) - before.1) / millions,
    };
    Ok((run, stats))
}
