//! The memory of an idle twin, in the real service.

use std::time::Duration;

use jumeau::api::Stats;
use jumeau::terminal;
use serde::Serialize;

use crate::bench::publish;
use crate::progress;
use crate::report::count;
use crate::rig::{Rig, Service};
use crate::traffic::Traffic;

/// What is to be weighed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FootprintOptions {
    /// Twins, all of them in memory.
    #[arg(long, default_value = "500000")]
    twins: u64,
    /// Events that each of them remembers.
    #[arg(long, default_value = "20")]
    history: u64,
    /// A folder for all files, which is kept; without it, a temporary folder.
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
    /// The figures as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Footprint {
    twins: u64,
    history: u64,
    resident_before: u64,
    resident_after: u64,
    bytes_per_twin: f64,
    estimated_bytes_per_twin: f64,
}

/// Little memory for the database, so that the twins are measured.
const SETTINGS: [(&str, &str); 6] = [
    ("JUMEAU_SERVICE__POLICY", "bank"),
    ("JUMEAU_SERVICE__RESIDENT_TWINS_MAX", "100000000"),
    ("JUMEAU_SERVICE__RESIDENT_BYTES_MAX", "1000000000000"),
    ("JUMEAU_SERVICE__REST_AFTER_SECONDS", "5"),
    ("JUMEAU_STORE__CACHE_BYTES", "8388608"),
    ("JUMEAU_STORE__WRITE_BUFFER_BYTES", "16777216"),
];

/// Weighs, and prints.
pub(crate) async fn run(options: &FootprintOptions) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = options.folder.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let rig = Rig::start(&folder.canonicalize()?, "2m").await?;
    let service = rig.serve("footprint", &SETTINGS).await?;
    // A warm service: its threads have run, its database has been written to.
    let warm = Traffic { customers: 1_000, name: "warm" };
    publish(&rig, &warm, 10_000).await?;
    service.settle(10_000, |_| {}).await?;
    let before = at_rest(&service).await?;

    let traffic = Traffic { customers: options.twins, name: "c" };
    let events = options.twins * options.history;
    publish(&rig, &traffic, events).await?;
    let bar = progress::bar("the service", events);
    let stats = service.settle(events + 10_000, |taken| bar.set_position(taken)).await?;
    bar.finish_and_clear();
    let bar = progress::bar("twins that rest", options.twins);
    let stats = all_resting(&service, stats, |resting| bar.set_position(resting)).await?;
    bar.finish_and_clear();
    let after = at_rest(&service).await?;
    check(&stats, options.twins)?;
    service.stop().await?;
    rig.stop().await?;

    let total = stats.total();
    let footprint = Footprint {
        twins: options.twins,
        history: options.history,
        resident_before: before,
        resident_after: after,
        bytes_per_twin: after.saturating_sub(before) as f64 / options.twins as f64,
        estimated_bytes_per_twin: total.resident_bytes as f64 / total.resident_twins.max(1) as f64,
    };
    if options.json {
        terminal::say(serde_json::to_string_pretty(&footprint)?);
    } else {
        terminal::say(format_args!(
            "{} idle twins with a history of {} events: {:.0} bytes each ({} MiB before, {} MiB \
             after; the service itself reckons with {:.0} bytes each)",
            count(options.twins),
            options.history,
            footprint.bytes_per_twin,
            count(before >> 20),
            count(after >> 20),
            footprint.estimated_bytes_per_twin,
        ));
    }
    Ok(())
}

fn check(stats: &Stats, twins: u64) -> anyhow::Result<()> {
    let resident = stats.total().resident_twins;
    anyhow::ensure!(
        resident >= twins,
        "expected {twins} twins in memory, found {resident}: they do not weigh what they seem to"
    );
    Ok(())
}

/// Waits until every twin rests.
async fn all_resting(
    service: &Service,
    mut stats: Stats,
    seen: impl Fn(u64),
) -> anyhow::Result<Stats> {
    while stats.total().resting_twins < stats.total().resident_twins {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stats = service.stats().await?;
        seen(stats.total().resting_twins);
    }
    Ok(stats)
}

/// Resident bytes of the service, once they no longer fall.
async fn at_rest(service: &Service) -> anyhow::Result<u64> {
    let mut least = u64::MAX;
    // The database may still be compacting; the allocator returns free memory with some delay.
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let resident = service.process.resident_bytes();
        if resident >= least {
            return Ok(least);
        }
        least = resident;
    }
    Ok(least)
}
