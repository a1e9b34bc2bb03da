//! A program of somebody else's, with the stock NATS client of its language, talks to the service.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use jumeau::api::verb;
use jumeau::bus::{Broker, BrokerOptions};
use tokio::process::Command;
use tokio::time::timeout;

/// Nothing here takes so long, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_python_program_publishes_an_event_and_receives_the_action() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerOptions::new(folder.path().join("broker"))).await.unwrap();
    let _service = Command::new(env!("CARGO_BIN_EXE_jumeau"))
        .args(["serve", "--policy", "bank", "--server", &broker.url()])
        .args(["--set", "store.path=store", "--set", "log.filter=warn"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    answers(&broker.url()).await;

    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let client = repository.join(".jumeau/python");
    assert!(client.join("nats").is_dir(), "no NATS client for Python; run tools/setup");
    let run = Command::new("python3")
        .arg(repository.join("tools/examples/hello.py"))
        .env("PYTHONPATH", client)
        .env("NATS_URL", broker.url())
        .output();
    let output = timeout(PATIENCE, run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    insta::assert_snapshot!(said, @r#"
    event    JUMEAU_EVENTS #1
    action   confirm_payment in app: 2400.00 € to Garage Dupont: was this you?
    because  a payment of 2400.00 € to Garage Dupont
    "#);
}

/// Waits until the service answers.
async fn answers(url: &str) {
    let client = async_nats::connect(url).await.unwrap();
    let ask = async {
        while client.request(format!("jumeau.api.{}", verb::STATS), "".into()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, ask).await.unwrap();
}
