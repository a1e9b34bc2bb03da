//! Who may do what, by the real broker: encrypted, with the configuration that `jumeau keys` makes.
//! What is allowed works, and what is not is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

mod protocols;
mod reply_subjects;
mod rig;
mod whole;

use std::collections::BTreeSet;

use async_nats::jetstream;
use bytes::Bytes;
use futures::StreamExt;
use jumeau::bus::{ApiError, ApiService, Bus, Endpoint};
use jumeau::config::settings;
use jumeau::event::{Channel, Customer};
use rig::{Rig, in_time};

/// What the service answers: who asked, and whether the broker vouches for that.
async fn echo(bus: &Bus) -> ApiService {
    const fn endpoint(verb: &'static str, tokens: usize) -> Endpoint {
        Endpoint { verb, tokens, places: 8, is_for_channels: false, describe: "says who asked" }
    }
    let endpoints = [
        endpoint("decide", 1),
        endpoint("decide", 2),
        endpoint("show", 1),
        endpoint("escalations.claim", 1),
        endpoint("escalations.claim", 2),
        endpoint("escalations.list", 1),
        endpoint("escalations.next", 2),
        endpoint("stats", 0),
    ];
    ApiService::start(bus, &endpoints, |request| async move {
        let (name, is_vouched) = (request.by.name, request.by.is_vouched);
        let verb = format!("{} {}", request.verb, request.tokens.join(" "));
        Ok::<_, ApiError>(Bytes::from(format!("{verb} by `{name}`, {is_vouched}")))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_refuses_clients_without_a_key_or_tls() {
    let rig = Rig::start().await;
    let service = rig.prepared.nats("service", &rig.broker.url()).unwrap();
    assert!(Bus::connect(&service).await.is_ok());

    let without_a_key = settings::NatsSettings { nkey: None, ..service.clone() };
    let unknown_authority = settings::NatsSettings {
        tls: settings::TlsSettings { required: true, ..settings::TlsSettings::default() },
        ..service.clone()
    };
    let in_clear = async_nats::ConnectOptions::new().connect(rig.broker.url()).await;
    assert!(Bus::connect(&without_a_key).await.is_err());
    assert!(Bus::connect(&unknown_authority).await.is_err());
    assert!(in_clear.is_err());

    // A key of somebody who was never named.
    let strange = rig.folder.path().join("strange.nk");
    std::fs::write(&strange, nkeys::KeyPair::new_user().seed().unwrap()).unwrap();
    let strange = settings::NatsSettings { nkey: Some(strange), ..service };
    assert!(Bus::connect(&strange).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_reports_and_asks_for_itself_and_reads_nothing() {
    let rig = Rig::start().await;
    let _service = echo(&rig.bus).await;
    let mut web = rig.join("channel-web").await;

    web.stores("jumeau.events.web.ann").await;
    let answer = in_time(web.client.request("jumeau.api.decide.web.ann", "".into())).await.unwrap();
    assert_eq!(answer.payload, "decide web ann by ``, false");

    for subject in [
        "jumeau.events.app.ann",
        "jumeau.events._jumeau.ann",
        "jumeau.events.web",
        "jumeau.events.web.ann.more",
        "jumeau.partition.1.web.ann",
        "jumeau.broadcast.fires",
        "jumeau.actions.web.open.ann",
        "jumeau.recalls.web.ann",
        "jumeau.escalations.care.ann",
        "jumeau.dead.panic",
        "jumeau.audit.show",
        "jumeau.api.decide.ann",
        "jumeau.api.decide.app.ann",
        "jumeau.api.show.ann",
        "jumeau.as.operator-anna.show.ann",
        "_INBOX.channel-app.forged",
        "$SRV.PING",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.JUMEAU_EVENTS",
        "$JS.API.STREAM.MSG.GET.JUMEAU_EVENTS",
        "$JS.API.DIRECT.GET.JUMEAU_EVENTS",
        "$JS.API.STREAM.PURGE.JUMEAU_EVENTS",
        "$JS.API.CONSUMER.CREATE.JUMEAU_EVENTS.mine",
        "$JS.API.CONSUMER.MSG.NEXT.JUMEAU_EVENTS.twins",
        "$JS.ACK.JUMEAU_EVENTS.twins.1.1.1.1.1",
        "_R_.forged",
    ] {
        web.may_not_publish(subject).await;
    }
    for subject in [
        ">",
        "jumeau.>",
        "jumeau.events.web.*",
        "jumeau.actions.web.>",
        "jumeau.api.>",
        "_INBOX.>",
        "_INBOX.channel-app.>",
        "_INBOX.service.>",
        "$SRV.PING",
        "$JS.>",
    ] {
        web.may_not_hear(subject).await;
    }
    assert_eq!(rig.last("JUMEAU_EVENTS").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_does_not_reply_where_the_requester_may_not_publish() {
    let rig = Rig::start().await;
    let _service = echo(&rig.bus).await;
    let web = rig.join("channel-web").await;
    let asked = "jumeau.api.decide.web.ann";
    for forged in ["jumeau.events._jumeau.ann", "jumeau.events.app.ann", "jumeau.dead.panic"] {
        web.client.publish_with_reply(asked, forged, "".into()).await.unwrap();
    }
    // It answers in the order in which it is asked: when this is there, the others would be.
    in_time(web.client.request(asked, "".into())).await.unwrap();
    assert_eq!((rig.last("JUMEAU_EVENTS").await, rig.last("JUMEAU_DEAD").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integrator_reads_its_channel_from_its_own_consumer() {
    let rig = Rig::start().await;
    let mut web = rig.join("integrator-web").await;
    for (subject, payload) in [
        ("jumeau.actions.app.open.ann", "not for web"),
        ("jumeau.actions.web.open.ann", "an action"),
        ("jumeau.escalations.care.ann", "not for web either"),
        ("jumeau.recalls.web.ann", "its recall"),
    ] {
        rig.publish(subject, payload).await;
    }

    let stream = jetstream::new(web.client.clone());
    let consumer: jetstream::consumer::PullConsumer =
        stream.get_consumer_from_stream("web", "JUMEAU_ACTIONS").await.unwrap();
    let mut messages = consumer.fetch().max_messages(10).messages().await.unwrap();
    let mut taken = Vec::new();
    while taken.len() < 2 {
        let message = in_time(messages.next()).await.unwrap().unwrap();
        in_time(message.double_ack()).await.unwrap();
        taken.push(String::from_utf8(message.payload.to_vec()).unwrap());
    }
    assert_eq!(taken, ["an action", "its recall"]);
    let info = in_time(stream.get_consumer_from_stream("web", "JUMEAU_ACTIONS")).await;
    let info: jetstream::consumer::PullConsumer = info.unwrap();
    assert_eq!((info.cached_info().num_pending, info.cached_info().num_ack_pending), (0, 0));

    for subject in [
        "jumeau.events.web.ann",
        "jumeau.actions.web.open.ann",
        "jumeau.api.show.ann",
        "$JS.API.STREAM.INFO.JUMEAU_ACTIONS",
        "$JS.API.STREAM.MSG.GET.JUMEAU_ACTIONS",
        "$JS.API.DIRECT.GET.JUMEAU_ACTIONS",
        "$JS.API.CONSUMER.INFO.JUMEAU_ACTIONS.app",
        "$JS.API.CONSUMER.MSG.NEXT.JUMEAU_ACTIONS.app",
        "$JS.API.CONSUMER.CREATE.JUMEAU_ACTIONS.web",
        "$JS.API.CONSUMER.CREATE.JUMEAU_ACTIONS.mine.jumeau.actions.app.>",
        "$JS.API.CONSUMER.DELETE.JUMEAU_ACTIONS.app",
        "$JS.ACK.JUMEAU_ACTIONS.app.1.1.1.1.1",
        // As acknowledgements may look one day, and as one of another consumer looks today.
        "$JS.ACK._.hash.JUMEAU_ACTIONS.web.1.1.1.1.1",
        "$JS.ACK.JUMEAU_EVENTS.twins.JUMEAU_ACTIONS.web.1.1.1",
    ] {
        web.may_not_publish(subject).await;
    }
    for subject in ["jumeau.actions.web.>", "jumeau.actions.>", "_INBOX.>", "jumeau.events.>"] {
        web.may_not_hear(subject).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sees_the_escalations_of_its_queues_and_works_on_them_under_its_name() {
    let rig = Rig::start().await;
    let _service = echo(&rig.bus).await;
    let mut lea = rig.join("agent-lea").await;
    let mut heard = lea.client.subscribe("jumeau.escalations.care.*").await.unwrap();
    lea.client.flush().await.unwrap();
    for (asked, answer) in [
        ("escalations.claim.care.ann", "escalations.claim care ann by `agent-lea`, true"),
        ("escalations.next.billing.ann", "escalations.next billing ann by `agent-lea`, true"),
        ("escalations.list.care", "escalations.list care by `agent-lea`, true"),
    ] {
        let asked = format!("jumeau.as.agent-lea.{asked}");
        let answered = in_time(lea.client.request(asked, "".into())).await.unwrap();
        assert_eq!(answered.payload, answer);
    }
    rig.publish("jumeau.escalations.care.ann", "help").await;
    assert_eq!(in_time(heard.next()).await.unwrap().payload, "help");

    for subject in [
        "jumeau.events.web.ann",
        "jumeau.escalations.care.ann",
        "jumeau.api.escalations.claim.ann",
        "jumeau.api.escalations.claim.care.ann",
        "jumeau.as.agent-max.escalations.claim.care.ann",
        "jumeau.as.agent-lea.escalations.claim.fraud.ann",
        "jumeau.as.agent-lea.escalations.claim.ann",
        "jumeau.as.agent-lea.escalations.show.fraud.ann",
        "jumeau.as.agent-lea.escalations.show.ann",
        "jumeau.as.agent-lea.escalations.note.fraud.ann",
        "jumeau.as.agent-lea.escalations.handback.fraud.ann",
        "jumeau.as.agent-lea.escalations.resolve.fraud.ann",
        "jumeau.as.agent-lea.escalations.next.fraud.ann",
        "jumeau.as.agent-lea.escalations.list",
        "jumeau.as.agent-lea.escalations.list.fraud",
        "jumeau.as.agent-lea.escalations.open.ann",
        "jumeau.as.agent-lea.escalations.open.care.ann",
        "jumeau.as.agent-lea.decide.ann",
        "jumeau.as.agent-lea.show.ann",
        "jumeau.as.agent-lea.erase.ann",
        "$JS.API.CONSUMER.CREATE.JUMEAU_ACTIONS.mine",
    ] {
        lea.may_not_publish(subject).await;
    }
    for subject in
        ["jumeau.escalations.fraud.*", "jumeau.escalations.>", "jumeau.actions.>", "_INBOX.>"]
    {
        lea.may_not_hear(subject).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_desk_needs_no_access_to_streams() {
    let rig = Rig::start().await;
    let _service = echo(&rig.bus).await;
    let nats = rig.prepared.nats("agent-lea", &rig.broker.url()).unwrap();
    let desk = Bus::visit(&nats).await.unwrap();
    let mut heard = desk.escalations(&["care".to_owned(), "billing".to_owned()]).await.unwrap();
    // Once this is answered, the broker knows what is listened to.
    let asked = desk.ask("escalations.claim", &["care", "ann"], Bytes::new());
    let answer = in_time(asked).await.unwrap();
    assert_eq!(answer, "escalations.claim care ann by `agent-lea`, true");
    rig.publish("jumeau.escalations.fraud.ann", "not for lea").await;
    rig.publish("jumeau.escalations.billing.ann", "help").await;
    assert_eq!(in_time(heard.next()).await.unwrap().1, "help");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcaster_tells_of_its_scopes_and_reads_nothing() {
    let rig = Rig::start().await;
    let mut grid = rig.join("broadcaster-grid").await;
    grid.stores("jumeau.broadcast.outage").await;
    for subject in [
        "jumeau.broadcast.fires",
        "jumeau.broadcast.outage.more",
        "jumeau.events.web.ann",
        "jumeau.api.decide.web.ann",
        "$JS.API.INFO",
    ] {
        grid.may_not_publish(subject).await;
    }
    for subject in ["jumeau.>", "jumeau.broadcast.outage", "_INBOX.>"] {
        grid.may_not_hear(subject).await;
    }
    assert_eq!(rig.last("JUMEAU_EVENTS").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_events_and_asks_under_their_own_name_only() {
    let rig = Rig::start().await;
    let _service = echo(&rig.bus).await;
    let mut anna = rig.join("operator-anna").await;

    let shown = in_time(anna.client.request("jumeau.as.operator-anna.show.ann", "".into())).await;
    assert_eq!(shown.unwrap().payload, "show ann by `operator-anna`, true");
    anna.stores("jumeau.broadcast.fires").await;
    anna.stores("jumeau.events.cli.ann").await;
    let found = in_time(anna.client.request("$SRV.PING.jumeau", "".into())).await.unwrap();
    assert!(String::from_utf8_lossy(&found.payload).contains("jumeau"));

    // The past, as `twinctl replay` reads it.
    let nats = rig.prepared.nats("operator-anna", &rig.broker.url()).unwrap();
    let bus = Bus::visit(&nats).await.unwrap();
    let mut seen = BTreeSet::new();
    let ann = Customer::new("ann").unwrap();
    let past = bus.past(Some(&ann), |delivery| seen.insert(delivery.sequence));
    in_time(past).await.unwrap();
    in_time(bus.read_actions(Some(&ann), |_| {})).await.unwrap();
    assert_eq!(seen, BTreeSet::from([1, 2]));

    // What comes, of whatever channel, as `twinctl tail` shows it.
    let mut arrivals = bus.arrivals(None, None).await.unwrap();
    let mut of_web = bus.arrivals(Some(&Channel::new("web").unwrap()), Some(&ann)).await.unwrap();
    anna.stores("jumeau.events.cli.ann").await;
    rig.join("channel-web").await.stores("jumeau.events.web.ann").await;
    for subject in ["jumeau.events.cli.ann", "jumeau.events.web.ann"] {
        assert_eq!(&*in_time(arrivals.next()).await.unwrap().subject, subject);
    }
    assert_eq!(&*in_time(of_web.next()).await.unwrap().subject, "jumeau.events.web.ann");

    for subject in [
        "jumeau.events.web.ann",
        "jumeau.events._jumeau.ann",
        "jumeau.api.show.ann",
        "jumeau.as.operator-max.show.ann",
        "jumeau.as.agent-lea.escalations.claim.ann",
        "jumeau.actions.web.open.ann",
        "jumeau.audit.show",
        "jumeau.dead.panic",
        "$JS.API.STREAM.DELETE.JUMEAU_AUDIT",
        "$JS.API.STREAM.PURGE.JUMEAU_EVENTS",
        "$JS.API.STREAM.MSG.DELETE.JUMEAU_EVENTS",
        "$JS.API.STREAM.UPDATE.JUMEAU_EVENTS",
        "$JS.API.CONSUMER.DELETE.JUMEAU_EVENTS.twins",
        "$JS.API.CONSUMER.CREATE.JUMEAU_EVENTS.twins",
        "$JS.API.CONSUMER.MSG.NEXT.JUMEAU_EVENTS.twins",
        "$JS.API.CONSUMER.CREATE.JUMEAU_ACTIONS.web",
        "$JS.API.CONSUMER.MSG.NEXT.JUMEAU_ACTIONS.web",
        "$JS.API.CONSUMER.CREATE.JUMEAU_EVENTS.mine",
        "$JS.API.CONSUMER.CREATE.JUMEAU_EVENTS.mine.jumeau.partition.1.web.ann",
        "$JS.API.CONSUMER.DURABLE.CREATE.JUMEAU_EVENTS.mine",
        "$JS.API.STREAM.CREATE.MINE",
        "$JS.API.STREAM.MSG.GET.JUMEAU_AUDIT",
        "$JS.API.DIRECT.GET.JUMEAU_AUDIT",
        "$JS.API.INFO",
        "jumeau.nowhere.STREAM.INFO.JUMEAU_AUDIT",
    ] {
        anna.may_not_publish(subject).await;
    }
    // Requests are the service's: who heard them could answer in its place.
    for subject in
        [">", "jumeau.>", "jumeau.api.>", "jumeau.as.>", "_INBOX.>", "_INBOX.service.>", "_R_.>"]
    {
        anna.may_not_hear(subject).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_is_refused_and_the_others_keep_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let before = jumeau::roles::prepare(folder.path(), &rig::company(&["web", "app"])).unwrap();
    let kept = std::fs::read_to_string(&before.users[1].key).unwrap();
    let after = jumeau::roles::prepare(folder.path(), &rig::company(&["web"])).unwrap();
    assert_eq!(std::fs::read_to_string(&after.users[1].key).unwrap(), kept);
    let names: Vec<&str> = after.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "service",
            "channel-web",
            "integrator-web",
            "broadcaster-grid",
            "agent-lea",
            "operator-anna"
        ]
    );
    assert!(before.security.contains("jumeau.events.app.*"));
    assert!(!after.security.contains("jumeau.events.app.*"));
    assert!(!after.security.contains('@'), "no blank is left: {}", after.security);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_for_their_owner_only_and_names_that_mean_more_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let prepared = jumeau::roles::prepare(folder.path(), &rig::company(&["web"])).unwrap();
    let secrets = prepared.users.iter().map(|user| user.key.clone());
    let more = ["ca.key", "server.key"].map(|name| folder.path().join(name));
    for path in secrets.chain(more) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    let refusal =
        |company| jumeau::roles::prepare(folder.path(), &company).unwrap_err().to_string();
    insta::assert_snapshot!(refusal(rig::company(&["_jumeau"])), @"expected the name of a channel of 1 to 32 bytes, and not that of the twins themselves, found `_jumeau`");
    let everybody = jumeau::roles::Company { operators: vec!["*".into()], ..rig::company(&[]) };
    insta::assert_snapshot!(refusal(everybody), @"expected a name of A-Z a-z 0-9 _ -, found `*`");
    std::fs::write(folder.path().join("channel-web.nk"), "nonsense").unwrap();
    let said = refusal(rig::company(&["web"]));
    assert!(said.contains("expected the seed of an nkey (SU…) in"), "{said}");
}

/// The text with what differs from folder to folder taken out: the folder, keys and hashes.
fn without_secrets(text: &str, folder: &std::path::Path) -> String {
    let text = text.replace(&*folder.canonicalize().unwrap().to_string_lossy(), "secure");
    let mut plain = String::new();
    for line in text.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        match line.trim_start().split_once(": ") {
            Some(("nkey", _)) => plain += &format!("{indent}nkey: U…"),
            Some(("password", _)) => plain += &format!("{indent}password: \"$2b$04$…\""),
            _ => plain += line,
        }
        plain.push('\n');
    }
    plain
}

#[test]
fn the_example_configuration_has_one_user_of_each_role() {
    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/nats/example.conf");
    let folder = tempfile::tempdir().unwrap();
    let company = jumeau::roles::Company {
        websocket: Some("0.0.0.0:8443".into()),
        mqtt: Some("0.0.0.0:8883".into()),
        devices: vec!["car".into()],
        ..rig::company(&["web"])
    };
    let prepared = jumeau::roles::prepare(folder.path(), &company).unwrap();
    let made = std::fs::read_to_string(prepared.broker).unwrap();
    let made = without_secrets(&made, folder.path());
    if std::env::var_os("RENEW_EXAMPLE").is_some() {
        std::fs::write(EXAMPLE, &made).unwrap();
    }
    let known = std::fs::read_to_string(EXAMPLE).unwrap_or_default();
    assert!(known == made, "the example is another; renew it with RENEW_EXAMPLE=1:\n{made}");
}

#[test]
fn each_user_file_holds_what_its_programs_need() {
    let folder = tempfile::tempdir().unwrap();
    let company = jumeau::roles::Company {
        mqtt: Some("127.0.0.1:8883".into()),
        devices: vec!["car".into()],
        desks: vec!["centre".into()],
        ..rig::company(&["web"])
    };
    jumeau::roles::prepare(folder.path(), &company).unwrap();
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        text.replace(&*folder.path().canonicalize().unwrap().to_string_lossy(), "secure")
    };
    let all = [
        "agent-lea.env",
        "channel-web.env",
        "integrator-web.env",
        "device-car.env",
        "operator-anna.env",
        "jumeau.toml",
    ];
    let all: Vec<String> = all.into_iter().map(|name| format!("{name}\n{}", read(name))).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
    agent-lea.env
    export NATS_URL='tls://127.0.0.1:4222'
    export NATS_NKEY='secure/agent-lea.nk'
    export NATS_CA='secure/ca.pem'
    export NATS_INBOX_PREFIX='_INBOX.agent-lea'
    export JUMEAU_NATS__PREFIX='jumeau'
    export JUMEAU_AS='agent-lea'
    export JUMEAU_QUEUES='care,billing'

    channel-web.env
    export NATS_URL='tls://127.0.0.1:4222'
    export NATS_NKEY='secure/channel-web.nk'
    export NATS_CA='secure/ca.pem'
    export NATS_INBOX_PREFIX='_INBOX.channel-web'
    export JUMEAU_NATS__PREFIX='jumeau'
    export JUMEAU_CHANNEL='web'
    export JUMEAU_EVENTS='jumeau.events.web'
    export JUMEAU_DECIDE='jumeau.api.decide.web'

    integrator-web.env
    export NATS_URL='tls://127.0.0.1:4222'
    export NATS_NKEY='secure/integrator-web.nk'
    export NATS_CA='secure/ca.pem'
    export NATS_INBOX_PREFIX='_INBOX.integrator-web'
    export JUMEAU_NATS__PREFIX='jumeau'
    export JUMEAU_STREAM='JUMEAU_ACTIONS'
    export JUMEAU_CONSUMER='web'

    device-car.env
    export MQTT_ADDRESS='127.0.0.1:8883'
    export MQTT_USER='device-car'
    export MQTT_PASSWORD_FILE='secure/device-car.password'
    export MQTT_CA='secure/ca.pem'
    export JUMEAU_NATS__PREFIX='jumeau'
    export JUMEAU_CHANNEL='car'
    export JUMEAU_TOPIC='jumeau/events/car'

    operator-anna.env
    export NATS_URL='tls://127.0.0.1:4222'
    export NATS_NKEY='secure/operator-anna.nk'
    export NATS_CA='secure/ca.pem'
    export NATS_INBOX_PREFIX='_INBOX.operator-anna'
    export JUMEAU_NATS__PREFIX='jumeau'
    export JUMEAU_AS='operator-anna'

    jumeau.toml
    # With these settings the service joins the broker of this folder; more in config/jumeau.toml.

    [nats]
    url = "tls://127.0.0.1:4222"
    prefix = "jumeau"
    nkey = "secure/service.nk"
    inbox = "_INBOX.service"

    [nats.tls]
    required = true
    ca = "secure/ca.pem"

    [streams]
    integrators = ["web", "centre"]

    [service]
    desks = ["centre"]
    "#);
}
