//! All of it together: `jumeau keys`, a nats-server with what it wrote, the service and the tools.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::jetstream;
use tokio::process::{Child, Command};

use crate::rig::{PATIENCE, free_port, in_time};

fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_jumeau")).with_file_name(name);
    assert!(path.is_file(), "{} is missing; build the whole workspace first", path.display());
    path
}

fn start(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str], folder: &Path) -> Child {
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Runs `twinctl` as the user of `keys/<user>.env`, through the shell as a person does.
async fn twinctl(folder: &Path, user: &str, arguments: &str) -> (bool, String) {
    let line = format!(". keys/{user}.env && '{}' {arguments}", binary("twinctl").display());
    let output = Command::new("sh").args(["-c", &line]).current_dir(folder).output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// A company's broker, as one command makes it, and the service on it.
struct Company {
    folder: tempfile::TempDir,
    port: u16,
    _server: Child,
    _service: Child,
}

impl Company {
    async fn start(agents: &[&str]) -> Company {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let port = free_port();
        let made = Command::new(binary("jumeau"))
            .args(["keys", "keys", "--channel", "web", "--desk", "centre", "--operator", "anna"])
            .args(agents.iter().flat_map(|agent| ["--agent", agent]))
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .current_dir(at)
            .output();
        let made = made.await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let server = std::env::var("NATS_SERVER_BIN").unwrap_or_else(|_| "nats-server".into());
        let server = start(server, &["-c", "keys/nats-server.conf", "-l", "nats.log"], at);
        let answers = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        until("the broker answers", answers).await;
        let serve = [
            "serve",
            "--config",
            "keys/jumeau.toml",
            "--policy",
            "bank",
            "--set",
            "log.filter=warn",
        ];
        let service = start(binary("jumeau"), &serve, at);
        until("the service answers", async || twinctl(at, "operator-anna", "stats").await.0).await;
        Company { folder, port, _server: server, _service: service }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_several_queues_finds_a_customer_without_naming_the_queue() {
    let company = Company::start(&["sam=care,cards", "max"]).await;
    let folder = company.folder.path();
    let by = async |user: &str, act: &str| {
        twinctl(folder, user, &format!("--timeout 60 escalations {act}")).await
    };
    // Cy waits in two queues, dan in one that is not sam's.
    for (customer, topic, queue) in [
        ("ann", "call", "care"),
        ("bob", "call", "cards"),
        ("cy", "first", "care"),
        ("cy", "second", "cards"),
        ("dan", "call", "supervisors"),
    ] {
        let opened = format!("open {customer} {topic} --queue {queue}");
        let (done, said) = by("operator-anna", &opened).await;
        assert!(done, "{said}");
    }
    for (user, act, wanted) in [
        ("agent-sam", "show ann", Ok("care/call")),
        ("agent-sam", "claim bob", Ok("cards/call")),
        ("agent-sam", "note bob --said hello", Ok("cards/call")),
        ("agent-sam", "handback bob done", Ok("handed-back")),
        // The one that changed last, whatever the order of the queues.
        ("agent-sam", "claim cy", Ok("cards/second")),
        ("agent-max", "show cy", Ok("cards/second")),
        ("agent-max", "claim dan", Ok("supervisors/call")),
        ("agent-max", "resolve dan --outcome done", Ok("resolved")),
        (
            "agent-sam",
            "show dan",
            Err("found none in `care`, `cards`; use --queue for another queue"),
        ),
        ("agent-max", "show dan", Err("found none in `")),
        ("agent-max", "claim nobody", Err("customer `nobody` is unknown")),
    ] {
        let (done, said) = by(user, act).await;
        assert_eq!(done, wanted.is_ok(), "{user} {act}: {said}");
        let (Ok(sentence) | Err(sentence)) = wanted;
        assert!(said.contains(sentence), "{user} {act}: {said}");
    }
    // By its identifier, also where another queue comes first.
    let (_, list) = by("agent-sam", "list --queue care --json").await;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let of_cy = list["escalations"].as_array().unwrap().iter().find(|one| one["customer"] == "cy");
    let id = of_cy.unwrap()["id"].as_str().unwrap();
    for (user, act) in [
        ("agent-sam", format!("claim cy {id}")),
        ("agent-sam", format!("note cy --said hello --escalation {id}")),
        ("agent-max", format!("show cy {id}")),
        ("agent-sam", format!("handback cy done --escalation {id}")),
    ] {
        let (done, said) = by(user, &act).await;
        assert!(done && said.contains("care/first"), "{user} {act}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_configures_a_broker_on_which_every_role_works() {
    let company = Company::start(&["lea=care"]).await;
    let folder = company.folder.path();
    a_channel_reports(&company).await;
    an_operator_sees_it(folder).await;
    an_operator_follows_a_channel(folder).await;
    an_operator_replays_what_was(&company).await;
    a_channel_speaks_for_itself_alone(folder).await;
    an_agent_works_in_their_queues(folder).await;
    a_refusal_names_who_may(folder).await;
    an_integrator_finds_its_consumer_made(&company).await;
}

/// With no more than its own key.
async fn a_channel_reports(company: &Company) {
    let (folder, port) = (company.folder.path(), company.port);
    let key = std::fs::read_to_string(folder.join("keys/channel-web.nk")).unwrap();
    let client = join(folder, port, &key, "_INBOX.channel-web").await;
    let event = r#"{"type":"track","data":{"name":"Payment Made","properties":{"amount":2400,"to":"Garage Dupont"}}}"#;
    let stream = jetstream::new(client);
    let sent = stream.publish("jumeau.events.web.ann", event.into()).await.unwrap();
    in_time(sent.into_future()).await.unwrap();
}

/// Under a name that the broker vouches for.
async fn an_operator_sees_it(folder: &Path) {
    until("the twin knows", async || {
        twinctl(folder, "operator-anna", "show ann").await.1.contains("Garage Dupont")
            || twinctl(folder, "operator-anna", "timeline ann").await.1.contains("Payment Made")
    })
    .await;
    let (done, said) = twinctl(folder, "operator-anna", "backup nightly").await;
    assert!(done, "{said}");
    let (_, said) = twinctl(folder, "operator-anna", "audit --about ann").await;
    assert!(said.contains("operator-anna") && !said.contains("operator-anna ?"), "{said}");
    let (done, said) =
        twinctl(folder, "operator-anna", "--timeout 60 --as operator-max stats").await;
    assert!(!done && said.contains("the holder of the key of `operator-max`"), "{said}");
    let (done, said) = twinctl(folder, "channel-web", "--timeout 60 show ann").await;
    assert!(!done && !said.contains("Garage"), "{said}");
}

async fn an_operator_follows_a_channel(folder: &Path) {
    let seen = AtomicBool::new(false);
    let tail = twinctl(folder, "operator-anna", "--timeout 60 tail --customer eve -n 1");
    let talk = async {
        until("the tail shows it", async || {
            let page = "publish eve page name=home";
            let (done, said) = twinctl(folder, "channel-web", page).await;
            assert!(done, "{said}");
            seen.load(Ordering::SeqCst)
        })
        .await;
    };
    let tail = async {
        let (done, said) = tail.await;
        seen.store(true, Ordering::SeqCst);
        assert!(done && said.contains("eve") && said.contains("page"), "{said}");
    };
    tokio::join!(tail, talk);
}

async fn an_operator_replays_what_was(company: &Company) {
    let (folder, port) = (company.folder.path(), company.port);
    let (done, said) = twinctl(folder, "operator-anna", "replay ann --policy bank").await;
    assert!(done, "{said}");
    let rehearse = format!(
        "rehearse --with bank --server tls://localhost:{port} --set nats.nkey=keys/operator-anna.nk \
         --set nats.inbox=_INBOX.operator-anna --set nats.name=operator-anna --set nats.tls.ca=keys/ca.pem"
    );
    let rehearsed = Command::new(binary("jumeau"))
        .args(rehearse.split(' '))
        .current_dir(folder)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&[rehearsed.stdout, rehearsed.stderr].concat()).into_owned();
    assert!(rehearsed.status.success() && !said.contains("no service"), "{said}");
}

/// A channel reports and asks with what stands in its file, in its own channel only, and speaks for no
/// agent; a contact centre does.
async fn a_channel_speaks_for_itself_alone(folder: &Path) {
    for (user, act, is_allowed) in [
        ("channel-web", "decide ann --place hero", true),
        ("channel-web", "decide ann --place hero --channel centre", false),
        ("channel-web", "publish ann page name=home --channel centre", false),
        (
            "channel-web",
            "publish ann handoff --data '{\"state\":\"opened\",\"topic\":\"bot\"}'",
            true,
        ),
        ("channel-web", "publish eve handoff escalation=e1 state=claimed agent=agent-lea", true),
        ("channel-centre", "publish dan handoff escalation=e1 state=claimed agent=agent-lea", true),
    ] {
        let (done, said) = twinctl(folder, user, &format!("--timeout 2 {act}")).await;
        assert_eq!(done, is_allowed, "{user} {act}: {said}");
    }
    until("both are refused, for different reasons", async || {
        let (_, said) = twinctl(folder, "operator-anna", "dead list --json").await;
        said.matches("service.desks").count() == 1
            && said.matches("expected an escalation of this customer").count() == 1
    })
    .await;
}

async fn an_agent_works_in_their_queues(folder: &Path) {
    for (customer, queue) in [("ann", "care"), ("bob", "cards")] {
        let opened = format!("escalations open {customer} call --queue {queue}");
        let (done, said) = twinctl(folder, "operator-anna", &opened).await;
        assert!(done, "{said}");
    }
    for (act, is_allowed) in [
        ("list --queue care", true),
        ("list --queue cards", false),
        ("list", true),
        ("claim ann", true),
        ("note ann --queue care --said hello", true),
        ("show ann", true),
        ("show bob", false),
        ("handback ann done", true),
        ("open ann call --queue care", false),
        ("claim bob --queue cards", false),
        ("claim bob --queue care", false),
        ("claim bob", false),
    ] {
        let (done, said) =
            twinctl(folder, "agent-lea", &format!("--timeout 60 escalations {act}")).await;
        assert_eq!(done, is_allowed, "{act}: {said}");
    }
}

/// What the broker refuses is said at once, without waiting for an answer that cannot come.
async fn a_refusal_names_who_may(folder: &Path) {
    for (act, who) in [
        ("escalations list --queue cards", "agents may, in their queues"),
        ("escalations open ann call --queue care", "operators may"),
        ("escalations watch --queue cards", "agents of that queue may"),
        ("show ann", "operators may"),
        ("tail", "operators may"),
        ("publish ann track name=x --channel web", "`channel-web` may"),
        ("broadcast fires value=1", "operators may"),
        ("replay ann --policy bank", "operators may"),
    ] {
        let line = format!("--timeout 60 {act}");
        let (done, said) = in_time(twinctl(folder, "agent-lea", &line)).await;
        assert!(!done, "{act}: {said}");
        let sentence = "the broker does not permit `agent-lea` to ";
        assert!(said.contains(sentence) && said.contains(who), "{act}: {said}");
    }
}

async fn an_integrator_finds_its_consumer_made(company: &Company) {
    let (folder, port) = (company.folder.path(), company.port);
    let key = std::fs::read_to_string(folder.join("keys/integrator-web.nk")).unwrap();
    let client = join(folder, port, &key, "_INBOX.integrator-web").await;
    let stream = jetstream::new(client);
    let consumer: jetstream::consumer::PullConsumer =
        in_time(stream.get_consumer_from_stream("web", "JUMEAU_ACTIONS")).await.unwrap();
    let filters = &consumer.cached_info().config.filter_subjects;
    assert_eq!(filters, &["jumeau.actions.web.>", "jumeau.recalls.web.>"]);
}

async fn join(folder: &Path, port: u16, seed: &str, inbox: &str) -> async_nats::Client {
    async_nats::ConnectOptions::new()
        .nkey(seed.trim().to_owned())
        .require_tls(true)
        .add_root_certificates(folder.join("keys/ca.pem"))
        .custom_inbox_prefix(inbox)
        .connect(format!("tls://localhost:{port}"))
        .await
        .unwrap()
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}
