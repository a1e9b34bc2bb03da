//! Arguments and exit codes of `jumeau`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

/// Prints a line; untrusted text in it cannot control the terminal.
macro_rules! println {
    () => { jumeau::terminal::say("") };
    ($($words:tt)*) => { jumeau::terminal::say(format_args!($($words)*)) };
}
/// Prints a line to standard error, likewise.
macro_rules! eprintln {
    ($($words:tt)*) => { jumeau::terminal::warn(format_args!($($words)*)) };
}

mod checking;
mod console;
#[cfg(feature = "engine")]
mod engine;
mod rehearse;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use jumeau::config::{Argument, Layers, Settings, limits};
use jumeau::contract::Subjects;
use jumeau::language::Languages;
use jumeau::policy_source;
use jumeau::roles::{Agent, Broadcaster, Company};
use jumeau::terminal;
use jumeau::{files, roles};

#[cfg(feature = "engine")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A digital twin for every customer: events in over NATS, the next best action out.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = after_help())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[cfg(feature = "engine")]
    #[command(flatten)]
    Engine(engine::EngineCommand),
    /// Check settings and policy; report mistakes and warnings
    Check(Check),
    /// Run a policy's stories, in-process or against a running service
    Test(Test),
    /// Replay real customers' history under another policy, beside the live one
    ///
    /// Uses the same environment variables as `twinctl`: NATS_URL, NATS_USER, NATS_PASSWORD…
    Rehearse(Rehearse),
    /// Generate keys, a certificate and the broker's configuration, with least privileges for each
    /// role
    Keys(Keys),
    /// Print every limit and its reason
    Limits(Limits),
}

/// Arguments that set settings.
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
struct Check {
    #[command(flatten)]
    choices: Choices,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Limits {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Example:\n  jumeau keys secure --channel web --channel app --agent lea=care \
                        --operator anna\n  nats-server -c secure/nats-server.conf\n  jumeau serve \
                        --config secure/jumeau.toml\n  . secure/operator-anna.env && twinctl stats"
)]
struct Keys {
    /// The folder; existing keys in it are kept
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
    /// An agent, with queues if not all (NAME=QUEUE,…); may be repeated
    #[arg(long, value_name = "NAME=QUEUE,…", default_value = "agent")]
    agent: Vec<String>,
    /// An operator; may be repeated
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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Test {
    /// The policy: the name of an embedded one, or a folder
    policy: String,
    /// Play against the service on this broker, which must be fresh and run on event time
    #[arg(long, value_name = "URL")]
    live: Option<String>,
    /// A folder with further languages besides the built-in ones
    #[arg(long, value_name = "FOLDER")]
    languages: Option<PathBuf>,
    /// A folder with models of valence, one file per language
    #[arg(long)]
    models: Option<PathBuf>,
    /// List everything that no story covers
    #[arg(long)]
    verbose: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Rehearse {
    #[command(flatten)]
    choices: Choices,
    /// The other policy: the name of an embedded one, or a folder
    #[arg(long, value_name = "POLICY")]
    with: String,
    /// Customers, at most
    #[arg(long, default_value = "1000", value_parser = sample_size)]
    sample: usize,
    /// Which model to use: `then` the version that each decision used, `now` the current one
    #[arg(long, value_enum, default_value_t = Models::Then)]
    models: Models,
    /// The trait by which to compare groups of customers
    #[arg(long, value_name = "TRAIT")]
    across: Option<String>,
    /// Write the report as a page with charts, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Models {
    Then,
    Now,
}

fn main() -> ExitCode {
    terminal::escape_panics();
    files::keep_files_private();
    let command = arguments().command;
    let (is_json, answers) = (command.is_json(), command.answers());
    let done = run(command);
    if let Some(why) = terminal::unwritten().filter(|_| answers && done.is_ok()) {
        if is_json {
            terminal::warn(terminal::error(&why, terminal::UNWRITTEN));
        } else {
            console::fail(&anyhow::Error::msg(why));
        }
        return ExitCode::from(terminal::UNWRITTEN);
    }
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            if is_json {
                terminal::warn(terminal::error(&format!("{error:#}"), 1));
            } else {
                console::fail(&error);
            }
            ExitCode::FAILURE
        }
    }
}

/// How many customers are rehearsed at most.
fn sample_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least one customer, found 0".to_owned()),
        Ok(size) => Ok(size),
        Err(_) => Err(format!("expected a number of customers, found `{text}`")),
    }
}

/// What the help ends with.
fn after_help() -> String {
    let statuses = "Exit status: 0 done, 1 failed or what was checked does not hold, 2 wrong usage, 4 the \
                    answer could not be written.";
    let absent = "\nBuilt without the engine: `dev`, `serve`, `verify`, `restore`, `rewrap` and `adopt` \
                  are not here; build with its default features to have them.";
    format!("{statuses}{}", if cfg!(feature = "engine") { "" } else { absent })
}

/// The arguments; prints mistakes in them and exits.
fn arguments() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|wrong| terminal::exit(&wrong))
}

impl Command {
    /// Whether the command prints a result and exits.
    fn answers(&self) -> bool {
        match self {
            #[cfg(feature = "engine")]
            Command::Engine(command) => command.answers(),
            _ => true,
        }
    }

    /// Whether the result, and errors, are printed as JSON.
    fn is_json(&self) -> bool {
        match self {
            #[cfg(feature = "engine")]
            Command::Engine(command) => command.is_json(),
            Command::Check(Check { json, .. })
            | Command::Test(Test { json, .. })
            | Command::Rehearse(Rehearse { json, .. })
            | Command::Keys(Keys { json, .. })
            | Command::Limits(Limits { json }) => *json,
        }
    }
}

/// Executes a command; `false` if a check failed.
fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        #[cfg(feature = "engine")]
        Command::Engine(command) => engine::run(command),
        Command::Check(arguments) => checking::check(&arguments),
        Command::Test(arguments) => checking::test(&arguments),
        Command::Rehearse(arguments) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(rehearse::rehearse(&arguments))?;
            Ok(true)
        }
        Command::Keys(arguments) => {
            let prepared = roles::prepare(&arguments.folder, &arguments.company()?)?;
            if arguments.json {
                checking::tell(&console::keys_as_json(&prepared))?;
            } else {
                console::prepared(&prepared);
            }
            Ok(true)
        }
        Command::Limits(Limits { json: true }) => {
            let limit = |limit: &limits::Limit| {
                let reason = limit.reason.trim();
                serde_json::json!({ "name": limit.name, "max": limit.max, "reason": reason })
            };
            checking::tell(&limits::ALL.iter().map(limit).collect())?;
            Ok(true)
        }
        Command::Limits(Limits { json: false }) => {
            terminal::show(limits::table());
            Ok(true)
        }
    }
}

impl Keys {
    fn company(&self) -> anyhow::Result<Company> {
        let company = Company {
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
        };
        company.check_addresses()?;
        Ok(company)
    }
}

impl Choices {
    /// The settings.
    fn settings(&self, more: &[(&str, &str, String)]) -> anyhow::Result<Settings> {
        Ok(self.layers(more)?.load()?)
    }

    /// The settings of a service that is to start; the files and variables that they name are there.
    fn settings_for_start(&self, more: &[(&str, &str, String)]) -> anyhow::Result<Settings> {
        Ok(self.layers(more)?.load_for_start()?)
    }

    fn layers(&self, more: &[(&str, &str, String)]) -> anyhow::Result<Layers> {
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
        Ok(Layers::of_process(self.config.clone(), arguments))
    }
}

/// The configured languages.
fn languages(settings: &Settings) -> anyhow::Result<Arc<Languages>> {
    let settings = &settings.languages;
    policy_source::languages(settings.folder.as_deref(), settings.models.as_deref())
}
