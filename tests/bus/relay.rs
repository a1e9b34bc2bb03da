//! Outputs out: once, in order, whatever happens.

use std::sync::Arc;

use futures::StreamExt;
use jumeau::bus::{Bus, Relay};
use jumeau::config::settings;
use jumeau::event::Output;
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{PATIENCE, World, eventually, nats, world};

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
async fn two_relays_publish_to_one_stream_without_refusing_each_other() {
    let world = world().await;
    // With connections of their own, so that their messages interleave.
    let other = Bus::connect(&nats(&world.broker)).await.unwrap();
    let relays = [
        Relay::spawn(&world.bus, |_| ()).await.unwrap(),
        Relay::spawn(&other, |_| ()).await.unwrap(),
    ];
    for round in 0..20_u64 {
        for (partition, relay) in (0..).zip(&relays) {
            relay.submit(partition, outputs(partition, round * 50..(round + 1) * 50));
        }
        let wait = |relay: &Relay| relay.counters().published >= round * 50;
        eventually("both go on", async || relays.iter().all(wait)).await;
    }
    for (partition, relay) in relays.iter().enumerate() {
        timeout(PATIENCE, relay.drained()).await.unwrap();
        assert_eq!((relay.counters().published, relay.counters().retries), (1_000, 0));
        let stored = ids(&world, "JUMEAU_ACTIONS").await;
        let mark = format!("p{partition}-");
        let expected: Vec<String> = (0..1_000).map(|key| format!("{mark}{key}")).collect();
        assert!(stored.iter().filter(|id| id.starts_with(&mark)).eq(&expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_the_broker_refuses_delays_no_other() {
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
    world.bus.ensure_streams(&settings::StreamSettings::default(), 16).await.unwrap();
    timeout(PATIENCE, relay.drained()).await.unwrap();
    assert_eq!(ids(&world, "JUMEAU_ACTIONS").await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_waits_for_nothing_that_goes_to_another_stream() {
    let world = world().await;
    world.jetstream().delete_stream("JUMEAU_EVENTS").await.unwrap();
    let confirmed = Arc::new(Mutex::new(Vec::new()));
    let sink = confirmed.clone();
    let relay = Relay::spawn(&world.bus, move |keys| sink.lock().extend(keys)).await.unwrap();
    let mut batch = outputs(0, 0..1_000);
    for (_, output) in batch.iter_mut().take(999) {
        output.subject = "jumeau.events._jumeau.c0".into();
    }
    relay.submit(0, batch);
    eventually("the action is published", async || *confirmed.lock() == [(0, 999)]).await;
    assert_eq!(relay.depth(), 999);
}
