//! `jumeau dev`: an embedded broker and the service on it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use jumeau::bus::{Broker, BrokerOptions};
use jumeau::config::{Settings, settings};
use jumeau::contract::Subjects;
use jumeau::policy_source::PolicySource;
use jumeau::roles::{Agent, Company};
use jumeau::{live_stories, roles};

use super::{Stop, log, run_until_stopped, start, until_stopped};
use crate::console::{self, Console};
use crate::{Choices, languages};

/// The account in which a broker without roles keeps its streams, within its folder of streams,
const OPEN_STREAMS: &str = "$G";
/// and that of one with roles.
const SECURE_STREAMS: &str = "JUMEAU";

#[derive(Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    choices: Choices,
    /// The folder for the broker's streams and the service's store [default: .jumeau/dev, and for stories
    /// one that is gone afterwards]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The broker's port on loopback [default: 4222, or a free one if that is taken]
    #[arg(long)]
    port: Option<u16>,
    /// How soon the broker syncs what it stores: `always`, or a time such as `2m`
    #[arg(long, value_name = "INTERVAL", default_value = "always")]
    sync_interval: String,
    /// Let everybody see only what is theirs, with keys made in the folder
    #[arg(long, conflicts_with = "story")]
    secure: bool,
    /// Play the stories of this policy first, on a store of their own
    #[arg(long, value_name = "POLICY")]
    story: Option<String>,
    /// End after the stories; the exit status says whether every expectation came true
    #[arg(long, requires = "story")]
    once: bool,
}

/// Starts a broker and the service on it, and runs until it is stopped; or runs stories on it.
pub(super) async fn run(arguments: Dev) -> anyhow::Result<bool> {
    if let Some(url) = &arguments.choices.server {
        anyhow::bail!(
            "expected no --server, because `jumeau dev` starts a broker of its own, found `{}`; start the \
             service on a running broker with `jumeau serve`",
            settings::masked(url)
        );
    }
    let mut more = arguments.story.as_deref().map_or_else(Vec::new, story_settings);
    let scratch;
    let folder = match (&arguments.folder, &arguments.story) {
        (Some(folder), None) => folder,
        (None, None) => Path::new(".jumeau/dev"),
        (None, Some(_)) => {
            scratch = tempfile::tempdir().context("cannot make a folder for the stories")?;
            scratch.path()
        }
        (Some(folder), Some(_)) => fresh(folder)?,
    };
    more.push(("--folder", "store.path", folder.join("store").display().to_string()));
    more.push(("--folder", "store.backups", folder.join("backups").display().to_string()));
    let mut settings = arguments.choices.settings_for_start(&more)?;
    log(&settings)?;
    let source = PolicySource::find(&settings.service.policy)?;

    alike(folder, arguments.secure)?;
    let keys = folder.join("keys");
    let mut company = Company {
        subjects: Subjects::new(&settings.nats.prefix)?,
        hosts: vec!["127.0.0.1".into(), "localhost".into()],
        listen: String::new(),
        channels: vec!["web".into(), "app".into()],
        agents: vec![Agent::parse("agent")],
        operators: vec!["operator".into()],
        ..Company::default()
    };
    let security = match arguments.secure {
        true => Some(roles::prepare(&keys, &company)?.security),
        false => None,
    };
    let mut broker = broker(&arguments, folder, security).await?;
    settings.nats.url = broker.url();
    if arguments.secure {
        // Only now is the port known, which the users' tools need.
        company.listen = format!("127.0.0.1:{}", broker.port());
        let prepared = roles::prepare(&keys, &company)?;
        let service = prepared.nats(roles::SERVICE_USER, &settings.nats.url);
        settings.nats = service.context("the service is one of the users")?;
        settings.streams.integrators = company.channels;
        settings.service.desks = company.desks;
    }
    let console = Console::new(&settings.nats.url);
    let outcome = match &arguments.story {
        None => {
            let operator = arguments.secure.then(|| keys.join("operator-operator.env"));
            let log = broker.log();
            run_until_stopped(&settings, &source, || {
                console.ready(&settings, log.as_path(), operator.as_deref())
            })
            .await
        }
        Some(_) => perform(&console, &settings, &source, arguments.once).await,
    };
    broker.stop().await?;
    outcome
}

/// The settings with which stories run.
fn story_settings(story: &str) -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("--story", "service.policy", story.to_owned()),
        ("--story", "service.time", "event".to_owned()),
        ("--story", "log.filter", "warn".to_owned()),
    ]
}

/// An empty folder: stories are about unknown customers.
fn fresh(folder: &Path) -> anyhow::Result<&Path> {
    let parts = ["nats", "store"].map(|part| folder.join(part));
    match parts.iter().find(|part| part.exists()) {
        None => Ok(folder),
        Some(used) => anyhow::bail!(
            "expected an empty folder, because stories start without streams and a store, found {}; \
             name another with --folder, or leave --folder out to use a temporary one",
            used.display()
        ),
    }
}

/// Checks that the folder was used with the same accounts: streams of one account are not in another.
fn alike(folder: &Path, secure: bool) -> anyhow::Result<()> {
    let (streams, option) = match secure {
        true => (OPEN_STREAMS, "without --secure"),
        false => (SECURE_STREAMS, "with --secure"),
    };
    anyhow::ensure!(
        !folder.join("nats/jetstream").join(streams).exists(),
        "expected a folder that is used {}, found {}, which was created {option}; its streams and \
         store belong together: run it {option}, or name another folder with --folder",
        if secure { "with --secure" } else { "without --secure" },
        folder.display()
    );
    Ok(())
}

async fn broker(
    arguments: &Dev,
    folder: &Path,
    security: Option<String>,
) -> anyhow::Result<Broker> {
    let usual = std::net::TcpListener::bind(("127.0.0.1", 4222)).is_ok().then_some(4222);
    let start = async |port| {
        let options = BrokerOptions {
            port,
            sync_interval: arguments.sync_interval.clone(),
            security: security.clone(),
            ..BrokerOptions::new(folder.join("nats"))
        };
        Broker::start(options).await
    };
    match (arguments.port, usual) {
        // If another process takes it at the same moment, any free port will do.
        (None, Some(_)) => match start(usual).await {
            Ok(broker) => Ok(broker),
            Err(_) => Ok(start(None).await?),
        },
        (port, _) => Ok(start(port).await?),
    }
}

/// Runs the stories of a policy on a service of their own, and keeps it running for questions.
async fn perform(
    console: &Console,
    settings: &Settings,
    source: &PolicySource,
    once: bool,
) -> anyhow::Result<bool> {
    let policy = source.policy(&languages(settings)?)?;
    let stories = source.stories(&policy)?;
    let running = start(settings, source).await?;
    console.print_begin(settings, &policy, &stories);
    let began = Instant::now();
    let bus = running.service.bus().clone();
    let outcomes =
        live_stories::play(&bus, &policy, &stories, |step| console::live_step(&step)).await;
    let passed = match outcomes {
        Ok(outcomes) => console::print_results(&outcomes, began.elapsed()),
        Err(error) => {
            running.service.stop().await;
            return Err(error);
        }
    };
    if once {
        running.service.drain().await?;
        return Ok(passed);
    }
    console.print_next_commands(&stories);
    until_stopped(running, Stop::listen()?).await.map(|stopped| stopped && passed)
}
