//! The client of the running service: connects, sends requests, parses replies.

use std::error::Error;
use std::sync::LazyLock;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, ConnectOptions, Request, ServerAddr};
use jumeau::api::code;
use jumeau::bus::{self, CALLER, Denials, PermissionDenied};
use jumeau::config::settings::{self, Login, masked};
use jumeau::contract::Subjects;
use jumeau::event::Customer;
use jumeau::roles::{self, Lacks};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arguments::Connection;
use crate::failure::Failure;

/// The operations that the broker denied on the connections of this process: it reports that instead of a
/// reply.
static DENIALS: LazyLock<Denials> = LazyLock::new(Denials::default);

/// Waits for the first operation that the broker denies, and explains which, and who may do it.
pub(crate) async fn denied(wanted: &Connection) -> Failure {
    let denied = DENIALS.first(|denied| in_words(wanted, denied).is_some()).await;
    match in_words(wanted, &denied) {
        Some(failure) => failure,
        None => std::future::pending().await,
    }
}

/// The denied operation, and who may do it.
fn in_words(wanted: &Connection, denied: &PermissionDenied) -> Option<Failure> {
    let subjects = Subjects::new(&wanted.prefix).ok()?;
    // A caller with a key file but without a name receives replies under the name of the key.
    let of_key = wanted.inbox_prefix.strip_prefix("_INBOX.").filter(|name| !name.is_empty());
    let name = wanted.name.as_deref().or(wanted.user.as_deref()).or(of_key);
    Some(Failure::Negative(roles::denied(&subjects, name, denied)))
}

/// The error of a failed connection, with a remedy.
fn no_broker(shown: &str, error: &dyn Error) -> Failure {
    let advice = Lacks::read(error).map_or_else(
        || "start one with `jumeau dev`, or name another with --server or NATS_URL".to_owned(),
        |lacks| lacks.advice("--ca or NATS_CA", "--nkey, --creds, or --user and --password"),
    );
    Failure::Unreachable(format!("expected a broker at {shown}, found: {error}; {advice}"))
}

/// The failure of a request that the library sent.
pub(crate) fn failed(wanted: &Connection, error: &bus::Error) -> Failure {
    let in_words = match error {
        bus::Error::Denied { denied } => in_words(wanted, denied),
        bus::Error::Connect { url, source } => Some(no_broker(url, &**source)),
        _ => None,
    };
    in_words.unwrap_or_else(|| Failure::Unreachable(error.to_string()))
}

/// Also reports operations that the broker denies on a connection of the library.
pub(crate) async fn heed(bus: &jumeau::bus::Bus) {
    DENIALS.add(bus.denied().await);
}

/// A connection to the broker of the service.
pub(crate) struct Service {
    /// The connection itself.
    pub(crate) client: Client,
    /// The service's prefix.
    pub(crate) prefix: String,
    /// The caller's queues; none: all.
    pub(crate) queues: Vec<String>,
    name: Option<String>,
    /// The broker's address, for messages.
    server: String,
    timeout: Duration,
}

impl Service {
    /// Connects to the broker.
    pub(crate) async fn connect(wanted: &Connection) -> Result<Service, Failure> {
        let mut options = ConnectOptions::new()
            .name("twinctl")
            .custom_inbox_prefix(&wanted.inbox_prefix)
            .connection_timeout(wanted.timeout)
            .subscription_capacity(65_536)
            .event_callback(|event| {
                DENIALS.observe(&event);
                std::future::ready(())
            });
        if let Some(creds) = &wanted.creds {
            options = options.credentials_file(creds).await.map_err(|error| {
                Failure::Usage(format!("expected credentials at {}: {error}", creds.display()))
            })?;
        }
        if let Some(path) = &wanted.nkey {
            let seed = std::fs::read_to_string(path).map_err(|error| {
                Failure::Usage(format!("expected an nkey at {}: {error}", path.display()))
            })?;
            options = options.nkey(seed.trim().to_owned());
        }
        match (&wanted.user, &wanted.password, settings::login(&wanted.server)) {
            (Some(user), Some(password), _) => {
                options = options.user_and_password(user.clone(), password.clone());
            }
            (_, _, Some(Login::Password { user, password })) => {
                options = options.user_and_password(user, password);
            }
            (_, _, Some(Login::Token(token))) => options = options.token(token),
            (_, _, None) => {}
        }
        if let Some(ca) = &wanted.ca {
            options = options.add_root_certificates(ca.clone());
        }
        let shown = masked(&wanted.server);
        let servers = wanted
            .server
            .split(',')
            .map(|server| server.trim().parse())
            .collect::<Result<Vec<ServerAddr>, _>>()
            .map_err(|error| Failure::Usage(format!("--server {shown}: {error}")))?;
        let client = options.connect(servers).await.map_err(|error| no_broker(&shown, &error))?;
        Ok(Service {
            client,
            prefix: wanted.prefix.clone(),
            queues: wanted.queues.clone(),
            name: wanted.name.clone(),
            server: shown,
            timeout: wanted.timeout,
        })
    }

    /// Whether the caller is an agent, whom a broker with roles restricts to one queue per request.
    pub(crate) fn is_of_an_agent(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name.starts_with(roles::AGENT))
    }

    /// Whether requests about an escalation name its queue.
    pub(crate) fn has_queues(&self) -> bool {
        !self.queues.is_empty() || self.is_of_an_agent()
    }

    /// Sends a request with the verb `verb`, and waits for the reply.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        verb: &str,
        question: &impl Serialize,
    ) -> Result<A, Failure> {
        let payload = serde_json::to_vec(question)
            .map_err(|error| Failure::Usage(format!("{verb}: {error}")))?;
        self.exchange(verb, payload).await
    }

    /// Sends a request with the verb `verb` about one customer, without a payload.
    pub(crate) async fn ask_of<A: DeserializeOwned>(
        &self,
        verb: &str,
        customer: &str,
        question: Option<&impl Serialize>,
    ) -> Result<A, Failure> {
        let customer = Customer::new(customer).map_err(Failure::Usage)?;
        let verb = format!("{verb}.{}", customer.token());
        match question {
            Some(question) => self.ask(&verb, question).await,
            None => self.exchange(&verb, Vec::new()).await,
        }
    }

    /// Sends a request with the verb `verb`, without a payload.
    pub(crate) async fn ask_plainly<A: DeserializeOwned>(&self, verb: &str) -> Result<A, Failure> {
        self.exchange(verb, Vec::new()).await
    }

    async fn exchange<A: DeserializeOwned>(
        &self,
        verb: &str,
        payload: Vec<u8>,
    ) -> Result<A, Failure> {
        let subject = match &self.name {
            Some(name) => format!("{}.as.{name}.{verb}", self.prefix),
            None => format!("{}.api.{verb}", self.prefix),
        };
        let mut request = Request::new().payload(payload.into()).timeout(Some(self.timeout));
        if self.name.is_none()
            && let Ok(user) = std::env::var("USER")
            && !user.is_empty()
        {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert(CALLER, user.as_str());
            request = request.headers(headers);
        }
        let answer = self.client.send_request(subject.clone(), request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => Failure::Unreachable(format!(
                "expected a service on `{subject}`, found none at {}; start one with `jumeau \
                 serve`, or name its prefix with --prefix",
                self.server
            )),
            RequestErrorKind::TimedOut => Failure::Unreachable(format!(
                "expected an answer on `{subject}` within {:?}, found none; wait longer with \
                 --timeout",
                self.timeout
            )),
            _ => Failure::Unreachable(format!("{subject}: {error}")),
        })?;
        if let Some(headers) = &answer.headers
            && let Some(status) = headers.get("Nats-Service-Error-Code")
        {
            let sentence = headers
                .get("Nats-Service-Error")
                .map_or_else(|| format!("error {status}"), ToString::to_string);
            return Err(match status.as_str().parse().unwrap_or(code::INTERNAL) {
                code::BAD_REQUEST => Failure::Usage(sentence),
                code::NOT_FOUND | code::CONFLICT => Failure::Negative(sentence),
                _ => Failure::Unreachable(sentence),
            });
        }
        serde_json::from_slice(&answer.payload).map_err(|error| {
            Failure::Unreachable(format!(
                "{subject}: expected an answer that this version understands: {error}; use the \
                 twinctl of the service's version"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_without_keys_is_reported_with_how_to_load_them() {
        let sentences = [
            "IO error: Connection refused (os error 111)",
            "IO error: invalid peer certificate: UnknownIssuer",
            "IO error: invalid peer certificate: certificate not valid for name \"127.0.0.1\"",
            "authorization violation: nats: authorization violation",
            "TLS error: No such file or directory (os error 2)",
        ]
        .map(|error| {
            no_broker("tls://localhost:4222", &*Box::<dyn Error>::from(error)).to_string()
        });
        insta::assert_snapshot!(sentences.join("\n"), @r#"
        expected a broker at tls://localhost:4222, found: IO error: Connection refused (os error 111); start one with `jumeau dev`, or name another with --server or NATS_URL
        expected a broker at tls://localhost:4222, found: IO error: invalid peer certificate: UnknownIssuer; if the broker has roles, load your keys first (`. FOLDER/NAME.env`, written by `jumeau keys`), or name the certificate of the broker's authority with --ca or NATS_CA
        expected a broker at tls://localhost:4222, found: IO error: invalid peer certificate: certificate not valid for name "127.0.0.1"; if the broker has roles, load your keys first (`. FOLDER/NAME.env`, written by `jumeau keys`), or name the broker with --server as its certificate does
        expected a broker at tls://localhost:4222, found: authorization violation: nats: authorization violation; if the broker has roles, load your keys first (`. FOLDER/NAME.env`, written by `jumeau keys`), or authenticate with --nkey, --creds, or --user and --password
        expected a broker at tls://localhost:4222, found: TLS error: No such file or directory (os error 2); if the broker has roles, load your keys first (`. FOLDER/NAME.env`, written by `jumeau keys`), or name the certificate of the broker's authority with --ca or NATS_CA
        "#);
    }
}
