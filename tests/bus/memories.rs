//! The stream of events drops no copies by their ids, and takes each memory on its way once.

use std::sync::Arc;

use jumeau::bus::Relay;
use jumeau::event::{Content, Customer, INTERNAL, Output};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{PATIENCE, Twins, World, event, eventually, next, world};

async fn last_sequence(world: &World) -> u64 {
    let stream = world.jetstream().get_stream("JUMEAU_EVENTS").await.unwrap();
    stream.cached_info().state.last_sequence
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_another_channel_has_used_suppresses_nothing() {
    let mut world = world().await;
    for round in 1..=2 {
        for channel in ["web", "app", "web"] {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Msg-Id", "1");
            let subject = format!("jumeau.events.{channel}.ann");
            let jetstream = world.jetstream();
            let sent = jetstream.publish_with_headers(subject, headers, event(1)).await.unwrap();
            assert!(!sent.await.unwrap().duplicate);
        }
        assert_eq!(last_sequence(&world).await, 3 * round);
        world.broker.kill().await.unwrap();
        world.broker.restart().await.unwrap();
        eventually("the broker is back", async || {
            world.jetstream().get_stream("JUMEAU_EVENTS").await.is_ok()
        })
        .await;
    }
    // Of the source that makes it so nothing comes.
    world.bus.write_down("show", "{}".into()).await.unwrap();
    world.publish("jumeau.events.web.ann", event(2)).await;
    assert_eq!(last_sequence(&world).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_a_memory_of_ids_is_refused() {
    let world = world().await;
    let jetstream = world.jetstream();
    let mut config =
        jetstream.get_stream("JUMEAU_EVENTS").await.unwrap().cached_info().config.clone();
    jetstream.delete_stream("JUMEAU_EVENTS").await.unwrap();
    (config.sources, config.duplicate_window) = (None, std::time::Duration::from_secs(60));
    jetstream.create_stream(config).await.unwrap();
    let settings = jumeau::config::settings::StreamSettings::default();
    let refused = world.bus.ensure_streams(&settings, 16).await.unwrap_err().to_string();
    assert!(refused.contains("the window for duplicates"), "{refused}");
}

fn memory(world: &World, id: &str, payload: &str) -> Output {
    let (to, from) = (Customer::new("ann@x").unwrap(), Customer::new("cookie").unwrap());
    Output {
        id: id.into(),
        subject: world.bus.subjects().memory(3, &to, &from, id).into(),
        headers: Box::new([]),
        payload: payload.to_owned().into(),
    }
}

async fn relay(world: &World) -> (Relay, Arc<Mutex<Vec<(u16, u64)>>>) {
    let confirmed = Arc::new(Mutex::new(Vec::new()));
    let sink = confirmed.clone();
    let relay = Relay::spawn(&world.bus, move |keys| sink.lock().extend(keys)).await.unwrap();
    (relay, confirmed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_that_is_published_again_after_a_crash_is_there_once() {
    let world = world().await;
    for _ in 0..3 {
        let (relay, confirmed) = relay(&world).await;
        let outputs = (0..20).map(|key| (key, memory(&world, &format!("p{key}"), "{}")));
        relay.submit(0, outputs.collect());
        timeout(PATIENCE, relay.drained()).await.unwrap();
        assert_eq!(confirmed.lock().len(), 20);
    }
    assert_eq!(last_sequence(&world).await, 20);
    let (mut intake, mut twins) =
        (world.intake(jumeau::bus::ResumePoint::from([0; 16], 0)).await, Twins::default());
    // Whatever partition its subject names, it is for the one that owns the customer.
    let pulled = next(&mut intake).await;
    let owner = jumeau::contract::partition_of(&Customer::new("ann@x").unwrap(), 16).unwrap();
    for part in pulled.parts.into_iter().filter(|part| !part.deliveries.is_empty()) {
        assert_eq!(part.partition, owner);
        for delivery in &part.deliveries {
            assert_eq!(&*delivery.original.subject, format!("jumeau.events.{INTERNAL}.ann%40x"));
            assert!(matches!(delivery.content, Content::Unread));
        }
        twins.take(part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_message_in_the_place_of_a_memory_does_not_confirm_it() {
    let world = world().await;
    let mut mine = memory(&world, "p1", "{\"mine\":true}");
    mine.headers = Box::new([(Output::MARK.into(), "1f".into())]);
    // It says the same, and is not marked.
    world.publish(&mine.subject, "{\"mine\":true}").await;
    let (relay, confirmed) = relay(&world).await;
    relay.submit(0, vec![(7, mine.clone())]);
    timeout(PATIENCE, relay.drained()).await.unwrap();
    assert_eq!(*confirmed.lock(), [(0, 7)]);
    let stream = world.jetstream().get_stream("JUMEAU_EVENTS").await.unwrap();
    let last = stream.get_raw_message(2).await.unwrap();
    assert_eq!(last.payload, mine.payload);
    assert_eq!(last.headers.get(Output::MARK).map(|mark| mark.as_str()), Some("1f"));
}
