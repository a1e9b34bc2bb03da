//! The commands of `jumeau` that run the service or read its store.

mod development;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jumeau::app::{RunningService, end_at_the_second_signal};
use jumeau::config::Settings;
use jumeau::config::settings::{LogFormat, LogIdentifiers};
use jumeau::policy_source::{self, PolicySource};
use jumeau::{store, terminal};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::{Choices, checking, console, languages};

#[derive(Subcommand)]
pub(crate) enum EngineCommand {
    /// Start a broker and the service on it, for development
    Dev(development::Dev),
    /// Start the service on a running broker
    Serve(Choices),
    /// Verify every row of a closed store or a backup
    Verify(Verify),
    /// Restore a backup to `store.path`
    Restore(Restore),
    /// Re-wrap the customer keys of a closed, sealed store with another master key
    Rewrap(Rewrap),
    /// Continue with the event stream as it is, after it was rolled back or recreated, or with an
    /// empty store; the store must be closed
    Adopt(Adopt),
}

#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    choices: Choices,
    /// The store or backup [default: the store of the settings]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    choices: Choices,
    /// The backup; `store.path` must not exist yet
    backup: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Adopt {
    #[command(flatten)]
    choices: Choices,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Rewrap {
    #[command(flatten)]
    choices: Choices,
    /// The other master key, as `store.master-key` will name it: a file, or `env:` and a variable
    #[arg(long, value_name = "KEY")]
    to: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl EngineCommand {
    /// Whether the command prints a result and exits.
    pub(crate) fn answers(&self) -> bool {
        !matches!(self, EngineCommand::Dev(_) | EngineCommand::Serve(_))
    }

    /// Whether the result, and errors, are printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            EngineCommand::Dev(_) | EngineCommand::Serve(_) => false,
            EngineCommand::Verify(Verify { json, .. })
            | EngineCommand::Restore(Restore { json, .. })
            | EngineCommand::Rewrap(Rewrap { json, .. })
            | EngineCommand::Adopt(Adopt { json, .. }) => *json,
        }
    }
}

/// Executes a command; `false` if a check failed.
pub(crate) fn run(command: EngineCommand) -> anyhow::Result<bool> {
    match command {
        EngineCommand::Dev(arguments) => actix::System::new().block_on(development::run(arguments)),
        EngineCommand::Serve(choices) => actix::System::new().block_on(serve(choices)),
        EngineCommand::Verify(arguments) => {
            let settings = arguments.choices.settings(&[])?;
            let folder = arguments.folder.as_deref().unwrap_or(&settings.store.path);
            let examined = store::examine(folder, settings.store.master_key.as_deref())?;
            if arguments.json {
                checking::tell(&console::as_json(folder, &examined))?;
            } else {
                console::store_summary(folder, &examined);
            }
            Ok(examined.verified.defects == 0)
        }
        EngineCommand::Restore(arguments) => {
            let settings = arguments.choices.settings(&[])?;
            let examined = store::restore(&arguments.backup, &settings.store)?;
            if arguments.json {
                checking::tell(&console::as_json(&settings.store.path, &examined))?;
            } else {
                console::store_summary(&settings.store.path, &examined);
                println!(
                    "  the service continues after the last event that its partitions have \
                     processed"
                );
            }
            Ok(true)
        }
        EngineCommand::Rewrap(arguments) => {
            let settings = arguments.choices.settings(&[])?;
            let count = store::rewrap(&settings.store, &arguments.to)?;
            if arguments.json {
                checking::tell(&serde_json::json!({ "rewrapped": count, "to": arguments.to }))?;
            } else {
                console::rewrapped(count, &arguments.to);
            }
            Ok(true)
        }
        EngineCommand::Adopt(arguments) => {
            let settings = arguments.choices.settings(&[])?;
            let adopted = actix::System::new().block_on(jumeau::app::adopt(&settings))?;
            if arguments.json {
                checking::tell(&console::adopted_as_json(&adopted))?;
            } else {
                console::adopted(&adopted);
            }
            Ok(true)
        }
    }
}

fn log(settings: &Settings) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log.filter)
        .with_context(|| format!("log.filter `{}` is not a valid filter", settings.log.filter))?;
    let is_json = matches!(settings.log.format, LogFormat::Json);
    let has_colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_colours)
        .with_writer(move || terminal::LogWriter { is_json, has_colours });
    // The client library logs the subject of every message, and subjects contain customers.
    let is_plain = settings.log.identifiers == LogIdentifiers::Plain;
    let nameless = filter_fn(move |line| {
        is_plain || !line.target().starts_with("async_nats") || *line.level() <= Level::INFO
    });
    match settings.log.format {
        LogFormat::Json => lines.json().finish().with(nameless).init(),
        LogFormat::Text => lines.finish().with(nameless).init(),
    }
    Ok(())
}

/// A running service and the reloader of its policy.
struct Running {
    service: RunningService,
    _watch: Option<policy_source::PolicyReloader>,
}

async fn start(settings: &Settings, source: &PolicySource) -> anyhow::Result<Running> {
    let languages = languages(settings)?;
    let policy = Arc::new(source.policy(&languages)?);
    let version = policy.version.clone();
    let shadow = checking::shadow(settings, &languages)?.map(Arc::new);
    let service = RunningService::start(settings, policy, shadow, source.to_string()).await?;
    let watch = match source {
        PolicySource::Embedded(_) => None,
        PolicySource::Folder(folder) => {
            let handle = service.policy();
            Some(policy_source::watch(folder, version, languages, move |changed| {
                handle.change(changed)
            })?)
        }
    };
    Ok(Running { service, _watch: watch })
}

/// The termination signals of the process.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Starts to listen: from now on the first signal is received here, and the second ends the process.
    fn listen() -> anyhow::Result<Stop> {
        end_at_the_second_signal()?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Stop { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Runs until it is told to stop, or has a fatal error. A caller may stop the service as soon as it
/// answers, so signals are listened to before it starts.
async fn run_until_stopped(
    settings: &Settings,
    source: &PolicySource,
    ready: impl FnOnce(),
) -> anyhow::Result<bool> {
    let mut stop = Stop::listen()?;
    let running = tokio::select! {
        running = start(settings, source) => running?,
        () = stop.requested() => {
            tracing::info!("stopping before the service was ready");
            return Ok(true);
        }
    };
    ready();
    until_stopped(running, stop).await
}

/// Runs until it is told to stop, or has a fatal error.
async fn until_stopped(mut running: Running, mut stop: Stop) -> anyhow::Result<bool> {
    let stopped = tokio::select! {
        why = running.service.failed() => Err(anyhow::anyhow!(why)),
        () = stop.requested() => Ok(()),
    };
    match stopped {
        Ok(()) => {
            tracing::info!("stopping: no new events; finishing those in flight");
            running.service.drain().await?;
            Ok(true)
        }
        Err(why) => {
            running.service.stop().await;
            Err(why)
        }
    }
}

async fn serve(choices: Choices) -> anyhow::Result<bool> {
    let settings = choices.settings_for_start(&[])?;
    log(&settings)?;
    let source = PolicySource::find(&settings.service.policy)?;
    let ready = || {
        tracing::info!(
            broker = settings.nats.shown_url(),
            policy = %settings.service.policy,
            partitions = settings.service.partitions,
            "the service is ready"
        );
    };
    run_until_stopped(&settings, &source, ready).await
}
