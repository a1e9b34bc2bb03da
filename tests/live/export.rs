//! Everything that is held of a customer, as it is handed to them.

use serde_json::{Value, json};
use tokio::process::Command;

use super::rig::{Rig, binary};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_holds_everything_for_a_machine_and_for_a_person() {
    let rig = Rig::start("bank", &[]).await;
    let traits = json!({ "traits": { "name": "Ada <b>Lovelace</b>" } });
    rig.event("web", "ada", "identify", traits).await;
    rig.event("web", "cookie-1", "track", json!({ "name": "Looked" })).await;
    rig.event("web", "cookie-1", "link", json!({ "to": "ada" })).await;
    let consent = json!({ "purpose": "marketing", "granted": true, "proof": "form 17" });
    rig.event("web", "ada", "consent", consent).await;
    let payment = json!({ "name": "Payment Made", "properties": { "amount": 2400, "to": "X" } });
    rig.event("core", "ada", "track", payment).await;
    rig.settled().await;

    let twinctl = async |arguments: &[&str]| {
        let mut command = Command::new(binary("twinctl"));
        command.args(["--server", &rig.broker.url()]).args(arguments).env("NO_COLOR", "1");
        command.output().await.unwrap()
    };
    let page = rig.folder.path().join("ada.html");
    // By any of their identifiers.
    let asked = ["export", "cookie-1", "--html", "-o", page.to_str().unwrap()];
    let written = twinctl(&asked).await;
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let page = std::fs::read_to_string(page).unwrap();
    for words in ["Ada &lt;b&gt;Lovelace", "form 17", "cookie-1", "JUMEAU_EVENTS"] {
        assert!(page.contains(words), "{words} is not on the page");
    }

    let written = twinctl(&["export", "ada"]).await;
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let export: Value = serde_json::from_slice(&written.stdout).unwrap();
    assert_eq!(export["customer"], "ada");
    assert_eq!(export["twin"]["profile"]["consents"][0]["proof"], "form 17");
    assert_eq!(export["twin"]["identifiers"][0]["customer"], "cookie-1");
    assert!(!export["twin"]["timeline"].as_array().unwrap().is_empty());
    assert!(!export["decisions"].as_array().unwrap().is_empty());
    let messages = export["messages"].as_array().unwrap();
    let events = messages.iter().find(|one| one["identifier"] == "ada" && one["what"] == "events");
    assert!(events.unwrap()["count"].as_u64().unwrap() >= 3, "{messages:?}");

    let nobody = twinctl(&["export", "nobody"]).await;
    assert_eq!(nobody.status.code(), Some(1));
}
