use serde_json::json;
use tokio::process::Command;

use super::rig::{Rig, binary};

struct Answer {
    code: i32,
    out: String,
    err: String,
}

async fn twinctl(rig: &Rig, arguments: &[&str]) -> Answer {
    let output = Command::new(binary("twinctl"))
        .args(["--server", &rig.broker.url()])
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .await
        .unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_publishes_looks_and_is_told_what_is_wrong() {
    let rig = Rig::start("bank", &[]).await;

    let published =
        twinctl(&rig, &["publish", "ann", "message", "text=my card is lost", "from=customer"])
            .await;
    assert_eq!(published.code, 0, "{}", published.err);
    rig.settled().await;

    let shown = twinctl(&rig, &["show", "ann"]).await;
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("my card is lost"), "{}", shown.out);
    let json: serde_json::Value =
        serde_json::from_str(&twinctl(&rig, &["show", "ann", "--json"]).await.out).unwrap();
    assert_eq!(json["customer"], "ann");

    let timeline = twinctl(&rig, &["timeline", "ann"]).await;
    assert!(timeline.out.contains("customer: my card is lost"), "{}", timeline.out);

    let nobody = twinctl(&rig, &["show", "nobody"]).await;
    assert_eq!(nobody.code, 1);
    assert!(nobody.err.contains("nothing is known of customer `nobody`"), "{}", nobody.err);

    let wrong = twinctl(&rig, &["publish", "ann", "mesage", "text=x"]).await;
    assert_ne!(wrong.code, 0);
    assert!(wrong.err.contains("did you mean `message`?"), "{}", wrong.err);

    let stats = twinctl(&rig, &["stats"]).await;
    assert_eq!(stats.code, 0, "{}", stats.err);
    assert!(stats.out.contains("bank"), "{}", stats.out);

    rig.event(
        "desk",
        "ann",
        "handoff",
        json!({ "escalation": "e", "state": "claimed", "agent": "kim" }),
    )
    .await;
    rig.settled().await;
    let dead = twinctl(&rig, &["dead", "list"]).await;
    assert!(dead.out.contains("refused"), "{}", dead.out);
}
