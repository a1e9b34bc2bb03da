//! Undisturbed customers, while a trouble affects others: measures what they notice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::jetstream::{self, consumer};
use futures::StreamExt;
use hdrhistogram::Histogram;
use jumeau::contract::Subjects;
use serde::Serialize;
use tokio::task::{JoinHandle, JoinSet};

use crate::rig::Rig;
use crate::traffic::{Message, Traffic, number_of};

/// The pause before an unconfirmed event is published again.
const AGAIN: Duration = Duration::from_millis(50);
/// After this long without a confirmation, an event is published again.
const CONFIRMED: Duration = Duration::from_secs(1);
/// After this many consecutive timely actions, the service has recovered.
const TIMELY: u32 = 20;
/// The maximum wait for the last actions after everything is processed.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum unconfirmed events.
const IN_FLIGHT: usize = 100_000;

/// Constant traffic, and a reader of its actions.
pub(super) struct Probe {
    start: Instant,
    rate: f64,
    traffic: Traffic,
    stop: Arc<AtomicBool>,
    published: Arc<AtomicU64>,
    publisher: JoinHandle<anyhow::Result<u64>>,
    arrivals: Arc<parking_lot::Mutex<Arrivals>>,
    reader: JoinHandle<()>,
}

/// Arrivals of actions, by the number of their event: the first time, and how often.
type Arrivals = BTreeMap<u64, (Instant, u32)>;

/// The latencies of actions whose events were due in a period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Phase {
    /// Actions.
    pub(crate) actions: u64,
    /// The median latency in milliseconds.
    pub(crate) p50_ms: f64,
    /// The 99th percentile.
    pub(crate) p99_ms: f64,
    /// The maximum.
    pub(crate) max_ms: f64,
}

/// The effect on undisturbed customers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Noticed {
    /// Their events that the broker accepted.
    pub(crate) events: u64,
    /// Actions that never arrived.
    pub(crate) lost: u64,
    /// Actions that arrived more than once.
    pub(crate) doubled: u64,
    /// Before, during and after the trouble.
    pub(crate) phases: [Phase; 3],
    /// Seconds from the end of the trouble until 20 consecutive actions were timely again: within a tenth
    /// of a second, or four times the p99 before.
    pub(crate) recovery_seconds: f64,
}

impl Probe {
    /// Starts to publish, at this many events per second.
    pub(super) async fn start(rig: &Rig, customers: u64, rate: f64) -> anyhow::Result<Probe> {
        let traffic = Traffic { customers, name: "calm" };
        let stop = Arc::new(AtomicBool::new(false));
        let published = Arc::new(AtomicU64::new(0));
        let arrivals = Arc::new(parking_lot::Mutex::new(Arrivals::new()));
        let jetstream = jetstream::context::ContextBuilder::new()
            .ack_timeout(CONFIRMED)
            .max_ack_inflight(IN_FLIGHT)
            .build(connect(rig).await?);
        let reader = tokio::spawn(read(
            jetstream.clone(),
            rig.subjects.actions_stream(),
            rig.subjects.all_actions(),
            arrivals.clone(),
        ));
        let start = Instant::now();
        let publisher = {
            let (traffic, subjects) = (traffic.clone(), rig.subjects.clone());
            let shared = (stop.clone(), published.clone());
            tokio::spawn(publish(jetstream, traffic, subjects, start, rate, shared))
        };
        Ok(Probe { start, rate, traffic, stop, published, publisher, arrivals, reader })
    }

    /// The number of events published so far.
    pub(super) fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Stops publishing; returns how many events were accepted, which is all of them.
    pub(super) async fn hold(&mut self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        (&mut self.publisher).await?
    }

    /// The effect of a trouble that began and ended then, once everything is processed.
    pub(super) async fn finish(
        self,
        events: u64,
        (began, ended): (Instant, Instant),
    ) -> anyhow::Result<Noticed> {
        let expected = self.traffic.actions(0..events);
        let deadline = Instant::now() + TIMEOUT;
        while (self.arrivals.lock().len() as u64) < expected && Instant::now() < deadline {
            tokio::time::sleep(AGAIN).await;
        }
        self.reader.abort();
        let arrivals = std::mem::take(&mut *self.arrivals.lock());
        let due = |number: u64| self.start + Duration::from_secs_f64(number as f64 / self.rate);
        let took = |from: Instant, until: Option<Instant>| {
            arrivals.iter().filter_map(move |(number, (came, _))| {
                let due = due(*number);
                let is_within = due >= from && until.is_none_or(|until| due < until);
                is_within.then(|| came.saturating_duration_since(due))
            })
        };
        let phases = [
            phase(took(self.start, Some(began)))?,
            phase(took(began, Some(ended)))?,
            phase(took(ended, None))?,
        ];
        let late_ms = (4.0 * phases[0].p99_ms).max(100.0);
        let is_late = |number: &u64, came: Instant| {
            came.saturating_duration_since(due(*number)).as_secs_f64() * 1_000.0 > late_ms
        };
        // In the scheduled order: those before the recovery.
        let (mut timely, mut last) = (0, ended);
        for (number, (came, _)) in &arrivals {
            let is_after = due(*number) >= ended;
            timely = if is_late(number, *came) || !is_after { 0 } else { timely + 1 };
            if timely == TIMELY {
                break;
            }
            if timely == 0 {
                last = last.max(*came);
            }
        }
        let recovery = last.saturating_duration_since(ended);
        Ok(Noticed {
            events,
            lost: expected - arrivals.len() as u64,
            doubled: arrivals.values().filter(|(_, times)| *times > 1).count() as u64,
            phases,
            recovery_seconds: recovery.as_secs_f64(),
        })
    }
}

async fn connect(rig: &Rig) -> anyhow::Result<async_nats::Client> {
    async_nats::ConnectOptions::new()
        .name("twinload-probe")
        .subscription_capacity(1 << 20)
        .client_capacity(16_384)
        .max_reconnects(None)
        .reconnect_delay_callback(|_| Duration::from_millis(20))
        .connect(rig.url())
        .await
        .context("the probe has no broker")
}

/// Publishes on schedule, each event until the broker has it.
async fn publish(
    jetstream: jetstream::Context,
    traffic: Traffic,
    subjects: Subjects,
    start: Instant,
    rate: f64,
    (stop, published): (Arc<AtomicBool>, Arc<AtomicU64>),
) -> anyhow::Result<u64> {
    let mut sending = JoinSet::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = start + Duration::from_secs_f64(number as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        sending.spawn(until_accepted(jetstream.clone(), traffic.message(&subjects, number)));
        number += 1;
        published.store(number, Ordering::Relaxed);
        while sending.len() > IN_FLIGHT || sending.try_join_next().is_some() {
            if sending.len() > IN_FLIGHT {
                sending.join_next().await;
            }
        }
    }
    while sending.join_next().await.is_some() {}
    Ok(number)
}

/// Retries are harmless, because the id makes them duplicates.
async fn until_accepted(jetstream: jetstream::Context, message: Message) {
    loop {
        let Message { subject, headers, payload } = &message;
        let sent =
            jetstream.publish_with_headers(subject.clone(), headers.clone(), payload.clone()).await;
        if let Ok(answer) = sent
            && answer.await.is_ok()
        {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Reads actions as they arrive, through outages of the broker.
async fn read(
    jetstream: jetstream::Context,
    stream: String,
    filter: String,
    arrivals: Arc<parking_lot::Mutex<Arrivals>>,
) {
    let mut next = 1;
    loop {
        // After any failure, it continues after the last action read.
        let _ = read_from(&jetstream, &stream, &filter, &mut next, &arrivals).await;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn read_from(
    jetstream: &jetstream::Context,
    stream: &str,
    filter: &str,
    next: &mut u64,
    arrivals: &parking_lot::Mutex<Arrivals>,
) -> anyhow::Result<()> {
    let config = consumer::pull::OrderedConfig {
        filter_subject: filter.to_owned(),
        deliver_policy: consumer::DeliverPolicy::ByStartSequence { start_sequence: *next },
        ..consumer::pull::OrderedConfig::default()
    };
    let consumer = jetstream.get_stream(stream).await?.create_consumer(config).await?;
    let mut messages = consumer.messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        let came = Instant::now();
        *next = message.info().map_err(|error| anyhow::anyhow!(error))?.stream_sequence + 1;
        let trace = message.headers.as_ref().and_then(|headers| headers.get("traceparent"));
        if let Some(number) = trace.and_then(|trace| number_of(trace.as_str()))
            && message.subject.contains(".calm-")
        {
            arrivals.lock().entry(number).or_insert((came, 0)).1 += 1;
        }
    }
    Ok(())
}

fn phase(took: impl Iterator<Item = Duration>) -> anyhow::Result<Phase> {
    // From a microsecond to an hour, with three digits.
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3)?;
    for took in took {
        histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
    }
    let ms = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Phase {
        actions: histogram.len(),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        max_ms: histogram.max() as f64 / 1_000.0,
    })
}
