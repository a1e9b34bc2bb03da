//! Publishing messages.

use async_nats::jetstream;
use serde::Serialize;

use crate::arguments::Connection;
use crate::event::Ready;
use crate::failure::Failure;
use crate::out::Out;
use crate::service::Service;

/// The position of a stored message.
#[derive(Debug, Serialize)]
pub(crate) struct Stored {
    /// Its id.
    id: String,
    /// The stream.
    stream: String,
    /// Its sequence.
    sequence: u64,
}

/// A message that is printed, not sent.
#[derive(Debug, Serialize)]
struct Unsent {
    subject: String,
    event: serde_json::Value,
}

/// Publishes a message, or prints it.
pub(crate) async fn publish(
    connection: &Connection,
    ready: Ready,
    dry_run: bool,
    out: Out,
) -> Result<(), Failure> {
    if dry_run {
        let Ready { subject, payload, .. } = ready;
        let event = serde_json::from_str(&payload).unwrap_or_default();
        return out
            .tell(&Unsent { subject, event }, |unsent| format!("{}\n{payload}\n", unsent.subject));
    }
    let stored = store(&Service::connect(connection).await?, ready).await?;
    out.tell(&stored, |Stored { id, stream, sequence }| {
        format!("{id} is stored as {stream} #{sequence}\n")
    })
}

/// Publishes a message, and waits until it is stored.
pub(crate) async fn store(service: &Service, ready: Ready) -> Result<Stored, Failure> {
    let Ready { subject, id, payload } = ready;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", id.as_str());
    headers.insert("Content-Type", "application/cloudevents+json");
    let unreachable = |error: jetstream::context::PublishError| {
        Failure::Unreachable(format!(
            "expected a stream that stores `{subject}`: {error}; the service creates it when it \
             starts"
        ))
    };
    let sent = jetstream::new(service.client.clone())
        .publish_with_headers(subject.clone(), headers, payload.into())
        .await
        .map_err(unreachable)?;
    let stored = sent.await.map_err(unreachable)?;
    Ok(Stored { id, stream: stored.stream, sequence: stored.sequence })
}
