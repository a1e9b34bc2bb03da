use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

use super::Error;
use super::connection::{VERSION_MIN_NAME, check_version};

/// How long a broker may take until its first answer: it reads its whole store first.
const START: Duration = Duration::from_secs(60);
/// How long a broker may take to stop by itself.
const STOP: Duration = Duration::from_secs(20);
/// The interval between two checks whether it answers.
const LOOK: Duration = Duration::from_millis(20);
/// Lines of the broker's log in an error.
const LOG_LINES: usize = 12;

/// Runs a program, and ends it when the other end of our standard input is closed: by us, or by the
/// system when we die, however that happens. `kill` on standard input ends it immediately, without
/// cleanup.
const SUPERVISOR: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r word <&3; case "$word" in kill) kill -KILL $server;; *) kill -TERM $server;; esac; } 2>/dev/null &
watch=$!
exec 3<&-
wait $server
status=$?
kill -KILL $watch 2>/dev/null
exit $status
"#;

/// Options of an embedded broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerOptions {
    /// The folder for its configuration, log and streams; created if missing.
    pub folder: PathBuf,
    /// The port on loopback; none: any free port.
    pub port: Option<u16>,
    /// When a message counts as stored: `always`, once it is on disk; or a delay such as `2m`, which is
    /// faster but loses messages in a power failure.
    pub sync_interval: String,
    /// The monitoring port on loopback; none: no monitoring.
    pub monitoring_port: Option<u16>,
    /// Authentication, permissions and TLS, as broker configuration; none: open access without
    /// encryption.
    pub security: Option<String>,
}

impl BrokerOptions {
    /// A broker that keeps everything in `folder`, loses no message, and takes a free port.
    pub fn new(folder: impl Into<PathBuf>) -> BrokerOptions {
        BrokerOptions {
            folder: folder.into(),
            port: None,
            sync_interval: "always".into(),
            monitoring_port: None,
            security: None,
        }
    }
}

/// A nats-server started by us on loopback: for `jumeau dev`, and for tests.
///
/// It ends with us: when this is dropped, and also when our process is killed.
#[derive(Debug)]
pub struct Broker {
    binary: PathBuf,
    options: BrokerOptions,
    port: u16,
    running: Option<BrokerProcess>,
}

#[derive(Debug)]
struct BrokerProcess {
    supervisor: Child,
    stdin: ChildStdin,
}

/// The first message of a broker to a new client.
#[derive(Deserialize)]
struct Info {
    version: String,
    #[serde(default)]
    jetstream: bool,
}

/// The addresses that a broker writes to a file when it has its ports.
#[derive(Deserialize)]
struct Ports {
    #[serde(default)]
    nats: Vec<String>,
}

impl Broker {
    /// Finds a nats-server and starts it; returns when it answers and has its streams.
    ///
    /// It is looked for in `NATS_SERVER_BIN`, on PATH, and as `.jumeau/bin/nats-server` in the
    /// current folder, in that of our program, and in those above it.
    ///
    /// # Errors
    /// [`Error::NoBroker`] if there is none, or an old one; [`Error::Broker`] if it does not come
    /// up; [`Error::Process`] if the system refuses.
    pub async fn start(options: BrokerOptions) -> Result<Broker, Error> {
        let binary = find().await?;
        let mut broker = Broker { binary, options, port: 0, running: None };
        broker.port = broker.options.port.unwrap_or(0);
        broker.launch().await?;
        Ok(broker)
    }

    /// Its address: `nats://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of its log.
    pub fn log(&self) -> PathBuf {
        self.options.folder.join("nats-server.log")
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.running
            .as_mut()
            .is_some_and(|running| matches!(running.supervisor.try_wait(), Ok(None)))
    }

    /// Stops it gracefully; [`Broker::restart`] starts it again.
    ///
    /// # Errors
    /// [`Error::Process`] if it does not stop and cannot be killed.
    pub async fn stop(&mut self) -> Result<(), Error> {
        let Some(BrokerProcess { mut supervisor, stdin }) = self.running.take() else {
            return Ok(());
        };
        drop(stdin);
        let ended = timeout(STOP, supervisor.wait()).await;
        ended
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map(drop)
            .map_err(Error::process("stop the broker"))
    }

    /// Kills it immediately, as a crash would (SIGKILL).
    ///
    /// # Errors
    /// [`Error::Process`] if it does not die.
    pub async fn kill(&mut self) -> Result<(), Error> {
        let Some(BrokerProcess { mut supervisor, mut stdin }) = self.running.take() else {
            return Ok(());
        };
        // If it has ended already, nothing reads this.
        let _ = stdin.write_all(b"kill\n").await;
        let ended = timeout(STOP, supervisor.wait()).await;
        ended
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map(drop)
            .map_err(Error::process("kill the broker"))
    }

    /// Starts it again after [`Broker::stop`] or [`Broker::kill`]: same port, same streams.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await?;
        self.launch().await
    }

    async fn launch(&mut self) -> Result<(), Error> {
        let ports = self.options.folder.join("ports");
        // A crash leaves the previous files behind.
        let _ = fs::remove_dir_all(&ports);
        fs::create_dir_all(&ports).map_err(Error::process("make the broker's folder"))?;
        let config = self.options.folder.join("nats-server.conf");
        fs::write(&config, self.config(&ports))
            .map_err(Error::process("write the broker's configuration"))?;
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .and_then(|mut log| writeln!(log, "--- start").map(|()| log))
            .map_err(Error::process("open the broker's log"))?;
        let errors = log.try_clone().map_err(Error::process("open the broker's log"))?;
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "jumeau-broker"])
            .arg(&self.binary)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C is handled by us: the broker stops after everything is published.
            .process_group(0)
            .spawn()
            .map_err(Error::process("start the broker"))?;
        let Some(stdin) = supervisor.stdin.take() else {
            return Err(self.failed("no standard input"));
        };
        self.running = Some(BrokerProcess { supervisor, stdin });

        let patience = Instant::now() + START;
        while Instant::now() < patience {
            if !self.is_running() {
                self.running = None;
                return Err(self.failed("it ended at once"));
            }
            // The broker writes its port to a file once it has it. Without that file, another program
            // answers there.
            if let Some(port) = read_port(&ports)
                && answers(port).await
            {
                self.port = port;
                return Ok(());
            }
            sleep(LOOK).await;
        }
        self.running = None;
        Err(self.failed("it does not answer"))
    }

    fn config(&self, ports: &Path) -> String {
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let monitoring = self
            .options
            .monitoring_port
            .map(|port| format!("http: \"127.0.0.1:{port}\"\n"))
            .unwrap_or_default();
        // JSON strings are strings of this format too.
        let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy()).to_string();
        format!(
            "listen: \"127.0.0.1:{port}\"\n{monitoring}ports_file_dir: {}\njetstream {{\n  \
             store_dir: {}\n  sync_interval: {}\n}}\n{}\n",
            quoted(ports),
            quoted(&self.options.folder),
            self.options.sync_interval,
            self.options.security.as_deref().unwrap_or_default(),
        )
    }

    fn failed(&self, what: &str) -> Error {
        let path = self.log();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.len().saturating_sub(LOG_LINES);
        Error::Broker { what: what.into(), log: lines.split_at(last).1.join("\n"), path }
    }
}

/// Whether a broker with streams answers at a port of loopback.
async fn answers(port: u16) -> bool {
    let greeting = async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.ok()?;
        let info: Info = serde_json::from_str(line.strip_prefix("INFO ")?).ok()?;
        (info.jetstream && check_version(&info.version).is_ok()).then_some(())
    };
    matches!(timeout(Duration::from_secs(2), greeting).await, Ok(Some(())))
}

fn read_port(folder: &Path) -> Option<u16> {
    let file = fs::read_dir(folder).ok()?.next()?.ok()?.path();
    let ports: Ports = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    ports.nats.first()?.rsplit(':').next()?.parse().ok()
}

/// The first nats-server that is new enough.
async fn find() -> Result<PathBuf, Error> {
    let mut found = Vec::new();
    for candidate in candidates() {
        match version(&candidate).await {
            Ok(version) if check_version(&version).is_ok() => return Ok(candidate),
            Ok(version) => found.push(format!("{version} at {}", candidate.display())),
            Err(_) if !candidate.exists() => found.push(format!("none at {}", candidate.display())),
            Err(error) => {
                found.push(format!("{}, which cannot be run: {error}", candidate.display()))
            }
        }
    }
    let found = if found.is_empty() { "none".into() } else { found.join(", ") };
    Err(Error::NoBroker { expected: VERSION_MIN_NAME, found })
}

fn candidates() -> Vec<PathBuf> {
    const NAME: &str = "nats-server";
    // An explicitly named binary is used or refused; no other is tried.
    if let Some(named) = std::env::var_os("NATS_SERVER_BIN").filter(|path| !path.is_empty()) {
        return vec![named.into()];
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(NAME));
    let beside = |folder: &Path| folder.join(".jumeau").join("bin").join(NAME);
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    let above = here.ancestors().chain(program.ancestors().skip(1)).map(beside);
    on_path.chain(above).filter(|candidate| candidate.is_file()).collect()
}

/// The version that a binary reports: `nats-server: v2.15.1`.
async fn version(binary: &Path) -> Result<String, std::io::Error> {
    let output = Command::new(binary).arg("--version").stdin(Stdio::null()).output().await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.split_ascii_whitespace().last().unwrap_or("no version");
    Ok(last.trim_start_matches('v').to_owned())
}
