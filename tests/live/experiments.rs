//! What experiments show, counted by the real service: everybody once, also if it dies in between.

use bytes::Bytes;
use jumeau::api::{ExperimentsReply, verb};
use serde_json::json;

use crate::rig::{Rig, project};

/// In the arm `quiet` of the streaming service's `left_alone`, by the hash.
const QUIET: [&str; 2] = ["willem", "bror"];
const USUAL: [&str; 3] = ["edda", "anouk", "wanda"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_dies_counts_every_customer_of_an_experiment_once() {
    let policy = project().join("config/policies/streaming");
    let mut rig = Rig::start(policy.to_str().unwrap(), &["service.partitions=4"]).await;
    for customer in QUIET.iter().chain(&USUAL) {
        let consent = json!({ "purpose": "marketing", "granted": true });
        rig.event("app", customer, "consent", consent).await;
        let exceeded = json!({ "name": "Screens Exceeded", "properties": { "screens": 3 } });
        rig.event("player", customer, "track", exceeded).await;
    }
    rig.settled().await;
    rig.service.kill().await.unwrap();
    rig.restart().await;
    let changed = json!({ "name": "Plan Changed", "properties": { "plan": "family" } });
    for customer in ["willem", "edda", "edda", "anouk"] {
        rig.event("app", customer, "track", changed.clone()).await;
    }
    rig.settled().await;

    let answer = rig.ask(verb::EXPERIMENTS, &[], Bytes::new()).await.unwrap();
    let answer: ExperimentsReply = serde_json::from_slice(&answer).unwrap();
    let [experiment] = &answer.experiments[..] else { panic!("{answer:?}") };
    let counted = experiment.arms.iter().map(|arm| {
        let does = arm.does.as_deref().unwrap_or("policy");
        (&*arm.name, does, arm.result.entered, arm.result.reached)
    });
    let counted: Vec<_> = counted.collect();
    assert_eq!(counted, [("quiet", "nothing", 2, 1), ("usual", "policy", 3, 2)]);
}
