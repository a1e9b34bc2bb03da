use std::path::PathBuf;

use async_nats::jetstream::context::{CreateStreamError, GetStreamError};

use crate::contract::PrefixError;
use crate::event::{Rejection, Time};

/// The source of an error: whatever the client library or the system said.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Errors of the bus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The prefix of the settings is no subject.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// A setting cannot be used.
    #[error("expected {expected} in `{setting}`, found `{found}`")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A file that the settings name cannot be read.
    #[error("cannot read {}, named by `{setting}`", path.display())]
    File {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No broker answers, or it rejects the login.
    #[error(
        "expected a nats broker at {url}; start one (`jumeau dev` brings its own) or correct \
         `nats.url`, `nats.credentials` and `nats.tls`"
    )]
    Connect {
        /// The addresses that were tried, without passwords.
        url: String,
        /// What the client library said.
        source: Source,
    },
    /// The broker is too old.
    #[error(
        "expected a nats-server of at least {expected}, found {found}; upgrade the broker: older \
         ones cannot set a consumer back to a sequence"
    )]
    Version {
        /// The least version.
        expected: &'static str,
        /// The broker's version.
        found: String,
    },
    /// The broker takes no message that is large enough.
    #[error(
        "expected a broker that takes messages of {expected} bytes, found one that takes at most \
         {found}; raise `max_payload` in its configuration: the memory of a twin moves in one message"
    )]
    Payload {
        /// The least that it must take, in bytes.
        expected: usize,
        /// The most that it takes, in bytes.
        found: usize,
    },
    /// The broker has no JetStream for us.
    #[error(
        "expected a broker with jetstream, found one without; add `jetstream {{}}` to its \
         configuration, and to our account's"
    )]
    NoJetStream {
        /// What the client library said.
        source: Source,
    },
    /// A stream that exists is not what the settings ask for.
    #[error(
        "stream {stream}: expected {what} {expected}, found {found}; {remedy}, or choose another \
         `nats.prefix`"
    )]
    Stream {
        /// The stream.
        stream: String,
        /// What differs.
        what: &'static str,
        /// What the settings ask for.
        expected: String,
        /// What the broker has.
        found: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The stream ends before a processed sequence: it was rolled back, or lost its last messages in a
    /// power failure.
    #[error(
        "stream {stream}: expected at least sequence {taken}, which is already taken in, found \
         {last} to be the last; new events would be mistaken for old ones. Restore the stream, or \
         restore the store of that time, or run `jumeau adopt` to go on with the stream as it is"
    )]
    Rewound {
        /// The stream.
        stream: String,
        /// The highest processed sequence.
        taken: u64,
        /// The last sequence in the stream.
        last: u64,
    },
    /// The stream has another message at a processed sequence: it was rolled back and has grown since.
    #[error(
        "stream {stream}: expected the message {sequence} that was stored at {expected} and taken in, \
         found another, stored at {found}; the stream was put back to an earlier state, and events \
         would be passed over. Restore the stream, or restore the store of that time, or run `jumeau \
         adopt` to go on with the stream as it is"
    )]
    Rewritten {
        /// The stream.
        stream: String,
        /// The sequence of the message.
        sequence: u64,
        /// The timestamp of the processed message.
        expected: Time,
        /// When this one was stored.
        found: Time,
    },
    /// The stream is not the one that our cursors are about.
    #[error(
        "stream {stream}: expected the one that was made at {expected}, which the store has taken \
         in, found another of this name, made at {found}; its events would be passed over or taken \
         in twice. Restore the stream, or the store of this stream, or run `jumeau adopt` to go on \
         with the stream as it is"
    )]
    Another {
        /// The stream.
        stream: String,
        /// When the one was made that we know.
        expected: Time,
        /// When this one was made.
        found: Time,
    },
    /// The stream is not there any more.
    #[error(
        "stream {stream}: expected the stream whose events are taken in up to sequence {taken}, found \
         none. Restore the stream, or run `jumeau adopt` to begin another one; twins keep what they \
         remember"
    )]
    Gone {
        /// The stream.
        stream: String,
        /// The highest processed sequence.
        taken: u64,
    },
    /// The store is empty, but another store has processed the stream.
    #[error(
        "stream {stream}: expected the store that has taken it in up to sequence {acknowledged}, found \
         an empty one; everything would be said again to everybody. Correct `store.path`, or restore a \
         backup, or run `jumeau adopt` if all of it is to be taken in once more"
    )]
    Strange {
        /// The stream.
        stream: String,
        /// Up to which sequence everything was acknowledged.
        acknowledged: u64,
    },
    /// Another service serves under this prefix.
    #[error(
        "expected to be the only service under `{prefix}`, found another that serves since {since}, \
         on {host}; stop it, or choose another `nats.prefix`"
    )]
    Served {
        /// The prefix.
        prefix: String,
        /// Since when it serves.
        since: Time,
        /// The machine that it runs on, as that calls itself.
        host: String,
    },
    /// Another service has begun to serve under this prefix while we did not show any sign of life.
    #[error(
        "expected to be the only service under `{prefix}`, found that another has taken over: this one \
         was cut off from the broker, or did not run, for too long"
    )]
    Superseded {
        /// The prefix.
        prefix: String,
    },
    /// A request to the broker failed.
    #[error("cannot {what}")]
    Request {
        /// What was to be done.
        what: &'static str,
        /// What the client library said.
        source: Source,
    },
    /// The dead letter does not exist.
    #[error(
        "expected a dead letter with sequence {sequence}, found none; list them for those there are"
    )]
    NoDeadLetter {
        /// The sequence in the stream of dead letters.
        sequence: u64,
    },
    /// A dead letter cannot be published again.
    #[error("dead letter {sequence} cannot be retried: {why}")]
    NoRetry {
        /// The sequence in the stream of dead letters.
        sequence: u64,
        /// Why not.
        why: &'static str,
    },
    /// A dead letter that was mended still cannot be used.
    #[error("dead letter {sequence} is not mended, and nothing was published: {rejection}")]
    Unusable {
        /// The sequence in the stream of dead letters.
        sequence: u64,
        /// Why.
        rejection: Rejection,
    },
    /// The broker does not let us do something.
    #[error("the broker does not let us {denied}")]
    Denied {
        /// What.
        denied: super::PermissionDenied,
    },
    /// The service refuses what was asked.
    #[error("the service refuses: {detail}")]
    Refused {
        /// What it says.
        detail: String,
    },
    /// There is no broker's binary that can be used.
    #[error(
        "expected a nats-server of at least {expected}, found {found}; put one on PATH, name it in \
         NATS_SERVER_BIN, or run `tools/setup`"
    )]
    NoBroker {
        /// The least version.
        expected: &'static str,
        /// What was found instead.
        found: String,
    },
    /// A broker of our own does not come up.
    #[error("the broker did not start: {what}; its log {} ends with:\n{log}", path.display())]
    Broker {
        /// What happened.
        what: String,
        /// The log file.
        path: PathBuf,
        /// Its last lines.
        log: String,
    },
    /// A broker of our own cannot be started or stopped.
    #[error("cannot {what}")]
    Process {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: a request that failed while we tried to do this.
    pub(super) fn request<E: Into<Source>>(what: &'static str) -> impl FnOnce(E) -> Error {
        move |source| Error::Request { what, source: source.into() }
    }

    /// For `map_err`: a system call that failed while we tried to do this.
    pub(super) fn process(what: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Process { what, source }
    }

    /// The stream is not the one of our cursors; both moments in milliseconds since 1970.
    pub fn another(stream: String, expected: u64, found: u64) -> Error {
        let time = |ms: u64| Time::from_ms(i64::try_from(ms).unwrap_or(i64::MAX));
        Error::Another { stream, expected: time(expected), found: time(found) }
    }

    /// Whether nobody answers where the broker should be.
    pub(super) fn is_nobody_there(&self) -> bool {
        use async_nats::ConnectErrorKind::{Dns, Io, TimedOut};
        let Error::Connect { source, .. } = self else { return false };
        let said = source.downcast_ref::<async_nats::ConnectError>();
        said.is_some_and(|said| matches!(said.kind(), Dns | Io | TimedOut))
    }

    /// Whether a request was not answered at all.
    pub(super) fn is_no_answer(&self) -> bool {
        use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
        let Error::Request { source, .. } = self else { return false };
        if let Some(said) = source.downcast_ref::<GetStreamError>() {
            return matches!(said.kind(), GetStreamErrorKind::Request);
        }
        let said = source.downcast_ref::<CreateStreamError>();
        said.is_some_and(|said| matches!(said.kind(), CreateStreamErrorKind::TimedOut))
    }

    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Request { .. } | Error::Connect { .. })
    }
}

/// An error and its sources, for one line of the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
