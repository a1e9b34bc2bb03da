//! The bus against a real nats-server.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

mod broker;
mod commit_log;
mod dead_letters;
mod erasures;
mod intake;
mod lanes;
mod lost;
mod memories;
mod outbox;
mod owner;
mod panic;
mod partition;
mod past;
mod relay;
mod secure_delete;
mod service;
mod unread;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use jumeau::bus::{Broker, BrokerOptions, Bus, Intake, PartitionPull, PulledBatch, ResumePoint};
use jumeau::config::settings;
use jumeau::event::{Channel, Customer};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

/// Nothing here takes so long, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker with our streams, and a client that knows nothing of us.
struct World {
    broker: Broker,
    bus: Bus,
    client: async_nats::Client,
    folder: TempDir,
}

fn nats(broker: &Broker) -> settings::NatsSettings {
    settings::NatsSettings { url: broker.url(), ..settings::NatsSettings::default() }
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let options = BrokerOptions { sync_interval: "2m".into(), ..BrokerOptions::new(folder.path()) };
    let broker = Broker::start(options).await.unwrap();
    let bus = Bus::connect(&nats(&broker)).await.unwrap();
    bus.ensure_streams(&settings::StreamSettings::default(), 16).await.unwrap();
    let client = async_nats::ConnectOptions::new()
        .max_reconnects(None)
        .reconnect_delay_callback(|_| Duration::from_millis(20))
        .connect(broker.url())
        .await
        .unwrap();
    World { broker, bus, client, folder }
}

impl World {
    fn jetstream(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(self.client.clone())
    }

    async fn publish(&self, subject: &str, payload: impl Into<Bytes>) {
        let ack = self.jetstream().publish(subject.to_owned(), payload.into()).await.unwrap();
        ack.await.unwrap();
    }

    /// Publishes `count` events of `customers` customers, numbered on from `first`.
    async fn publish_events(&self, first: usize, count: usize, customers: usize) {
        let jetstream = self.jetstream();
        let mut acks = Vec::new();
        for number in first..first + count {
            let customer = Customer::new(&format!("c{}", number % customers)).unwrap();
            let web = Channel::new("web").unwrap();
            let subject = self.bus.subjects().event(&web, &customer);
            acks.push(jetstream.publish(subject, event(number)).await.unwrap());
        }
        for ack in acks {
            ack.await.unwrap();
        }
    }

    async fn intake(&self, resume: ResumePoint) -> Intake {
        Intake::open(&self.bus, 16, resume).await.unwrap()
    }
}

fn event(number: usize) -> Bytes {
    format!(r#"{{"type":"track","data":{{"name":"n{number}"}}}}"#).into()
}

async fn next(intake: &mut Intake) -> PulledBatch {
    timeout(PATIENCE, intake.next()).await.expect("something comes").unwrap()
}

/// What a service would do: takes each event in once, in order, and reports it as durable.
#[derive(Default)]
struct Twins {
    /// By partition, the highest sequence taken in.
    cursors: BTreeMap<u16, u64>,
    /// Sequences by partition, as they were taken in.
    taken: BTreeMap<u16, Vec<u64>>,
}

impl Twins {
    fn take(&mut self, part: PartitionPull) {
        let cursor = self.cursors.entry(part.partition).or_default();
        for delivery in part.deliveries {
            assert_eq!(delivery.partition, part.partition);
            if delivery.sequence > *cursor {
                *cursor = delivery.sequence;
                self.taken.entry(part.partition).or_default().push(delivery.sequence);
            }
        }
        part.receipt.committed();
    }

    fn count(&self) -> usize {
        self.taken.values().map(Vec::len).sum()
    }

    async fn take_until(&mut self, count: usize, intake: &mut Intake) {
        while self.count() < count {
            for part in next(intake).await.parts {
                self.take(part);
            }
        }
    }

    /// Every sequence up to `last` once, and rising within each partition.
    fn check(&self, last: u64) {
        for sequences in self.taken.values() {
            assert!(sequences.is_sorted_by(|left, right| left < right));
        }
        let all: BTreeSet<u64> = self.taken.values().flatten().copied().collect();
        assert_eq!(all, (1..=last).collect());
        assert_eq!(self.count() as u64, last);
    }

    fn resume(&self) -> ResumePoint {
        ResumePoint::from((0..16).map(|p| self.cursors.get(&p).copied().unwrap_or(0)), 0)
    }
}

/// Publishes what no client library would.
async fn publish_raw(broker: &Broker, subject: &str, headers: &[u8], payload: &[u8]) {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", broker.port())).await.unwrap();
    let mut stream = BufReader::new(stream);
    let total = headers.len() + payload.len();
    let mut message = b"CONNECT {\"verbose\":false,\"headers\":true,\"protocol\":1}\r\n".to_vec();
    message.extend(format!("HPUB {subject} {} {total}\r\n", headers.len()).bytes());
    message.extend(headers);
    message.extend(payload);
    message.extend(b"\r\nPING\r\n");
    stream.write_all(&message).await.unwrap();
    let mut line = String::new();
    while line.trim() != "PONG" {
        line.clear();
        let read = timeout(PATIENCE, stream.read_line(&mut line)).await.unwrap().unwrap();
        assert!(read > 0, "the broker hung up");
    }
}

/// Waits until a condition holds.
async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}, within {PATIENCE:?}"));
}
