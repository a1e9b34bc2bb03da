//! Events in: in order, none missing, whatever happens.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use jumeau::bus::{Intake, ResumePoint};
use jumeau::contract::partition_of;
use jumeau::event::{Channel, Content, Customer, Reason};
use tokio::time::timeout;

use crate::{PATIENCE, Twins, event, eventually, next, publish_raw, world};

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

    let mut intake = world.intake(ResumePoint::default()).await;
    let mut seen = 0;
    while seen < customers.len() {
        for part in next(&mut intake).await.parts {
            for mut delivery in part.deliveries {
                let partition = delivery.partition;
                let customer = &delivery.read().unwrap().customer;
                assert_eq!(Some(partition), partition_of(customer, 16), "{customer}");
                seen += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_once_and_in_order_and_are_acknowledged_when_they_are_durable() {
    let world = world().await;
    world.publish_events(0, 5_000, 200).await;
    let mut intake = world.intake(ResumePoint::default()).await;
    let mut twins = Twins::default();
    twins.take_until(5_000, &mut intake).await;
    twins.check(5_000);
    assert_eq!(intake.floor().slow_lane().main_floor, 5_000);
    eventually("all is acknowledged", async || {
        world.bus.lag().await.unwrap().acknowledged == 5_000
    })
    .await;
    assert_eq!(intake.resets().load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_comes_to_every_partition_in_its_place_among_the_events() {
    let world = world().await;
    world.publish_events(0, 200, 60).await;
    let told = r#"{"type":"broadcast","data":{"value":3,"where":"profile.region == 'NSW'"}}"#;
    world.bus.broadcast("fires", told.into()).await.unwrap();
    world.publish("jumeau.broadcast.floods", r#"{"type":"broadcast","data":{}}"#).await;
    world.publish("jumeau.broadcast.a.b", told).await;
    world.publish_events(200, 200, 60).await;

    let mut intake = world.intake(ResumePoint::default()).await;
    let mut taken: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    let mut rejected = Vec::new();
    while intake.floor().slow_lane().main_floor < 403 {
        for part in next(&mut intake).await.parts {
            for mut delivery in part.deliveries {
                assert_eq!(delivery.partition, part.partition);
                taken.entry(part.partition).or_default().push(delivery.sequence);
                match &delivery.content {
                    Content::Broadcast(told) => {
                        assert_eq!((delivery.sequence, &*told.scope), (201, "fires"));
                    }
                    _ => rejected.extend(delivery.read().err().map(|why| why.reason)),
                }
            }
            part.receipt.committed();
        }
    }
    assert_eq!(rejected, [Reason::BadData, Reason::BadSubject], "each came to one partition");
    for (partition, sequences) in &taken {
        let places = sequences.iter().filter(|sequence| **sequence == 201).count();
        assert_eq!((places, sequences.is_sorted()), (1, true), "partition {partition}");
    }
    assert_eq!(taken.len(), 16);
    assert_eq!(taken.values().map(Vec::len).sum::<usize>(), 402 + 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_stop_before_an_event_that_is_not_durable() {
    let world = world().await;
    world.publish_events(0, 100, 50).await;
    let mut intake = world.intake(ResumePoint::default()).await;
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
    assert_eq!(intake.floor().slow_lane().main_floor, 0);
    first.receipt.committed();
    assert_eq!(intake.floor().slow_lane().main_floor, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_events_that_were_not_durable_come_again_after_a_restart() {
    let world = world().await;
    world.publish_events(0, 300, 50).await;
    let mut intake = world.intake(ResumePoint::default()).await;
    let mut twins = Twins::default();
    twins.take_until(300, &mut intake).await;
    world.publish_events(300, 100, 50).await;
    // Taken from the stream, and lost with the process.
    let lost = next(&mut intake).await;
    assert!(!lost.parts.is_empty());
    let floor = intake.floor().slow_lane().main_floor;
    assert_eq!(floor, 300);
    drop((lost, intake));

    let mut intake = world.intake(ResumePoint { floor, ..twins.resume() }).await;
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
    let intake =
        world.intake(ResumePoint { floor: 100, highest: 100, ..ResumePoint::default() }).await;
    drop(intake);
    // The store was restored from an older copy: the broker's own memory does not count.
    let mut intake =
        world.intake(ResumePoint { floor: 40, highest: 90, ..ResumePoint::default() }).await;
    let pulled = next(&mut intake).await;
    let first = pulled.parts.iter().flat_map(|part| &part.deliveries).map(|d| d.sequence).min();
    assert_eq!(first, Some(41));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_taken_by_another_reader_is_missed_and_fetched() {
    let world = world().await;
    let mut intake = world.intake(ResumePoint::default()).await;
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
    assert!(intake.resets().load(Ordering::Relaxed) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_an_operator_deleted_is_made_anew() {
    let world = world().await;
    let mut intake = world.intake(ResumePoint::default()).await;
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
    let mut intake = world.intake(ResumePoint::default()).await;
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
    let resume = ResumePoint { floor: 2, highest: 9, ..ResumePoint::default() };
    let error = Intake::open(&world.bus, 16, resume).await.unwrap_err();
    insta::assert_snapshot!(error, @"stream JUMEAU_EVENTS: expected at least sequence 9, up to which the store has processed events, found 5 to be the last; new events would be taken for old ones. Restore the stream, or restore a store backup of that time, or run `jumeau adopt` to continue with the stream as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_as_behind_from_the_moment_at_which_the_stream_confirmed_it() {
    let world = world().await;
    drop(world.intake(ResumePoint::default()).await);
    let stream = world.jetstream().get_stream("JUMEAU_EVENTS").await.unwrap();
    for number in 1..=1_000 {
        world.publish_events(number, 1, 5).await;
        let behind = world.bus.lag().await.unwrap().behind();
        assert!(behind > 0, "event {number}, which nobody has taken in");
        // As if the partitions had taken it in.
        stream.reset_consumer("twins", Some(number as u64 + 1)).await.unwrap();
        assert_eq!(world.bus.lag().await.unwrap().behind(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_on_a_wrong_subject_is_delivered_as_a_rejection() {
    let world = world().await;
    world.publish("jumeau.events.web", "{}").await;
    world.publish("jumeau.events.web.anna.again", "{}").await;
    world.publish("jumeau.events.web.%61nna", event(1)).await;
    let mut intake = world.intake(ResumePoint::default()).await;
    let mut found = Vec::new();
    while found.len() < 3 {
        for part in next(&mut intake).await.parts {
            for delivery in part.deliveries {
                let sequence = delivery.sequence;
                let (read, original) = delivery.into_parts();
                found.push((sequence, original.subject, read.unwrap_err().reason));
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
async fn a_program_cannot_publish_into_a_partition() {
    let world = world().await;
    let ack = world.jetstream().publish("jumeau.partition.3.web.anna", event(1)).await.unwrap();
    assert!(ack.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_not_text_do_not_stop_the_stream() {
    let world = world().await;
    let mut intake = world.intake(ResumePoint::default()).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn the_intake_outlives_a_broker_that_is_killed() {
    let mut world = world().await;
    let mut intake = world.intake(ResumePoint::default()).await;
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
