//! What an operator may choose. Everything has a default that works; an unknown key is an error.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The section `nats`: which broker to join, and as whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NatsSettings {
    /// One or more addresses of the broker, separated by commas: `nats://`, `tls://`.
    pub url: String,
    /// What every subject starts with, and, in upper case, every stream.
    pub prefix: String,
    /// Path of the NATS credentials file (`.creds`); none: no credentials.
    pub credentials: Option<PathBuf>,
    /// Path of the file with the service's nkey seed (`SU…`); none: no nkey.
    pub nkey: Option<PathBuf>,
    /// Inbox prefix for replies to the service; contains the user name if the broker restricts each
    /// user to their own inbox.
    pub inbox: String,
    /// User name for API requests at a broker with roles; none: no name.
    pub name: Option<String>,
    /// How the connection is encrypted.
    pub tls: TlsSettings,
    /// Milliseconds for one attempt to connect.
    pub connect_timeout_ms: u64,
    /// Milliseconds for the answer to one request to the broker.
    pub request_timeout_ms: u64,
    /// Seconds to wait for the broker at startup; 0: not at all.
    pub wait_seconds: u64,
}

/// The section `nats.tls`: how the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsSettings {
    /// Whether to refuse a broker that does not encrypt.
    pub required: bool,
    /// Certificates (PEM) of the authorities to trust besides those of the system.
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM), if the broker asks for one; needs `key`.
    pub cert: Option<PathBuf>,
    /// The key (PEM) of our certificate.
    pub key: Option<PathBuf>,
}

impl NatsSettings {
    /// The addresses for display, with passwords and tokens removed.
    pub fn shown_url(&self) -> String {
        masked(&self.url)
    }
}

/// The login contained in an address.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
}

/// The login of the first address that contains one: `nats://user:password@host` or
/// `nats://token@host`, percent-encoded.
pub fn login(urls: &str) -> Option<Login> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    urls.split(',').find_map(|url| {
        let (secret, _) = url.trim().rsplit_once('@')?;
        let secret = secret.split_once("://").map_or(secret, |(_, secret)| secret);
        Some(match secret.split_once(':') {
            Some((user, password)) => {
                Login::Password { user: plain(user), password: plain(password) }
            }
            None => Login::Token(plain(secret)),
        })
    })
}

/// The comma-separated addresses, each with this login added.
pub fn with_login(urls: &str, user: &str, password: &str) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let secret = format!("{}:{}", encoded(user), encoded(password));
    let one = |url: &str| {
        let (scheme, host) = url.trim().split_once("://").unwrap_or(("nats", url.trim()));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        format!("{scheme}://{secret}@{host}")
    };
    urls.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// The comma-separated addresses without passwords and tokens.
pub fn masked(urls: &str) -> String {
    let one = |url: &str| {
        let Some((secret, host)) = url.rsplit_once('@') else { return url.to_owned() };
        let (scheme, secret) = secret
            .split_once("://")
            .map_or(("", secret), |(scheme, secret)| (&url[..scheme.len() + "://".len()], secret));
        match secret.split_once(':') {
            Some((user, _)) => format!("{scheme}{user}:***@{host}"),
            // One word is a token, and no name.
            None => format!("{scheme}***@{host}"),
        }
    };
    urls.split(',').map(one).collect::<Vec<_>>().join(",")
}

impl fmt::Debug for NatsSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Nats")
            .field("url", &self.shown_url())
            .field("prefix", &self.prefix)
            .field("credentials", &self.credentials)
            .field("nkey", &self.nkey)
            .field("inbox", &self.inbox)
            .field("name", &self.name)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Default for NatsSettings {
    fn default() -> NatsSettings {
        NatsSettings {
            url: "nats://127.0.0.1:4222".into(),
            prefix: "jumeau".into(),
            credentials: None,
            nkey: None,
            inbox: "_INBOX".into(),
            name: None,
            tls: TlsSettings::default(),
            connect_timeout_ms: 5_000,
            request_timeout_ms: 5_000,
            wait_seconds: 600,
        }
    }
}

/// The section `streams`: configuration of the streams, applied when a stream is created; existing
/// streams are not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StreamSettings {
    /// Copies of each message, on as many brokers of a cluster: 1, 3 or 5.
    pub replicas: u8,
    /// Hours for which events, actions and escalations are kept; 0: for ever.
    pub keep_hours: u32,
    /// Hours for which dead letters are kept; 0: for ever.
    pub keep_dead_hours: u32,
    /// Retention of the audit log in hours; 0: for ever.
    pub keep_audit_hours: u32,
    /// Maximum bytes of each stream except the audit; beyond it the oldest messages are deleted.
    /// 0: no limit.
    pub bytes_max: u64,
    /// Maximum bytes of the dead-letter stream, if lower than `bytes_max`: a channel that sends
    /// only invalid events must not fill the broker's disk. 0: as every stream.
    pub dead_bytes_max: u64,
    /// Deduplication window of the broker for what the service publishes, in seconds: at least the
    /// longest downtime after which nothing may be published twice. The event stream has none:
    /// twins recognise duplicate events.
    pub duplicate_window_seconds: u32,
    /// Channels with a durable integrator consumer for actions and recalls, created by the service
    /// under the channel's name.
    pub integrators: Vec<String>,
}

impl Default for StreamSettings {
    fn default() -> StreamSettings {
        StreamSettings {
            replicas: 1,
            keep_hours: 7 * 24,
            keep_dead_hours: 30 * 24,
            keep_audit_hours: 365 * 24,
            bytes_max: 0,
            dead_bytes_max: 256 << 20,
            duplicate_window_seconds: 20 * 60,
            integrators: Vec::new(),
        }
    }
}

/// The section `store`: where the state of the twins is, and what it may cost.
///
/// The memory of the database is at most about `cache_bytes` + `write_buffer_bytes`: blocks that
/// were read, their indexes and filters live in the cache, changes that are not yet in a table file
/// live in the write buffers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoreSettings {
    /// The folder of the database; it is made if it is missing.
    pub path: PathBuf,
    /// The folder for copies of the database that are made while the service runs.
    pub backups: PathBuf,
    /// The master key for encrypting customer data: a file or `env:VARIABLE` with 64 hexadecimal
    /// digits. Can be set only when the store is created.
    pub master_key: Option<String>,
    /// What makes a commit durable.
    pub durability: Durability,
    /// When the disk counts as having a commit.
    pub sync: SyncMode,
    /// Blocks, indexes and filters kept in memory, in bytes.
    pub cache_bytes: u64,
    /// Changes kept in memory before they are sorted into table files, in bytes. More makes
    /// commits steadier and a restart slower: that much of the log is read again.
    pub write_buffer_bytes: u64,
    /// Threads that write and merge table files.
    pub background_jobs: u16,
    /// Table files held open.
    pub open_files: u16,
    /// Days for which inputs that did not come from the stream are kept for replay, counted back
    /// from the newest one.
    pub journal_days: u16,
    /// Free disk space to keep in reserve, in bytes: below it, processing pauses. The write-ahead
    /// log and compactions in progress need it.
    pub reserve_bytes: u64,
}

/// What makes a commit durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// The store's disk, as `store.sync` says. A reaction waits for that disk, which may be busy. If the disk is lost,
    /// what it held is lost, up to the last backup.
    #[default]
    Disk,
    /// The broker: a commit is appended to the commit log, the stream `JUMEAU_LOG`, with as many copies as the event
    /// that caused it, and the store applies it without waiting for its disk. If the service's machine dies, nothing
    /// is lost as long as its disk comes back; if the broker loses the log, commits since the last trim may be lost.
    Log,
}

/// When the disk counts as having a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncMode {
    /// When the disk has it: nothing is lost when the power fails.
    #[default]
    Always,
    /// When the operating system has it. Nothing is lost if the process dies. If the machine dies,
    /// the last seconds may be lost: twins then do not know of acknowledged events and sent
    /// actions, and these are not processed again.
    Os,
}

impl Default for StoreSettings {
    fn default() -> StoreSettings {
        StoreSettings {
            path: PathBuf::from("jumeau-data"),
            backups: PathBuf::from("jumeau-backups"),
            master_key: None,
            durability: Durability::Disk,
            sync: SyncMode::Always,
            cache_bytes: 128 << 20,
            write_buffer_bytes: 128 << 20,
            background_jobs: 2,
            open_files: 512,
            journal_days: 30,
            reserve_bytes: 512 << 20,
        }
    }
}

/// Every setting, by section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    /// The service itself.
    pub service: ServiceSettings,
    /// Which broker to join, and as whom.
    pub nats: NatsSettings,
    /// How the broker keeps what it is given.
    pub streams: StreamSettings,
    /// Where the state of the twins is, and what it may cost.
    pub store: StoreSettings,
    /// Languages for the analysis of messages.
    pub languages: LanguageSettings,
    /// The external analyser of customers' messages.
    pub analyser: AnalyserSettings,
    /// How broadcasts wake twins.
    pub broadcast: BroadcastSettings,
    /// The audit log of API requests.
    pub audit: AuditSettings,
    /// What the service writes to standard error.
    pub log: LogSettings,
}

/// The section `audit`: what is written down of what people do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuditSettings {
    /// How customers are named in it.
    pub identifiers: AuditIdentifiers,
}

/// How the audit log names customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditIdentifiers {
    /// As a hash keyed with the store's secret: a user of the API who knows the identifier can find
    /// the lines, but the lines do not reveal it.
    #[default]
    Hashed,
    /// As the company writes them.
    Plain,
}

/// The section `languages`: what is known of the languages that customers write.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LanguageSettings {
    /// A folder with one folder per language, which add to the built-in languages or replace them;
    /// unset: built-in only. Read at startup.
    pub folder: Option<PathBuf>,
    /// A folder with models of valence that `twinsense train` has made, one file per language
    /// (`en.txt`); unset: none. Read at startup.
    pub models: Option<PathBuf>,
}

/// The section `broadcast`: how broadcasts wake twins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BroadcastSettings {
    /// Maximum twins visited per second for broadcasts, all partitions of this service together. No
    /// limit on event time.
    pub wake_per_second: u32,
}

impl Default for BroadcastSettings {
    fn default() -> BroadcastSettings {
        BroadcastSettings { wake_per_second: 2_000 }
    }
}

/// The section `analyser`: who reads customers' messages besides the twins themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AnalyserSettings {
    /// The NATS subject of the analyser; unset: built-in analysis.
    pub subject: Option<String>,
    /// Timeout in milliseconds; after it, the built-in analysis is used.
    pub timeout_ms: u32,
}

impl Default for AnalyserSettings {
    fn default() -> AnalyserSettings {
        AnalyserSettings { subject: None, timeout_ms: 100 }
    }
}

/// The section `service`: the service itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ServiceSettings {
    /// The policy: the name of an embedded one, or a folder (anything with a `/`).
    pub policy: String,
    /// A shadow policy, named in the same way; unset: none. It changes and sends nothing;
    /// differences of its decisions are counted.
    pub shadow: Option<String>,
    /// What `now` is for a twin.
    pub time: TimeMode,
    /// When a decide request is answered.
    pub answers: Answers,
    /// Channels whose `handoff` events may say what agents and operators did, such as that of a
    /// contact centre. Other channels may only open an escalation, without naming an agent.
    pub desks: Vec<String>,
    /// Number of partitions, the unit of ordering, commit and recovery. Fixed once the streams
    /// exist, because another number would move customers to other partitions.
    pub partitions: u16,
    /// Threads that partitions and their twins live on; 0: one for every other core, because the
    /// committer, the bus and perhaps the broker need the rest.
    pub arbiters: u16,
    /// Threads that talk to the broker.
    pub bus_threads: u16,
    /// Maximum twins in memory; above it the least recently used are passivated.
    pub resident_twins_max: usize,
    /// Approximate maximum bytes of twins in memory; above it the least recently used are
    /// passivated.
    pub resident_bytes_max: usize,
    /// Seconds without an input after which a twin in memory is compressed until its next input.
    /// 0: never.
    pub rest_after_seconds: u32,
    /// Seconds that a shutdown waits for events in flight.
    pub drain_seconds_max: u32,
    /// Channels that may merge two known customers (`link` with `merge`).
    pub merging_channels: Vec<String>,
}

impl ServiceSettings {
    /// Number of partition threads: the setting, or half the cores; at most one per partition.
    pub fn arbiters(&self) -> usize {
        let wanted = match self.arbiters {
            0 => std::thread::available_parallelism().map_or(1, usize::from) / 2,
            chosen => chosen.into(),
        };
        wanted.clamp(1, usize::from(self.partitions).max(1))
    }
}

impl Default for ServiceSettings {
    fn default() -> ServiceSettings {
        ServiceSettings {
            policy: "bank".into(),
            shadow: None,
            time: TimeMode::Stream,
            answers: Answers::Durable,
            desks: vec!["desk".into()],
            partitions: 16,
            arbiters: 0,
            bus_threads: 1,
            resident_twins_max: 1_000_000,
            resident_bytes_max: 2 << 30,
            rest_after_seconds: 30,
            drain_seconds_max: 30,
            merging_channels: Vec::new(),
        }
    }
}

/// What `now` is for a twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeMode {
    /// The time at which the stream stored the event; timers use the host clock.
    #[default]
    Stream,
    /// The event's own time, so that history can be replayed; timers fire as that time advances.
    Event,
}

/// When a decide request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// After the commit: the twin never forgets what a customer was shown.
    #[default]
    Durable,
    /// Before the commit. If the process dies before it, some milliseconds later, the twin does not know
    /// what was shown and may show it again.
    Early,
}

/// The section `log`: what the service writes to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct LogSettings {
    /// The form of a line.
    pub format: LogFormat,
    /// What is written: a level (`error`, `warn`, `info`, `debug`, `trace`) or directives such as
    /// `info,jumeau::bus=debug`. Customer data is logged only at `debug` and `trace`.
    pub filter: String,
    /// How customers are named.
    pub identifiers: LogIdentifiers,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        let (format, identifiers) = (LogFormat::Text, LogIdentifiers::Hashed);
        LogSettings { format, filter: "info,async_nats=warn".into(), identifiers }
    }
}

/// How the log names customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogIdentifiers {
    /// As a hash keyed with the store's secret; the same customer always has the same hash.
    #[default]
    Hashed,
    /// As the company writes them.
    Plain,
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object for each line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_an_address_is_found_beside_any_password() {
        let password = "s:c@r/t%41 ,é";
        let urls = with_login("nats://a:b@one:4222, tls://two,three", "an@n", password);
        let found = login(&urls).unwrap();
        let wanted = Login::Password { user: "an@n".into(), password: password.into() };
        assert!(found == wanted, "{urls}");
        assert_eq!(masked(&urls).matches(":***@").count(), 3, "{urls}");
        assert!(urls.contains("nats://an%40n:") && urls.contains("@one:4222,tls://"), "{urls}");
        assert!(login("nats://one,tls://two").is_none());
        assert!(login("one,nats://s%40cret@two").unwrap() == Login::Token("s@cret".into()));
    }
}
