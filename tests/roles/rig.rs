//! A broker with roles, and clients that connect to it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use async_nats::{ConnectOptions, Event, jetstream};
use bytes::Bytes;
use futures::TryStreamExt as _;
use jumeau::bus::{Broker, BrokerOptions, Bus, Claim};
use jumeau::config::settings;
use jumeau::contract::Subjects;
use jumeau::event::Time;
use jumeau::roles::{Agent, Broadcaster, Company, Prepared, prepare};
use jumeau::tables::Chain;
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
        broadcasters: vec![Broadcaster::parse("grid=outage")],
        agents: vec![Agent::parse("lea=care,billing")],
        operators: vec!["anna".into()],
        ..Company::default()
    }
}

/// A port of loopback that nobody has.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a stream holds, and who reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) messages: u64,
    pub(crate) last: u64,
    /// Each consumer: how far it has delivered, what it has yet to deliver, and what is unanswered.
    pub(crate) consumers: BTreeMap<String, (u64, u64, usize)>,
}

pub(crate) const STREAMS: [&str; 6] = [
    "JUMEAU_EVENTS",
    "JUMEAU_ACTIONS",
    "JUMEAU_DEAD",
    "JUMEAU_AUDIT",
    "JUMEAU_OWNER",
    "JUMEAU_LOG",
];

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
        Rig::of(&company(&["web", "app"]), |security| security).await
    }

    /// A broker for a company, with another text of who may do what if the test wants one.
    pub(crate) async fn of(company: &Company, change: impl Fn(String) -> String) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let prepared = prepare(&folder.path().join("keys"), company).unwrap();
        let options = BrokerOptions {
            security: Some(change(prepared.security.clone())),
            ..BrokerOptions::new(folder.path().join("nats"))
        };
        let broker = Broker::start(options).await.unwrap();
        let bus = Bus::connect(&prepared.nats("service", &broker.url()).unwrap()).await.unwrap();
        let streams = settings::StreamSettings {
            integrators: vec!["web".into(), "app".into()],
            ..settings::StreamSettings::default()
        };
        bus.ensure_streams(&streams, 4).await.unwrap();
        // A service served here, and has stopped.
        let claim = Claim { number: 1, before: None, now: Time::MIN };
        bus.own(claim, 1, |_| ()).await.unwrap().give_up().await;
        let log = bus.commit_log();
        log.create(&streams).await.unwrap();
        log.claim(Chain::Partition(0), 1, 1).await.unwrap();
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

    /// Everything that the streams hold.
    pub(crate) async fn state(&self) -> BTreeMap<String, Stream> {
        let streams = jetstream::new(self.service.client.clone());
        let mut names = streams.stream_names();
        let mut state = BTreeMap::new();
        while let Some(name) = names.try_next().await.unwrap() {
            let stream = streams.get_stream(&name).await.unwrap();
            let mut consumers = BTreeMap::new();
            let mut all = stream.consumers();
            while let Some(one) = all.try_next().await.unwrap() {
                let is = (one.delivered.stream_sequence, one.num_pending, one.num_ack_pending);
                consumers.insert(one.name, is);
            }
            let found = &stream.cached_info().state;
            let (messages, last) = (found.messages, found.last_sequence);
            state.insert(name, Stream { messages, last, consumers });
        }
        state
    }

    /// Hears what comes to the service's inboxes.
    pub(crate) async fn subscribe(&self, subject: &str) -> async_nats::Subscriber {
        let heard = self.service.client.subscribe(subject.to_owned()).await.unwrap();
        self.service.client.flush().await.unwrap();
        heard
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

    /// Asks with a reply subject of its own choice; what becomes of it is for the test to see.
    pub(crate) async fn asks(&self, subject: &str, reply: &str, payload: &str) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let sent = self.client.publish_with_reply(subject.to_owned(), reply.to_owned(), payload);
        sent.await.unwrap();
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
