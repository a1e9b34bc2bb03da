//! One service under a prefix.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use jumeau::bus::{Bus, Claim, Error, Ownership};
use jumeau::config::settings;
use jumeau::event::Time;
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
            "expected to be the only service under `jumeau`, found another that serves since \
             2023-11-14T22:13:20Z, on "
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
    let other = settings::Nats { prefix: "other".into(), ..nats(&world.broker) };
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
async fn whoever_was_taken_over_hears_of_it() {
    let world = world().await;
    let (_first, lost) = own(&world.bus, claim(1, None)).await.unwrap();
    // It knows the number of the first, which cannot be unless that has ended; it has not.
    let (_second, kept) = own(&world.bus, claim(2, Some(1))).await.unwrap();
    let lost = tokio::task::spawn_blocking(move || lost.recv_timeout(PATIENCE).unwrap());
    assert!(matches!(lost.await.unwrap(), Error::Superseded { .. }));
    assert!(kept.try_recv().is_err());
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
