//! One service under a prefix.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use jumeau::bus::{Bus, Claim, Error, Ownership, Relay};
use jumeau::config::settings;
use jumeau::event::{Output, Time};
use tokio::time::timeout;

use crate::{PATIENCE, World, eventually, nats, world};

fn claim(number: u64, before: Option<u64>) -> Claim {
    Claim { number, before, now: Time::from_ms(1_700_000_000_000) }
}

async fn own(bus: &Bus, claim: Claim) -> Result<(Ownership, Receiver<Error>), Error> {
    let (lost, heard) = channel();
    let owned = bus.own(claim, 1, move |error| lost.send(error).unwrap());
    let owned = timeout(PATIENCE, owned).await.expect("an answer in time")?;
    Ok((owned, heard))
}

/// The sequence of the last sign of life.
async fn sign(world: &World) -> u64 {
    let stream = world.jetstream().get_stream("JUMEAU_OWNER").await.unwrap();
    stream.cached_info().state.last_sequence
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_is_refused_while_the_first_serves_and_not_once_it_has_stopped() {
    let world = world().await;
    let (first, _) = own(&world.bus, claim(1, None)).await.unwrap();
    let refused = own(&world.bus, claim(2, None)).await.unwrap_err();
    let said = refused.to_string();
    assert!(
        said.starts_with(
            "expected to be the only service under `jumeau`, found another that has been running \
             since 2023-11-14T22:13:20Z, on "
        ),
        "{said}"
    );
    assert!(said.ends_with("; stop it, or choose another `nats.prefix`"), "{said}");
    first.give_up().await;
    own(&world.bus, claim(3, None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn services_under_different_prefixes_do_not_meet() {
    let world = world().await;
    let other = settings::NatsSettings { prefix: "other".into(), ..nats(&world.broker) };
    let other = Bus::connect(&other).await.unwrap();
    let (_first, _) = own(&world.bus, claim(1, None)).await.unwrap();
    let (_second, _) = own(&other, claim(2, None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_store_serves_again_at_once_after_its_process_was_killed() {
    let world = world().await;
    let (first, _) = own(&world.bus, claim(1, None)).await.unwrap();
    drop(first);
    let again = timeout(Duration::from_secs(5), own(&world.bus, claim(2, Some(1))));
    let (_again, _) = again.await.expect("nobody is waited for").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_store_serves_once_there_were_no_signs_of_life() {
    let world = world().await;
    let (first, _) = own(&world.bus, claim(1, None)).await.unwrap();
    drop(first);
    let (_second, _) = own(&world.bus, claim(2, None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_owner_learns_of_its_successor() {
    let world = world().await;
    let (_first, lost) = own(&world.bus, claim(1, None)).await.unwrap();
    // It knows the number of the first, which cannot be unless that has ended; it has not.
    let (_second, kept) = own(&world.bus, claim(2, Some(1))).await.unwrap();
    let lost = tokio::task::spawn_blocking(move || lost.recv_timeout(PATIENCE).unwrap());
    assert!(matches!(lost.await.unwrap(), Error::Superseded { .. }));
    assert!(kept.try_recv().is_err());
}

fn output(id: &str) -> Vec<(u64, Output)> {
    let output = Output {
        id: id.into(),
        subject: "jumeau.actions.app.open.anna".into(),
        headers: Box::new([]),
        payload: id.as_bytes().to_vec().into(),
    };
    vec![(1, output)]
}

/// What the first has to say after the second has taken over is never published, and what the second has
/// to say is.
async fn assert_only_the_second_publishes(first: &Relay, second: &Bus, world: &World) {
    first.submit(0, output("first"));
    let other = Relay::spawn(second, |_| ()).await.unwrap();
    other.submit(0, output("second"));
    timeout(PATIENCE, other.drained()).await.unwrap();
    eventually("the first says why it waits", async || first.trouble().is_some()).await;
    let mut stream = world.jetstream().get_stream("JUMEAU_ACTIONS").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
    let stored = stream.get_raw_message(1).await.unwrap();
    assert_eq!((&*stored.payload, first.depth()), (b"second".as_slice(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_owner_publishes_nothing_more() {
    let world = world().await;
    let second = Bus::connect(&nats(&world.broker)).await.unwrap();
    let relay = Relay::spawn(&world.bus, |_| ()).await.unwrap();
    let (_first, lost) = own(&world.bus, claim(1, None)).await.unwrap();
    let (_second, _) = own(&second, claim(2, Some(1))).await.unwrap();
    tokio::task::spawn_blocking(move || lost.recv_timeout(PATIENCE).unwrap()).await.unwrap();
    assert_only_the_second_publishes(&relay, &second, &world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_of_a_silent_owner_stops_before_a_successor_may_take_over() {
    let world = world().await;
    let second = Bus::connect(&nats(&world.broker)).await.unwrap();
    let relay = Relay::spawn(&world.bus, |_| ()).await.unwrap();
    let (first, _) = own(&world.bus, claim(1, None)).await.unwrap();
    // Of this the relay hears nothing.
    drop(first);
    let (_second, _) = own(&second, claim(2, None)).await.unwrap();
    assert_only_the_second_publishes(&relay, &second, &world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_publishes_again_when_the_broker_is_back() {
    let mut world = world().await;
    let relay = Relay::spawn(&world.bus, |_| ()).await.unwrap();
    let (_first, _) = own(&world.bus, claim(1, None)).await.unwrap();
    world.broker.kill().await.unwrap();
    relay.submit(0, output("first"));
    world.broker.restart().await.unwrap();
    timeout(PATIENCE, relay.drained()).await.unwrap();
    assert_eq!(relay.trouble(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_a_stream_that_is_deleted_change_nothing() {
    let mut world = world().await;
    let (_first, lost) = own(&world.bus, claim(1, None)).await.unwrap();
    world.broker.kill().await.unwrap();
    world.broker.restart().await.unwrap();
    let before = sign(&world).await;
    eventually("it gives signs of life again", async || sign(&world).await > before).await;
    world.jetstream().delete_stream("JUMEAU_OWNER").await.unwrap();
    let made = async || world.jetstream().get_stream("JUMEAU_OWNER").await.is_ok();
    eventually("it makes the stream again", made).await;
    assert!(matches!(own(&world.bus, claim(2, None)).await, Err(Error::Served { .. })));
    assert!(lost.try_recv().is_err());
}
