//! The bus against a real nats-server.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use jumeau::bus::{
    ApiError, Broker, BrokerOptions, Bus, Endpoint, Error, Intake, Part, Pulled, Relay, Resume,
    Service, partition_of,
};
use jumeau::config::settings;
use jumeau::event::{Channel, Customer, Output, Reason, Rejection};
use parking_lot::Mutex;
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
    _folder: TempDir,
}

fn nats(broker: &Broker) -> settings::Nats {
    settings::Nats { url: broker.url(), ..settings::Nats::default() }
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let options = BrokerOptions { sync_interval: "2m".into(), ..BrokerOptions::new(folder.path()) };
    let broker = Broker::start(options).await.unwrap();
    let bus = Bus::connect(&nats(&broker)).await.unwrap();
    bus.ensure_streams(&settings::Streams::default(), 16).await.unwrap();
    let client = async_nats::ConnectOptions::new()
        .max_reconnects(None)
        .reconnect_delay_callback(|_| Duration::from_millis(20))
        .connect(broker.url())
        .await
        .unwrap();
    World { broker, bus, client, _folder: folder }
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

    async fn intake(&self, resume: Resume) -> Intake {
        Intake::open(&self.bus, resume).await.unwrap()
    }
}

fn event(number: usize) -> Bytes {
    format!(r#"{{"type":"track","data":{{"name":"n{number}"}}}}"#).into()
}

async fn next(intake: &mut Intake) -> Pulled {
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
    fn take(&mut self, part: Part) {
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

    fn resume(&self) -> Resume {
        Resume::from((0..16).map(|p| self.cursors.get(&p).copied().unwrap_or(0)), 0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_and_we_agree_which_partition_a_customer_belongs_to() {
    let world = world().await;
    let ids = ["anna", "c1", "x.y", "caf\u{e9}", "a b", "*", ">", "%", "A", "a", "0", "-", "_"];
    let ids = ids.into_iter().map(str::to_owned).chain((0..300).map(|id| format!("user-{id}")));
    let customers: Vec<Customer> = ids.map(|id| Customer::new(&id).unwrap()).collect();
    let web = Channel::new("web").unwrap();
    for customer in &customers {
        world.publish(&world.bus.subjects().event(&web, customer), event(0)).await;
    }

    let mut intake = world.intake(Resume::default()).await;
    let mut seen = 0;
    while seen < customers.len() {
        for part in next(&mut intake).await.parts {
            for delivery in &part.deliveries {
                let customer = &delivery.parsed.as_ref().unwrap().customer;
                assert_eq!(Some(delivery.partition), partition_of(customer, 16), "{customer}");
                seen += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_once_and_in_order_and_are_acknowledged_when_they_are_durable() {
    let world = world().await;
    world.publish_events(0, 5_000, 200).await;
    let mut intake = world.intake(Resume::default()).await;
    let mut twins = Twins::default();
    twins.take_until(5_000, &mut intake).await;
    twins.check(5_000);
    assert_eq!(intake.floor().get(), 5_000);
    eventually("all is acknowledged", async || {
        world.bus.lag().await.unwrap().acknowledged == 5_000
    })
    .await;
    assert_eq!(intake.resets().load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_beyond_an_event_that_is_not_durable() {
    let world = world().await;
    world.publish_events(0, 100, 50).await;
    let mut intake = world.intake(Resume::default()).await;
    let mut held = Vec::new();
    let mut count = 0;
    while count < 100 {
        for part in next(&mut intake).await.parts {
            count += part.deliveries.len();
            held.push(part);
        }
    }
    let first = held.iter().position(|part| part.deliveries.iter().any(|d| d.sequence == 1));
    let first = held.swap_remove(first.unwrap());
    held.into_iter().for_each(|part| part.receipt.committed());
    assert_eq!(intake.floor().get(), 0);
    first.receipt.committed();
    assert_eq!(intake.floor().get(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_durable_comes_again_after_a_restart_and_nothing_else() {
    let world = world().await;
    world.publish_events(0, 300, 50).await;
    let mut intake = world.intake(Resume::default()).await;
    let mut twins = Twins::default();
    twins.take_until(300, &mut intake).await;
    world.publish_events(300, 100, 50).await;
    // Taken from the stream, and lost with the process.
    let lost = next(&mut intake).await;
    assert!(!lost.parts.is_empty());
    let floor = intake.floor().get();
    assert_eq!(floor, 300);
    drop((lost, intake));

    let mut intake = world.intake(Resume { floor, ..twins.resume() }).await;
    let again = next(&mut intake).await;
    let first = again.parts.iter().flat_map(|part| &part.deliveries).map(|d| d.sequence).min();
    assert_eq!(first, Some(301));
    again.parts.into_iter().for_each(|part| twins.take(part));
    twins.take_until(400, &mut intake).await;
    twins.check(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_behind_gets_everything_since_its_cursor() {
    let world = world().await;
    world.publish_events(0, 100, 50).await;
    let intake = world.intake(Resume { floor: 100, highest: 100 }).await;
    drop(intake);
    // The store was restored from an older copy: the broker's own memory does not count.
    let mut intake = world.intake(Resume { floor: 40, highest: 90 }).await;
    let pulled = next(&mut intake).await;
    let first = pulled.parts.iter().flat_map(|part| &part.deliveries).map(|d| d.sequence).min();
    assert_eq!(first, Some(41));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_somebody_else_took_is_missed_and_fetched() {
    let world = world().await;
    let mut intake = world.intake(Resume::default()).await;
    assert!(next(&mut intake).await.is_caught_up);
    let mut twins = Twins::default();
    world.publish_events(0, 10, 5).await;
    twins.take_until(10, &mut intake).await;

    let stream = world.jetstream().get_stream("JUMEAU_EVENTS").await.unwrap();
    let thief: async_nats::jetstream::consumer::PullConsumer =
        stream.get_consumer("twins").await.unwrap();
    let mut stolen = thief.batch().max_messages(3).expires(PATIENCE).messages().await.unwrap();
    eventually("the thief waits too", async || {
        stream.consumer_info("twins").await.unwrap().num_waiting >= 3
    })
    .await;
    world.publish_events(10, 50, 5).await;
    assert!(timeout(PATIENCE, stolen.next()).await.unwrap().is_some());

    twins.take_until(60, &mut intake).await;
    twins.check(60);
    assert!(intake.resets().load(std::sync::atomic::Ordering::Relaxed) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_an_operator_deleted_is_made_anew() {
    let world = world().await;
    let mut intake = world.intake(Resume::default()).await;
    let mut twins = Twins::default();
    world.publish_events(0, 10, 5).await;
    twins.take_until(10, &mut intake).await;
    let stream = world.jetstream().get_stream("JUMEAU_EVENTS").await.unwrap();
    stream.delete_consumer("twins").await.unwrap();
    world.publish_events(10, 10, 5).await;
    twins.take_until(20, &mut intake).await;
    twins.check(20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_stream_is_caught_up_with_at_once() {
    let world = world().await;
    let mut intake = world.intake(Resume::default()).await;
    let pulled = next(&mut intake).await;
    assert!(pulled.is_caught_up && pulled.parts.is_empty());
    world.publish_events(0, 1, 1).await;
    let pulled = next(&mut intake).await;
    assert!(pulled.is_caught_up && pulled.parts.len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_what_was_taken_in_is_refused() {
    let world = world().await;
    world.publish_events(0, 5, 5).await;
    let error = Intake::open(&world.bus, Resume { floor: 2, highest: 9 }).await.unwrap_err();
    insta::assert_snapshot!(error, @"stream JUMEAU_EVENTS: expected at least sequence 9, which is already taken in, found 5 to be the last; new events would be mistaken for old ones. If the stream was deleted or restored on purpose, start from an empty store or restore the store of that time");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_on_a_wrong_subject_is_delivered_as_a_rejection() {
    let world = world().await;
    world.publish("jumeau.events.web", "{}").await;
    world.publish("jumeau.events.web.anna.again", "{}").await;
    world.publish("jumeau.events.web.%61nna", event(1)).await;
    let mut intake = world.intake(Resume::default()).await;
    let mut found = Vec::new();
    while found.len() < 3 {
        for part in next(&mut intake).await.parts {
            for delivery in part.deliveries {
                let rejection = delivery.parsed.unwrap_err();
                found.push((delivery.sequence, delivery.original.subject, rejection.reason));
            }
        }
    }
    found.sort();
    assert_eq!(
        found,
        [
            (1, "jumeau.events.web".into(), Reason::BadSubject),
            (2, "jumeau.events.web.anna.again".into(), Reason::BadSubject),
            (3, "jumeau.events.web.%61nna".into(), Reason::BadCustomer),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_publish_into_a_partition() {
    let world = world().await;
    let ack = world.jetstream().publish("jumeau.partition.3.web.anna", event(1)).await.unwrap();
    assert!(ack.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_not_text_do_not_stop_the_stream() {
    let world = world().await;
    let mut intake = world.intake(Resume::default()).await;
    let blocks: [&[u8]; 7] = [
        b"NATS/1.0\r\nx: \xFF\xFE\r\n\r\n",
        b"NATS/1.0\r\nno colon\r\n\r\n",
        b"NATS/1.0\r\n: no name\r\n\r\n",
        b"NATS/1.0 503 forged\r\n\r\n",
        b"NATS/1.0 100\r\n\r\n",
        b"NATS/1.0\r\nx: a\rb\r\n\r\n",
        b"nonsense\r\n\r\n",
    ];
    for headers in blocks {
        publish_raw(&world.broker, "jumeau.events.web.anna", headers, &event(1)).await;
    }
    world.publish_events(0, 1, 1).await;
    let last = world.bus.lag().await.unwrap().last;
    assert_eq!(last, blocks.len() as u64 + 1);
    let mut twins = Twins::default();
    twins.take_until(blocks.len() + 1, &mut intake).await;
    twins.check(last);
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

#[tokio::test(flavor = "multi_thread")]
async fn the_intake_outlives_a_broker_that_is_killed() {
    let mut world = world().await;
    let mut intake = world.intake(Resume::default()).await;
    let mut twins = Twins::default();
    world.publish_events(0, 2_000, 100).await;
    twins.take_until(500, &mut intake).await;
    for round in 1..4 {
        world.broker.kill().await.unwrap();
        world.broker.restart().await.unwrap();
        world.publish_events(round * 2_000, 2_000, 100).await;
        twins.take_until(round * 2_000 + 700, &mut intake).await;
    }
    twins.take_until(8_000, &mut intake).await;
    twins.check(8_000);
}

fn outputs(partition: u16, keys: std::ops::Range<u64>) -> Vec<(u64, Output)> {
    keys.map(|key| {
        let output = Output {
            id: format!("p{partition}-{key}").into(),
            subject: format!("jumeau.actions.app.open.c{partition}").into(),
            headers: Box::new([]),
            payload: format!("{key}").into(),
        };
        (key, output)
    })
    .collect()
}

/// The ids in a stream, in its order.
async fn ids(world: &World, stream: &str) -> Vec<String> {
    let stream = world.jetstream().get_stream(stream).await.unwrap();
    let total = stream.cached_info().state.messages as usize;
    let consumer = stream
        .create_consumer(async_nats::jetstream::consumer::pull::OrderedConfig::default())
        .await
        .unwrap();
    let messages = consumer.messages().await.unwrap();
    let ids = messages.take(total).map(|message| {
        let message = message.unwrap();
        message.headers.as_ref().unwrap().get("Nats-Msg-Id").unwrap().to_string()
    });
    timeout(PATIENCE, ids.collect()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_stored_once_and_in_order_though_the_broker_is_killed() {
    let mut world = world().await;
    let confirmed = Arc::new(Mutex::new(Vec::new()));
    let sink = confirmed.clone();
    let relay = Relay::spawn(&world.bus, move |keys| sink.lock().extend(keys)).await.unwrap();
    for round in 0..5_u64 {
        for partition in 0..4 {
            relay.submit(partition, outputs(partition, round * 2_000..(round + 1) * 2_000));
        }
        // Some are stored, some on their way, some not sent.
        eventually("some are confirmed", async || !confirmed.lock().is_empty()).await;
        world.broker.kill().await.unwrap();
        world.broker.restart().await.unwrap();
    }
    timeout(PATIENCE, relay.drained()).await.unwrap();

    let stored = ids(&world, "JUMEAU_ACTIONS").await;
    assert_eq!(stored.len(), 40_000);
    let confirmed = confirmed.lock();
    assert_eq!(confirmed.len(), 40_000);
    for partition in 0..4 {
        let expected: Vec<String> = (0..10_000).map(|key| format!("p{partition}-{key}")).collect();
        let mark = format!("p{partition}-");
        let found: Vec<&String> = stored.iter().filter(|id| id.starts_with(&mark)).collect();
        assert!(found.into_iter().eq(&expected), "partition {partition} is in order");
        let keys = confirmed.iter().filter(|(of, _)| *of == partition).map(|(_, key)| *key);
        assert!(keys.eq(0..10_000));
    }
    assert!(relay.counters().retries > 0);
    assert_eq!(relay.counters().published, 40_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_no_broker_takes_holds_nobody_up() {
    let world = world().await;
    let confirmed = Arc::new(Mutex::new(Vec::new()));
    let sink = confirmed.clone();
    let relay = Relay::spawn(&world.bus, move |keys| sink.lock().extend(keys)).await.unwrap();
    let mut batch = outputs(0, 0..3);
    batch[1].1.payload = vec![b'x'; 2 << 20].into();
    relay.submit(0, batch);
    timeout(PATIENCE, relay.drained()).await.unwrap();
    assert_eq!(*confirmed.lock(), [(0, 0), (0, 1), (0, 2)]);
    assert_eq!(ids(&world, "JUMEAU_ACTIONS").await, ["p0-0", "p0-2"]);
    assert_eq!(relay.counters().unpublishable, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_wait_for_a_stream_that_is_missing() {
    let world = world().await;
    world.jetstream().delete_stream("JUMEAU_ACTIONS").await.unwrap();
    let relay = Relay::spawn(&world.bus, |_| ()).await.unwrap();
    relay.submit(0, outputs(0, 0..10));
    eventually("it tried", async || relay.counters().retries > 1).await;
    world.bus.ensure_streams(&settings::Streams::default(), 16).await.unwrap();
    timeout(PATIENCE, relay.drained()).await.unwrap();
    assert_eq!(ids(&world, "JUMEAU_ACTIONS").await.len(), 10);
}

/// Has the service bury every event, and waits until the dead letters are stored.
async fn bury(world: &World, count: usize) {
    let mut intake = world.intake(Resume::default()).await;
    let relay = Relay::spawn(&world.bus, |_| ()).await.unwrap();
    let mut buried = 0;
    while buried < count {
        for part in next(&mut intake).await.parts {
            for delivery in &part.deliveries {
                let why = Rejection::new(Reason::Refused, "expected more traits,\nfound too many");
                let why = delivery.parsed.as_ref().err().unwrap_or(&why);
                let letter = jumeau::bus::dead_letter(
                    world.bus.subjects(),
                    delivery.partition,
                    delivery.sequence,
                    &delivery.original,
                    why,
                );
                relay.submit(part.partition, vec![(delivery.sequence, letter)]);
                buried += 1;
            }
        }
    }
    timeout(PATIENCE, relay.drained()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_can_be_listed_read_and_retried() {
    let world = world().await;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", "e-1");
    headers.insert("ce-type", "track");
    let subject = "jumeau.events.web.anna";
    let ack = world.jetstream().publish_with_headers(subject, headers, event(1)).await.unwrap();
    ack.await.unwrap();
    world.publish("jumeau.events.web.anna", "{").await;
    bury(&world, 2).await;

    let counts = world.bus.dead_letter_counts().await.unwrap();
    assert_eq!(counts, [("bad-json".to_owned(), 1), ("refused".to_owned(), 1)]);
    let listed = world.bus.dead_letters(Some(Reason::Refused), 0, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    let letter = world.bus.dead_letter(listed[0].sequence).await.unwrap();
    assert_eq!(letter, listed[0]);
    assert_eq!((letter.event_sequence, &*letter.reason), (1, "refused"));
    assert_eq!(letter.detail, "expected more traits, found too many");
    assert_eq!(&*letter.original.subject, subject);
    assert_eq!(letter.original.payload, event(1));
    assert!(letter.original.headers.contains(&("Nats-Msg-Id".into(), "e-1".into())));

    // Within the window in which the broker remembers the id of the first attempt.
    let sequence = world.bus.retry_dead_letter(letter.sequence).await.unwrap();
    assert_eq!(sequence, 3);
    let error = world.bus.dead_letter(letter.sequence).await.unwrap_err();
    assert!(matches!(error, Error::NoDeadLetter { .. }));
    assert_eq!(world.bus.dead_letters(None, 0, 10).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letter_of_the_largest_event_is_cut_to_fit() {
    let world = world().await;
    let payload = vec![b'x'; world.client.max_payload()];
    world.publish("jumeau.events.web.anna", payload.clone()).await;
    bury(&world, 1).await;
    let letters = world.bus.dead_letters(None, 0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter.reason, "too-large");
    assert_eq!(letter.truncated, Some(payload.len() as u64));
    assert!(letter.original.payload.len() > payload.len() - 1_000);
    let error = world.bus.retry_dead_letter(letter.sequence).await.unwrap_err();
    insta::assert_snapshot!(error, @"dead letter 1 cannot be retried: only the beginning of it was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_contradicts_the_settings_is_refused() {
    let world = world().await;
    let error = world.bus.ensure_streams(&settings::Streams::default(), 8).await.unwrap_err();
    insta::assert_snapshot!(error, @"stream JUMEAU_EVENTS: expected the partitions `jumeau.events.*.*` -> `jumeau.partition.{{partition(8,2)}}.{{wildcard(1)}}.{{wildcard(2)}}`, found `jumeau.events.*.*` -> `jumeau.partition.{{partition(16,2)}}.{{wildcard(1)}}.{{wildcard(2)}}`; set `service.partitions` to what the stream was created with, or choose another `nats.prefix`");

    let stream = world.jetstream().get_stream("JUMEAU_ACTIONS").await.unwrap();
    let mut config = stream.cached_info().config.clone();
    config.subjects = vec!["jumeau.actions.app.>".into()];
    world.jetstream().update_stream(config).await.unwrap();
    let error = world.bus.ensure_streams(&settings::Streams::default(), 16).await.unwrap_err();
    insta::assert_snapshot!(error, @"stream JUMEAU_ACTIONS: expected the subjects jumeau.actions.>, jumeau.recalls.>, jumeau.escalations.>, found jumeau.actions.app.>; give the stream these subjects, or choose another `nats.prefix`");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_found_and_answers() {
    let world = world().await;
    let endpoints = [
        Endpoint { verb: "show", tokens: 1, describe: "what is known of a customer" },
        Endpoint { verb: "stats", tokens: 0, describe: "counters" },
    ];
    let service = Service::start(&world.bus, &endpoints, |request| async move {
        match request.verb {
            "show" => Ok(Bytes::from(request.tokens.join("/"))),
            verb => Err(ApiError::new(400, format!("expected nothing,\nfound `{verb}`"))),
        }
    })
    .await
    .unwrap();

    let ping = world.client.request("$SRV.PING.jumeau", "".into()).await.unwrap();
    let ping: serde_json::Value = serde_json::from_slice(&ping.payload).unwrap();
    assert_eq!((&ping["name"], &ping["version"]), (&"jumeau".into(), &"0.1.0".into()));
    let info = world.client.request("$SRV.INFO.jumeau", "".into()).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
    let subjects: BTreeSet<&str> = info["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, BTreeSet::from(["jumeau.api.show.*", "jumeau.api.stats"]));

    let shown = world.client.request("jumeau.api.show.anna", "".into()).await.unwrap();
    assert_eq!(shown.payload, "anna");
    let refused = world.client.request("jumeau.api.stats", "".into()).await.unwrap();
    let headers = refused.headers.unwrap();
    assert_eq!(headers.get("Nats-Service-Error-Code").unwrap().as_str(), "400");
    let error = headers.get("Nats-Service-Error").unwrap();
    assert_eq!(error.as_str(), "expected nothing, found `stats`");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_outlives_a_request_with_headers_that_are_not_text() {
    let world = world().await;
    let endpoints = [Endpoint { verb: "stats", tokens: 0, describe: "counters" }];
    let _service =
        Service::start(&world.bus, &endpoints, |_| async { Ok(Bytes::new()) }).await.unwrap();
    for headers in [&b"nonsense\r\n\r\n"[..], b"NATS/1.0\r\nx: a\rb\r\n\r\n"] {
        publish_raw(&world.broker, "jumeau.api.stats", headers, b"").await;
        eventually("it answers again", async || {
            let answer = world.client.request("jumeau.api.stats", "".into());
            matches!(timeout(Duration::from_millis(500), answer).await, Ok(Ok(_)))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_a_busy_service_is_told_so() {
    let world = world().await;
    let endpoints = [Endpoint { verb: "wait", tokens: 0, describe: "waits" }];
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let _service = Service::start(&world.bus, &endpoints, move |_| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Bytes::new())
        }
    })
    .await
    .unwrap();
    let inbox = world.client.new_inbox();
    let mut answers = world.client.subscribe(inbox.clone()).await.unwrap();
    for _ in 0..=jumeau::config::limits::API_REQUESTS {
        world.client.publish_with_reply("jumeau.api.wait", inbox.clone(), "".into()).await.unwrap();
    }
    let busy = timeout(PATIENCE, answers.next()).await.unwrap().unwrap();
    assert_eq!(busy.headers.unwrap().get("Nats-Service-Error-Code").unwrap().as_str(), "503");
    opened.add_permits(1);
    let served = timeout(PATIENCE, answers.next()).await.unwrap().unwrap();
    assert!(served.headers.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_address_is_said_clearly() {
    let settings = settings::Nats {
        // A port that nothing listens on: it was just let go.
        url: format!(
            "nats://{}",
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
        ),
        ..settings::Nats::default()
    };
    let error = Bus::connect(&settings).await.unwrap_err();
    assert!(error.to_string().contains("expected a nats broker at nats://127.0.0.1:"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_our_own_ends_with_a_process_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let answers = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
    let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_jumeau"))
        .args(["dev", "--policy", "bank", "--port", &port.to_string(), "--folder"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("its broker answers", answers).await;
    process.kill().await.unwrap();
    eventually("its broker is gone", async || !answers().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_nats_server_is_said_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_jumeau"))
        .args(["dev", "--policy", "bank", "--folder"])
        .arg(folder.path())
        .env("NATS_SERVER_BIN", "/no/such/server")
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains(
            "expected a nats-server of at least 2.14, found none at /no/such/server; put one on \
             PATH, name it in NATS_SERVER_BIN, or run `tools/setup`"
        ),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_our_own_keeps_its_port_and_its_streams() {
    let mut world = world().await;
    world.publish_events(0, 10, 5).await;
    let url = world.broker.url();
    world.broker.stop().await.unwrap();
    assert!(!world.broker.is_running());
    world.broker.restart().await.unwrap();
    assert_eq!(world.broker.url(), url);
    let bus = Bus::connect(&nats(&world.broker)).await.unwrap();
    let mut intake = Intake::open(&bus, Resume::default()).await.unwrap();
    let mut twins = Twins::default();
    twins.take_until(10, &mut intake).await;
    twins.check(10);
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
