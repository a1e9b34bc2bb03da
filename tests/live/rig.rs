//! A broker, a service as a process of its own, and a client that knows nothing of us.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use bytes::Bytes;
use jumeau::api::{DecideReply, ShowReply, Stats, verb};
use jumeau::bus::{Broker, BrokerOptions, Bus, Error};
use jumeau::config::settings;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Nothing here takes so long, unless it never ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Without an answer for so long, how the service is is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// The file with what a service says that is started by another program.
const LOG: &str = "service.log";
/// How often a condition is looked at while it is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Our own binary, or one that is built beside it.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_jumeau")).with_file_name(name);
    assert!(path.is_file(), "{} is missing; build the whole workspace first", path.display());
    path
}

/// The folder of the project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a program said, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) broker: Broker,
    pub(crate) bus: Bus,
    pub(crate) stream: jetstream::Context,
    pub(crate) client: async_nats::Client,
    pub(crate) service: Child,
    settings: Vec<String>,
    policy: String,
    /// What the service's program is started by, if it is not started by itself.
    under: Vec<String>,
}

impl Rig {
    /// A service with this policy (a name or a folder) and these settings.
    pub(crate) async fn start(policy: &str, settings: &[&str]) -> Rig {
        Rig::start_under(policy, settings, Vec::new()).await
    }

    /// The same, the service's program being started by another one; what it says is in its log.
    pub(crate) async fn start_under(policy: &str, settings: &[&str], under: Vec<String>) -> Rig {
        Rig::start_in(tempfile::tempdir().unwrap(), policy, settings, under).await
    }

    /// A service with the policy that this text is.
    pub(crate) async fn with_policy(text: &str, settings: &[&str]) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let policy = written(folder.path(), "live", text);
        Rig::start_in(folder, &policy, settings, Vec::new()).await
    }

    /// The folder of another policy, which this text is.
    pub(crate) fn policy(&self, name: &str, text: &str) -> String {
        written(self.folder.path(), name, text)
    }

    async fn start_in(folder: TempDir, policy: &str, settings: &[&str], under: Vec<String>) -> Rig {
        let broker = Broker::start(BrokerOptions::new(folder.path().join("nats"))).await.unwrap();
        let nats =
            settings::NatsSettings { url: broker.url(), ..settings::NatsSettings::default() };
        let bus = Bus::connect(&nats).await.unwrap();
        let client = async_nats::connect(broker.url()).await.unwrap();
        let stream = jetstream::new(client.clone());
        let settings: Vec<String> = settings.iter().map(|pair| (*pair).to_owned()).collect();
        let service = serve(folder.path(), &broker.url(), policy, &settings, &under);
        let policy = policy.to_owned();
        let rig = Rig { folder, broker, bus, stream, client, service, settings, policy, under };
        rig.is_up().await;
        rig
    }

    /// Starts the service again, after it ended.
    pub(crate) async fn restart(&mut self) {
        self.start_again();
        self.is_up().await;
    }

    /// The same, whatever becomes of it.
    pub(crate) fn start_again(&mut self) {
        let (folder, url) = (self.folder.path(), self.broker.url());
        self.service = serve(folder, &url, &self.policy, &self.settings, &self.under);
    }

    /// Starts the service again, after it ended: by itself, and with these settings besides.
    pub(crate) async fn restart_with(&mut self, settings: &[&str]) {
        self.under.clear();
        self.settings.extend(settings.iter().map(|pair| (*pair).to_owned()));
        self.restart().await;
    }

    /// What a start of the service says that is refused, with these settings besides.
    pub(crate) async fn refused(&self, settings: &[&str]) -> String {
        let mut all = self.settings.clone();
        all.extend(settings.iter().map(|pair| (*pair).to_owned()));
        let url = self.broker.url();
        let started = command(self.folder.path(), &url, &self.policy, &all, &[]).output();
        let ended = timeout(PATIENCE, started).await.expect("it ends").unwrap();
        assert!(!ended.status.success(), "it is refused");
        String::from_utf8(ended.stderr).unwrap()
    }

    /// What the service said, if it was started by another program.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(LOG)).unwrap()
    }

    /// Runs one of our programs to its end.
    pub(crate) async fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        let output = Command::new(binary(program))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .output()
            .await
            .unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `twinctl`.
    pub(crate) async fn twinctl(&self, arguments: &[&str]) -> Ran {
        let url = self.broker.url();
        self.run("twinctl", &[&["--server", &url], arguments].concat()).await
    }

    /// Asks the service to stop, as an operator does, and returns its exit status.
    pub(crate) async fn terminate(&mut self) -> std::process::ExitStatus {
        let id = self.service.id().unwrap().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(asked.success());
        timeout(PATIENCE, self.service.wait()).await.unwrap().unwrap()
    }

    /// What a channel is told to show.
    pub(crate) async fn decide(
        &self,
        customer: &str,
        request: Value,
    ) -> Result<DecideReply, Error> {
        let answer = self.ask(verb::DECIDE, &[customer], request.to_string().into()).await?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    async fn is_up(&self) {
        self.until("the service is up", async || self.stats().await.is_some()).await;
    }

    /// Waits until a condition holds.
    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let wait = async {
            while !holds().await {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
    }

    pub(crate) async fn stats(&self) -> Option<Stats> {
        // What was asked of a service that has just been killed is never answered.
        let asked = timeout(ASK_AGAIN, self.bus.ask(verb::STATS, &[], Bytes::new()));
        serde_json::from_slice(&asked.await.ok()?.ok()?).ok()
    }

    pub(crate) async fn ask(
        &self,
        verb: &str,
        tokens: &[&str],
        payload: Bytes,
    ) -> Result<Bytes, Error> {
        timeout(PATIENCE, self.bus.ask(verb, tokens, payload)).await.expect("an answer in time")
    }

    pub(crate) async fn show(&self, customer: &str) -> ShowReply {
        let answer = self.ask(verb::SHOW, &[customer], Bytes::new()).await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    /// Publishes raw bytes on a subject, and waits until the stream has them.
    pub(crate) async fn publish(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: impl Into<Bytes>,
    ) {
        let sent = self.stream.publish_with_headers(subject.to_owned(), headers, payload.into());
        sent.await.unwrap().await.unwrap();
    }

    /// Publishes a bare event.
    pub(crate) async fn event(&self, channel: &str, customer: &str, kind: &str, data: Value) {
        let payload = json!({ "type": kind, "data": data }).to_string();
        self.publish(&format!("jumeau.events.{channel}.{customer}"), HeaderMap::new(), payload)
            .await;
    }

    /// Waits until everything that was published is taken in, durable and confirmed.
    pub(crate) async fn settled(&self) {
        let last = Mutex::new(None);
        let is_settled = async || {
            let Some(stats) = self.stats().await else { return false };
            let is_settled = stats.lag == 0
                && stats.partitions.iter().all(|one| one.outbox == 0 && one.in_flight == 0);
            *last.lock() = Some(stats);
            is_settled
        };
        let wait = async {
            while !is_settled().await {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            panic!("waited in vain until everything is taken in: {:#?}", last.lock());
        }
    }
}

/// A folder with this policy in it.
fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("policy.toml"), text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn serve(folder: &Path, url: &str, policy: &str, settings: &[String], under: &[String]) -> Child {
    command(folder, url, policy, settings, under).spawn().unwrap()
}

fn command(
    folder: &Path,
    url: &str,
    policy: &str,
    settings: &[String],
    under: &[String],
) -> Command {
    let program = binary("jumeau");
    let mut command = match under {
        [] => Command::new(program),
        [first, others @ ..] => {
            let log = std::fs::File::options().create(true).append(true).open(folder.join(LOG));
            let mut command = Command::new(first);
            command.args(others).arg(program).stderr(log.unwrap());
            command
        }
    };
    command
        .args(["serve", "--server", url, "--policy", policy])
        .arg("--set")
        .arg(format!("store.path={}", folder.join("store").display()))
        .args(["--set", "log.filter=warn"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for pair in settings {
        command.args(["--set", pair]);
    }
    command
}
