//! Troubles around a service, and their effect on undisturbed customers: a real broker, a real service
//! and a real store, of which something fails for a while.

mod cases;
mod disk;
mod hostile;
mod probe;

use std::path::Path;
use std::time::Duration;

use jumeau::terminal;
use serde::Serialize;

pub(crate) use probe::{Noticed, Phase};

use crate::{progress, report};

/// What is to go wrong.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TroubleOptions {
    /// Which troubles, one after the other; without any, all of them.
    #[arg(value_enum)]
    troubles: Vec<Trouble>,
    /// Seconds for which each lasts.
    #[arg(long, default_value = "20")]
    seconds: u64,
    /// Seconds without trouble before and after.
    #[arg(long, default_value = "10")]
    calm: u64,
    /// Events for each second about customers whom the trouble does not concern.
    #[arg(long, default_value = "500")]
    rate: u32,
    /// How many customers these are.
    #[arg(long, default_value = "20000")]
    customers: u64,
    /// A folder for all files, which is kept; without it, a temporary folder.
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
    /// The figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trouble {
    /// The broker dies (SIGKILL), and comes back.
    Broker,
    /// The service's disk is nearly full, and has room again.
    Disk,
    /// The service's disk is full, without a reserve: the process ends, and is started again.
    Full,
    /// The broker's stream of actions refuses messages for a while, and then accepts them again.
    Refused,
    /// An integrator takes nothing, and its stream overflows.
    Integrator,
    /// One customer has 10,000 events in a second.
    Hot,
    /// A channel sends nothing but what cannot be read, as fast as the broker takes it.
    Rubbish,
    /// A channel sends broken events, forges messages between twins, links and unlinks a few identifiers,
    /// and sends broadcasts whose conditions would run without end.
    Hostile,
}

/// The result of one trouble.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Outcome {
    /// The trouble.
    pub(crate) trouble: Trouble,
    /// What was done.
    pub(crate) done: String,
    /// The effect on undisturbed customers.
    pub(crate) noticed: Noticed,
    /// The reports of the service, and the effect on disturbed customers.
    pub(crate) remarks: Vec<String>,
}

/// Runs the requested troubles, and prints their results.
pub(crate) async fn run(options: &TroubleOptions) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = options.folder.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let troubles: &[Trouble] = match &options.troubles[..] {
        [] => clap::ValueEnum::value_variants(),
        chosen => chosen,
    };
    let mut outcomes = Vec::new();
    for trouble in troubles {
        let spinner = progress::spinner(trouble.name());
        let outcome = cases::run(options, *trouble, &folder.join(trouble.name())).await?;
        spinner.finish_and_clear();
        if !options.json {
            terminal::show(report::trouble(&outcome));
        }
        outcomes.push(outcome);
    }
    if options.json {
        terminal::say(serde_json::to_string_pretty(&outcomes)?);
    }
    let is_whole = |outcome: &Outcome| outcome.noticed.lost + outcome.noticed.doubled == 0;
    anyhow::ensure!(outcomes.iter().all(is_whole), "something was lost or doubled");
    Ok(())
}

impl Trouble {
    /// Its name, as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Trouble::Broker => "broker",
            Trouble::Disk => "disk",
            Trouble::Full => "full",
            Trouble::Refused => "refused",
            Trouble::Integrator => "integrator",
            Trouble::Hot => "hot",
            Trouble::Rubbish => "rubbish",
            Trouble::Hostile => "hostile",
        }
    }
}

impl TroubleOptions {
    fn trouble(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn calm(&self) -> Duration {
        Duration::from_secs(self.calm)
    }
}

/// Creates a folder within another.
fn create_folder(folder: &Path, name: &str) -> anyhow::Result<std::path::PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
