//! From publishing an event to its action, at a constant rate.

use std::time::{Duration, Instant};

use futures::StreamExt;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::pump::Pump;
use crate::rig::Rig;
use crate::traffic::{Traffic, number_of};

/// How long to wait for the last actions.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum unconfirmed messages: enough never to delay the schedule.
const IN_FLIGHT: u32 = 50_000;

/// The measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Latency {
    /// Events published per second.
    pub(crate) events_per_second: f64,
    /// Expected actions.
    pub(crate) expected: u64,
    /// Received actions.
    pub(crate) actions: u64,
    /// The median latency in milliseconds.
    pub(crate) p50_ms: f64,
    /// The 99th percentile.
    pub(crate) p99_ms: f64,
    /// The 99.9th percentile.
    pub(crate) p999_ms: f64,
    /// The maximum.
    pub(crate) max_ms: f64,
}

/// Publishes the events of a traffic from number `first` on, at a constant rate for some time. An event's
/// latency counts from its scheduled time, so that a delayed publisher does not hide a slow service.
pub(crate) async fn run(
    rig: &Rig,
    traffic: &Traffic,
    first: u64,
    events_per_second: f64,
    length: Duration,
    mut seen: impl FnMut(u64),
) -> anyhow::Result<Latency> {
    let events = (events_per_second * length.as_secs_f64()) as u64;
    let numbers = first..first + events;
    let expected = traffic.actions(numbers.clone());
    let messages: Vec<_> = numbers.map(|number| traffic.message(&rig.subjects, number)).collect();
    let mut actions = rig.client.subscribe(rig.subjects.all_actions()).await?;
    rig.client.flush().await?;
    let pump = Pump::new(&rig.client, IN_FLIGHT).await?;

    let start = Instant::now() + Duration::from_millis(100);
    let due = move |place: u64| start + Duration::from_secs_f64(place as f64 / events_per_second);
    let listener = tokio::spawn(async move {
        // From a microsecond to a minute, with three digits.
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
        while histogram.len() < expected {
            let next = tokio::time::timeout(TIMEOUT, actions.next()).await;
            let Ok(Some(message)) = next else { break };
            let now = Instant::now();
            let trace = message.headers.as_ref().and_then(|headers| headers.get("traceparent"));
            let number = trace.and_then(|trace| number_of(trace.as_str()));
            if let Some(place) = number.and_then(|number| number.checked_sub(first)) {
                let took = now.saturating_duration_since(due(place)).as_micros();
                histogram.saturating_record(u64::try_from(took).unwrap_or(u64::MAX).max(1));
            }
        }
        anyhow::Ok(histogram)
    });

    for (place, message) in (0_u64..).zip(messages) {
        let due = due(place);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
            seen(place);
        }
        pump.send(message.subject, message.headers, message.payload).await?;
    }
    pump.finish().await?;
    let histogram = listener.await??;
    let ms = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Latency {
        events_per_second,
        expected,
        actions: histogram.len(),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        p999_ms: ms(0.999),
        max_ms: histogram.max() as f64 / 1_000.0,
    })
}
