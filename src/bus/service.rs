use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE};
use async_nats::{Client, HeaderMap, Message, Subject, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::connection::jetstream_of;
use super::{Bus, Error, code, fresh_id};
use crate::config::limits;
use crate::contract::Subjects;
use crate::event::{Time, cut};

/// One endpoint of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The verb: the token after `<prefix>.api`.
    pub verb: &'static str,
    /// The number of tokens after the verb.
    pub tokens: usize,
    /// The maximum of pending requests; further ones get "busy".
    pub places: usize,
    /// Whether channels call it, rather than people.
    pub is_for_channels: bool,
    /// What it does, for the description of the service.
    pub describe: &'static str,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The verb of its endpoint.
    pub verb: &'static str,
    /// The subject tokens after the verb.
    pub tokens: Vec<String>,
    /// The payload.
    pub payload: Bytes,
    /// The caller.
    pub by: Caller,
}

/// The caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// The name; empty if none was given.
    pub name: Box<str>,
    /// Whether the name stood in the subject (`<prefix>.as.<name>.<verb>…`), where a broker with roles
    /// lets only its bearer publish. Otherwise the caller wrote it into the header [`CALLER`].
    pub is_vouched: bool,
}

/// The header with the caller's name.
pub const CALLER: &str = "Jumeau-By";

/// The error reply to a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// One of the codes in [`code`].
    pub code: u16,
    /// What was expected, what was found, and what to do.
    pub message: String,
}

impl ApiError {
    /// An error reply.
    pub fn new(code: u16, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into() }
    }
}

/// The service `jumeau` on the bus, which operators and channels call; it answers `$SRV.PING`,
/// `$SRV.INFO` and `$SRV.STATS`. It ends when this is dropped.
///
/// The client library closes a connection on a request with malformed headers, and requests waiting in
/// that connection are then never answered. So callers are split over several listeners with their own
/// connections: a channel cannot disrupt agents, nor the other way round. The broker distributes the
/// requests of a listener over its connections; a closed one is replaced at once. Replies use a
/// connection without subscriptions.
#[derive(Debug)]
pub struct ApiService {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Pauses before remaking a connection: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// How long a connection may take to close when the service stops.
const GOODBYE: Duration = Duration::from_secs(1);

/// The minimum interval between log lines about closed connections.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// The queue group of all responders, as usual for services on NATS.
const GROUP: &str = "q";

/// A listener for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ApiListener {
    /// Requests of channels.
    Channels,
    /// Requests of people under a name.
    Named,
    /// Requests without a name.
    Others,
    /// Discovery: whether the service is there, and what it offers.
    Looking,
}

impl ApiListener {
    const ALL: [ApiListener; 4] =
        [ApiListener::Channels, ApiListener::Named, ApiListener::Looking, ApiListener::Others];

    /// The name and the number of its connections.
    fn connections(self) -> (&'static str, usize) {
        match self {
            ApiListener::Channels => ("jumeau-api-channels", 4),
            ApiListener::Named => ("jumeau-api-named", 3),
            ApiListener::Others => ("jumeau-api", 3),
            ApiListener::Looking => ("jumeau-api-looking", 1),
        }
    }

    /// The subject of an endpoint at this listener, if it has one.
    fn asked(self, prefix: &str, endpoint: &Endpoint) -> Option<String> {
        let start = match self {
            ApiListener::Channels if endpoint.is_for_channels => "api",
            ApiListener::Others if !endpoint.is_for_channels => "api",
            ApiListener::Named => "as.*",
            _ => return None,
        };
        Some(format!("{prefix}.{start}.{}{}", endpoint.verb, ".*".repeat(endpoint.tokens)))
    }
}

impl ApiService {
    /// Answers requests to the endpoints with `handler`, each at `<prefix>.api.<verb>` and its tokens,
    /// and at `<prefix>.as.<name>.<verb>` for callers with a name.
    ///
    /// # Errors
    /// [`Error::Connect`] or [`Error::Request`] if the broker refuses.
    pub async fn start<H, F>(
        bus: &Bus,
        endpoints: &[Endpoint],
        handler: H,
    ) -> Result<ApiService, Error>
    where
        H: Fn(Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Bytes, ApiError>> + Send + 'static,
    {
        let (answers, ..) = bus.dial("jumeau-answers").await?;
        let prefix = bus.subjects.prefix();
        let windows: Vec<Arc<ListenedEndpoint>> = ApiListener::ALL
            .into_iter()
            .flat_map(|listener| endpoints.iter().map(move |endpoint| (listener, endpoint)))
            .filter_map(|(listener, endpoint)| {
                let subject = listener.asked(prefix, endpoint)?;
                let places = Arc::new(Semaphore::new(endpoint.places));
                let stats = EndpointStats::default();
                Some(Arc::new(ListenedEndpoint {
                    listener,
                    subject,
                    endpoint: *endpoint,
                    places,
                    stats,
                }))
            })
            .collect();
        let offer = Offer {
            bus: bus.clone(),
            answers,
            presence: Arc::new(Presence::new(windows.clone())),
            windows: windows.into(),
            warned: Arc::default(),
            handler,
        };
        let (stop, stopped) = watch::channel(false);
        let mut clients = Vec::new();
        for listener in ApiListener::ALL {
            for _ in 0..listener.connections().1 {
                clients.push((listener, offer.dial(listener).await?));
            }
        }
        // After the first reply, all endpoints must be there.
        let mut tasks = JoinSet::new();
        for (listener, client) in clients {
            let open = offer.open(listener, client).await?;
            tasks.spawn(offer.clone().keep_open(listener, open, stopped.clone()));
        }
        Ok(ApiService { stop, tasks })
    }

    /// Stops answering and removes the service from the bus.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // Tasks panic only if a handler does, and then nothing is left to stop.
        while self.tasks.join_next().await.is_some() {}
    }
}

/// One endpoint at one listener, for all of its connections.
struct ListenedEndpoint {
    listener: ApiListener,
    subject: String,
    endpoint: Endpoint,
    places: Arc<Semaphore>,
    stats: EndpointStats,
}

/// The endpoints and their handler.
#[derive(Clone)]
struct Offer<H> {
    bus: Bus,
    answers: Client,
    presence: Arc<Presence>,
    windows: Arc<[Arc<ListenedEndpoint>]>,
    /// When the log last reported a closed connection.
    warned: Arc<Mutex<Option<Instant>>>,
    handler: H,
}

/// An open connection of a listener.
struct OpenConnection {
    client: Client,
    /// One task per subject; all end with the connection.
    serving: JoinSet<()>,
}

impl<H, F> Offer<H>
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Bytes, ApiError>> + Send + 'static,
{
    async fn dial(&self, listener: ApiListener) -> Result<Client, Error> {
        self.bus.dial_once(listener.connections().0).await
    }

    async fn open(&self, listener: ApiListener, client: Client) -> Result<OpenConnection, Error> {
        let what = "offer the service";
        let mut serving = JoinSet::new();
        for window in self.windows.iter().filter(|window| window.listener == listener) {
            let asked = client.queue_subscribe(window.subject.clone(), GROUP.to_owned());
            let requests = asked.await.map_err(Error::request(what))?;
            let counter = EndpointServer {
                subjects: self.bus.subjects.clone(),
                window: window.clone(),
                answers: self.answers.clone(),
            };
            serving.spawn(counter.serve(requests, self.handler.clone()));
        }
        if listener == ApiListener::Looking {
            for subject in self.presence.subjects() {
                let asked = client.subscribe(subject).await.map_err(Error::request(what))?;
                let (presence, answers) = (self.presence.clone(), self.answers.clone());
                serving.spawn(presence.tell(asked, self.bus.subjects.clone(), answers));
            }
        }
        // Once the broker has answered this, it knows the subscriptions too.
        jetstream_of(&client, &self.bus.settings)
            .query_account()
            .await
            .map_err(Error::request(what))?;
        Ok(OpenConnection { client, serving })
    }

    /// Logs that a connection was closed, unless that was logged recently or the broker is unreachable.
    fn complain(&self, listener: ApiListener) {
        let mut warned = self.warned.lock();
        if self.bus.is_up() && warned.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            *warned = Some(Instant::now());
            tracing::warn!(
                connection = listener.connections().0,
                "a connection for API requests was closed (malformed headers do that); reconnecting"
            );
        }
    }

    /// Remakes the connection whenever it closes, until the service stops.
    async fn keep_open(
        self,
        listener: ApiListener,
        mut open: OpenConnection,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            tokio::select! {
                // The stop was signalled, or its sender dropped.
                _ = stop.changed() => {
                    let _ = open.client.drain().await;
                    // Tasks end once the broker has confirmed the unsubscription: later callers are told
                    // that there is no responder.
                    let ended = async { while open.serving.join_next().await.is_some() {} };
                    let _ = timeout(GOODBYE, ended).await;
                    return;
                }
                _ = open.serving.join_next() => {}
            }
            self.complain(listener);
            // Requests that had arrived are still answered.
            while open.serving.join_next().await.is_some() {}
            let mut pause = PAUSES.0;
            open = loop {
                tokio::select! {
                    _ = stop.changed() => return,
                    () = tokio::time::sleep(pause) => pause = (2 * pause).min(PAUSES.1),
                }
                if let Ok(client) = self.dial(listener).await
                    && let Ok(open) = self.open(listener, client).await
                {
                    break open;
                }
            };
        }
    }
}

/// The requests of one endpoint on one connection.
struct EndpointServer {
    subjects: Arc<Subjects>,
    window: Arc<ListenedEndpoint>,
    answers: Client,
}

impl EndpointServer {
    async fn serve<H, F>(self, mut requests: Subscriber, handler: H)
    where
        H: Fn(Request) -> F,
        F: Future<Output = Result<Bytes, ApiError>> + Send + 'static,
    {
        while let Some(message) = requests.next().await {
            let Some(reply) = self.subjects.reply_of(&message) else {
                tracing::debug!("refused a request whose reply subject is not an inbox");
                continue;
            };
            let (answers, window) = (self.answers.clone(), self.window.clone());
            let begun = Instant::now();
            let Ok(place) = window.places.clone().try_acquire_owned() else {
                let detail = "the service is busy; ask again in a moment";
                let busy = ApiError::new(code::TOO_MANY_REQUESTS, detail);
                window.stats.count(begun.elapsed(), Some(&busy));
                answer(&answers, reply, Err(busy)).await;
                continue;
            };
            let answered = handler(self.read(&message));
            tokio::spawn(async move {
                let response = answered.await;
                window.stats.count(begun.elapsed(), response.as_ref().err());
                answer(&answers, reply, response).await;
                drop(place);
            });
        }
    }

    fn read(&self, message: &Message) -> Request {
        let endpoint = &self.window.endpoint;
        let subject = message.subject.as_str();
        let mut tokens: Vec<String> =
            subject.rsplit('.').take(endpoint.tokens).map(str::to_owned).collect();
        tokens.reverse();
        let mut named = self.subjects.tokens(subject).into_iter().flatten();
        let by = match (named.next(), named.next()) {
            (Some("as"), Some(name)) => Caller { name: name.into(), is_vouched: true },
            _ => {
                let headers = message.headers.as_ref();
                let name = headers.and_then(|headers| headers.get(CALLER));
                let name = name.map_or("", |name| cut(name.as_str(), limits::CUSTOMER_BYTES));
                Caller { name: name.into(), is_vouched: false }
            }
        };
        Request { verb: endpoint.verb, tokens, payload: message.payload.clone(), by }
    }
}

async fn answer(answers: &Client, reply: Subject, response: Result<Bytes, ApiError>) {
    let sent = match response {
        Ok(payload) => answers.publish(reply, payload).await,
        Err(error) => {
            let mut headers = HeaderMap::new();
            // The message is sent in a header: one line of bounded length.
            let message = cut(&error.message, limits::TEXT_BYTES);
            let message: String =
                message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            headers.insert(NATS_SERVICE_ERROR, message);
            headers.insert(NATS_SERVICE_ERROR_CODE, error.code.to_string());
            answers.publish_with_headers(reply, headers, Bytes::new()).await
        }
    };
    // The caller may not wait for a reply, or the broker may be unreachable.
    if let Err(error) = sent {
        tracing::debug!(%error, "an answer could not be sent");
    }
}

impl Subjects {
    /// The subject for the reply to a request, if a reply may be sent there.
    fn reply_of(&self, message: &Message) -> Option<Subject> {
        message.reply.clone().filter(|reply| self.may_answer_to(reply))
    }
}

/// Statistics of an endpoint: the number of requests, and their total duration.
#[derive(Debug, Default)]
struct EndpointStats {
    requests: AtomicU64,
    errors: AtomicU64,
    nanoseconds: AtomicU64,
    last_error: Mutex<Option<ApiError>>,
}

impl EndpointStats {
    fn count(&self, took: Duration, error: Option<&ApiError>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(took, Ordering::Relaxed);
        if let Some(error) = error {
            self.errors.fetch_add(1, Ordering::Relaxed);
            *self.last_error.lock() = Some(error.clone());
        }
    }
}

/// The service's own description, as of every service on NATS (ADR-32). The library would report one for
/// each connection, and append to each of them.
struct Presence {
    id: String,
    started: Time,
    windows: Vec<Arc<ListenedEndpoint>>,
}

const NAME: &str = "jumeau";

impl Presence {
    fn new(windows: Vec<Arc<ListenedEndpoint>>) -> Presence {
        Presence { id: fresh_id(), started: chrono::Utc::now().into(), windows }
    }

    fn subjects(&self) -> Vec<String> {
        let of = |verb: &str| {
            let all = format!("$SRV.{verb}");
            [all.clone(), format!("{all}.{NAME}"), format!("{all}.{NAME}.{}", self.id)]
        };
        ["PING", "INFO", "STATS"].into_iter().flat_map(of).collect()
    }

    async fn tell(self: Arc<Presence>, mut asked: Subscriber, subjects: Arc<Subjects>, to: Client) {
        while let Some(message) = asked.next().await {
            let Some(reply) = subjects.reply_of(&message) else { continue };
            let description = self.describe(message.subject.split('.').nth(1).unwrap_or_default());
            answer(&to, reply, Ok(Bytes::from(description.to_string()))).await;
        }
    }

    fn describe(&self, verb: &str) -> Value {
        let (kind, more) = match verb {
            "INFO" => {
                let endpoints: Vec<Value> = self.windows.iter().map(|one| one.info()).collect();
                let description = "a digital twin for every customer";
                ("info", json!({ "description": description, "endpoints": endpoints }))
            }
            "STATS" => {
                let endpoints: Vec<Value> = self.windows.iter().map(|one| one.stats()).collect();
                ("stats", json!({ "started": self.started, "endpoints": endpoints }))
            }
            _ => ("ping", json!({})),
        };
        let mut description = json!({
            "type": format!("io.nats.micro.v1.{kind}_response"),
            "name": NAME,
            "id": self.id,
            "version": env!("CARGO_PKG_VERSION"),
            // The events and their dead letters, by the schema names of `twinctl schema`.
            "metadata": { "event-schema": "event", "dead-letter-schema": "dead.headers" },
        });
        if let (Value::Object(fields), Value::Object(more)) = (&mut description, more) {
            fields.extend(more);
        }
        description
    }
}

impl ListenedEndpoint {
    /// The service's description, including the names under which `twinctl schema` has the schemas of
    /// each endpoint's request and reply.
    fn info(&self) -> Value {
        let Endpoint { verb, describe, .. } = self.endpoint;
        json!({
            "name": verb,
            "subject": self.subject,
            "queue_group": GROUP,
            "metadata": {
                "description": describe,
                "request-schema": format!("api.{verb}.request"),
                "response-schema": format!("api.{verb}"),
            },
        })
    }

    fn stats(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (requests, took) = (read(&self.stats.requests), read(&self.stats.nanoseconds));
        let last_error = self.stats.last_error.lock();
        json!({
            "name": self.endpoint.verb,
            "subject": self.subject,
            "queue_group": GROUP,
            "num_requests": requests,
            "num_errors": read(&self.stats.errors),
            "last_error": last_error.as_ref().map_or_else(String::new, ToString::to_string),
            "processing_time": took,
            "average_processing_time": took.checked_div(requests).unwrap_or(0),
        })
    }
}
