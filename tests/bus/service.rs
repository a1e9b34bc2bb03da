//! What can be asked over the bus.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use bytes::Bytes;
use futures::StreamExt;
use jumeau::bus::{ApiError, ApiService, Endpoint};
use tokio::time::timeout;

use crate::{PATIENCE, World, eventually, publish_raw, world};

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_found_and_answers() {
    let world = world().await;
    let endpoints = [
        Endpoint {
            verb: "show",
            tokens: 1,
            places: 256,
            is_for_channels: false,
            describe: "what is known of a customer",
        },
        Endpoint {
            verb: "stats",
            tokens: 0,
            places: 256,
            is_for_channels: false,
            describe: "counters",
        },
    ];
    let service = ApiService::start(&world.bus, &endpoints, |request| async move {
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
    let expected =
        ["jumeau.api.show.*", "jumeau.api.stats", "jumeau.as.*.show.*", "jumeau.as.*.stats"];
    assert_eq!(subjects, BTreeSet::from(expected));

    let shown = world.client.request("jumeau.api.show.anna", "".into()).await.unwrap();
    assert_eq!(shown.payload, "anna");
    let refused = world.client.request("jumeau.api.stats", "".into()).await.unwrap();
    let headers = refused.headers.unwrap();
    assert_eq!(headers.get("Nats-Service-Error-Code").unwrap().as_str(), "400");
    let error = headers.get("Nats-Service-Error").unwrap();
    assert_eq!(error.as_str(), "expected nothing, found `stats`");
    let stats = world.client.request("$SRV.STATS.jumeau", "".into()).await.unwrap();
    let stats: serde_json::Value = serde_json::from_slice(&stats.payload).unwrap();
    let of = |subject: &str| {
        let all = stats["endpoints"].as_array().unwrap();
        let one = all.iter().find(|one| one["subject"] == subject).unwrap();
        (one["num_requests"].as_u64().unwrap(), one["num_errors"].as_u64().unwrap())
    };
    assert_eq!((of("jumeau.api.show.*"), of("jumeau.api.stats")), ((1, 0), (1, 1)));
    assert_eq!(of("jumeau.as.*.stats"), (0, 0));
    service.stop().await;
    let gone = world.client.request("jumeau.api.stats", "".into()).await.unwrap_err();
    assert_eq!(gone.kind(), RequestErrorKind::NoResponders);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_outlives_a_request_with_headers_that_are_not_text() {
    let world = world().await;
    let endpoints = [Endpoint {
        verb: "stats",
        tokens: 0,
        places: 256,
        is_for_channels: false,
        describe: "counters",
    }];
    let _service =
        ApiService::start(&world.bus, &endpoints, |_| async { Ok(Bytes::new()) }).await.unwrap();
    let kinds = [&b"nonsense\r\n\r\n"[..], b"NATS/1.0\r\nx: a\rb\r\n\r\n", UNREADABLE];
    for headers in kinds {
        publish_raw(&world.broker, "jumeau.api.stats", headers, b"").await;
        eventually("it answers again", async || {
            let answer = world.client.request("jumeau.api.stats", "".into());
            matches!(timeout(Duration::from_millis(500), answer).await, Ok(Ok(_)))
        })
        .await;
    }
}

/// Headers over which the client library makes its connection anew.
const UNREADABLE: &[u8] = b"NATS/1.0\r\nx: \xff\xfe\r\n\r\n";

/// How often this client asks one thing, once each answer is there, while somebody publishes to another
/// subject what no client can read.
async fn unanswered(world: &World, asked: &'static str, bad: &'static str) -> usize {
    // Its own door may be shaken still.
    eventually("it answers", async || world.client.request(asked, "".into()).await.is_ok()).await;
    let mut lost = 0;
    for _ in 0..20 {
        publish_raw(&world.broker, bad, UNREADABLE, b"").await;
        let answer = world.client.request(asked, "".into());
        lost += usize::from(!matches!(timeout(Duration::from_secs(2), answer).await, Ok(Ok(_))));
    }
    lost
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_do_not_take_people_down_nor_people_channels() {
    let world = world().await;
    let (places, describe) = (256, "answers");
    let endpoints = [
        Endpoint { verb: "decide", tokens: 1, places, is_for_channels: true, describe },
        Endpoint { verb: "stats", tokens: 0, places, is_for_channels: false, describe },
    ];
    let _service =
        ApiService::start(&world.bus, &endpoints, |_| async { Ok(Bytes::new()) }).await.unwrap();
    let doors = ["jumeau.api.decide.ann", "jumeau.as.anna.stats", "jumeau.api.stats", "$SRV.PING"];
    for asked in doors {
        for bad in doors.into_iter().filter(|bad| *bad != asked) {
            assert_eq!(unanswered(&world, asked, bad).await, 0, "{asked} behind {bad}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_service_refuses_requests_with_its_code() {
    let world = world().await;
    let endpoints = [Endpoint {
        verb: "wait",
        tokens: 0,
        places: 8,
        is_for_channels: false,
        describe: "waits",
    }];
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let _service = ApiService::start(&world.bus, &endpoints, move |_| {
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
