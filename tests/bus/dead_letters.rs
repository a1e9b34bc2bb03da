//! Dead letters.

use jumeau::bus::{Error, Relay, ResumePoint};
use jumeau::event::{Reason, Rejection};
use tokio::time::timeout;

use crate::{PATIENCE, World, event, next, world};

/// Has the service bury every event, and waits until the dead letters are stored.
async fn dead_letter_of(world: &World, count: usize) {
    let mut intake = world.intake(ResumePoint::default()).await;
    let relay = Relay::spawn(&world.bus, |_| ()).await.unwrap();
    let mut buried = 0;
    while buried < count {
        for part in next(&mut intake).await.parts {
            for mut delivery in part.deliveries {
                let why = Rejection::new(Reason::Refused, "expected more traits,\nfound too many");
                let why = delivery.read().err().cloned().unwrap_or(why);
                let letter = jumeau::contract::dead_letter(
                    world.bus.subjects(),
                    delivery.partition,
                    delivery.sequence,
                    &delivery.original,
                    &why,
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
    let subject = "jumeau.events.web.anna";
    let ack = world.jetstream().publish_with_headers(subject, headers, event(1)).await.unwrap();
    ack.await.unwrap();
    world.publish("jumeau.events.web.anna", "{").await;
    dead_letter_of(&world, 2).await;

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
    assert_eq!(letter.original.headers.get("Nats-Msg-Id"), Some("e-1"));

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
    dead_letter_of(&world, 1).await;
    let letters = world.bus.dead_letters(None, 0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter.reason, "too-large");
    assert_eq!(letter.truncated, Some(payload.len() as u64));
    assert!(letter.original.payload.len() > payload.len() - 1_000);
    let error = world.bus.retry_dead_letter(letter.sequence).await.unwrap_err();
    insta::assert_snapshot!(error, @"dead letter 1 cannot be retried: only its beginning was stored");
}
