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
    /// The file with the credentials that the broker's operator gave (`.creds`); none: none asked.
    pub credentials: Option<PathBuf>,
    /// The file with the seed of our nkey (`SU…`); none: none asked.
    pub nkey: Option<PathBuf>,
    /// What the subjects start with on which answers come to us. Where the broker lets each user
    /// hear its own answers only, this names the user.
    pub inbox: String,
    /// The name under which a service is asked, where the broker has roles; none: under none.
    pub name: Option<String>,
    /// How the connection is encrypted.
    pub tls: TlsSettings,
    /// Milliseconds for one attempt to connect.
    pub connect_timeout_ms: u64,
    /// Milliseconds for the answer to one request to the broker.
    pub request_timeout_ms: u64,
    /// Seconds for which a service that starts waits for a broker that does not answer; 0: not at all.
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
    /// The addresses for people to read: without what a password or a token may be.
    pub fn shown_url(&self) -> String {
        masked(&self.url)
    }
}

/// Who comes in, as an address says it.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// Whoever has this token.
    Token(String),
}

/// Who comes in, as the first of these addresses says it that says so: `nats://user:password@host` or
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

/// Addresses, separated by commas, each of which says that this user comes in.
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

/// Addresses, separated by commas, without the passwords and tokens that stand before their hosts.
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

/// The section `streams`: how the broker keeps what it is given. Read when a stream is made; one that
/// exists is left as its operator wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StreamSettings {
    /// Copies of each message, on as many brokers of a cluster: 1, 3 or 5.
    pub replicas: u8,
    /// Hours for which events, actions and escalations are kept; 0: for ever.
    pub keep_hours: u32,
    /// Hours for which dead letters are kept; 0: for ever.
    pub keep_dead_hours: u32,
    /// Hours for which it is kept what people did; 0: for ever.
    pub keep_audit_hours: u32,
    /// Bytes that each stream may take, but that of the audit; beyond it the oldest messages go. 0: no limit.
    pub bytes_max: u64,
    /// Bytes that the stream of dead letters may take, if that is less: a channel that sends nothing
    /// else must not fill the broker's disk. 0: no limit but that of every stream.
    pub dead_bytes_max: u64,
    /// Seconds for which the broker remembers the ids of what the service publishes, to drop copies. At
    /// least as long as the longest downtime after which nothing may be published twice. The stream of
    /// events has no such memory: twins recognise copies of events.
    pub duplicate_window_seconds: u32,
    /// Channels whose actions and recalls an integrator takes off a durable consumer, which is made
    /// for it and has the channel's name.
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
    /// The master key, if rows of customers are to be sealed: a file, or `env:` and the name of a
    /// variable, that holds 64 hexadecimal digits. Chosen when the store is made.
    pub master_key: Option<String>,
    /// When a commit counts as durable.
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
    /// Bytes that stay free on the disk: with less, nothing is taken in until there is more. What is
    /// under way needs them: the log of changes, and tables that are merged.
    pub reserve_bytes: u64,
}

/// When a commit counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncMode {
    /// When the disk has it: nothing is lost when the power fails.
    #[default]
    Always,
    /// When the operating system has it. Nothing is lost when the process dies. When the machine
    /// does, the last seconds may be: events that were acknowledged and actions that were sent are
    /// then unknown to their twins, and are not made up for.
    Os,
}

impl Default for StoreSettings {
    fn default() -> StoreSettings {
        StoreSettings {
            path: PathBuf::from("jumeau-data"),
            backups: PathBuf::from("jumeau-backups"),
            master_key: None,
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
    /// What is known of the languages that customers write.
    pub languages: LanguageSettings,
    /// Who reads customers' messages besides the twins themselves.
    pub analyser: AnalyserSettings,
    /// How broadcasts wake twins.
    pub broadcast: BroadcastSettings,
    /// What is written down of what people do.
    pub audit: AuditSettings,
    /// What the service writes to standard error.
    pub log: LogSettings,
}

/// The section `audit`: what is written down of what people do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuditSettings {
    /// How customers stand there.
    pub identifiers: AuditIdentifiers,
}

/// How customers stand in the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditIdentifiers {
    /// As a hash that is keyed by the store's secret: who may ask the service and knows the
    /// identifier finds the lines, and the lines do not tell it.
    #[default]
    Hashed,
    /// As the company writes them.
    Plain,
}

/// The section `languages`: what is known of the languages that customers write.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LanguageSettings {
    /// A folder with one folder for each language, which add to those that come along, or replace
    /// them; unset: those that come along. Read when the service starts.
    pub folder: Option<PathBuf>,
}

/// The section `broadcast`: how broadcasts wake twins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BroadcastSettings {
    /// Twins that are looked at in a second, at most, on behalf of broadcasts: all partitions of
    /// this service together. On event time there is no bound.
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
    /// The NATS subject on which an analyser answers; unset: twins read by themselves.
    pub subject: Option<String>,
    /// Milliseconds for its answer; without one the twin reads the message by itself.
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
    /// A policy that decides in its shadow, named in the same way; unset: none. It changes nothing
    /// and says nothing; how its decisions differ is counted.
    pub shadow: Option<String>,
    /// What `now` is for a twin.
    pub time: TimeMode,
    /// When a channel that asks is answered.
    pub answers: Answers,
    /// Channels whose `handoff` events may say what agents and operators did, such as that of a contact
    /// centre. Any other channel may only hand a customer over, in nobody's name.
    pub desks: Vec<String>,
    /// Into how many partitions customers are divided: the unit of ordering, commit and recovery.
    /// Fixed once there are streams, because a customer's events would go to another partition
    /// otherwise.
    pub partitions: u16,
    /// Threads that partitions and their twins live on; 0: one for every other core, because the
    /// committer, the bus and perhaps the broker need the rest.
    pub arbiters: u16,
    /// Threads that talk to the broker.
    pub bus_threads: u16,
    /// Twins held in memory; above it the coldest go to sleep.
    pub resident_twins_max: usize,
    /// About how many bytes of twins are held in memory; above it the coldest go to sleep.
    pub resident_bytes_max: usize,
    /// Seconds without an input after which a twin in memory comes to rest: packed to a third of
    /// its size until something happens to it. 0: never.
    pub rest_after_seconds: u32,
    /// Seconds that a stop waits for what is in flight.
    pub drain_seconds_max: u32,
    /// Channels that may say that two known customers are one (`link` with `merge`).
    pub merging_channels: Vec<String>,
}

impl ServiceSettings {
    /// Threads that partitions and their twins live on: as many as are wanted, or half as many as
    /// there are cores, and never more than partitions.
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
    /// The time at which the stream stored the event; timers fire by the clock on the wall.
    #[default]
    Stream,
    /// The event's own time, so that history can be replayed; timers fire as that time advances.
    Event,
}

/// When a channel that asks is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// When what was decided is durable: what a customer was shown is never forgotten.
    #[default]
    Durable,
    /// As soon as it is decided, and on its way to the disk. If the process dies within these
    /// milliseconds, its twin does not know of what was shown, and may say it once more.
    Early,
}

/// The section `log`: what the service writes to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct LogSettings {
    /// The form of a line.
    pub format: LogFormat,
    /// What is written: a level (`error`, `warn`, `info`, `debug`, `trace`) or directives such as
    /// `info,jumeau::bus=debug`. Below `debug` nothing is written that customers said or are.
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
    /// By a hash with a key that the store keeps to itself: the same customer has the same.
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
    fn an_address_says_who_comes_in_whatever_is_in_the_password() {
        let password = "s:c@r/t%41 ,é";
        let urls = with_login("nats://a:b@one:4222, tls://two,three", "an@n", password);
        let told = login(&urls).unwrap();
        let wanted = Login::Password { user: "an@n".into(), password: password.into() };
        assert!(told == wanted, "{urls}");
        assert_eq!(masked(&urls).matches(":***@").count(), 3, "{urls}");
        assert!(urls.contains("nats://an%40n:") && urls.contains("@one:4222,tls://"), "{urls}");
        assert!(login("nats://one,tls://two").is_none());
        assert!(login("one,nats://s%40cret@two").unwrap() == Login::Token("s@cret".into()));
    }
}
