//! Arguments and exit codes of `jumeau`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod console;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anstream::{print, println};
use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use console::Console;
use jumeau::app::{Service, end_at_the_second_signal};
use jumeau::bus::{Broker, BrokerOptions, Bus, Subjects};
use jumeau::config::settings::{LogFormat, LogIdentifiers};
use jumeau::config::{Argument, Layers, Settings, limits};
use jumeau::event::{Desks, Time};
use jumeau::language::Languages;
use jumeau::models::Snapshot;
use jumeau::policy::{self, Policy};
use jumeau::rehearsal::{self, By, Learned, Pair, Report, Sample, recollect};
use jumeau::roles::{Agent, Broadcaster, Company};
use jumeau::shelf::{self, Shelf};
use jumeau::{roles, stage, store, story};
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A digital twin for every customer: events in over NATS, the next best action out.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a broker of our own and the service on it, for development
    Dev(Dev),
    /// Start the service on a broker that runs already
    Serve(Choices),
    /// Check settings and policy, and say what they are
    Check(Choices),
    /// Play a policy's stories on the pure core, or against a running service
    Test(Test),
    /// Play the real past of a sample of customers under another policy, beside the live one
    Rehearse(Rehearse),
    /// Read every row of a store that nobody has open, or of a backup, and say what is wrong with it
    Verify(Verify),
    /// Put a backup where the store is to be
    Restore(Restore),
    /// Wrap the customers' keys of a sealed store, which nobody has open, by another master key
    Rewrap(Rewrap),
    /// Make keys, a certificate and the broker's configuration, so that everybody sees only what is
    /// theirs
    Keys(Keys),
    /// Print every limit and its reason
    Limits,
}

/// Choices that are settings.
#[derive(Args)]
struct Choices {
    /// The settings file [default: jumeau.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The policy: the name of an embedded one, or a folder
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// The broker to join
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Any other setting, as section.key=value; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Args)]
struct Dev {
    #[command(flatten)]
    choices: Choices,
    /// The folder for the broker's streams and the service's store
    #[arg(long, value_name = "FOLDER", default_value = ".jumeau/dev")]
    folder: PathBuf,
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

#[derive(Args)]
#[command(
    after_help = "Example:\n  jumeau keys secure --channel web --channel app --agent lea=care \
                        --operator anna\n  nats-server -c secure/nats-server.conf\n  jumeau serve \
                        --config secure/jumeau.toml\n  . secure/operator-anna.env && twinctl stats"
)]
struct Keys {
    /// The folder; keys that are in it are kept
    folder: PathBuf,
    /// A channel, which gets an integrator, too; may be repeated
    #[arg(long, value_name = "NAME", default_values = ["web", "app"])]
    channel: Vec<String>,
    /// A channel that reports what agents and operators do, such as that of a contact centre; may be
    /// repeated
    #[arg(long, value_name = "NAME")]
    desk: Vec<String>,
    /// A channel whose devices report over MQTT; may be repeated
    #[arg(long, value_name = "NAME", requires = "mqtt")]
    device: Vec<String>,
    /// A program that broadcasts, and the scopes if not all; may be repeated
    #[arg(long, value_name = "NAME=SCOPE,…")]
    broadcaster: Vec<String>,
    /// Somebody who works on escalations, and the queues if not all; may be repeated
    #[arg(long, value_name = "NAME=QUEUE,…", default_value = "agent")]
    agent: Vec<String>,
    /// Somebody who steers the service; may be repeated
    #[arg(long, value_name = "NAME", default_value = "operator")]
    operator: Vec<String>,
    /// A name or address of the broker's machine; the first is the one to connect to
    #[arg(long, value_name = "HOST", default_values = ["localhost", "127.0.0.1"])]
    host: Vec<String>,
    /// Where the broker listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4222")]
    listen: String,
    /// Where it listens for browsers, over WebSocket
    #[arg(long, value_name = "ADDRESS:PORT")]
    websocket: Option<String>,
    /// Where it listens for devices, over MQTT
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt: Option<String>,
    /// What every subject starts with
    #[arg(long, default_value = "jumeau")]
    prefix: String,
}

#[derive(Args)]
struct Verify {
    #[command(flatten)]
    choices: Choices,
    /// The store or backup [default: the store of the settings]
    folder: Option<PathBuf>,
}

#[derive(Args)]
struct Restore {
    #[command(flatten)]
    choices: Choices,
    /// The backup; it goes to `store.path`, where nothing may be yet
    backup: PathBuf,
}

#[derive(Args)]
struct Rewrap {
    #[command(flatten)]
    choices: Choices,
    /// The other master key, as `store.master-key` will name it: a file, or `env:` and a variable
    #[arg(long, value_name = "KEY")]
    to: String,
}

#[derive(Args)]
struct Test {
    /// The policy: the name of an embedded one, or a folder
    policy: String,
    /// Play against the service on this broker, which must be fresh and run on event time
    #[arg(long, value_name = "URL")]
    live: Option<String>,
    /// A folder with languages besides those that come along
    #[arg(long, value_name = "FOLDER")]
    languages: Option<PathBuf>,
}

#[derive(Args)]
struct Rehearse {
    #[command(flatten)]
    choices: Choices,
    /// The other policy: the name of an embedded one, or a folder
    #[arg(long, value_name = "POLICY")]
    with: String,
    /// Customers, at most
    #[arg(long, default_value = "1000")]
    sample: usize,
    /// By what was known then, each decision by the version that it went by; or by what is known now
    #[arg(long, value_enum, default_value_t = Models::Then)]
    models: Models,
    /// The trait across which to look at fairness
    #[arg(long, value_name = "TRAIT")]
    across: Option<String>,
    /// Write the report as a page with charts, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Models {
    Then,
    Now,
}

/// Customers of a rehearsal who live side by side: all that they say is in memory meanwhile.
const LIVES_AT_ONCE: usize = 64;

fn main() -> ExitCode {
    store::keep_files_private();
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            console::fail(&error);
            ExitCode::FAILURE
        }
    }
}

/// Carries a command out; `false` if what it checks does not hold.
fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Dev(arguments) => actix::System::new().block_on(dev(arguments)),
        Command::Serve(choices) => actix::System::new().block_on(serve(choices)),
        Command::Check(choices) => check(&choices),
        Command::Test(arguments) => test(&arguments),
        Command::Rehearse(arguments) => {
            actix::System::new().block_on(rehearse(&arguments))?;
            Ok(true)
        }
        Command::Verify(arguments) => {
            let settings = arguments.choices.settings(&[])?;
            let folder = arguments.folder.as_deref().unwrap_or(&settings.store.path);
            let examined = store::examine(folder, settings.store.master_key.as_deref())?;
            console::examined(folder, &examined);
            Ok(examined.verified.defects == 0)
        }
        Command::Restore(arguments) => {
            let settings = arguments.choices.settings(&[])?;
            let examined = store::restore(&arguments.backup, &settings.store)?;
            console::examined(&settings.store.path, &examined);
            println!("  the service goes on behind what its partitions have taken in");
            Ok(true)
        }
        Command::Rewrap(arguments) => {
            let settings = arguments.choices.settings(&[])?;
            let count = store::rewrap(&settings.store, &arguments.to)?;
            console::rewrapped(count, &arguments.to);
            Ok(true)
        }
        Command::Keys(arguments) => {
            let prepared = roles::prepare(&arguments.folder, &arguments.company()?)?;
            console::prepared(&prepared);
            Ok(true)
        }
        Command::Limits => {
            print!("{}", limits::table());
            Ok(true)
        }
    }
}

impl Keys {
    fn company(&self) -> anyhow::Result<Company> {
        Ok(Company {
            subjects: Subjects::new(&self.prefix)?,
            hosts: self.host.clone(),
            listen: self.listen.clone(),
            websocket: self.websocket.clone(),
            mqtt: self.mqtt.clone(),
            channels: self.channel.clone(),
            desks: self.desk.clone(),
            devices: self.device.clone(),
            broadcasters: self.broadcaster.iter().map(|one| Broadcaster::parse(one)).collect(),
            agents: self.agent.iter().map(|agent| Agent::parse(agent)).collect(),
            operators: self.operator.clone(),
        })
    }
}

impl Choices {
    fn settings(&self, more: &[(&str, &str, String)]) -> anyhow::Result<Settings> {
        let mut arguments = Vec::new();
        let mut add = |flag: &str, key: &str, value: String| {
            arguments.push(Argument { flag: flag.to_owned(), key: key.to_owned(), value });
        };
        for (flag, key, value) in more {
            add(flag, key, value.clone());
        }
        if let Some(policy) = &self.policy {
            add("--policy", "service.policy", policy.clone());
        }
        if let Some(server) = &self.server {
            add("--server", "nats.url", server.clone());
        }
        for pair in &self.set {
            arguments.push(Argument::set(pair).map_err(anyhow::Error::msg)?);
        }
        Ok(Layers::of_process(self.config.clone(), arguments).load()?)
    }
}

fn log(settings: &Settings) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log.filter)
        .with_context(|| format!("log.filter `{}` is no filter", settings.log.filter))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // The client library names the subject of every message, and there stand customers.
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

/// Two policies on the same past, side by side. Nothing is published, nothing is stored.
async fn rehearse(arguments: &Rehearse) -> anyhow::Result<()> {
    let settings = arguments.choices.settings(&[])?;
    let languages = languages(&settings)?;
    let live = Shelf::find(&settings.service.policy)?.policy(&languages)?;
    let other = Shelf::find(&arguments.with)?.policy(&languages)?;
    let bus = Bus::visit(&settings.nats).await?;

    let bar = indicatif::ProgressBar::new_spinner().with_message("reading the stream of events");
    let mut sample = Sample::new(arguments.sample.max(1));
    // Without a service that says which, those of the settings.
    let desks = rehearsal::desks(&bus)
        .await
        .unwrap_or_else(|_| Desks::new(settings.service.desks.iter().map(String::as_str)));
    bus.past(None, |mut delivery| {
        delivery.admit(&desks);
        sample.take(delivery);
        bar.inc(1);
        true
    })
    .await?;
    bar.finish_and_clear();

    let mut customers = sample.finish();
    let bar = indicatif::ProgressBar::new(customers.len() as u64).with_message("rehearsing");
    let mut report = Report::new(&live, &other, arguments.across.as_deref());
    let by = if arguments.models == Models::Now { By::Now } else { By::Then };
    // Without a service there is no journal, and nobody knows what was learned.
    let mut learned = Learned::of(&bus).await.ok();
    let mut by_now = 0;
    while !customers.is_empty() {
        let rest = customers.split_off(customers.len().min(LIVES_AT_ONCE));
        let mut lives = Vec::new();
        for (customer, past) in &mut customers {
            if learned.is_some() {
                recollect(&bus, customer, past).await?;
            }
        }
        for (customer, past) in &customers {
            // The past ends with the last thing that happened.
            let until = past.span().map_or(Time::MIN, |(_, last)| last);
            lives.extend([&live, &other].map(|policy| past.life(customer, policy, until)));
        }
        let lived = match &mut learned {
            Some(learned) => {
                let lives = rehearsal::live(lives, by, learned).await?;
                by_now += lives.by_now;
                lives.lived
            }
            None => lives.into_iter().map(|life| life.to_end(&Snapshot::nothing())).collect(),
        };
        let mut lived = lived.into_iter();
        for (_, past) in &customers {
            if let (Some(live), Some(other)) = (lived.next(), lived.next()) {
                report.add(past, &Pair { live, other });
            }
            bar.inc(1);
        }
        customers = rest;
    }
    bar.finish_and_clear();
    let has_service = learned.is_some();
    drop(learned);
    bus.close().await?;
    print!("{}", rehearsal::text(&report));
    if !has_service {
        println!(
            "without what channels asked through the API, and without what was learned: no service \
             answers on this broker"
        );
    }
    if by_now > 0 {
        println!(
            "{by_now} inputs went by versions of what was learned that are not kept any more: they \
             go by what is known now"
        );
    }
    if let Some(file) = &arguments.html {
        std::fs::write(file, rehearsal::html(&report))
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("the page is {}", file.display());
    }
    Ok(())
}

/// The languages of the settings.
fn languages(settings: &Settings) -> anyhow::Result<Arc<Languages>> {
    shelf::languages(settings.languages.folder.as_deref())
}

/// A running service, and what keeps its policy fresh.
struct Running {
    service: Service,
    _watch: Option<policy::Watch>,
}

async fn start(settings: &Settings, shelf: &Shelf) -> anyhow::Result<Running> {
    let languages = languages(settings)?;
    let policy = Arc::new(shelf.policy(&languages)?);
    let version = policy.version.clone();
    let shadow = match &settings.service.shadow {
        None => None,
        Some(name) => Some(Arc::new(Shelf::find(name)?.policy(&languages)?)),
    };
    let service = Service::start(settings, policy, shadow, shelf.to_string()).await?;
    let watch = match shelf {
        Shelf::Embedded(_) => None,
        Shelf::Folder(folder) => {
            let desk = service.policy();
            Some(policy::watch(folder, version, languages, move |changed| desk.change(changed))?)
        }
    };
    Ok(Running { service, _watch: watch })
}

/// Runs until it is asked to stop, or must.
async fn until_stopped(mut running: Running) -> anyhow::Result<bool> {
    end_at_the_second_signal()?;
    let stopped = tokio::select! {
        why = running.service.failed() => Err(anyhow::anyhow!(why)),
        signal = asked_to_stop() => signal,
    };
    match stopped {
        Ok(()) => {
            tracing::info!("stopping: taking nothing more in, finishing what is under way");
            running.service.drain().await?;
            Ok(true)
        }
        Err(why) => {
            running.service.stop().await;
            Err(why)
        }
    }
}

async fn asked_to_stop() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn serve(choices: Choices) -> anyhow::Result<bool> {
    let settings = choices.settings(&[])?;
    log(&settings)?;
    let shelf = Shelf::find(&settings.service.policy)?;
    let running = start(&settings, &shelf).await?;
    tracing::info!(
        broker = settings.nats.shown_url(),
        policy = %settings.service.policy,
        partitions = settings.service.partitions,
        "twins are awake"
    );
    until_stopped(running).await
}

async fn dev(arguments: Dev) -> anyhow::Result<bool> {
    let mut more = Vec::new();
    let scratch = match &arguments.story {
        None => None,
        Some(story) => {
            more.push(("--story", "service.policy", story.clone()));
            more.push(("--story", "service.time", "event".to_owned()));
            more.push(("--story", "log.filter", "warn".to_owned()));
            Some(tempfile::tempdir().context("cannot make a folder for the stories")?)
        }
    };
    let folder = scratch.as_ref().map_or(&*arguments.folder, |scratch| scratch.path());
    more.push(("--folder", "store.path", folder.join("store").display().to_string()));
    let mut settings = arguments.choices.settings(&more)?;
    log(&settings)?;
    let shelf = Shelf::find(&settings.service.policy)?;

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
            let running = start(&settings, &shelf).await?;
            let operator = arguments.secure.then(|| keys.join("operator-operator.env"));
            console.ready(&settings, broker.log().as_path(), operator.as_deref());
            until_stopped(running).await
        }
        Some(_) => perform(&console, &settings, &shelf, arguments.once).await,
    };
    broker.stop().await?;
    outcome
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
        // If another takes it at the same moment, any will do.
        (None, Some(_)) => match start(usual).await {
            Ok(broker) => Ok(broker),
            Err(_) => Ok(start(None).await?),
        },
        (port, _) => Ok(start(port).await?),
    }
}

/// Plays the stories of a policy on a service of their own, and stays for questions.
async fn perform(
    console: &Console,
    settings: &Settings,
    shelf: &Shelf,
    once: bool,
) -> anyhow::Result<bool> {
    let policy = shelf.policy(&languages(settings)?)?;
    let stories = shelf.stories(&policy)?;
    let running = start(settings, shelf).await?;
    console.curtain(settings, &policy, &stories);
    let began = Instant::now();
    let bus = running.service.bus().clone();
    let outcomes = stage::play(&bus, &policy, &stories, |scene| console.scene(&scene)).await;
    let passed = match outcomes {
        Ok(outcomes) => console.applause(&outcomes, began.elapsed()),
        Err(error) => {
            running.service.stop().await;
            return Err(error);
        }
    };
    if once {
        running.service.drain().await?;
        return Ok(passed);
    }
    console.what_next(&stories);
    until_stopped(running).await.map(|stopped| stopped && passed)
}

fn check(choices: &Choices) -> anyhow::Result<bool> {
    let settings = choices.settings(&[])?;
    let shelf = Shelf::find(&settings.service.policy)?;
    let languages = languages(&settings)?;
    let policy = shelf.policy(&languages)?;
    let stories = shelf.stories(&policy)?;
    console::checked(&settings, &shelf, &policy, stories.len());
    Ok(true)
}

fn test(arguments: &Test) -> anyhow::Result<bool> {
    let shelf = Shelf::find(&arguments.policy)?;
    let policy = shelf.policy(&shelf::languages(arguments.languages.as_deref())?)?;
    let stories = shelf.stories(&policy)?;
    if stories.is_empty() {
        bail!("expected stories in {}/scenarios, found none", arguments.policy);
    }
    match &arguments.live {
        None => Ok(test_core(&policy, &stories)),
        Some(url) => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(test_live(url, &policy, &stories))
        }
    }
}

fn test_core(policy: &Policy, stories: &[story::Story]) -> bool {
    let mut passed = 0;
    let began = Instant::now();
    for story in stories {
        let began = Instant::now();
        let played = story::play(story, policy);
        let findings = story::check(story, policy, &played.seen, Some(&played.twins));
        let took = began.elapsed();
        let report = story::Report { story, played: Some(&played), findings: &findings, took };
        console::report(&report);
        passed += usize::from(report.is_passed());
    }
    console::verdict(passed, stories.len(), began.elapsed());
    passed == stories.len()
}

async fn test_live(url: &str, policy: &Policy, stories: &[story::Story]) -> anyhow::Result<bool> {
    let mut settings = Settings::default().nats;
    url.clone_into(&mut settings.url);
    let bus = Bus::connect(&settings).await?;
    let console = Console::new(url);
    let began = Instant::now();
    let outcomes = stage::play(&bus, policy, stories, |scene| console.scene(&scene)).await?;
    Ok(console.applause(&outcomes, began.elapsed()))
}
