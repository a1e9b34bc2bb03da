//! Brokers and streams that are there, that are not, and that are not what they should be.

use std::process::Stdio;

use jumeau::bus::{Broker, BrokerOptions, Bus, Intake, ResumePoint};
use jumeau::config::settings;
use tokio::time::timeout;

use crate::{PATIENCE, Twins, eventually, nats, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_contradicts_the_settings_is_refused() {
    let world = world().await;
    let error =
        world.bus.ensure_streams(&settings::StreamSettings::default(), 8).await.unwrap_err();
    insta::assert_snapshot!(error, @"stream JUMEAU_EVENTS: expected the partitions `jumeau.events.*.*` -> `jumeau.partition.{{partition(8,2)}}.{{wildcard(1)}}.{{wildcard(2)}}`, found `jumeau.events.*.*` -> `jumeau.partition.{{partition(16,2)}}.{{wildcard(1)}}.{{wildcard(2)}}`; set `service.partitions` to what the stream was created with, or choose another `nats.prefix`");

    let stream = world.jetstream().get_stream("JUMEAU_ACTIONS").await.unwrap();
    let mut config = stream.cached_info().config.clone();
    config.subjects = vec!["jumeau.actions.app.>".into()];
    world.jetstream().update_stream(config).await.unwrap();
    let error =
        world.bus.ensure_streams(&settings::StreamSettings::default(), 16).await.unwrap_err();
    insta::assert_snapshot!(error, @"stream JUMEAU_ACTIONS: expected the subjects jumeau.actions.>, jumeau.recalls.>, jumeau.escalations.>, jumeau.observations.>, found jumeau.actions.app.>; give the stream these subjects, or choose another `nats.prefix`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_broker_is_reported_clearly() {
    let settings = settings::NatsSettings {
        // A port that nothing listens on: it was just let go.
        url: format!(
            "nats://{}",
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
        ),
        ..settings::NatsSettings::default()
    };
    let error = Bus::connect(&settings).await.unwrap_err();
    assert!(error.to_string().contains("expected a nats broker at nats://127.0.0.1:"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_named_in_the_address_connects() {
    let folder = tempfile::tempdir().unwrap();
    let security = r#"authorization { user: "an@n", password: "s:c@r/t%41" }"#.to_owned();
    let options = BrokerOptions {
        security: Some(security),
        ..BrokerOptions::new(folder.path().join("nats"))
    };
    let broker = Broker::start(options).await.unwrap();
    let join = async |url: String| {
        Bus::connect(&settings::NatsSettings { url, ..settings::NatsSettings::default() }).await
    };
    let of = |password| settings::with_login(&broker.url(), "an@n", password);
    assert!(join(of("s:c@r/t%41")).await.is_ok());
    assert!(join(of("another")).await.is_err());
    assert!(join(broker.url()).await.is_err());
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
async fn a_broker_whose_port_is_taken_does_not_take_another_one_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let options = |name| BrokerOptions::new(folder.path().join(name));
    let mut first = Broker::start(options("first")).await.unwrap();
    let taken = BrokerOptions { port: Some(first.port()), ..options("second") };
    assert!(Broker::start(taken).await.is_err());
    first.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_nats_server_is_reported_clearly() {
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
async fn a_folder_begun_without_roles_is_not_gone_on_with_under_roles_nor_the_other_way_round() {
    for (secure, streams, begun) in [
        (["--secure"].as_slice(), "$G", "which was created without --secure"),
        (&[], "JUMEAU", "which was created with --secure"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("nats/jetstream").join(streams)).unwrap();
        let started = tokio::process::Command::new(env!("CARGO_BIN_EXE_jumeau"))
            .args(["dev", "--policy", "bank", "--port", "0"])
            .args(secure)
            .arg("--folder")
            .arg(folder.path())
            .output();
        let output = timeout(PATIENCE, started).await.expect("it is refused").unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(begun), "{said}");
    }
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
    let mut intake = Intake::open(&bus, 16, ResumePoint::default()).await.unwrap();
    let mut twins = Twins::default();
    twins.take_until(10, &mut intake).await;
    twins.check(10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_reports_its_time() {
    let world = world().await;
    // Both are on one machine: it is a matter of milliseconds.
    let ahead = world.bus.ahead_of_broker_ms().await.unwrap();
    assert!(ahead.abs() < 5_000, "{ahead} ms");
}
