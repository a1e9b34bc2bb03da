//! The tool against a running service: what it says, and how it ends.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use jumeau::bus::{Broker, BrokerOptions};
use tokio::process::{Child, Command};

/// How often a condition is looked at while it is waited for, and how many times.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const LOOKS: u32 = 1_500;

struct Stage {
    _folder: tempfile::TempDir,
    broker: Broker,
    _service: Child,
}

impl Stage {
    async fn new(time: &str) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(BrokerOptions::new(folder.path().join("broker"))).await.unwrap();
        let service = Path::new(env!("CARGO_BIN_EXE_twinctl")).with_file_name("jumeau");
        assert!(service.is_file(), "no service at {}; run tools/test", service.display());
        let service = Command::new(service)
            .args(["serve", "--policy", "bank", "--server", &broker.url()])
            .args(["--set", "store.path=store", "--set", "log.filter=warn"])
            .args(["--set", &format!("service.time={time}")])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stage = Stage { _folder: folder, broker, _service: service };
        stage.until(&["policy"], |output| output.status.success()).await;
        stage
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_twinctl"))
            .args(["--server", &self.broker.url()])
            .args(arguments)
            .output()
            .await
            .unwrap()
    }

    /// Runs again and again until what is wanted is said.
    async fn until(&self, arguments: &[&str], wanted: impl Fn(&Output) -> bool) -> String {
        for _ in 0..LOOKS {
            let output = self.run(arguments).await;
            if wanted(&output) {
                return text_of(&output);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        panic!("{arguments:?} never said what was wanted: {}", text_of(&self.run(arguments).await));
    }
}

fn text_of(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn an_operator_publishes_an_event_and_sees_its_effects() {
    let stage = Stage::new("stream").await;
    let publish = [
        "publish",
        "alice",
        "track",
        "name=Payment Made",
        "properties.amount=2400",
        "properties.to=Garage Dupont",
        "--id",
        "e-1",
    ];
    assert_eq!(text_of(&stage.run(&publish).await), "e-1 is stored as JUMEAU_EVENTS #1\n");
    // The stream keeps the copy, and the twin recognises it.
    assert_eq!(text_of(&stage.run(&publish).await), "e-1 is stored as JUMEAU_EVENTS #2\n");

    let shown =
        stage.until(&["show", "alice"], |output| text_of(output).contains("contacts")).await;
    assert!(shown.contains("confirm_payment"), "{shown}");
    assert!(shown.contains("payment_check"), "{shown}");
    let timeline = text_of(&stage.run(&["timeline", "alice"]).await);
    assert!(timeline.contains("the last 1 of 1 input"), "{timeline}");
    let stats = text_of(&stage.run(&["stats", "--partitions"]).await);
    assert!(stats.contains("actions"), "{stats}");

    let nobody = stage.run(&["show", "nobody"]).await;
    assert_eq!(nobody.status.code(), Some(1), "{}", text_of(&nobody));
    let mistake = stage.run(&["publish", "alice", "track", "nme=x"]).await;
    assert_eq!(mistake.status.code(), Some(2), "{}", text_of(&mistake));
    let advance = stage.run(&["advance", "2030-01-01T00:00:00Z"]).await;
    assert_eq!(advance.status.code(), Some(1), "{}", text_of(&advance));
    let alone = stage.run(&["--prefix", "other", "stats"]).await;
    assert_eq!(alone.status.code(), Some(3), "{}", text_of(&alone));
}

#[tokio::test]
async fn an_operator_sees_a_dead_letter_and_tries_it_again() {
    let stage = Stage::new("stream").await;
    let client = async_nats::connect(stage.broker.url()).await.unwrap();
    client.publish("jumeau.events.web.alice", r#"{"type": "trakc"}"#.into()).await.unwrap();
    client.flush().await.unwrap();

    let wanted = |output: &Output| text_of(output).contains("did you mean `track`?");
    let list = stage.until(&["dead", "list", "--json"], wanted).await;
    assert!(list.contains("unknown-type"), "{list}");
    let letter = text_of(&stage.run(&["dead", "show", "1"]).await);
    assert!(letter.contains(r#"{"type": "trakc"}"#), "{letter}");
    let retried = stage.run(&["dead", "retry", "--all"]).await;
    assert_eq!(text_of(&retried), "published again: 1\n");
    // It is no better than before, so it dies again, as another letter.
    stage.until(&["dead", "show", "2"], |output| output.status.success()).await;
    let gone = stage.run(&["dead", "show", "1"]).await;
    assert_eq!(gone.status.code(), Some(1), "{}", text_of(&gone));

    // Mended it goes where it was meant to go; what is not mended is not published.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event.json");
    let mended = ["dead", "retry", "2", "--data", file.to_str().unwrap(), "--json"];
    std::fs::write(&file, r#"{"type": "track", "data": {"nme": "Looked"}}"#).unwrap();
    let refused = stage.run(&mended).await;
    assert_eq!(refused.status.code(), Some(2), "{}", text_of(&refused));
    assert!(text_of(&refused).contains("missing field `name`"), "{}", text_of(&refused));
    assert!(stage.run(&["dead", "show", "2"]).await.status.success(), "it is still there");
    std::fs::write(&file, r#"{"type": "track", "data": {"name": "Looked"}}"#).unwrap();
    let retried: serde_json::Value =
        serde_json::from_slice(&stage.run(&mended).await.stdout).unwrap();
    assert_eq!(retried, serde_json::json!({ "retried": [2], "failed": [] }));
    stage.until(&["timeline", "alice"], |output| text_of(output).contains("Looked")).await;
    let audit = text_of(&stage.run(&["audit", "--act", "dead.retry"]).await);
    assert!(audit.contains(r#""sequences":[2]"#) && !audit.contains("Looked"), "{audit}");
}

#[tokio::test]
async fn an_operator_moves_the_clock_of_event_time() {
    let stage = Stage::new("event").await;
    let lost =
        ["publish", "bob", "track", "name=Card Reported Lost", "--time", "2026-03-02T09:00:00Z"];
    assert!(stage.run(&lost).await.status.success());
    stage.until(&["show", "bob"], |output| text_of(output).contains("card_on_its_way")).await;
    let advanced = text_of(&stage.run(&["advance", "2026-03-10T09:00:00Z"]).await);
    assert_eq!(advanced, "it is 2026-03-10T09:00:00Z; 4 timers fired\n");
    let shown = text_of(&stage.run(&["show", "bob"]).await);
    assert!(shown.contains("escalations"), "{shown}");
    // The clock never goes back, and the answer does not say so either.
    let back = text_of(&stage.run(&["advance", "1999-01-01T00:00:00Z"]).await);
    assert_eq!(back, "it is 2026-03-10T09:00:00Z; 0 timers fired\n");
}
