use std::path::PathBuf;

use async_nats::jetstream::context::{CreateStreamError, GetStreamError};

use crate::contract::PrefixError;
use crate::event::{Rejection, Time};

/// The source of an error, from the client library or the system.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Errors of the bus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configured prefix is not a valid subject.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// A setting cannot be used.
    #[error("expected {expected} in `{setting}`, found `{found}`")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// The allowed values.
        expected: &'static str,
        /// The configured value.
        found: String,
    },
    /// A file named in the settings cannot be read.
    #[error("cannot read {}, named by `{setting}`", path.display())]
    File {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// No broker answers, or it rejects the login.
    #[error(
        "expected a nats broker at {url}; start one (`jumeau dev` brings its own) or correct \
         `nats.url`, `nats.credentials` and `nats.tls`"
    )]
    Connect {
        /// The addresses tried, without passwords.
        url: String,
        /// The error of the client library.
        source: Source,
    },
    /// The broker is too old.
    #[error(
        "expected a nats-server of at least {expected}, found {found}; upgrade the broker: older \
         ones cannot reset a consumer to a sequence"
    )]
    Version {
        /// The minimum version.
        expected: &'static str,
        /// The broker's version.
        found: String,
    },
    /// The broker's maximum message size is too small.
    #[error(
        "expected a broker that accepts messages of {expected} bytes, found a limit of {found}; \
         raise `max_payload` in its configuration (a twin's memory travels in one message)"
    )]
    Payload {
        /// The minimum that we need, in bytes.
        expected: usize,
        /// The broker's maximum, in bytes.
        found: usize,
    },
    /// JetStream is not available to us.
    #[error(
        "expected a broker with JetStream, found one without; add `jetstream {{}}` to its \
         configuration and to the service's account"
    )]
    NoJetStream {
        /// The error of the client library.
        source: Source,
    },
    /// An existing stream differs from the settings.
    #[error(
        "stream {stream}: expected {what} {expected}, found {found}; {remedy}, or choose another \
         `nats.prefix`"
    )]
    Stream {
        /// The stream.
        stream: String,
        /// What differs.
        what: &'static str,
        /// The value in the settings.
        expected: String,
        /// The broker's value.
        found: String,
        /// How to resolve it.
        remedy: &'static str,
    },
    /// The stream ends before a processed sequence: it was rolled back, or lost its last messages in a
    /// power failure.
    #[error(
        "stream {stream}: expected at least sequence {taken}, up to which the store has processed \
         events, found {last} to be the last; new events would be taken for old ones. Restore the \
         stream, or restore a store backup of that time, or run `jumeau adopt` to continue with the \
         stream as it is"
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
        "stream {stream}: expected the message {sequence} that was stored at {expected} and is \
         already processed, found another, stored at {found}; the stream was rolled back, and \
         events would be skipped. Restore the stream, or restore a store backup of that time, or \
         run `jumeau adopt` to continue with the stream as it is"
    )]
    Rewritten {
        /// The stream.
        stream: String,
        /// The sequence of the message.
        sequence: u64,
        /// The timestamp of the processed message.
        expected: Time,
        /// The timestamp of the message found.
        found: Time,
    },
    /// The stream is not the one that our cursors belong to.
    #[error(
        "stream {stream}: expected the stream created at {expected}, to which the store belongs, \
         found another of this name, created at {found}; events would be skipped or processed \
         twice. Restore the stream, or this stream's store, or run `jumeau adopt` to continue with \
         the stream as it is"
    )]
    Another {
        /// The stream.
        stream: String,
        /// When the known stream was created.
        expected: Time,
        /// When this one was created.
        found: Time,
    },
    /// The stream does not exist any more.
    #[error(
        "stream {stream}: expected the stream that the store has processed up to sequence {taken}, \
         found none. Restore the stream, or run `jumeau adopt` to start a new one; twins keep their \
         state"
    )]
    Gone {
        /// The stream.
        stream: String,
        /// The highest processed sequence.
        taken: u64,
    },
    /// The store is empty, but another store has processed the stream.
    #[error(
        "stream {stream}: expected the store that has processed it up to sequence {acknowledged}, \
         found an empty one; every event would be processed again and every action sent again. \
         Correct `store.path`, or restore a backup, or run `jumeau adopt` to process the whole \
         stream again"
    )]
    Strange {
        /// The stream.
        stream: String,
        /// The sequence up to which everything was acknowledged.
        acknowledged: u64,
    },
    /// Another service serves under this prefix.
    #[error(
        "expected to be the only service under `{prefix}`, found another that has been running \
         since {since}, on {host}; stop it, or choose another `nats.prefix`"
    )]
    Served {
        /// The prefix.
        prefix: String,
        /// Since when it serves.
        since: Time,
        /// The host name of its machine.
        host: String,
    },
    /// Another service took over this prefix while our lease had expired.
    #[error(
        "expected to be the only service under `{prefix}`, found that another has taken over: this \
         one was disconnected from the broker, or suspended, for too long"
    )]
    Superseded {
        /// The prefix.
        prefix: String,
    },
    /// The commit log is not the one that the store belongs to, or it does not hold what it should.
    #[error("commit log {stream}: expected {expected}, found {found}; {remedy}")]
    Log {
        /// The stream.
        stream: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
        /// How to resolve it.
        remedy: &'static str,
    },
    /// A request to the broker failed.
    #[error("cannot {what}")]
    Request {
        /// What we tried to do.
        what: &'static str,
        /// The error of the client library.
        source: Source,
    },
    /// The dead letter does not exist.
    #[error(
        "expected a dead letter with sequence {sequence}, found none; `twinctl dead list` shows \
         those that exist"
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
        /// The reason.
        why: &'static str,
    },
    /// A dead letter is still unusable with its new payload.
    #[error(
        "dead letter {sequence} still cannot be used with this data; nothing was published: \
         {rejection}"
    )]
    Unusable {
        /// The sequence in the stream of dead letters.
        sequence: u64,
        /// The reason.
        rejection: Rejection,
    },
    /// The broker denied an operation.
    #[error("the broker does not permit us to {denied}")]
    Denied {
        /// The denied operation.
        denied: super::PermissionDenied,
    },
    /// The service refused a request.
    #[error("the service refused: {detail}")]
    Refused {
        /// The text of the reply.
        detail: String,
    },
    /// No usable broker binary was found.
    #[error(
        "expected a nats-server of at least {expected}, found {found}; put one on PATH, name it in \
         NATS_SERVER_BIN, or run `tools/setup`"
    )]
    NoBroker {
        /// The minimum version.
        expected: &'static str,
        /// What was found instead.
        found: String,
    },
    /// An embedded broker does not start.
    #[error("the broker did not start: {what}; its log {} ends with:\n{log}", path.display())]
    Broker {
        /// What happened.
        what: String,
        /// The log file.
        path: PathBuf,
        /// Its last lines.
        log: String,
    },
    /// An embedded broker cannot be started or stopped.
    #[error("cannot {what}")]
    Process {
        /// What we tried to do.
        what: &'static str,
        /// The error of the system.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: wraps the error of a request with what we tried to do.
    pub(super) fn request<E: Into<Source>>(what: &'static str) -> impl FnOnce(E) -> Error {
        move |source| Error::Request { what, source: source.into() }
    }

    /// For `map_err`: wraps the error of a system call with what we tried to do.
    pub(super) fn process(what: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Process { what, source }
    }

    /// The stream is not the one that our cursors belong to; both times in milliseconds since 1970.
    pub fn another(stream: String, expected: u64, found: u64) -> Error {
        let time = |ms: u64| Time::from_ms(i64::try_from(ms).unwrap_or(i64::MAX));
        Error::Another { stream, expected: time(expected), found: time(found) }
    }

    /// Whether nothing answers at the broker's address.
    pub(super) fn is_nobody_there(&self) -> bool {
        use async_nats::ConnectErrorKind::{Dns, Io, TimedOut};
        let Error::Connect { source, .. } = self else { return false };
        let error = source.downcast_ref::<async_nats::ConnectError>();
        error.is_some_and(|error| matches!(error.kind(), Dns | Io | TimedOut))
    }

    /// Whether a request had no reply at all.
    pub(super) fn is_no_answer(&self) -> bool {
        use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
        let Error::Request { source, .. } = self else { return false };
        if let Some(error) = source.downcast_ref::<GetStreamError>() {
            return matches!(error.kind(), GetStreamErrorKind::Request);
        }
        let error = source.downcast_ref::<CreateStreamError>();
        error.is_some_and(|error| matches!(error.kind(), CreateStreamErrorKind::TimedOut))
    }

    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Request { .. } | Error::Connect { .. })
    }
}

/// An error and its sources, as one line for the log.
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
