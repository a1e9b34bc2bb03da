//! What can be asked over the bus.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use jumeau::bus::{ApiError, Endpoint, Service};
use tokio::time::timeout;

use crate::{PATIENCE, eventually, publish_raw, world};

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_found_and_answers() {
    let world = world().await;
    let endpoints = [
        Endpoint { verb: "show", tokens: 1, places: 256, describe: "what is known of a customer" },
        Endpoint { verb: "stats", tokens: 0, places: 256, describe: "counters" },
    ];
    let service = Service::start(&world.bus, &endpoints, |request| async move {
        match request.verb {
            "show" => Ok(Bytes::from(request.tokens.join("/"))),
            verb => Err(ApiError::new(400, format!("expected nothing,\nfound `{verb}`"))),
        }
    })
    .await
    .unwrap();

    let ping = world.client.request("$SRV.PING.jumeau", "".into()).await.unwrap();
    let ping: serde_json::Value = serde_json::from_slice(&ping.payload).unwrap();
    assert_eq!((&ping["name"], &ping["version"]), (&"jumeau".into(), &"0.1.0".into()));
    let info = world.client.request("$SRV.INFO.jumeau", "".into()).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
    let subjects: BTreeSet<&str> = info["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, BTreeSet::from(["jumeau.api.show.*", "jumeau.api.stats"]));

    let shown = world.client.request("jumeau.api.show.anna", "".into()).await.unwrap();
    assert_eq!(shown.payload, "anna");
    let refused = world.client.request("jumeau.api.stats", "".into()).await.unwrap();
    let headers = refused.headers.unwrap();
    assert_eq!(headers.get("Nats-Service-Error-Code").unwrap().as_str(), "400");
    let error = headers.get("Nats-Service-Error").unwrap();
    assert_eq!(error.as_str(), "expected nothing, found `stats`");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_outlives_a_request_with_headers_that_are_not_text() {
    let world = world().await;
    let endpoints = [Endpoint { verb: "stats", tokens: 0, places: 256, describe: "counters" }];
    let _service =
        Service::start(&world.bus, &endpoints, |_| async { Ok(Bytes::new()) }).await.unwrap();
    for headers in [&b"nonsense\r\n\r\n"[..], b"NATS/1.0\r\nx: a\rb\r\n\r\n"] {
        publish_raw(&world.broker, "jumeau.api.stats", headers, b"").await;
        eventually("it answers again", async || {
            let answer = world.client.request("jumeau.api.stats", "".into());
            matches!(timeout(Duration::from_millis(500), answer).await, Ok(Ok(_)))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_a_busy_service_is_told_so() {
    let world = world().await;
    let endpoints = [Endpoint { verb: "wait", tokens: 0, places: 8, describe: "waits" }];
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let _service = Service::start(&world.bus, &endpoints, move |_| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Bytes::new())
        }
    })
    .await
    .unwrap();
    let inbox = world.client.new_inbox();
    let mut answers = world.client.subscribe(inbox.clone()).await.unwrap();
    for _ in 0..=8 {
        world.client.publish_with_reply("jumeau.api.wait", inbox.clone(), "".into()).await.unwrap();
    }
    let busy = timeout(PATIENCE, answers.next()).await.unwrap().unwrap();
    assert_eq!(busy.headers.unwrap().get("Nats-Service-Error-Code").unwrap().as_str(), "503");
    opened.add_permits(1);
    let served = timeout(PATIENCE, answers.next()).await.unwrap().unwrap();
    assert!(served.headers.is_none());
}
