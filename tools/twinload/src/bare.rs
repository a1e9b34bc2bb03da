//! The bare bus: receives the same events, publishes one message for every five, acknowledges, nothing
//! else.

use std::time::{Duration, Instant};

use anyhow::bail;
use async_nats::HeaderMap;
use async_nats::jetstream::{self, consumer};
use bytes::Bytes;
use futures::StreamExt;

use crate::pump::Pump;
use crate::rig::Rig;
use crate::traffic::EVENTS_PER_ACTION;

/// Messages of one pull.
const BATCH: usize = 1_000;
/// Maximum unconfirmed messages.
const IN_FLIGHT: u32 = 1_000;
/// Bytes of a published message.
const MESSAGE_BYTES: usize = 400;

/// Runs over all events of the stream; returns how long it took.
pub(crate) async fn run(
    rig: &Rig,
    events: u64,
    mut seen: impl FnMut(u64),
) -> anyhow::Result<Duration> {
    let jetstream = jetstream::new(rig.client.clone());
    let stream = jetstream.get_stream(rig.subjects.events_stream()).await?;
    let consumer = stream
        .create_consumer(consumer::pull::Config {
            name: Some("bare".into()),
            ack_policy: consumer::AckPolicy::All,
            max_ack_pending: 100_000,
            inactive_threshold: Duration::from_secs(60),
            ..consumer::pull::Config::default()
        })
        .await?;
    let pump = Pump::new(&rig.client, IN_FLIGHT).await?;
    let payload = Bytes::from(vec![b'x'; MESSAGE_BYTES]);
    let prefix = rig.subjects.prefix();

    let start = Instant::now();
    let mut taken = 0;
    while taken < events {
        let before = taken;
        let batch = consumer.batch().max_messages(BATCH).expires(Duration::from_secs(5));
        let mut messages = batch.messages().await?;
        let mut last = None;
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| anyhow::anyhow!("the bare bus: {error}"))?;
            if taken.is_multiple_of(EVENTS_PER_ACTION) {
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Msg-Id", format!("bare-{taken}"));
                let customer = message.subject.rsplit('.').next().unwrap_or("nobody");
                let subject = format!("{prefix}.actions.app.bare.{customer}");
                pump.send(subject, headers, payload.clone()).await?;
            }
            taken += 1;
            last = Some(message);
        }
        if let Some(message) = last {
            message.ack().await.map_err(|error| anyhow::anyhow!("the bare bus: {error}"))?;
        }
        if taken == before {
            bail!("the bare bus: expected {events} events in the stream, found {taken}");
        }
        seen(taken);
    }
    pump.finish().await?;
    let took = start.elapsed();
    stream.delete_consumer("bare").await?;
    Ok(took)
}
