use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::service::{self, ServiceExt};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::{Bus, Error, Subjects};
use crate::config::limits;
use crate::event::cut;

/// One thing that can be asked of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The verb: the token behind `<prefix>.api`.
    pub verb: &'static str,
    /// How many tokens follow the verb.
    pub tokens: usize,
    /// How many requests may wait for their answers; whoever comes beyond that is told that we are
    /// busy.
    pub places: usize,
    /// What it does, for people who ask the service about itself.
    pub describe: &'static str,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The verb of its endpoint.
    pub verb: &'static str,
    /// The tokens behind the verb, as they are in the subject.
    pub tokens: Vec<String>,
    /// The payload.
    pub payload: Bytes,
    /// Who asks.
    pub by: Asker,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asker {
    /// The name; empty if none was given.
    pub name: Box<str>,
    /// Whether the name stood in the subject (`<prefix>.as.<name>.<verb>…`), where a broker with
    /// roles lets its bearer alone publish. Otherwise whoever asked wrote it into the header
    /// [`ASKER`].
    pub is_vouched: bool,
}

/// The header in which who asks may give a name.
pub const ASKER: &str = "Jumeau-By";

/// Why a request could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// As in HTTP: 400 to 499, the request is wrong; 500 to 599, we are.
    pub code: u16,
    /// What was expected, what was found, and what to do.
    pub message: String,
}

impl ApiError {
    /// An error for whoever asked.
    pub fn new(code: u16, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into() }
    }
}

/// The service named `jumeau` on the bus, by which operators and channels ask; it can be found with
/// `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`. It ends when this is dropped.
#[derive(Debug)]
pub struct Service {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// How long to wait before offering the service again after its connection ended.
const PAUSE: Duration = Duration::from_millis(200);

impl Service {
    /// Registers the endpoints, each at `<prefix>.api.<verb>` and its tokens, and at
    /// `<prefix>.as.<name>.<verb>` for whoever asks under a name, and answers what is asked of them
    /// with `handler`.
    ///
    /// # Errors
    /// [`Error::Connect`] or [`Error::Request`] if the broker refuses.
    pub async fn start<H, F>(
        bus: &Bus,
        endpoints: &[Endpoint],
        handler: H,
    ) -> Result<Service, Error>
    where
        H: Fn(Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Bytes, ApiError>> + Send + 'static,
    {
        let offer = Offer { bus: bus.clone(), endpoints: endpoints.into(), handler };
        let offered = offer.register().await?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(offer.run(offered, stopped));
        Ok(Service { stop, task })
    }

    /// Stops answering, and takes the service off the bus.
    pub async fn stop(self) {
        drop(self.stop);
        // It panics only if a handler does, and there is nothing left to stop then.
        let _ = self.task.await;
    }
}

/// What an endpoint says of itself: what it does, and under which names `twinctl schema` has the
/// schemas of what it takes and answers.
fn metadata(endpoint: &Endpoint) -> HashMap<String, String> {
    let verb = endpoint.verb;
    [
        ("description", endpoint.describe.to_owned()),
        ("request-schema", format!("api.{verb}.request")),
        ("response-schema", format!("api.{verb}")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What is offered, and how it is answered.
struct Offer<H> {
    bus: Bus,
    endpoints: Box<[Endpoint]>,
    handler: H,
}

/// The service as it is registered on one connection.
struct Offered {
    service: service::Service,
    /// One task for each endpoint; all end with the connection.
    serving: JoinSet<()>,
}

impl<H, F> Offer<H>
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Bytes, ApiError>> + Send + 'static,
{
    async fn register(&self) -> Result<Offered, Error> {
        let what = "offer the service";
        let (client, jetstream, _) = self.bus.dial("jumeau-api").await?;
        let service = client
            .service_builder()
            .description("a digital twin for every customer")
            .start("jumeau", env!("CARGO_PKG_VERSION"))
            .await
            .map_err(Error::request(what))?;
        let mut serving = JoinSet::new();
        for endpoint in &self.endpoints {
            let (prefix, verb) = (self.bus.subjects.prefix(), endpoint.verb);
            let places = Arc::new(Semaphore::new(endpoint.places));
            for asked in [format!("{prefix}.api.{verb}"), format!("{prefix}.as.*.{verb}")] {
                let requests = service
                    .endpoint_builder()
                    .name(verb)
                    .metadata(metadata(endpoint))
                    .add(asked + &".*".repeat(endpoint.tokens))
                    .await
                    .map_err(Error::request(what))?;
                let subjects = self.bus.subjects.clone();
                let counter = Counter { subjects, endpoint: *endpoint, places: places.clone() };
                serving.spawn(counter.serve(requests, self.handler.clone()));
            }
        }
        // Once the broker has answered this, it knows of the endpoints too.
        jetstream.query_account().await.map_err(Error::request(what))?;
        Ok(Offered { service, serving })
    }

    /// Offers the service again whenever its connection ends, until it is to stop.
    async fn run(self, mut offered: Offered, mut stop: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                _ = &mut stop => {
                    let _ = offered.service.stop().await;
                    return;
                }
                _ = offered.serving.join_next() => {}
            }
            tracing::warn!("the service's connection ended; offering it on another");
            offered = loop {
                tokio::select! {
                    _ = &mut stop => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
                if let Ok(offered) = self.register().await {
                    break offered;
                }
            };
        }
    }
}

/// Where the requests of one endpoint come in.
struct Counter {
    subjects: Arc<Subjects>,
    endpoint: Endpoint,
    places: Arc<Semaphore>,
}

impl Counter {
    async fn serve<H, F>(self, mut requests: service::endpoint::Endpoint, handler: H)
    where
        H: Fn(Request) -> F,
        F: Future<Output = Result<Bytes, ApiError>> + Send + 'static,
    {
        while let Some(request) = requests.next().await {
            let reply = request.message.reply.as_deref();
            if !reply.is_some_and(|reply| self.subjects.may_answer_to(reply)) {
                tracing::debug!("a request whose answer would go elsewhere than to an inbox");
                continue;
            }
            let Ok(place) = self.places.clone().try_acquire_owned() else {
                let busy = ApiError::new(503, "the service is busy; ask again in a moment");
                answer(&request, Err(busy)).await;
                continue;
            };
            let answered = handler(self.read(&request.message));
            tokio::spawn(async move {
                let response = answered.await;
                answer(&request, response).await;
                drop(place);
            });
        }
    }

    fn read(&self, message: &async_nats::Message) -> Request {
        let subject = message.subject.as_str();
        let mut tokens: Vec<String> =
            subject.rsplit('.').take(self.endpoint.tokens).map(str::to_owned).collect();
        tokens.reverse();
        let mut named = self.subjects.tokens(subject).into_iter().flatten();
        let by = match (named.next(), named.next()) {
            (Some("as"), Some(name)) => Asker { name: name.into(), is_vouched: true },
            _ => {
                let headers = message.headers.as_ref();
                let name = headers.and_then(|headers| headers.get(ASKER));
                let name = name.map_or("", |name| cut(name.as_str(), limits::CUSTOMER_BYTES));
                Asker { name: name.into(), is_vouched: false }
            }
        };
        Request { verb: self.endpoint.verb, tokens, payload: message.payload.clone(), by }
    }
}

async fn answer(request: &service::Request, response: Result<Bytes, ApiError>) {
    let response = response.map_err(|error| service::error::Error {
        code: error.code.into(),
        // It travels in a header: one line, of bounded length.
        status: cut(&error.message, limits::TEXT_BYTES)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect(),
    });
    // Whoever asked may not wait for an answer, or the broker may be gone.
    if let Err(error) = request.respond(response).await {
        tracing::debug!(%error, "an answer could not be sent");
    }
}
