use serde_json::json;

use super::rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_publishes_and_reads_and_sees_mistakes() {
    let rig = Rig::start("bank", &[]).await;

    let message = ["publish", "ann", "message", "text=my card is lost", "from=customer"];
    let published = rig.twinctl(&message).await;
    assert_eq!(published.code, 0, "{}", published.err);
    rig.settled().await;

    let shown = rig.twinctl(&["show", "ann"]).await;
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("my card is lost"), "{}", shown.out);
    let json: serde_json::Value =
        serde_json::from_str(&rig.twinctl(&["show", "ann", "--json"]).await.out).unwrap();
    assert_eq!(json["customer"], "ann");

    let timeline = rig.twinctl(&["timeline", "ann"]).await;
    assert!(timeline.out.contains("customer: my card is lost"), "{}", timeline.out);

    let nobody = rig.twinctl(&["show", "nobody"]).await;
    assert_eq!(nobody.code, 1);
    assert!(nobody.err.contains("customer `nobody` is unknown"), "{}", nobody.err);

    let wrong = rig.twinctl(&["publish", "ann", "mesage", "text=x"]).await;
    assert_ne!(wrong.code, 0);
    assert!(wrong.err.contains("did you mean `message`?"), "{}", wrong.err);

    let stats = rig.twinctl(&["stats"]).await;
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
    let dead = rig.twinctl(&["dead", "list"]).await;
    assert!(dead.out.contains("refused"), "{}", dead.out);
}
