use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{Client, ConnectOptions, Event};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use super::lease::Lease;
use super::slow_gauge::SlowGauge;
use super::{Denials, DeniedOperation, Error, PermissionDenied};
use crate::config::settings::Login;
use crate::config::{limits, settings};
use crate::contract::Subjects;

/// The minimum version of the broker: the first that can reset a consumer to a sequence.
pub(super) const VERSION_MIN: (u64, u64) = (2, 14);
/// The same, for people.
pub(super) const VERSION_MIN_NAME: &str = "2.14";

/// The pause between attempts to connect to a broker that does not answer: the first,
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// and the longest.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A connection to the broker and its subjects. Cheap to clone.
///
/// It reconnects after an outage: requests meanwhile fail or wait, and [`Intake`](super::Intake) and
/// [`Relay`](super::Relay) restart when it is back.
#[derive(Debug, Clone)]
pub struct Bus {
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    pub(super) subjects: Arc<Subjects>,
    pub(super) link: watch::Receiver<ConnectionStatus>,
    pub(super) denials: Denials,
    pub(super) settings: Arc<settings::NatsSettings>,
    /// The backlog of the slow lane.
    pub(super) slow: Arc<SlowGauge>,
    /// The lease for publishing outputs.
    pub(super) lease: Arc<Lease>,
}

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ConnectionStatus {
    /// How often it was made. Messages sent in an earlier epoch may be lost.
    pub(super) epoch: u64,
    /// Whether it is up.
    pub(super) is_up: bool,
    /// Since when it is down, if it was up before.
    down_since: Option<Instant>,
    /// How often it was lost.
    lost: u64,
    /// Total duration of past outages.
    gone: Duration,
}

/// Broker outages since the service started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Outages {
    /// The number of outages.
    pub times: u64,
    /// Their total duration in milliseconds.
    pub ms: u64,
}

impl ConnectionStatus {
    fn up(&mut self) {
        self.epoch += 1;
        self.is_up = true;
        self.gone += self.down_since.take().map(|since| since.elapsed()).unwrap_or_default();
    }

    /// Marks the connection as down; returns whether it was up.
    fn down(&mut self) -> bool {
        let was_up = std::mem::replace(&mut self.is_up, false);
        if was_up {
            self.lost += 1;
            self.down_since = Some(Instant::now());
        }
        was_up
    }

    fn outages(self) -> Outages {
        let current = self.down_since.map(|since| since.elapsed()).unwrap_or_default();
        let ms = u64::try_from((self.gone + current).as_millis()).unwrap_or(u64::MAX);
        Outages { times: self.lost, ms }
    }

    /// Whether the first connection was lost, even if another has replaced it.
    pub(super) fn was_lost(self) -> bool {
        self.epoch > 1 || (self.epoch == 1 && !self.is_up)
    }
}

impl Bus {
    /// Waits for the first operation that the broker denies on this connection, which it reports instead of
    /// a reply; earlier denials count, too.
    pub async fn denied(&self) -> PermissionDenied {
        self.denials.first(|_| true).await
    }

    /// Waits for the first subscription that the broker denies; earlier ones count, too.
    pub async fn subscription_denied(&self) -> PermissionDenied {
        self.denials.first(|denied| denied.attempt == DeniedOperation::Hear).await
    }

    /// Waits until the broker denies publishing on a subject; earlier denials do not count, because the
    /// permission may have been given since.
    pub(super) fn publishing_denied(
        &self,
        subject: &str,
    ) -> impl Future<Output = PermissionDenied> {
        self.denials.next(move |denied| {
            denied.attempt == DeniedOperation::Publish && *denied.subject == *subject
        })
    }
}

impl Bus {
    /// Connects to the configured broker.
    ///
    /// # Errors
    /// [`Error::Connect`] if it does not answer or rejects the login, [`Error::Version`] if it is too
    /// old, [`Error::NoJetStream`], and [`Error::Prefix`], [`Error::Setting`] or [`Error::File`] for
    /// unusable settings.
    pub async fn connect(settings: &settings::NatsSettings) -> Result<Bus, Error> {
        let bus = Bus::visit(settings).await?;
        bus.jetstream
            .query_account()
            .await
            .map_err(|source| Error::NoJetStream { source: Box::new(source) })?;
        Ok(bus)
    }

    /// Connects to the configured broker, retrying for the configured time if it does not answer.
    ///
    /// # Errors
    /// As [`connect`](Bus::connect); immediately if the broker rejects the login.
    pub async fn join(settings: &settings::NatsSettings) -> Result<Bus, Error> {
        let until = Instant::now() + Duration::from_secs(settings.wait_seconds);
        let mut pause = PAUSE_MIN;
        loop {
            let error = match Bus::connect(settings).await {
                Err(error) if error.is_nobody_there() => error,
                joined_or_refused => return joined_or_refused,
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error);
            }
            if pause == PAUSE_MIN {
                let seconds = settings.wait_seconds;
                let url = settings.shown_url();
                tracing::warn!(url, "no broker answers; retrying for {seconds} seconds at most");
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }

    /// Connects as a client that only sends requests and subscribes, without JetStream permissions.
    ///
    /// # Errors
    /// As [`connect`](Bus::connect), except [`Error::NoJetStream`].
    pub async fn visit(settings: &settings::NatsSettings) -> Result<Bus, Error> {
        let subjects = Arc::new(Subjects::new(&settings.prefix)?);
        let denials = Denials::default();
        let (client, link) = dial(settings, "jumeau", Role::Main, denials.clone()).await?;
        check_version(&client.server_info().version)?;
        let jetstream = jetstream_of(&client, settings);
        let settings = Arc::new(settings.clone());
        let slow = Arc::new(SlowGauge::default());
        let lease = Arc::new(Lease::new());
        Ok(Bus { client, jetstream, subjects, link, denials, settings, slow, lease })
    }

    /// The subjects of this bus.
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// Whether the broker is reachable now, as far as known.
    pub fn is_up(&self) -> bool {
        self.link.borrow().is_up
    }

    /// The outages of the broker.
    pub fn outages(&self) -> Outages {
        self.link.borrow().outages()
    }

    /// The broker's version and its name.
    pub fn broker(&self) -> (String, String) {
        let info = self.client.server_info();
        (info.version, info.server_name)
    }

    /// Flushes what is queued and closes the connection.
    pub async fn close(&self) -> Result<(), Error> {
        self.client.drain().await.map_err(Error::request("close the connection to the broker"))
    }

    /// A connection of its own for reading untrusted messages. The client library closes a connection on
    /// malformed headers, in some cases for good: other users of the connection must not suffer from
    /// that.
    pub(super) async fn dial(
        &self,
        name: &str,
    ) -> Result<(Client, jetstream::Context, watch::Receiver<ConnectionStatus>), Error> {
        let (client, link) = dial(&self.settings, name, Role::Exposed, Denials::default()).await?;
        let jetstream = jetstream_of(&client, &self.settings);
        Ok((client, jetstream, link))
    }

    /// The same bus on a connection of its own, for reading untrusted messages.
    pub(super) async fn on_own_connection(&self, name: &str) -> Result<Bus, Error> {
        let (client, jetstream, link) = self.dial(name).await?;
        Ok(Bus { client, jetstream, link, ..self.clone() })
    }

    /// A connection of its own for receiving untrusted messages; it is not remade once it is lost.
    pub(super) async fn dial_once(&self, name: &str) -> Result<Client, Error> {
        dial(&self.settings, name, Role::Once, Denials::default()).await.map(|(client, _)| client)
    }
}

pub(super) fn jetstream_of(
    client: &Client,
    settings: &settings::NatsSettings,
) -> jetstream::Context {
    ContextBuilder::new()
        .timeout(Duration::from_millis(settings.request_timeout_ms))
        .build(client.clone())
}

/// Limits how often a lost connection is remade: immediately, because everything delivered until then is
/// lost too, but not more often than this.
#[derive(Debug, Default)]
struct ReconnectPace {
    last: Mutex<Option<Instant>>,
}

impl ReconnectPace {
    const APART: Duration = Duration::from_millis(20);

    /// The pause before an attempt, the first one being 1.
    fn pause(&self, attempt: usize) -> Duration {
        let last = self.last.lock().replace(Instant::now());
        match attempt {
            0 | 1 => last
                .map_or(Duration::ZERO, |last| ReconnectPace::APART.saturating_sub(last.elapsed())),
            _ => Duration::from_millis((attempt as u64 - 1).saturating_mul(50).min(2_000)),
        }
    }
}

/// The purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It receives only answers of the broker, and logs its state.
    Main,
    /// It receives untrusted messages.
    Exposed,
    /// As `Exposed`, but it is not remade once it is lost. The library keeps a connection that it gave up
    /// open until it has remade it, and until then the broker delivers messages there that nothing reads;
    /// closed immediately, the broker delivers them to others.
    Once,
}

async fn dial(
    settings: &settings::NatsSettings,
    name: &str,
    role: Role,
    denials: Denials,
) -> Result<(Client, watch::Receiver<ConnectionStatus>), Error> {
    let (to_link, link) = watch::channel(ConnectionStatus::default());
    let to_link = Arc::new(to_link);
    let pace = ReconnectPace::default();
    let lost_once = Arc::new(AtomicBool::new(false));
    let is_once = lost_once.clone();
    let options = ConnectOptions::new()
        .name(name)
        .connection_timeout(Duration::from_millis(settings.connect_timeout_ms))
        .request_timeout(Some(Duration::from_millis(settings.request_timeout_ms)))
        .max_reconnects(None)
        .reconnect_delay_callback(move |attempts| {
            if is_once.load(Ordering::Relaxed) {
                // Ends the task, and with it the connection, without the report that a panic would cause.
                std::panic::resume_unwind(Box::new("the connection was lost"));
            }
            pace.pause(attempts)
        })
        .subscription_capacity(limits::SUBSCRIPTION_MESSAGES)
        .require_tls(settings.tls.required)
        .custom_inbox_prefix(&settings.inbox)
        .event_callback(move |event| {
            observe(&to_link, &event, role);
            denials.observe(&event);
            std::future::ready(())
        });
    let options = with_tls(with_login(options, settings).await?, settings)?;
    let addresses: Vec<&str> =
        settings.url.split(',').map(str::trim).filter(|url| !url.is_empty()).collect();
    let client = options
        .connect(addresses)
        .await
        .map_err(|source| Error::Connect { url: settings.shown_url(), source: Box::new(source) })?;
    lost_once.store(role == Role::Once, Ordering::Relaxed);
    Ok((client, link))
}

/// Who connects: a user, a token, credentials, an nkey.
async fn with_login(
    mut options: ConnectOptions,
    settings: &settings::NatsSettings,
) -> Result<ConnectOptions, Error> {
    // The library reads nothing of an address except the broker's location.
    match settings::login(&settings.url) {
        Some(Login::Password { user, password }) => {
            options = options.user_and_password(user, password);
        }
        Some(Login::Token(token)) => options = options.token(token),
        None => {}
    }
    if let Some(path) = &settings.credentials {
        options = options.credentials_file(path).await.map_err(|source| Error::File {
            setting: "nats.credentials",
            path: path.clone(),
            source,
        })?;
    }
    if let Some(path) = &settings.nkey {
        let seed = tokio::fs::read_to_string(path).await.map_err(|source| Error::File {
            setting: "nats.nkey",
            path: path.clone(),
            source,
        })?;
        options = options.nkey(seed.trim().to_owned());
    }
    Ok(options)
}

/// Whom the broker's certificate is from, and the client's own certificate.
fn with_tls(
    mut options: ConnectOptions,
    settings: &settings::NatsSettings,
) -> Result<ConnectOptions, Error> {
    if let Some(path) = &settings.tls.ca {
        options = options.add_root_certificates(path.clone());
    }
    match (&settings.tls.cert, &settings.tls.key) {
        (Some(cert), Some(key)) => {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => {
            return Err(Error::Setting {
                setting: "nats.tls",
                expected: "both `cert` and `key`, or neither",
                found: "one of them".into(),
            });
        }
    }
    Ok(options)
}

fn observe(link: &watch::Sender<ConnectionStatus>, event: &Event, role: Role) {
    let is_main = role == Role::Main;
    match event {
        Event::Connected => {
            let mut epoch = 0;
            link.send_modify(|link| {
                link.up();
                epoch = link.epoch;
            });
            if epoch > 1 && is_main {
                tracing::info!("reconnected to the broker");
            }
        }
        Event::Disconnected => {
            let was_up = link.send_if_modified(ConnectionStatus::down);
            if was_up && is_main {
                tracing::warn!("lost the connection to the broker; reconnecting");
            }
        }
        Event::SlowConsumer(_) => {
            tracing::warn!("slow consumer: the client dropped messages");
        }
        Event::ServerError(error) => {
            // After the first quote the library names a subject, which may contain a customer.
            let complaint = error.to_string();
            let error = complaint.split(['"', '\'']).next().unwrap_or_default();
            tracing::warn!(error, "the broker reports an error");
            tracing::debug!(complaint, "the broker reports an error");
        }
        Event::ClientError(error) => tracing::debug!(%error, "connection error"),
        Event::LameDuckMode if is_main => tracing::info!("the broker is shutting down"),
        Event::LameDuckMode | Event::Draining | Event::Closed => {
            tracing::debug!(%event, "the connection is closed");
        }
    }
}

/// Refuses a broker older than [`VERSION_MIN`].
pub(super) fn check_version(found: &str) -> Result<(), Error> {
    let is_enough = semver::Version::parse(found.trim_start_matches('v'))
        .is_ok_and(|version| (version.major, version.minor) >= VERSION_MIN);
    if is_enough {
        Ok(())
    } else {
        Err(Error::Version { expected: VERSION_MIN_NAME, found: found.to_owned() })
    }
}

/// Space for the headers of a message, which count as a part of it.
const HEADERS_BYTES: usize = 4 * 1024;

/// Refuses a broker whose maximum message is smaller than the memory of a twin.
pub(super) fn check_payload(found: usize) -> Result<(), Error> {
    let expected = limits::FORWARDED_BYTES + HEADERS_BYTES;
    if found >= expected { Ok(()) } else { Err(Error::Payload { expected, found }) }
}

/// A unique id.
pub fn fresh_id() -> String {
    nuid::next().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_that_cannot_reset_a_consumer_are_refused() {
        for old in ["2.13.9", "1.99.0", "", "two"] {
            assert!(check_version(old).is_err(), "{old:?}");
        }
        for new in ["2.14.0", "v2.15.1", "2.14.0-RC.1", "3.0.0"] {
            assert!(check_version(new).is_ok(), "{new:?}");
        }
    }

    #[test]
    fn an_outage_is_counted_once_and_for_as_long_as_it_lasts() {
        let mut link = ConnectionStatus::default();
        link.up();
        assert_eq!(link.outages(), Outages::default());
        assert!(link.down());
        assert!(!link.down(), "it was down already");
        assert_eq!(link.outages().times, 1);
        link.down_since = Instant::now().checked_sub(Duration::from_secs(60));
        assert!(link.outages().ms >= 60_000, "as long as it lasts");
        link.up();
        let gone = link.outages();
        assert!(gone.times == 1 && gone.ms >= 60_000, "{gone:?}");
        assert_eq!(link.outages(), gone, "it is over");
    }

    #[test]
    fn brokers_with_a_message_limit_below_a_memory_are_refused() {
        assert!(check_payload(1024 * 1024).is_ok(), "as it comes");
        let refusal = check_payload(limits::FORWARDED_BYTES).unwrap_err();
        insta::assert_snapshot!(refusal, @"expected a broker that accepts messages of 135168 bytes, found a limit of 131072; raise `max_payload` in its configuration (a twin's memory travels in one message)");
    }
}
