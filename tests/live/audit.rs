//! What people do is written down, or it is not done.

use async_nats::HeaderMap;
use bytes::Bytes;
use jumeau::api::{AuditOutcome, AuditRecord, AuditReply, verb};
use jumeau::bus::CALLER;
use serde_json::json;

use super::rig::Rig;

async fn audit(rig: &Rig, wanted: serde_json::Value) -> Vec<AuditRecord> {
    let answer = rig.ask(verb::AUDIT, &[], wanted.to_string().into()).await.unwrap();
    serde_json::from_slice::<AuditReply>(&answer).unwrap().records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_of_a_look_names_the_operator_and_not_the_customer() {
    let rig = Rig::start("bank", &[]).await;
    rig.event("app", "annabella", "page", json!({ "name": "Home" })).await;
    rig.settled().await;
    let mut headers = HeaderMap::new();
    headers.insert(CALLER, "max");
    let asked = "jumeau.api.show.annabella";
    rig.client.request_with_headers(asked, headers, Bytes::new()).await.unwrap();
    rig.ask(verb::STATS, &[], Bytes::new()).await.unwrap();
    assert!(rig.ask(verb::SHOW, &["nobody"], Bytes::new()).await.is_err());

    // Not even the broker's files tell whom.
    let stream = rig.stream.get_stream("JUMEAU_AUDIT").await.unwrap();
    let lines = stream.cached_info().state.last_sequence;
    assert_eq!(lines, 2);
    for sequence in 1..=lines {
        let line = stream.get_raw_message(sequence).await.unwrap();
        let text = format!("{} {}", line.subject, String::from_utf8_lossy(&line.payload));
        assert!(!text.contains("annabella"), "{text}");
    }
    assert!(stream.purge().await.is_err(), "what was done stays written");

    let shown = audit(&rig, json!({ "about": "annabella" })).await;
    let [line] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((&*line.act, &*line.by, line.is_vouched), ("show", "max", false));
    assert_eq!((line.outcome, line.code), (AuditOutcome::Done, None));
    let all = audit(&rig, json!({})).await;
    let acts: Vec<&str> = all.iter().map(|line| &*line.act).collect();
    assert_eq!(acts, ["show", "show", "audit"]);
    assert_eq!((all[1].outcome, all[1].code), (AuditOutcome::Refused, Some(404)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_is_written_down_before_it_is_done_and_after() {
    let rig = Rig::start("bank", &["audit.identifiers=plain"]).await;
    rig.publish("jumeau.events.app.ann", HeaderMap::new(), "nonsense").await;
    rig.settled().await;
    let retry = json!({ "sequences": [1] }).to_string();
    rig.ask(verb::DEAD_RETRY, &[], retry.clone().into()).await.unwrap();
    let lines = audit(&rig, json!({ "act": "dead.retry" })).await;
    let outcomes: Vec<AuditOutcome> = lines.iter().map(|line| line.outcome).collect();
    assert_eq!(outcomes, [AuditOutcome::Asked, AuditOutcome::Done]);
    assert_eq!(lines[0].id, lines[1].id);
    assert_eq!(lines[0].what.as_deref(), Some(&*retry));
    let _ = rig.ask(verb::TIMELINE, &["ann"], Bytes::new()).await;
    let lines = audit(&rig, json!({ "about": "ann" })).await;
    assert_eq!(lines[0].about.as_deref(), Some("ann"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_audited_is_refused() {
    let rig = Rig::start("bank", &["nats.request-timeout-ms=500"]).await;
    rig.event("app", "ann", "page", json!({ "name": "Home" })).await;
    rig.settled().await;
    rig.stream.delete_stream("JUMEAU_AUDIT").await.unwrap();
    let refusal = rig.ask(verb::SHOW, &["ann"], Bytes::new()).await.unwrap_err().to_string();
    assert!(refusal.contains("nothing is shown or done without an audit line"), "{refusal}");
    rig.ask(verb::STATS, &[], Bytes::new()).await.unwrap();
}
