//! A channel that floods the stream waits, and all others pass it; nothing is lost or comes twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jumeau::bus::{Bus, Floor, Intake, PartitionPull, ResumePoint};
use jumeau::config::settings;
use jumeau::event::{Channel, Cursors, Customer, Lane, SlowLane};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::unread::UNREADABLE;
use crate::{PATIENCE, World, event, eventually, next, publish_raw, world};

/// What the partitions have made durable.
#[derive(Default)]
struct Partitions {
    cursors: BTreeMap<u16, Cursors>,
    lanes: BTreeMap<u16, SlowLane>,
    floor: u64,
    /// The last sequence that was taken in, by partition and channel.
    last: BTreeMap<(u16, String), u64>,
    /// Sequences that were taken in, by channel.
    taken: BTreeMap<String, BTreeSet<u64>>,
}

impl Partitions {
    fn take(&mut self, part: PartitionPull, floor: &Floor) {
        let cursors = self.cursors.entry(part.partition).or_default();
        for delivery in part.deliveries {
            if cursors.advance(delivery.lane, delivery.sequence) {
                let channel = delivery.original.subject.split('.').nth(2).unwrap().to_owned();
                let place = (part.partition, channel.clone());
                let last = self.last.insert(place, delivery.sequence);
                assert!(last < Some(delivery.sequence), "{} came out of order", delivery.sequence);
                let taken = self.taken.entry(channel).or_default();
                assert!(taken.insert(delivery.sequence), "{} came twice", delivery.sequence);
            }
        }
        self.lanes.insert(part.partition, floor.slow_lane());
        self.floor = floor.slow_lane().main_floor;
        part.receipt.committed();
    }

    fn count(&self, channel: &str) -> usize {
        self.taken.get(channel).map_or(0, BTreeSet::len)
    }

    fn has(&self, channel: &str, sequence: u64) -> bool {
        self.taken.get(channel).is_some_and(|taken| taken.contains(&sequence))
    }

    fn resume(&self) -> ResumePoint {
        let lanes = self.lanes.values().cloned();
        let all = self.cursors.values().flat_map(|one| [one.main, one.slow]);
        ResumePoint {
            highest: all.max().unwrap_or(0),
            lane: SlowLane::newest(lanes),
            may_slow: true,
            floor: self.floor,
            taken: Vec::new(),
        }
    }
}

async fn flood(world: &World, channel: &str, count: usize) {
    let channel = Channel::new(channel).unwrap();
    let jetstream = world.jetstream();
    let mut confirmed = Vec::new();
    for number in 0..count {
        let customer = Customer::new(&format!("c{}", number % 200)).unwrap();
        let subject = world.bus.subjects().event(&channel, &customer);
        confirmed.push(jetstream.publish(subject, event(number)).await.unwrap());
        if confirmed.len() == 200 {
            for one in confirmed.drain(..) {
                one.await.unwrap();
            }
        }
    }
    for one in confirmed {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_channel_that_floods_wait_while_all_others_pass_them() {
    let world = world().await;
    flood(&world, "web", 1).await;
    flood(&world, "shop", 12_000).await;
    flood(&world, "web", 50).await;
    let mut partitions = Partitions::default();
    let mut intake = world.intake(partitions.resume()).await;
    let floor = intake.floor();

    // As long as nothing of the slow lane is durable, little of it comes.
    let mut held: Vec<PartitionPull> = Vec::new();
    while partitions.count("web") < 51 {
        for part in next(&mut intake).await.parts {
            match part.deliveries[0].lane {
                Lane::Main => partitions.take(part, &floor),
                Lane::Slow => held.push(part),
            }
        }
    }
    let before = partitions.count("shop");
    let waiting: usize = held.iter().map(|part| part.deliveries.len()).sum();
    assert!(before < 4_000 && waiting < 2_000, "{before} came before, and {waiting} beside");
    assert_eq!(floor.slowed(), ["shop".into()]);
    let slow = world.bus.lag().await.unwrap().slow;
    assert!(slow > 6_000, "{slow} are behind");

    held.into_iter().for_each(|part| partitions.take(part, &floor));
    while partitions.count("shop") < 12_000 {
        let pulled = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
        pulled.parts.into_iter().for_each(|part| partitions.take(part, &floor));
    }
    // Now it is as before.
    let later = Channel::new("shop").unwrap();
    let customer = Customer::new("c1").unwrap();
    world.publish(&world.bus.subjects().event(&later, &customer), event(0)).await;
    let mut lanes = Vec::new();
    while partitions.count("shop") < 12_001 {
        for part in next(&mut intake).await.parts {
            lanes.extend(part.deliveries.iter().map(|one| one.lane));
            partitions.take(part, &floor);
        }
    }
    assert_eq!((lanes, floor.slowed()), (vec![Lane::Main], Vec::new()));
    assert_eq!(world.bus.lag().await.unwrap().slow, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_events_come_once_across_restarts() {
    let world = world().await;
    let mut partitions = Partitions::default();
    let mut opened = 0;
    for round in 0..3 {
        flood(&world, "web", 10).await;
        flood(&world, "shop", 6_000).await;
        flood(&world, "web", 10).await;
        let (shop, web) = ((round + 1) * 6_000, (round + 1) * 20);
        let mut intake: Option<Intake> = None;
        let mut count = 0;
        while partitions.count("shop") < shop || partitions.count("web") < web {
            let reader = match &mut intake {
                Some(reader) => reader,
                None => intake.insert(world.intake(partitions.resume()).await),
            };
            let floor = reader.floor();
            let mut parts = next(reader).await.parts;
            count += usize::from(!parts.is_empty());
            // What was handed out and is not durable is lost with the process.
            let ends = count % 11 == 0 && !parts.is_empty();
            if ends {
                parts.truncate(parts.len() / 2);
            }
            parts.into_iter().for_each(|part| partitions.take(part, &floor));
            opened = floor.slow_lane().version.max(opened);
            if ends {
                intake = None;
            }
        }
    }
    assert!(opened > 0, "the slow lane was never open");
    // Nothing comes any more, and the slow lane is closed.
    let mut intake = world.intake(partitions.resume()).await;
    let floor = intake.floor();
    let until = Instant::now() + PATIENCE;
    while !floor.slowed().is_empty() {
        assert!(Instant::now() < until, "the slow lane stays open");
        if let Ok(pulled) = timeout(Duration::from_millis(50), intake.next()).await {
            pulled.unwrap().parts.into_iter().for_each(|part| partitions.take(part, &floor));
        }
    }
    assert_eq!((partitions.count("shop"), partitions.count("web")), (18_000, 60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_delays_no_other_is_not_slowed() {
    let world = world().await;
    flood(&world, "shop", 8_000).await;
    let mut partitions = Partitions::default();
    let mut intake = world.intake(partitions.resume()).await;
    let floor = intake.floor();
    while partitions.count("shop") < 8_000 {
        for part in next(&mut intake).await.parts {
            assert_eq!(part.deliveries[0].lane, Lane::Main);
            partitions.take(part, &floor);
        }
    }
    assert_eq!(floor.slow_lane().version, 0);
}

/// Takes in what comes of the main lane until a channel has sent so many; what comes of the slow one is not
/// durable yet.
async fn take_main(
    intake: &mut Intake,
    partitions: &mut Partitions,
    channel: &str,
    count: usize,
) -> Vec<PartitionPull> {
    let floor = intake.floor();
    let mut held = Vec::new();
    while partitions.count(channel) < count {
        for part in next(intake).await.parts {
            match part.deliveries[0].lane {
                Lane::Main => partitions.take(part, &floor),
                Lane::Slow => held.push(part),
            }
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn others_pass_also_while_the_last_that_waits_never_becomes_durable() {
    let world = world().await;
    flood(&world, "web", 1).await;
    flood(&world, "shop", 6_000).await;
    flood(&world, "web", 1).await;
    let mut partitions = Partitions::default();
    let mut intake = world.intake(partitions.resume()).await;
    let floor = intake.floor();
    let mut held = take_main(&mut intake, &mut partitions, "web", 2).await;
    assert_eq!(floor.slowed(), ["shop".into()]);
    // All but the last page is taken in: what is left is so little that the main lane may wait for it.
    while partitions.count("shop") < 5_900 {
        held.drain(..).for_each(|part| partitions.take(part, &floor));
        let parts = next(&mut intake).await.parts;
        let (last, others): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .partition(|part| part.deliveries.iter().any(|one| one.sequence > 5_900));
        held.extend(last);
        others.into_iter().for_each(|part| partitions.take(part, &floor));
        if !held.is_empty() {
            break;
        }
    }
    assert!(!held.is_empty() && !floor.slowed().is_empty(), "something is left");
    for round in 3..6 {
        flood(&world, "web", 1).await;
        held.extend(take_main(&mut intake, &mut partitions, "web", round).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_lane_counts_events_that_left_the_stream_unprocessed() {
    let world = world().await;
    flood(&world, "web", 1).await;
    flood(&world, "shop", 8_000).await;
    flood(&world, "web", 1).await;
    let mut partitions = Partitions::default();
    let mut intake = world.intake(partitions.resume()).await;
    let (floor, missed) = (intake.floor(), intake.missed());
    let held = take_main(&mut intake, &mut partitions, "web", 2).await;
    assert_eq!(missed.count(), 0);
    let stream = world.jetstream().get_stream("JUMEAU_EVENTS").await.unwrap();
    stream.purge().sequence(7_000).await.unwrap();
    held.into_iter().for_each(|part| partitions.take(part, &floor));
    // The last of the shop waits behind what is gone.
    while !partitions.has("shop", 8_001) {
        for part in next(&mut intake).await.parts {
            partitions.take(part, &floor);
        }
    }
    eventually("what waited is missed", async || missed.count() > 0).await;
    let (slow, taken) = (missed.count() as usize, partitions.count("shop"));
    assert!(slow >= 8_000 - taken && slow < 7_000, "{slow} missed, {taken} taken in");

    // The main lane reads 3,000 more, of which most have gone meanwhile.
    flood(&world, "web", 3_000).await;
    let held = next(&mut intake).await;
    stream.purge().sequence(11_000).await.unwrap();
    held.parts.into_iter().for_each(|part| partitions.take(part, &floor));
    while !partitions.has("web", 11_002) {
        for part in next(&mut intake).await.parts {
            partitions.take(part, &floor);
        }
    }
    let left = 3_002 - partitions.count("web");
    eventually("it is counted", async || missed.count() as usize >= slow + left).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loudest_of_many_flooding_channels_wait() {
    let world = world().await;
    for _ in 0..100 {
        for number in 0..12 {
            flood(&world, &format!("shop{number}"), 10).await;
        }
    }
    flood(&world, "web", 10).await;
    let mut partitions = Partitions::default();
    let mut intake = world.intake(partitions.resume()).await;
    let _held = take_main(&mut intake, &mut partitions, "web", 10).await;
    let slowed = intake.floor().slowed().len();
    assert!(slowed > 6, "{slowed} are slowed");
    let taken: usize = partitions.taken.values().map(BTreeSet::len).sum();
    assert!(taken < 8_000, "{taken} came before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_event_behind_a_flood_overtakes_it() {
    let world = world().await;
    flood(&world, "shop", 12_000).await;
    flood(&world, "web", 1).await;
    let mut partitions = Partitions::default();
    let mut intake = world.intake(partitions.resume()).await;
    let _held = take_main(&mut intake, &mut partitions, "web", 1).await;
    assert_eq!(intake.floor().slowed(), ["shop".into()]);
    assert!(partitions.count("shop") < 8_000, "{} came before", partitions.count("shop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_pass_a_flood_also_where_some_of_its_messages_end_the_connection() {
    let world = world().await;
    flood(&world, "web", 1).await;
    let subject = "jumeau.events.shop.c1";
    for _ in 0..6 {
        publish_raw(&world.broker, subject, UNREADABLE, &event(1)).await;
        flood(&world, "shop", 2_000).await;
    }
    flood(&world, "web", 1).await;
    let mut partitions = Partitions::default();
    let mut intake = world.intake(partitions.resume()).await;
    let floor = intake.floor();
    let held = take_main(&mut intake, &mut partitions, "web", 2).await;
    assert_eq!(floor.slowed(), ["shop".into()]);
    assert!(partitions.count("shop") < 8_000, "{} came before", partitions.count("shop"));
    held.into_iter().for_each(|part| partitions.take(part, &floor));
    while partitions.count("shop") < 12_006 {
        next(&mut intake).await.parts.into_iter().for_each(|part| partitions.take(part, &floor));
    }
}

/// Passes connections on to the broker and counts them; returns its URL and the count.
async fn count_connections(world: &World) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let (port, count) = (world.broker.port(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut broker = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                // Either side may hang up.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut broker).await;
            });
        }
    });
    (url, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_cost_few_connections_even_in_the_slow_lane() {
    let world = world().await;
    let (url, connections) = count_connections(&world).await;
    let bus = Bus::connect(&settings::NatsSettings { url, ..settings::NatsSettings::default() })
        .await
        .unwrap();
    flood(&world, "web", 1).await;
    flood(&world, "shop", 3_000).await;
    for _ in 0..100 {
        publish_raw(&world.broker, "jumeau.events.noise.c1", UNREADABLE, &event(1)).await;
        flood(&world, "shop", 50).await;
    }
    flood(&world, "web", 1).await;
    let mut partitions = Partitions::default();
    let mut intake = Intake::open(&bus, 16, partitions.resume()).await.unwrap();
    let floor = intake.floor();
    let held = take_main(&mut intake, &mut partitions, "web", 2).await;
    assert_eq!(floor.slowed(), ["shop".into()]);
    assert_eq!(partitions.count("noise"), 100);
    held.into_iter().for_each(|part| partitions.take(part, &floor));
    while partitions.count("shop") < 8_000 {
        next(&mut intake).await.parts.into_iter().for_each(|part| partitions.take(part, &floor));
    }
    let made = connections.load(Ordering::Relaxed);
    assert!(made < 10, "{made} connections were made for 100 such messages");
}
