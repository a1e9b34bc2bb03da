//! A broker with roles, and whoever comes to it.

use std::future::Future;
use std::time::Duration;

use async_nats::{ConnectOptions, Event, jetstream};
use bytes::Bytes;
use jumeau::bus::{Broker, BrokerOptions, Bus, Subjects};
use jumeau::config::settings;
use jumeau::roles::{Agent, Company, Prepared, prepare};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// Nothing here takes so long, unless it never ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in time")
}

pub(crate) fn company(channels: &[&str]) -> Company {
    Company {
        subjects: Subjects::default(),
        hosts: vec!["127.0.0.1".into(), "localhost".into()],
        listen: "127.0.0.1:4222".into(),
        channels: channels.iter().map(|name| (*name).to_owned()).collect(),
        agents: vec![Agent::parse("lea=care,billing")],
        operators: vec!["anna".into()],
    }
}

pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) prepared: Prepared,
    pub(crate) broker: Broker,
    /// The service's connection.
    pub(crate) bus: Bus,
    service: Guest,
}

/// Somebody on the broker, and what it was refused.
pub(crate) struct Guest {
    pub(crate) client: async_nats::Client,
    refusals: UnboundedReceiver<String>,
}

impl Rig {
    pub(crate) async fn start() -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let prepared = prepare(&folder.path().join("keys"), &company(&["web", "app"])).unwrap();
        let options = BrokerOptions {
            security: Some(prepared.security.clone()),
            ..BrokerOptions::new(folder.path().join("nats"))
        };
        let broker = Broker::start(options).await.unwrap();
        let bus = Bus::connect(&prepared.nats("service", &broker.url()).unwrap()).await.unwrap();
        let streams = settings::Streams {
            integrators: vec!["web".into(), "app".into()],
            ..settings::Streams::default()
        };
        bus.ensure_streams(&streams, 4).await.unwrap();
        let service = join(&prepared, &broker, "service").await;
        Rig { folder, prepared, broker, bus, service }
    }

    pub(crate) async fn join(&self, user: &str) -> Guest {
        join(&self.prepared, &self.broker, user).await
    }

    /// Publishes as the service does.
    pub(crate) async fn publish(&self, subject: &str, payload: &'static str) {
        let stream = jetstream::new(self.service.client.clone());
        let stored = stream.publish(subject.to_owned(), Bytes::from(payload)).await.unwrap();
        in_time(stored.into_future()).await.unwrap();
    }

    /// The last sequence of a stream.
    pub(crate) async fn last(&self, stream: &str) -> u64 {
        let streams = jetstream::new(self.service.client.clone());
        streams.get_stream(stream).await.unwrap().cached_info().state.last_sequence
    }
}

async fn join(prepared: &Prepared, broker: &Broker, user: &str) -> Guest {
    let nats = prepared.nats(user, &broker.url()).unwrap();
    let seed = std::fs::read_to_string(nats.nkey.unwrap()).unwrap();
    let (to_refusals, refusals) = unbounded_channel();
    let client = ConnectOptions::new()
        .nkey(seed.trim().to_owned())
        .require_tls(true)
        .add_root_certificates(nats.tls.ca.unwrap())
        .custom_inbox_prefix(nats.inbox)
        .event_callback(move |event| {
            if let Event::ServerError(error) = event {
                let _ = to_refusals.send(error.to_string());
            }
            std::future::ready(())
        })
        .connect(broker.url())
        .await
        .unwrap();
    Guest { client, refusals }
}

impl Guest {
    /// Publishes, and waits until the stream has it.
    pub(crate) async fn stores(&self, subject: &str) {
        let stream = jetstream::new(self.client.clone());
        let stored = stream.publish(subject.to_owned(), "{}".into()).await.unwrap();
        in_time(stored.into_future()).await.unwrap();
    }

    pub(crate) async fn may_not_publish(&mut self, subject: &str) {
        self.client.publish(subject.to_owned(), "{}".into()).await.unwrap();
        self.is_refused("publish", subject).await;
    }

    pub(crate) async fn may_not_hear(&mut self, subject: &str) {
        let _heard = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.is_refused("subscription", subject).await;
    }

    async fn is_refused(&mut self, what: &str, subject: &str) {
        self.client.flush().await.unwrap();
        let refusal = timeout(Duration::from_secs(5), self.refusals.recv()).await;
        let refusal = refusal.unwrap_or_else(|_| panic!("`{subject}` is not refused")).unwrap();
        let refusal = refusal.to_lowercase();
        assert!(
            refusal.contains(&format!("permissions violation for {what}"))
                && refusal.contains(&subject.to_lowercase()),
            "{subject}: {refusal}"
        );
    }
}
