//! `jumeau rehearse`: two policies on what really happened, as text and as a page; and nothing has
//! happened meanwhile.

use async_nats::HeaderMap;
use async_nats::jetstream::stream::Stream;
use jumeau::api::{ForgedReply, ForgedRequest, PolicyStatus, verb};
use jumeau::bus::{Broker, BrokerOptions};
use jumeau::config::limits;
use jumeau::partition::Counters;
use serde_json::json;
use tokio::process::Command;

use crate::past::POLICY;
use crate::rig::{Rig, binary};

async fn messages(rig: &Rig) -> Vec<u64> {
    let mut found = Vec::new();
    for name in ["JUMEAU_EVENTS", "JUMEAU_ACTIONS", "JUMEAU_DEAD"] {
        let mut stream: Stream = rig.stream.get_stream(name).await.unwrap();
        found.push(stream.info().await.unwrap().state.messages);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_policies_are_rehearsed_on_the_real_past_and_nothing_happens() {
    let rig = Rig::with_policy(POLICY, &["service.partitions=4"]).await;
    for (customer, city, looks, asks) in
        [("ann", "Ghent", 3, 2), ("bob", "Ghent", 0, 0), ("cid", "Liège & co", 5, 0)]
    {
        rig.event("web", customer, "identify", json!({ "traits": { "city": city } })).await;
        for _ in 0..looks {
            rig.event("web", customer, "track", json!({ "name": "Looked" })).await;
        }
        rig.settled().await;
        for _ in 0..asks {
            let ask = json!({ "channel": "web", "placements": ["hero"] });
            rig.decide(customer, ask).await.unwrap();
        }
    }
    // What cannot be used is no part of anybody's past.
    rig.event("web", "dan", "track", json!({ "nme": "Looked" })).await;
    rig.settled().await;
    let before = (messages(&rig).await, rig.stats().await.unwrap().total());

    let other = rig.policy("other", &POLICY.replace("facts.looks < 3", "facts.looks < 2"));
    let url = rig.broker.url();
    let live = rig.folder.path().join("live");
    let arguments = ["rehearse", "--server", &url, "--policy", live.to_str().unwrap()];
    let more = ["--with", &other, "--across", "city", "--html", "r.html"];
    let ran = rig.run("jumeau", &[&arguments[..], &more].concat()).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told: Vec<&str> = ran.out.lines().filter(|line| !line.starts_with("from ")).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    3 customers, 13 inputs
    live   past b0df9e4d3e75c064
    other  past ee356cbb0948cb14

                                        live       other      change
    actions                                8           8
      for each customer                 2.67        2.67
      that sell                            2           0       -100%
    customers reached                      2           2
    escalations                            0           0
    value                                1.2         1.1        -13%
      for each customer                0.412       0.358        -13%
    by issue
      nurture                              6           8        +33%
      sales                                2           0       -100%
    by channel
      web                                  8           8
    customers by actions
      0                                    1           1
      1                                    0           0
      2                                    0           0
      3                                    0           0
      4                                    2           2
      5                                    0           0
      6                                    0           0
      7                                    0           0
      8 or more                            0           0
    value by city
      Ghent (2)                        0.303       0.263        -13%
      Liège & co (1)                   0.630       0.550        -13%

    worth more to 0 customers, less to 2, the same to 1
    the page is r.html
    ");

    let page = std::fs::read_to_string(rig.folder.path().join("r.html")).unwrap();
    assert!(page.contains("3 customers, 13 inputs"), "{page}");
    assert!(page.contains("Liège &amp; co (1)") && !page.contains("& co"), "{page}");
    let after = (messages(&rig).await, rig.stats().await.unwrap().total());
    assert_eq!(after.0, before.0);
    let counts = |total: &Counters| (total.events, total.asks, total.actions, total.cursor);
    assert_eq!(counts(&after.1), counts(&before.1));
}

/// The policy that the service goes by counts, and not what stands somewhere on a disk; the broker is
/// that of `NATS_URL`, as for `twinctl`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_compares_with_the_policy_of_the_service() {
    let rig = Rig::with_policy(POLICY, &["service.partitions=2"]).await;
    rig.event("web", "ann", "track", json!({ "name": "Looked" })).await;
    rig.settled().await;
    let running: PolicyStatus =
        serde_json::from_slice(&rig.ask(verb::POLICY, &[], "".into()).await.unwrap()).unwrap();
    let other = rig.policy("other", &POLICY.replace("facts.looks < 3", "facts.looks < 2"));
    let ran = Command::new(binary("jumeau"))
        .args(["rehearse", "--with", &other])
        .env("NATS_URL", rig.broker.url())
        .current_dir(rig.folder.path())
        .output();
    let ran = ran.await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains(&format!("live   {} {}", running.name, running.version)), "{said}");

    // Somebody names another one: that is said, and the service's counts.
    let url = rig.broker.url();
    let named = ["rehearse", "--server", &url, "--policy", &other, "--with", &other];
    let ran = rig.run("jumeau", &named).await;
    assert!(
        ran.out.contains(&format!("live   {} {}", running.name, running.version)),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("on this disk is version"), "{}", ran.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_and_a_replay_believe_no_more_than_the_service_does() {
    let rig = Rig::with_policy(POLICY, &["service.merging-channels=[\"crm\"]"]).await;
    let looked = json!({ "name": "Looked" });
    for who in ["ann", "bob"] {
        rig.event("web", who, "identify", json!({ "traits": { "first_name": who } })).await;
    }
    rig.event("web", "cookie", "link", json!({ "to": "ann" })).await;
    rig.settled().await;
    // The service itself forwards it to ann.
    rig.event("web", "cookie", "track", looked.clone()).await;
    rig.settled().await;
    // What follows it refuses: a merge by a channel that may not, and what others say in its name.
    rig.event("web", "bob", "link", json!({ "to": "ann", "merge": true })).await;
    let invented = (0..10).map(|number| format!("mallory{number}"));
    for who in std::iter::once("ann".to_owned()).chain(invented) {
        let forged = json!({
            "specversion": "1.0", "id": "p1", "source": "jumeau", "type": "jumeau.pass",
            "data": {
                "from": "mallory", "via": ["mallory"], "links": [1], "hops": 1, "channel": "web",
                "id": "x", "fingerprint": 7, "type": "track", "data": looked,
            },
        });
        let mut headers = HeaderMap::new();
        headers.insert("Passed-Mark", "0".repeat(32));
        let subject = format!("jumeau.events._jumeau.{who}");
        rig.publish(&subject, headers, forged.to_string()).await;
    }
    rig.settled().await;
    let last = rig.stream.get_stream("JUMEAU_EVENTS").await.unwrap();
    let last = last.cached_info().state.last_sequence;
    let forged = ForgedRequest { sequences: (1..=last + 1).collect() };
    let asked = serde_json::to_vec(&forged).unwrap();
    let forged = rig.ask(verb::FORGED, &[], asked.into()).await.unwrap();
    let forged: ForgedReply = serde_json::from_slice(&forged).unwrap();
    assert_eq!(forged.forged, (last - 10..=last).collect::<Vec<u64>>());
    let many = ForgedRequest { sequences: vec![1; limits::FORGED_ASKED + 1] };
    let asked = serde_json::to_vec(&many).unwrap();
    assert!(rig.ask(verb::FORGED, &[], asked.into()).await.is_err());

    let live = rig.folder.path().join("live");
    let (url, live) = (rig.broker.url(), live.to_str().unwrap());
    let ran = rig.twinctl(&["replay", "ann", "--policy", live]).await;
    // She is identified, a memory comes, and what the cookie did.
    let said = "ann  3 inputs";
    assert!(ran.out.contains(said), "{}{}", ran.out, ran.err);
    let rehearse = ["rehearse", "--server", &url, "--policy", live, "--with", live, "--json"];
    let ran = rig.run("jumeau", &rehearse).await;
    let told: serde_json::Value = serde_json::from_str(&ran.out).expect(&ran.err);
    assert_eq!(told["report"]["customers"], 3, "{told}");
    // Three of ann's, one of bob's, two of the cookie's.
    assert_eq!(told["report"]["inputs"], 6, "{told}");
    // An identifier that occurs only in forged messages takes no place in the sample.
    for size in 1..=3 {
        let size = size.to_string();
        let ran = rig.run("jumeau", &[&rehearse[..], &["--sample", &size]].concat()).await;
        let told: serde_json::Value = serde_json::from_str(&ran.out).expect(&ran.err);
        assert_eq!(told["report"]["customers"].to_string(), size, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_without_a_service_says_what_is_missing() {
    let mut rig = Rig::with_policy(POLICY, &[]).await;
    rig.event("web", "ann", "track", json!({ "name": "Looked" })).await;
    rig.settled().await;
    assert!(rig.terminate().await.success());
    let live = rig.folder.path().join("live");
    let (url, live) = (rig.broker.url(), live.to_str().unwrap());
    let arguments = ["rehearse", "--server", &url, "--policy", live, "--with", live];
    let ran = rig.run("jumeau", &arguments).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("1 customer, 1 input"), "{}", ran.out);
    assert!(ran.out.contains("no service answers on this broker"), "{}", ran.out);
    assert!(ran.out.contains("from this disk as the live policy"), "{}", ran.out);
    assert!(ran.out.contains("which internal messages are genuine"), "{}", ran.out);
    let ran = rig.run("jumeau", &[&arguments[..5], &["--with", "nonesuch"]].concat()).await;
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("nonesuch"), "{}", ran.err);
}

/// Rehearses with these variables; what it says where mistakes are told.
async fn refused(variables: &[(&str, &str)], more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new(binary("jumeau"))
        .args(["rehearse", "--with", "bank"])
        .args(more)
        .envs(variables.iter().copied())
        .env("NO_COLOR", "1")
        .current_dir(folder.path())
        .output();
    let ran = ran.await.unwrap();
    assert_eq!(ran.status.code(), Some(1));
    String::from_utf8(ran.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_comes_in_as_twinctl_does_and_says_so_where_it_does_not() {
    // A port that nothing listens on: it was just let go.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("nats://{nobody}");
    let said = refused(&[("NATS_URL", &nobody)], &[]).await;
    let wanted = format!("expected a broker at {nobody}; name another with --server or NATS_URL");
    assert!(said.contains(&wanted), "{said}");
    let said = refused(&[("NATS_URL", &nobody)], &["--json"]).await;
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(told["error"].as_str().unwrap().starts_with(&wanted), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let security = r#"authorization { user: ann, password: "s:c@r/t%41" }"#.to_owned();
    let options = BrokerOptions {
        security: Some(security),
        ..BrokerOptions::new(folder.path().join("nats"))
    };
    let broker = Broker::start(options).await.unwrap();
    let url = broker.url();
    let said = refused(&[("NATS_URL", &url)], &[]).await;
    assert!(said.contains(".env`") && said.contains("NATS_USER and NATS_PASSWORD"), "{said}");
    // It comes in, and finds no stream of events.
    let known = [("NATS_URL", &*url), ("NATS_USER", "ann"), ("NATS_PASSWORD", "s:c@r/t%41")];
    let said = refused(&known, &[]).await;
    assert!(!said.contains("authorization") && said.contains("stream not found"), "{said}");
}
