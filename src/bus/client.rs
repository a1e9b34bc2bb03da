use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SelectAll, StreamExt, select_all};

use super::{Bus, Error};
use crate::event::{Channel, Customer};

/// Longer than the service takes for any reply: a service that stops meanwhile answers with an error.
const REPLY_TIMEOUT: Duration = Duration::from_mins(5);

/// The client side of the bus, for stories, tools and tests: what a channel publishes and an integrator
/// receives.
impl Bus {
    /// Publishes one event, as a channel does; returns its sequence in the stream of events.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not confirm it.
    pub async fn report(
        &self,
        channel: &Channel,
        customer: &Customer,
        payload: Bytes,
    ) -> Result<u64, Error> {
        self.store(self.subjects.event(channel, customer), payload, "publish an event").await
    }

    /// Publishes a broadcast, as an operator does; returns its sequence in the stream of events.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not confirm it.
    pub async fn broadcast(&self, scope: &str, payload: Bytes) -> Result<u64, Error> {
        self.store(self.subjects.broadcast(scope), payload, "publish a broadcast").await
    }

    pub(super) async fn store(
        &self,
        subject: String,
        payload: Bytes,
        what: &'static str,
    ) -> Result<u64, Error> {
        let stored =
            self.jetstream.publish(subject, payload).await.map_err(Error::request(what))?;
        Ok(stored.await.map_err(Error::request(what))?.sequence)
    }

    /// Subscribes to all outputs of twins from now on.
    ///
    /// # Errors
    /// [`Error::Request`] if the connection is closed.
    pub async fn listen(&self) -> Result<OutputSubscription, Error> {
        let subjects = [
            self.subjects.all_actions(),
            self.subjects.all_recalls(),
            self.subjects.all_escalations(),
        ];
        let mut heard = Vec::new();
        for subject in subjects {
            let what = "listen to actions and escalations";
            heard.push(self.client.subscribe(subject).await.map_err(Error::request(what))?);
        }
        self.sync().await?;
        Ok(OutputSubscription { heard: select_all(heard) })
    }

    /// Subscribes to escalations of these queues, or of all queues if none is given. Later requests on
    /// this connection are sent after the subscription.
    ///
    /// # Errors
    /// [`Error::Request`] if the connection is closed.
    pub async fn escalations(&self, queues: &[String]) -> Result<OutputSubscription, Error> {
        let mut subjects: Vec<String> =
            queues.iter().map(|queue| self.subjects.escalations_of(queue)).collect();
        if subjects.is_empty() {
            subjects.push(self.subjects.all_escalations());
        }
        let mut heard = Vec::new();
        for subject in subjects {
            let what = "listen to escalations";
            heard.push(self.client.subscribe(subject).await.map_err(Error::request(what))?);
        }
        Ok(OutputSubscription { heard: select_all(heard) })
    }

    /// Waits until the broker has received everything that was sent on this connection, and everything
    /// that it sent before has arrived.
    ///
    /// # Errors
    /// [`Error::Request`] if the connection is closed.
    pub async fn sync(&self) -> Result<(), Error> {
        self.client.flush().await.map_err(Error::request("reach the broker"))?;
        // The reply to a request arrives after everything that the broker sent before.
        self.jetstream
            .query_account()
            .await
            .map(drop)
            .map_err(Error::request("hear from the broker"))
    }

    /// Sends a request to the service and returns its reply.
    ///
    /// # Errors
    /// [`Error::Request`] if there is no reply; [`Error::Denied`] if the broker denies the request;
    /// [`Error::Refused`] if the service refuses it.
    pub async fn ask(&self, verb: &str, tokens: &[&str], payload: Bytes) -> Result<Bytes, Error> {
        let subject = match &self.settings.name {
            Some(name) => self.subjects.asked_by(name, verb, tokens),
            None => self.subjects.api(verb, tokens),
        };
        let request = async_nats::Request::new().payload(payload).timeout(Some(REPLY_TIMEOUT));
        let denied = self.publishing_denied(&subject);
        let answer = tokio::select! {
            answer = self.client.send_request(subject.clone(), request) => answer,
            denied = denied => return Err(Error::Denied { denied }),
        };
        let answer = answer.map_err(Error::request("ask the service"))?;
        let header = |name: &str| {
            let headers = answer.headers.as_ref()?;
            headers.get(name).map(|value| value.as_str().to_owned())
        };
        match header("Nats-Service-Error") {
            Some(detail) => Err(Error::Refused { detail }),
            None => Ok(answer.payload),
        }
    }
}

/// A subscription to outputs of twins.
pub struct OutputSubscription {
    heard: SelectAll<async_nats::Subscriber>,
}

impl OutputSubscription {
    /// The next message: its subject and its payload; none once the connection is closed.
    pub async fn next(&mut self) -> Option<(String, Bytes)> {
        let message = self.heard.next().await?;
        Some((message.subject.to_string(), message.payload))
    }

    /// The next message, if it has arrived already.
    pub fn ready(&mut self) -> Option<(String, Bytes)> {
        futures::FutureExt::now_or_never(self.next()).flatten()
    }
}
