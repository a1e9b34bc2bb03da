//! Messages that end every connection on which they are delivered.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jumeau::bus::{ResumePoint, StreamEnds};
use jumeau::event::{Content, Customer};
use tokio::time::{sleep_until, timeout};

use crate::{PATIENCE, Twins, World, event, next, publish_raw, world};

/// Longer than a connection takes to be made.
const A_WHILE: Duration = Duration::from_secs(2);

pub(crate) const UNREADABLE: &[u8] = b"NATS/1.0\r\nx: \xFF\xFE\r\n\r\n";

/// How many bad ones somebody publishes in a second.
const A_SECOND: u32 = 50;

async fn publish_unreadable(world: &World, customer: &str) {
    let subject = format!("jumeau.events.web.{customer}");
    publish_raw(&world.broker, &subject, UNREADABLE, &event(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_unreadable_messages_cost_few_connections_and_no_other_event() {
    let world = world().await;
    let mut intake = world.intake(ResumePoint::default()).await;
    assert!(next(&mut intake).await.is_caught_up);
    let bad = async {
        let begin = tokio::time::Instant::now();
        for number in 0..3 * A_SECOND {
            sleep_until(begin + number * Duration::from_secs(1) / A_SECOND).await;
            publish_unreadable(&world, "mallory").await;
        }
    };
    let good = async {
        let begin = tokio::time::Instant::now();
        for number in 0..60 {
            sleep_until(begin + number * Duration::from_millis(50)).await;
            world.publish_events(number as usize, 1, 1).await;
        }
    };
    let mut rejected = 0;
    let mut twins = Twins::default();
    let taken = async {
        while twins.count() < 3 * A_SECOND as usize + 60 {
            for part in next(&mut intake).await.parts {
                for delivery in &part.deliveries {
                    rejected += u32::from(matches!(delivery.content, Content::Read(Err(_))));
                }
                twins.take(part);
            }
        }
    };
    let all = async { tokio::join!(bad, good, taken) };
    timeout(PATIENCE, all).await.expect("in time");
    twins.check(u64::from(3 * A_SECOND) + 60);
    assert_eq!(rejected, 3 * A_SECOND, "each is rejected, and nothing else is");
    let resets = intake.resets().load(Ordering::Relaxed);
    assert!(resets <= 2, "the connection was made anew {resets} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_delivers_again_after_the_last_unreadable_message() {
    let world = world().await;
    let mut intake = world.intake(ResumePoint::default()).await;
    let mut twins = Twins::default();
    publish_unreadable(&world, "anna").await;
    world.publish_events(0, 10, 5).await;
    twins.take_until(11, &mut intake).await;
    let lag = async || world.bus.lag().await.unwrap().behind();
    // Meanwhile operators see how far it is.
    let until = Instant::now() + PATIENCE;
    while lag().await > 0 {
        assert!(Instant::now() < until, "the broker is told how far we are");
        let _ = timeout(A_WHILE, intake.next()).await;
    }
    while intake.resets().load(Ordering::Relaxed) < 2 {
        assert!(Instant::now() < until, "the consumer delivers again");
        let _ = timeout(A_WHILE, intake.next()).await;
    }
    world.publish_events(10, 10, 5).await;
    twins.take_until(21, &mut intake).await;
    twins.check(21);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_of_a_customer_is_read_around_them_and_erased_with_them() {
    let world = world().await;
    let anna = Customer::new("anna").unwrap();
    let subject = "jumeau.events.web.anna";
    world.publish(subject, event(1)).await;
    publish_unreadable(&world, "anna").await;
    publish_unreadable(&world, "anna").await;
    world.publish(subject, event(2)).await;
    publish_unreadable(&world, "anna").await;
    let mut sequences = Vec::new();
    let past = world.bus.past(Some(&anna), |delivery| {
        sequences.push(delivery.sequence);
        true
    });
    timeout(PATIENCE, past).await.expect("in time").unwrap();
    assert_eq!(sequences, [1, 4], "what could not be used is not of the past");
    let ends = StreamEnds { events: 5, ..StreamEnds::OPEN };
    let trails =
        timeout(PATIENCE, world.bus.trails(&anna, 16, ends)).await.expect("in time").unwrap();
    assert_eq!(trails[0].sequences, [1, 2, 3, 4, 5], "but it goes with the customer");
}
