use std::future::Future;
use std::sync::Arc;

use async_nats::service::{self, ServiceExt};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::Semaphore;

use super::{Bus, Error};
use crate::config::limits;
use crate::event::cut;

/// One thing that can be asked of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The verb: the token behind `<prefix>.api`.
    pub verb: &'static str,
    /// How many tokens follow the verb.
    pub tokens: usize,
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
}

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
/// `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`.
#[derive(Debug)]
pub struct Service {
    service: service::Service,
}

impl Service {
    /// Registers the endpoints, each at `<prefix>.api.<verb>` and its tokens, and answers what is
    /// asked of them with `handler`, [`limits::API_REQUESTS`] at a time; whoever comes beyond that
    /// is told that we are busy.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker refuses.
    pub async fn start<H, F>(
        bus: &Bus,
        endpoints: &[Endpoint],
        handler: H,
    ) -> Result<Service, Error>
    where
        H: Fn(Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Bytes, ApiError>> + Send + 'static,
    {
        let what = "offer the service";
        let service = bus
            .client
            .service_builder()
            .description("a digital twin for every customer")
            .start("jumeau", env!("CARGO_PKG_VERSION"))
            .await
            .map_err(Error::request(what))?;
        let places = Arc::new(Semaphore::new(limits::API_REQUESTS));
        for endpoint in endpoints {
            let mut subject = bus.subjects.api(endpoint.verb, &[]);
            subject.push_str(&".*".repeat(endpoint.tokens));
            let requests = service
                .endpoint_builder()
                .name(endpoint.verb)
                .metadata([("description".to_owned(), endpoint.describe.to_owned())].into())
                .add(subject)
                .await
                .map_err(Error::request(what))?;
            tokio::spawn(serve(requests, *endpoint, places.clone(), handler.clone()));
        }
        Ok(Service { service })
    }

    /// Stops answering, and takes the service off the bus.
    ///
    /// # Errors
    /// [`Error::Request`] if the connection is closed.
    pub async fn stop(self) -> Result<(), Error> {
        self.service.stop().await.map_err(Error::request("take the service off the bus"))
    }
}

async fn serve<H, F>(
    mut requests: service::endpoint::Endpoint,
    endpoint: Endpoint,
    places: Arc<Semaphore>,
    handler: H,
) where
    H: Fn(Request) -> F,
    F: Future<Output = Result<Bytes, ApiError>> + Send + 'static,
{
    while let Some(request) = requests.next().await {
        let Ok(place) = places.clone().try_acquire_owned() else {
            let busy = ApiError::new(503, "the service is busy; ask again in a moment");
            answer(&request, Err(busy)).await;
            continue;
        };
        let mut tokens: Vec<String> =
            request.message.subject.rsplit('.').take(endpoint.tokens).map(str::to_owned).collect();
        tokens.reverse();
        let answered = handler(Request {
            verb: endpoint.verb,
            tokens,
            payload: request.message.payload.clone(),
        });
        tokio::spawn(async move {
            let response = answered.await;
            answer(&request, response).await;
            drop(place);
        });
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
