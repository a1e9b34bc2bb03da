//! A shell in a folder of its own, in which the commands of one page run one after the other.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jumeau::api::Stats;
use jumeau::bus::{Broker, BrokerOptions};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// No command takes so long, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(120);
/// The interval between two checks of a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A file with the variables that the commands of a page export.
const VARIABLES: &str = "variables";
/// Where readers find the broker of the examples.
const USUAL_PORT: &str = "127.0.0.1:4222";

/// A program that runs while later commands do.
struct Background {
    command: String,
    process: Child,
    /// What it prints.
    output: PathBuf,
}

/// A shell for one page.
pub(crate) struct Shell {
    background: Vec<Background>,
    broker: Option<Broker>,
    /// Where the broker of this page listens, if it has one.
    address: Option<String>,
    /// Whether a service answers.
    is_served: bool,
    /// Whether something was published that the service may not have processed.
    is_unsettled: bool,
    /// What the last command printed that printed anything; of a program in the background, the file.
    last: Printed,
    folder: TempDir,
}

enum Printed {
    Text(String),
    InBackground(PathBuf),
}

impl Shell {
    /// A folder that looks like a clone's root, with the programs on the PATH.
    pub(crate) fn new() -> Shell {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let programs = Path::new(env!("CARGO_BIN_EXE_jumeau")).parent().unwrap();
        let twinctl = programs.join("twinctl");
        let is_there = twinctl.is_file() || cfg!(not(feature = "engine"));
        assert!(is_there, "no {}; build the whole workspace first", twinctl.display());
        for name in ["config", "docs", "tests"] {
            symlink(project().join(name), path.join(name)).unwrap();
        }
        // `tools/run` is the real script; the programs are built already.
        fs::create_dir_all(path.join("tools")).unwrap();
        fs::create_dir_all(path.join("target")).unwrap();
        symlink(programs, path.join("target/release")).unwrap();
        symlink(project().join("tools/examples"), path.join("tools/examples")).unwrap();
        fs::copy(project().join("tools/run"), path.join("tools/run")).unwrap();
        script(&path.join("tools/build"), "#!/bin/sh\n");
        script(&path.join("tools/environment"), "export CARGO_TARGET_DIR=\"$PWD/target\"\n");
        fs::create_dir_all(path.join("bin")).unwrap();
        for name in ["jumeau", "twinctl"] {
            symlink(programs.join(name), path.join("bin").join(name)).unwrap();
        }
        symlink(project().join("tests/docs_run/nats"), path.join("bin/nats")).unwrap();
        if let Some(server) = nats_server() {
            symlink(server, path.join("bin/nats-server")).unwrap();
        }
        fs::write(path.join(VARIABLES), "").unwrap();
        Shell {
            background: Vec::new(),
            broker: None,
            address: None,
            is_served: false,
            is_unsettled: false,
            last: Printed::Text(String::new()),
            folder,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command; returns what it printed and whether it succeeded.
    pub(crate) async fn run(&mut self, command: &str) -> (String, bool) {
        match words(command)[..] {
            ["start-broker"] => self.start_broker().await,
            ["stop-service"] => self.stop().await,
            _ if runs_on(command) => self.start(command).await,
            _ => return self.run_to_end(command).await,
        }
        (String::new(), true)
    }

    async fn run_to_end(&mut self, command: &str) -> (String, bool) {
        self.settle().await;
        let command = match words(command)[..] {
            ["jumeau", "keys", ..] => with(command, &format!("--listen {}", free_port())),
            _ => command.to_owned(),
        };
        let ran = self.bash(&format!("exec 2>&1\n{command}")).output();
        let output = timeout(PATIENCE, ran).await;
        let output = output.unwrap_or_else(|_| panic!("`{command}` does not end")).unwrap();
        let text = self.as_shown(&String::from_utf8(output.stdout).unwrap());
        self.is_unsettled = self.is_served;
        if !text.is_empty() {
            self.last = Printed::Text(text.clone());
        }
        (text, output.status.success())
    }

    /// What the last command printed; of a program in the background, once it is `enough`.
    pub(crate) async fn last_output(&self, enough: impl Fn(&str) -> bool) -> String {
        match &self.last {
            Printed::Text(text) => text.clone(),
            Printed::InBackground(file) => {
                let text = async || self.as_shown(&fs::read_to_string(file).unwrap());
                let wait = async {
                    while !enough(&text().await) {
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                };
                // If it never is, the comparison says what is different.
                let _ = timeout(PATIENCE, wait).await;
                text().await
            }
        }
    }

    /// A command in bash, with the variables that commands before it exported.
    fn bash(&self, command: &str) -> Command {
        let script =
            format!(". ./{VARIABLES}\n{command}\ncode=$?\nexport -p >{VARIABLES}\nexit $code");
        let folder = self.folder();
        let path = std::env::var("PATH").unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-c", &script])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", folder.join("bin").display()))
            .env("PYTHONPATH", project().join(".jumeau/python"))
            .env("NO_COLOR", "1")
            .env("USER", "anna")
            .env_remove("NATS_URL")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(server) = nats_server() {
            bash.env("NATS_SERVER_BIN", server);
        }
        bash
    }

    /// Starts a program that later commands need; returns once it is ready.
    async fn start(&mut self, command: &str) {
        let shown = command.to_owned();
        let words = words(command);
        let is_development = matches!(words[..], ["tools/run", ..] | ["jumeau", "dev", ..]);
        let is_service = is_development || words.first() == Some(&"jumeau");
        let ready = match words[..] {
            ["nats-server", ..] => "Server is ready",
            ["nats", ..] => "Subscribing on",
            _ if is_development => "Ctrl-C ends it.",
            _ => "the service is ready",
        };
        let command = if is_development { with(command, "--port 0") } else { shown.clone() };
        let file = self.folder().join(format!("output-{}", self.background.len()));
        let output = fs::File::create(&file).unwrap();
        let process = self
            .bash(&format!("exec {command}"))
            .stderr(output.try_clone().unwrap())
            .stdout(output)
            .spawn()
            .unwrap();
        let mut started = Background { command: shown, process, output: file.clone() };
        let text = started.until_it_prints(ready).await;
        self.background.push(started);
        if is_development {
            let (_, after) = text.split_once("is up on nats://").unwrap();
            let address = after.split([',', '\n']).next().unwrap().to_owned();
            self.listens_at(&address);
        }
        self.is_served |= is_service;
        self.last = Printed::InBackground(file);
    }

    /// A broker without roles, as an operator has one already.
    async fn start_broker(&mut self) {
        let broker = Broker::start(BrokerOptions::new(self.folder().join("broker"))).await.unwrap();
        let address = format!("127.0.0.1:{}", broker.port());
        self.broker = Some(broker);
        self.listens_at(&address);
    }

    fn listens_at(&mut self, address: &str) {
        let file = self.folder().join(VARIABLES);
        let mut variables = fs::read_to_string(&file).unwrap();
        for name in ["NATS_URL", "JUMEAU_NATS__URL"] {
            variables += &format!("export {name}=nats://{address}\n");
        }
        fs::write(file, variables).unwrap();
        self.address = Some(address.to_owned());
    }

    /// Waits until the service has processed everything that was published, and published what it decided.
    async fn settle(&mut self) {
        if !std::mem::take(&mut self.is_unsettled) {
            return;
        }
        let wait = async {
            loop {
                let stats = self.bash("twinctl stats --json").output().await.unwrap();
                let stats = serde_json::from_slice::<Stats>(&stats.stdout).ok();
                if stats.is_some_and(|stats| is_settled(&stats)) {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the service processes what was published");
    }

    /// Stops what runs in the background, the newest first.
    pub(crate) async fn stop(&mut self) {
        while let Some(mut program) = self.background.pop() {
            let id = program.process.id().unwrap().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
            let ended = timeout(PATIENCE, program.process.wait()).await;
            let status = ended.unwrap_or_else(|_| panic!("`{}` does not end", program.command));
            let is_ours = !program.command.starts_with("nats");
            assert!(
                !is_ours || status.unwrap().success(),
                "`{}` ends with an error: {}",
                program.command,
                fs::read_to_string(&program.output).unwrap()
            );
        }
        self.is_served = false;
        self.is_unsettled = false;
    }

    /// What a reader would see: with the usual port, and without our folder.
    fn as_shown(&self, text: &str) -> String {
        let folder = format!("{}/", self.folder().display());
        let text = text.replace(&folder, "");
        match &self.address {
            Some(address) => text.replace(address, USUAL_PORT),
            None => text,
        }
    }
}

impl Background {
    /// Waits until it prints this; returns everything that it printed.
    async fn until_it_prints(&mut self, wanted: &str) -> String {
        let read = |file: &Path| fs::read_to_string(file).unwrap();
        let wait = async {
            loop {
                let ended = self.process.try_wait().unwrap();
                let text = read(&self.output);
                if text.contains(wanted) {
                    return text;
                }
                assert!(ended.is_none(), "`{}` ended: {text}", self.command);
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let waited = timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| {
            panic!("`{}` never prints {wanted:?}: {}", self.command, read(&self.output))
        })
    }
}

fn is_settled(stats: &Stats) -> bool {
    stats.lag == 0 && stats.partitions.iter().all(|one| one.outbox == 0 && one.in_flight == 0)
}

/// Whether a command does not end by itself.
pub(crate) fn runs_on(command: &str) -> bool {
    let words = words(command);
    match words[..] {
        ["tools/run", ..] | ["jumeau", "dev", ..] => !words.contains(&"--once"),
        ["jumeau", "serve", ..] | ["nats-server", ..] | ["nats", "sub", ..] => true,
        _ => false,
    }
}

/// The words of a command before its comment.
fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().take_while(|word| *word != "#").collect()
}

/// A command with further arguments, which stand before its comment.
fn with(command: &str, arguments: &str) -> String {
    let (command, _) = command.split_once(" # ").unwrap_or((command, ""));
    format!("{} {arguments}", command.trim_end())
}

/// The folder of the project.
fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The broker's program that `tools/setup` fetched, unless another one is named or on the PATH.
fn nats_server() -> Option<PathBuf> {
    let named = std::env::var_os("NATS_SERVER_BIN").map(PathBuf::from);
    let own = project().join(".jumeau/bin/nats-server");
    named.or(Some(own)).filter(|path| path.is_file())
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An address of loopback at which nobody listens.
fn free_port() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
