use tokio::process::Command;

use super::rig::{binary, project};

/// The stories of a policy through NATS, the twins' actors and RocksDB.
async fn play(policy: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(binary("jumeau"))
        // The usual port is nobody's: a service that ends on it may still hear what is asked of the next.
        .args(["dev", "--story", policy, "--once", "--port", "0"])
        .env("NATS_SERVER_BIN", server())
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains(" as expected in "), "{said}");
}

#[tokio::test]
async fn stories_are_played_in_the_folder_that_is_named_if_nothing_has_happened_there() {
    let folder = tempfile::tempdir().unwrap();
    let play = || {
        Command::new(binary("jumeau"))
            .args(["dev", "--story", "streaming", "--once", "--port", "0", "--folder", "here"])
            .env("NATS_SERVER_BIN", server())
            .env("NO_COLOR", "1")
            .current_dir(folder.path())
            .output()
    };
    let output = play().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(folder.path().join("here/store").is_dir());
    let output = play().await.unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complained}");
    insta::assert_snapshot!(complained, @r#"
    error: expected an empty folder, because stories start without streams and a store, found here/nats; name another with --folder, or leave --folder out to use a temporary one
    "#);
}

/// Where the broker's binary is: the current folder of a story is none of the project's.
pub(crate) fn server() -> std::path::PathBuf {
    let own = project().join(".jumeau/bin/nats-server");
    std::env::var_os("NATS_SERVER_BIN").map_or(own, Into::into)
}

#[tokio::test]
async fn the_bank_reacts_as_its_stories_say() {
    play("bank").await;
}

#[tokio::test]
async fn the_telco_reacts_as_its_stories_say() {
    play("telco").await;
}

#[tokio::test]
async fn the_airline_reacts_as_its_stories_say() {
    play("airline").await;
}

#[tokio::test]
async fn the_retailer_reacts_as_its_stories_say() {
    play("retail").await;
}

#[tokio::test]
async fn the_insurer_reacts_as_its_stories_say() {
    play("insurance").await;
}

#[tokio::test]
async fn the_utility_reacts_as_its_stories_say() {
    play("utility").await;
}

#[tokio::test]
async fn the_health_insurer_reacts_as_its_stories_say() {
    play("health").await;
}

#[tokio::test]
async fn the_streaming_service_reacts_as_its_stories_say() {
    play("streaming").await;
}
