//! A request may name any reply subject, and the broker, or the service, answers there. None of
//! these answers may become what its author could not have published: each role tries each subject
//! that would do harm, and the streams stay as they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use jumeau::bus::{ApiError, ApiService, Bus, Endpoint};
use parking_lot::Mutex;

use crate::rig::{Guest, Rig, STREAMS, Stream, company, in_time};

/// Subjects on which an answer would do harm: of the broker's own interface, of the service alone, of
/// other roles, and of their inboxes.
const HARMFUL: [&str; 37] = [
    "$JS.API.INFO",
    "$JS.API.STREAM.DELETE.JUMEAU_AUDIT",
    "$JS.API.STREAM.DELETE.JUMEAU_EVENTS",
    "$JS.API.STREAM.PURGE.JUMEAU_DEAD",
    "$JS.API.STREAM.PURGE.JUMEAU_ACTIONS",
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.STREAM.UPDATE.JUMEAU_EVENTS",
    "$JS.API.STREAM.MSG.DELETE.JUMEAU_ACTIONS",
    "$JS.API.CONSUMER.CREATE.JUMEAU_ACTIONS",
    "$JS.API.CONSUMER.CREATE.JUMEAU_EVENTS.mine",
    "$JS.API.CONSUMER.DELETE.JUMEAU_ACTIONS.app",
    "$JS.API.CONSUMER.PAUSE.JUMEAU_ACTIONS.app",
    "$JS.API.CONSUMER.RESET.JUMEAU_ACTIONS.app",
    "$JS.API.CONSUMER.MSG.NEXT.JUMEAU_ACTIONS.app",
    "$JS.ACK.JUMEAU_ACTIONS.app.1.1.1.1.1",
    "$JS.ACK.JUMEAU_EVENTS.twins.JUMEAU_ACTIONS.web.1.1.1",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
    "jumeau.events._jumeau.bob",
    "jumeau.events.app.bob",
    "jumeau.partition.0.app.bob",
    "jumeau.broadcast.fires",
    "jumeau.actions.app.open.bob",
    "jumeau.recalls.app.bob",
    "jumeau.escalations.care.bob",
    "jumeau.observations.open.bob",
    "jumeau.dead.panic",
    "jumeau.audit.erase",
    "jumeau.owner",
    "jumeau.log.0",
    "jumeau.api.show.bob",
    "jumeau.as.operator-max.show.bob",
    "jumeau.as.agent-max.escalations.claim.care.bob",
    "jumeau.nowhere.STREAM.DELETE.JUMEAU_AUDIT",
    "_R_.forged",
    "_INBOX.service.forged",
    "_INBOX.channel-app.forged",
    "_INBOX.integrator-app.forged",
];

/// Bodies that mean something to the broker's interface.
const PUSH: &str = r#"{"stream_name":"JUMEAU_EVENTS","config":{"name":"mine","deliver_subject":"jumeau.audit.erase","ack_policy":"none","deliver_policy":"all"}}"#;

/// One of each role that has a key.
const EVERYBODY: [&str; 5] =
    ["channel-web", "integrator-web", "broadcaster-grid", "agent-lea", "operator-anna"];

/// A broker with something in each stream, a service that answers, and bystanders.
struct Scene {
    rig: Rig,
    _service: ApiService,
    /// Who asked the service, and what.
    asked: Arc<Mutex<Vec<String>>>,
    bystanders: Vec<(Guest, async_nats::Subscriber)>,
    of_service: async_nats::Subscriber,
    before: BTreeMap<String, Stream>,
}

impl Scene {
    async fn set() -> Scene {
        Scene::with(|security| security).await
    }

    async fn with(change: impl Fn(String) -> String) -> Scene {
        let rig = Rig::of(&company(&["web", "app"]), change).await;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let service = desk(&rig.bus, asked.clone()).await;
        for subject in [
            "jumeau.events.app.ann",
            "jumeau.actions.app.open.ann",
            "jumeau.escalations.care.ann",
            "jumeau.dead.bad-json",
            "jumeau.audit.show",
        ] {
            rig.publish(subject, "{}").await;
        }
        for _ in 0..100 {
            rig.publish("jumeau.actions.web.open.ann", "{}").await;
        }
        let mut bystanders = Vec::new();
        for user in ["channel-app", "integrator-app"] {
            let guest = rig.join(user).await;
            let heard = guest.client.subscribe(format!("_INBOX.{user}.forged")).await.unwrap();
            guest.client.flush().await.unwrap();
            bystanders.push((guest, heard));
        }
        let of_service = rig.subscribe("_INBOX.service.forged").await;
        let before = rig.state().await;
        assert!(STREAMS.iter().all(|name| before[*name].messages > 0), "{before:?}");
        Scene { rig, _service: service, asked, bystanders, of_service, before }
    }

    /// Nothing is different but so many more events, and what `mine` of the stream of actions took.
    async fn stays_as_before(mut self, events: u64, mine: Option<&str>) {
        let mut after = self.rig.state().await;
        let stream = self.before.get_mut("JUMEAU_EVENTS").unwrap();
        stream.messages += events;
        stream.last += events;
        if let Some(mine) = mine {
            for state in [&mut self.before, &mut after] {
                state.get_mut("JUMEAU_ACTIONS").unwrap().consumers.remove(mine).unwrap();
            }
        }
        assert_eq!(after, self.before);
        for (guest, heard) in &mut self.bystanders {
            in_time(guest.client.flush()).await.unwrap();
            assert!(heard.next().now_or_never().is_none(), "somebody else heard it");
        }
        assert!(self.of_service.next().now_or_never().is_none(), "the service heard it");
    }

    /// Who asked the service in whose name.
    fn askers(&self) -> Vec<String> {
        let mut askers = self.asked.lock().clone();
        askers.sort();
        askers.dedup();
        askers
    }
}

async fn desk(bus: &Bus, asked: Arc<Mutex<Vec<String>>>) -> ApiService {
    const fn endpoint(verb: &'static str, tokens: usize) -> Endpoint {
        Endpoint { verb, tokens, places: 64, is_for_channels: false, describe: "answers" }
    }
    let endpoints = [
        endpoint("decide", 2),
        endpoint("show", 1),
        endpoint("escalations.claim", 2),
        endpoint("escalations.list", 1),
        endpoint("stats", 0),
    ];
    ApiService::start(bus, &endpoints, move |request| {
        asked.lock().push(format!("{} by `{}`", request.verb, request.by.name));
        async move { Ok::<_, ApiError>(Bytes::from_static(b"{}")) }
    })
    .await
    .unwrap()
}

/// How many messages with these reply subjects the broker takes at all: some it keeps to itself.
fn taken(replies: &[&str]) -> u64 {
    let is_kept = |reply: &&&str| ["$JS.ACK.", "_R_."].iter().any(|own| reply.starts_with(own));
    replies.iter().filter(|reply| !is_kept(reply)).count() as u64
}

/// Asks everything that a role may ask, with each reply subject.
async fn try_all(guest: &Guest, questions: &[(&str, &str)], replies: &[&str]) {
    for reply in replies {
        for (subject, payload) in questions {
            guest.asks(subject, reply, payload).await;
        }
    }
    in_time(guest.client.flush()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_cannot_direct_a_reply_where_it_may_not_publish() {
    let scene = Scene::set().await;
    let web = scene.rig.join("channel-web").await;
    let questions = [("jumeau.events.web.mallory", "{}"), ("jumeau.api.decide.web.mallory", "{}")];
    try_all(&web, &questions, &HARMFUL).await;
    // Answers come in the order of the questions: once these are there, the others were, too.
    web.stores("jumeau.events.web.mallory").await;
    let asked = web.client.request("jumeau.api.decide.web.mallory", "".into());
    in_time(asked).await.unwrap();
    assert_eq!(scene.askers(), ["decide by ``"]);
    scene.stays_as_before(taken(&HARMFUL) + 1, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integrator_cannot_direct_a_reply_where_it_may_not_publish() {
    let scene = Scene::set().await;
    let web = scene.rig.join("integrator-web").await;
    let (next, info) = (
        "$JS.API.CONSUMER.MSG.NEXT.JUMEAU_ACTIONS.web",
        "$JS.API.CONSUMER.INFO.JUMEAU_ACTIONS.web",
    );
    try_all(&web, &[(next, r#"{"batch":1,"no_wait":true}"#), (info, "")], &HARMFUL).await;

    // The integrator can still fetch messages, and acknowledge them.
    let stream = jetstream::new(web.client.clone());
    let consumer: PullConsumer =
        in_time(stream.get_consumer_from_stream("web", "JUMEAU_ACTIONS")).await.unwrap();
    let mut messages = consumer.fetch().max_messages(3).messages().await.unwrap();
    for said in ["+ACK", "-NAK", r#"+NXT {"batch":1,"no_wait":true}"#] {
        let message = in_time(messages.next()).await.unwrap().unwrap();
        let reply = message.reply.clone().unwrap();
        for harmful in HARMFUL {
            web.asks(&reply, harmful, said).await;
        }
    }
    let mut messages = consumer.fetch().max_messages(1).messages().await.unwrap();
    let message = in_time(messages.next()).await.unwrap().unwrap();
    in_time(message.double_ack()).await.unwrap();
    scene.stays_as_before(0, Some("web")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcaster_cannot_direct_a_reply_where_it_may_not_publish() {
    let scene = Scene::set().await;
    let grid = scene.rig.join("broadcaster-grid").await;
    try_all(&grid, &[("jumeau.broadcast.outage", "{}")], &HARMFUL).await;
    grid.stores("jumeau.broadcast.outage").await;
    scene.stays_as_before(taken(&HARMFUL) + 1, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_cannot_direct_a_reply_where_they_may_not_publish() {
    let scene = Scene::set().await;
    let lea = scene.rig.join("agent-lea").await;
    let questions = [
        ("jumeau.as.agent-lea.escalations.claim.care.bob", "{}"),
        ("jumeau.as.agent-lea.escalations.list.billing", ""),
    ];
    try_all(&lea, &questions, &HARMFUL).await;
    for (subject, _) in questions {
        in_time(lea.client.request(subject, "".into())).await.unwrap();
    }
    let names = ["escalations.claim by `agent-lea`", "escalations.list by `agent-lea`"];
    assert_eq!(scene.askers(), names);
    scene.stays_as_before(0, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_cannot_direct_a_reply_where_they_may_not_publish() {
    let scene = Scene::set().await;
    let anna = scene.rig.join("operator-anna").await;
    let direct = "$JS.API.DIRECT.GET.JUMEAU_EVENTS";
    let questions = [
        ("jumeau.events.cli.mallory", "{}"),
        ("jumeau.as.operator-anna.show.bob", ""),
        ("$SRV.PING", ""),
        ("$SRV.INFO.jumeau", ""),
        ("$SRV.STATS.jumeau", ""),
        (direct, r#"{"seq":1,"batch":10,"next_by_subj":">"}"#),
        (direct, r#"{"last_by_subj":">"}"#),
        ("$JS.API.DIRECT.GET.JUMEAU_ACTIONS", r#"{"seq":1,"batch":10,"next_by_subj":">"}"#),
        ("$JS.API.STREAM.MSG.GET.JUMEAU_EVENTS", r#"{"last_by_subj":">"}"#),
    ];
    let replies: Vec<&str> =
        HARMFUL.into_iter().filter(|subject| *subject != "jumeau.broadcast.fires").collect();
    try_all(&anna, &questions, &replies).await;
    anna.stores("jumeau.events.cli.mallory").await;
    for subject in ["jumeau.as.operator-anna.show.bob", "$SRV.PING.jumeau", "$SRV.STATS.jumeau"] {
        in_time(anna.client.request(subject, "".into())).await.unwrap();
    }
    in_time(anna.client.request(direct, r#"{"last_by_subj":">"}"#.into())).await.unwrap();
    assert_eq!(scene.askers(), ["show by `operator-anna`"]);
    scene.stays_as_before(taken(&replies) + 1, None).await;
}

/// The text without what users may publish and hear in their own accounts.
fn without_permissions(security: String) -> String {
    let own = security.find("\n  # channel-web:").expect("accounts of users");
    let (head, accounts) = security.split_at(own);
    let mut kept = head.to_owned();
    let mut is_skipped = false;
    for line in accounts.lines() {
        is_skipped |= line == "        permissions: {";
        if !is_skipped {
            kept += line;
            kept.push('\n');
        }
        is_skipped &= line != "        }";
    }
    assert!(kept.len() < security.len());
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_alone_separate_the_users() {
    let scene = Scene::with(without_permissions).await;
    for user in EVERYBODY {
        let guest = scene.rig.join(user).await;
        for subject in HARMFUL {
            if subject == "jumeau.broadcast.fires" && user == "operator-anna" {
                continue;
            }
            for payload in ["", "{}", PUSH] {
                guest.client.publish(subject, payload.into()).await.unwrap();
                guest.asks(subject, "jumeau.audit.erase", payload).await;
            }
        }
        in_time(guest.client.flush()).await.unwrap();
    }
    // Whatever came of it would be there before this is.
    scene.rig.join("channel-web").await.stores("jumeau.events.web.mallory").await;
    assert_eq!(scene.askers(), Vec::<String>::new());
    scene.stays_as_before(1, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_hears_nothing_exported_to_another_user() {
    let scene = Scene::with(without_permissions).await;
    let mut heard = Vec::new();
    let mut guests = Vec::new();
    for user in EVERYBODY {
        let guest = scene.rig.join(user).await;
        for subject in
            ["jumeau.events.>", "jumeau.api.>", "jumeau.as.>", "_R_.>", "_INBOX.channel-app.>"]
        {
            heard.push((user, guest.client.subscribe(subject).await.unwrap()));
        }
        if user != "operator-anna" {
            for subject in ["jumeau.actions.>", "jumeau.recalls.>", "jumeau.escalations.fraud.*"] {
                heard.push((user, guest.client.subscribe(subject).await.unwrap()));
            }
        }
        in_time(guest.client.flush()).await.unwrap();
        guests.push(guest);
    }
    let app = scene.rig.join("channel-app").await;
    app.stores("jumeau.events.app.bob").await;
    in_time(app.client.request("jumeau.api.decide.app.bob", "".into())).await.unwrap();
    for subject in
        ["jumeau.actions.web.open.bob", "jumeau.recalls.web.bob", "jumeau.escalations.fraud.bob"]
    {
        scene.rig.publish(subject, "{}").await;
    }
    for guest in &guests {
        in_time(guest.client.flush()).await.unwrap();
    }
    for (user, heard) in &mut heard {
        if let Some(message) = heard.next().now_or_never() {
            panic!("{user} heard {:?}", message.map(|message| message.subject));
        }
    }
}
