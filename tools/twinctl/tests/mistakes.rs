//! What goes wrong with `twinctl`, as whoever asked for JSON is told of it.

use std::process::Command;

use serde_json::Value;

#[test]
fn whoever_asks_for_json_is_told_what_went_wrong_as_one_object() {
    // A port that nothing listens on: it was just let go.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("nats://{nobody}");
    let folder = tempfile::tempdir().unwrap();
    for (line, code, sentence) in [
        ("stats --json", 3, "expected a broker at nats://127.0.0.1:"),
        ("tail --json", 3, "expected a broker at nats://127.0.0.1:"),
        ("schema trakc --json", 2, "found `trakc`"),
        ("dead show x --json", 2, "expected the number of a dead letter"),
        ("publish ann trakc --json", 2, "did you mean `track`?"),
        ("publish ann track nme=x --json", 2, "missing field `name`"),
        ("receipt verify none.json --json", 2, "none.json"),
        ("--json campaign spring", 2, "expected whom `spring` concerns"),
        ("nonsense --json", 2, "unrecognized subcommand 'nonsense'"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_twinctl"))
            .args(line.split(' '))
            .env("NATS_URL", &nobody)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let told: Value =
            serde_json::from_str(&err).unwrap_or_else(|e| panic!("{line}: {e}: {err}"));
        assert_eq!(output.status.code(), Some(code), "{line}: {err}");
        assert_eq!(told["code"], code, "{line}: {err}");
        assert!(told["error"].as_str().unwrap().contains(sentence), "{line}: {err}");
        assert_eq!(out, "", "{line}");
    }
}
