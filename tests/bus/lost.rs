//! A stream of events that is not any more what was taken in: refused, and never passed over.

use async_nats::jetstream::stream::Config;
use jumeau::bus::{Bus, Error, Intake, LastTakenEvent, ResumePoint};
use jumeau::config::settings;
use tokio::time::timeout;

use crate::{PATIENCE, Twins, World, nats, world};

/// The broker loses its last messages: its files are put back, and channels go on.
async fn put_back(world: &mut World, publish_after: usize) {
    let streams = world.folder.path().join("jetstream");
    let kept = world.folder.path().join("kept");
    world.broker.stop().await.unwrap();
    copy(&streams, &kept);
    world.broker.restart().await.unwrap();
    world.publish_events(100, 50, 5).await;
    world.broker.kill().await.unwrap();
    std::fs::remove_dir_all(&streams).unwrap();
    copy(&kept, &streams);
    world.broker.restart().await.unwrap();
    world.publish_events(200, publish_after, 5).await;
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

/// The next error of the intake, whatever still comes before it.
async fn refusal(intake: &mut Intake, twins: &mut Twins) -> Error {
    let until = async {
        loop {
            match intake.next().await {
                Ok(pulled) => pulled.parts.into_iter().for_each(|part| twins.take(part)),
                Err(error) => return error,
            }
        }
    };
    timeout(PATIENCE, until).await.expect("it is refused in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_put_back_and_has_grown_since_is_refused_while_the_service_runs() {
    let mut world = world().await;
    let mut intake = world.intake(ResumePoint::default()).await;
    let mut twins = Twins::default();
    world.publish_events(0, 10, 5).await;
    twins.take_until(10, &mut intake).await;
    let streams = world.folder.path().join("jetstream");
    let kept = world.folder.path().join("kept");
    world.broker.stop().await.unwrap();
    copy(&streams, &kept);
    world.broker.restart().await.unwrap();
    world.publish_events(10, 50, 5).await;
    twins.take_until(60, &mut intake).await;
    world.broker.kill().await.unwrap();
    std::fs::remove_dir_all(&streams).unwrap();
    copy(&kept, &streams);
    world.broker.restart().await.unwrap();
    world.publish_events(200, 60, 5).await;
    let error = refusal(&mut intake, &mut twins).await;
    let is_meant =
        matches!(&error, Error::Rewritten { sequence: 60, .. } | Error::Rewound { taken: 60, .. });
    assert!(is_meant, "{error}");
    assert_eq!(twins.count(), 60, "nothing of it was taken for something else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_put_back_and_has_grown_since_is_refused_at_a_start() {
    let mut world = world().await;
    world.publish_events(0, 10, 5).await;
    let mut intake = world.intake(ResumePoint::default()).await;
    let mut twins = Twins::default();
    twins.take_until(10, &mut intake).await;
    put_back(&mut world, 60).await;
    drop(intake);
    let bus = Bus::connect(&nats(&world.broker)).await.unwrap();
    let state = bus.stream_state().await.unwrap().unwrap();
    let at = |sequence, ms| LastTakenEvent { sequence, stored: jumeau::event::Time::from_ms(ms) };
    // Sixty were taken in; of the last of these the stream says another moment.
    let error = bus.holds(state.last, 60, &[at(60, 1)]).await.unwrap_err();
    assert!(matches!(error, Error::Rewritten { sequence: 60, .. }), "{error}");
    let error = bus.holds(state.last, 71, &[at(71, 1)]).await.unwrap_err();
    assert!(matches!(error, Error::Rewound { taken: 71, last: 70, .. }), "{error}");
    // What left the stream meanwhile proves nothing; another that is there does.
    let stream = world.jetstream().get_stream("JUMEAU_EVENTS").await.unwrap();
    stream.delete_message(60).await.unwrap();
    assert!(bus.holds(state.last, 60, &[at(60, 1)]).await.is_ok());
    let error = bus.holds(state.last, 60, &[at(59, 1), at(60, 1)]).await.unwrap_err();
    assert!(matches!(error, Error::Rewritten { sequence: 59, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_adopts_a_restored_stream_processes_only_newer_events() {
    let mut world = world().await;
    world.publish_events(0, 10, 5).await;
    let stored = async |world: &World, sequence: u64| {
        let stream = world.jetstream().get_stream("JUMEAU_EVENTS").await.unwrap();
        let message = stream.get_raw_message(sequence).await.unwrap();
        let ms = message.time.unix_timestamp_nanos() / 1_000_000;
        LastTakenEvent {
            sequence,
            stored: jumeau::event::Time::from_ms(i64::try_from(ms).unwrap()),
        }
    };
    let tenth = stored(&world, 10).await;
    let mut lost = tenth;
    lost.sequence = 60;
    put_back(&mut world, 60).await;
    let bus = Bus::connect(&nats(&world.broker)).await.unwrap();
    assert_eq!(bus.found_again(tenth, 70).await.unwrap(), Some(tenth), "it is still there");
    let found = bus.found_again(lost, 70).await.unwrap();
    assert_eq!(found.map(|found| found.sequence), Some(10), "the last that can have been taken in");
    let never = LastTakenEvent { sequence: 3, stored: jumeau::event::Time::from_ms(1) };
    assert_eq!(bus.found_again(never, 70).await.unwrap(), None, "all are later");
    let after = stored(&world, 70).await;
    let later = LastTakenEvent { sequence: 90, stored: after.stored };
    assert_eq!(bus.found_again(later, 70).await.unwrap().map(|found| found.sequence), Some(70));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_the_same_name_is_refused_and_one_that_is_gone_too() {
    let world = world().await;
    let mut intake = world.intake(ResumePoint::default()).await;
    let mut twins = Twins::default();
    world.publish_events(0, 10, 5).await;
    twins.take_until(10, &mut intake).await;
    let stream = world.jetstream().get_stream("JUMEAU_EVENTS").await.unwrap();
    let config: Config = stream.cached_info().config.clone();
    world.jetstream().delete_stream("JUMEAU_EVENTS").await.unwrap();
    let error = refusal(&mut intake, &mut twins).await;
    assert!(matches!(error, Error::Gone { taken: 10, .. }), "{error}");
    world.jetstream().create_stream(config).await.unwrap();
    world.publish_events(10, 20, 5).await;
    let error = refusal(&mut intake, &mut twins).await;
    assert!(matches!(error, Error::Another { .. }), "{error}");
    assert_eq!(twins.count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_streams_are_created_again_and_problems_are_named() {
    use jumeau::bus::StreamMonitor;

    use crate::eventually;

    let world = world().await;
    let settings = settings::StreamSettings {
        integrators: vec!["web".into()],
        keep_dead_hours: 7,
        ..settings::StreamSettings::default()
    };
    let watch = StreamMonitor::spawn(&world.bus, settings, 16);
    eventually("it has looked", async || !watch.stats().is_empty()).await;
    for name in ["JUMEAU_ACTIONS", "JUMEAU_DEAD", "JUMEAU_AUDIT"] {
        world.jetstream().delete_stream(name).await.unwrap();
        let again =
            || watch.stats().iter().any(|stats| stats.stream == name && stats.made_again == 1);
        eventually("it is made again", async || again()).await;
        let made = world.jetstream().get_stream(name).await.unwrap();
        let config = &made.cached_info().config;
        assert_eq!(config.deny_delete, name == "JUMEAU_AUDIT");
        if name == "JUMEAU_DEAD" {
            assert_eq!(config.max_age.as_secs(), 7 * 3_600);
        }
        assert_eq!(made.consumer_info("web").await.is_ok(), name == "JUMEAU_ACTIONS");
    }

    let stream = world.jetstream().get_stream("JUMEAU_DEAD").await.unwrap();
    let changed =
        Config { subjects: vec!["elsewhere.>".into()], ..stream.cached_info().config.clone() };
    world.jetstream().update_stream(changed).await.unwrap();
    let trouble = || watch.stats().iter().find_map(|stats| stats.trouble.clone());
    eventually("what is wrong is said", async || trouble().is_some()).await;
    insta::assert_snapshot!(trouble().unwrap(), @"stream JUMEAU_DEAD: expected the subjects jumeau.dead.>, found elsewhere.>; give the stream these subjects, or choose another `nats.prefix`");
}
