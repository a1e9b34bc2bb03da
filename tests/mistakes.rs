//! The mistakes that `jumeau` reports as JSON, if JSON was requested.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::Command;

use jumeau::language::with_model_end;
use serde_json::Value;

#[test]
fn a_mistake_is_one_object_if_json_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (line, code, sentence) in [
        ("check --json --policy nowhere", 1, "expected a folder with a policy or one of"),
        ("check --json --set service.partitions=x", 1, "service.partitions"),
        ("check --json --set service.shadow=nope", 1, "the shadow policy `nope`"),
        ("check --json --set store.master-key=env:JUMEAU_NOPE", 1, "no text in the variable"),
        ("check --json --set nats.credentials=nope", 1, "a file that can be read"),
        ("check --json --set nats.url=5", 1, "nats.url: expected addresses"),
        ("test nowhere --json", 1, "expected a folder with a policy or one of"),
        #[cfg(feature = "engine")]
        ("verify nowhere --json", 1, "nowhere"),
        #[cfg(feature = "engine")]
        ("restore nowhere --json", 1, "nowhere"),
        ("keys made --channel _jumeau --json", 1, "expected the name of a channel"),
        ("keys made --listen foo --json", 1, "an address and a port such as 127.0.0.1:4222"),
        ("keys made --listen 127.0.0.1:http --json", 1, "for --listen, found `127.0.0.1:http`"),
        ("keys made --host= --json", 1, "of the broker's machine for --host, found ``"),
        ("keys made --agent lea= --json", 1, "or no `=` for all queues, found ``"),
        ("keys made --agent lea=no.such --json", 1, "the name of a queue"),
        ("keys made --broadcaster grid=, --json", 1, "or no `=` for all scopes, found ``"),
        ("keys made --channel web --channel web --json", 1, "each channel once, found `web` twice"),
        ("limits --json --nope", 2, "unexpected argument '--nope'"),
        ("rehearse --with bank --sample 0 --json", 2, "expected at least one customer, found 0"),
        #[cfg(feature = "engine")]
        ("serve --json", 2, "unexpected argument '--json'"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_jumeau"))
            .args(line.split(' '))
            .current_dir(folder.path())
            .output()
            .unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let data: Value =
            serde_json::from_str(&err).unwrap_or_else(|e| panic!("{line}: {e}: {err}"));
        assert_eq!(output.status.code(), Some(code), "{line}: {err}");
        assert_eq!(data["code"], code, "{line}: {err}");
        assert!(data["error"].as_str().unwrap().contains(sentence), "{line}: {err}");
        assert_eq!(out, "", "{line}");
    }
}

#[cfg(feature = "engine")]
#[test]
fn a_broker_to_join_is_refused_by_the_command_that_starts_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_jumeau"))
        .args(["dev", "--server", "nats://max:hush-hush@example.com"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("expected no --server") && !told.contains("hush-hush"), "{told}");
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was started");
}

#[test]
fn a_folder_without_stories_is_named_as_a_path() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    let policy = "[policy]\nname = \"shop\"\nlanguages = [\"en\"]\n";
    std::fs::write(folder.path().join("shop/shop.toml"), policy).unwrap();
    for name in ["shop", "shop/", "./shop/"] {
        let output = Command::new(env!("CARGO_BIN_EXE_jumeau"))
            .args(["test", name])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("shop/scenarios, found none"), "{name}: {told}");
    }
}

#[test]
fn a_model_of_ones_own_is_named_by_check_and_read_by_test() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    std::fs::create_dir_all(folder.path().join("shop/scenarios")).unwrap();
    std::fs::create_dir(&models).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "shop/shop.toml",
        r#"
            [policy]
            name = "shop"
            languages = ["en"]

            [[rules]]
            name = "unhappy"
            on = "message:customer"
            when = 'event.tone == "negative"'
            then = [{ escalate = "help", topic = "mood", priority = 3, because = "is unhappy" }]
        "#,
    );
    write(
        "shop/scenarios/unhappy.toml",
        r#"
            story = "a customer who is unhappy is heard"
            start = "2026-03-02T09:00:00Z"

            [[steps]]
            at = "0s"
            customer = "ann"
            channel = "chat"
            event.type = "message"
            event.data = { text = "it is a gribble", from = "customer" }

            [[expect]]
            customer = "ann"
            escalation = "help"
        "#,
    );
    write(
        "models/en.txt",
        &with_model_end(
            "# Trained on 7 messages.\n[valencemodel]\nunit 0.2\nZ.Z the\nz.Z gribble\n",
        ),
    );
    let jumeau = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_jumeau"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let told = jumeau(&["check", "--policy", "shop", "--set", "languages.models=models"]);
    assert!(told.contains("in en with a model of yours: Trained on 7 messages."), "{told}");
    let told = jumeau(&["test", "shop"]);
    assert!(told.contains("0 of 1 story"), "what ships does not know the word: {told}");
    let told = jumeau(&["test", "shop", "--models", "models"]);
    assert!(told.contains("1 of 1 story"), "{told}");
}

#[test]
fn help_is_text_even_if_json_was_asked_for() {
    let output = Command::new(env!("CARGO_BIN_EXE_jumeau"))
        .args(["check", "--json", "--help"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("Usage: jumeau check"));
}

#[test]
fn the_help_lists_every_exit_status() {
    let help = Command::new(env!("CARGO_BIN_EXE_jumeau")).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let (_, statuses) = help.split_once("Exit status: ").expect("the help has them");
    let page = include_str!("../docs/operating/deploy.md");
    let mut found = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, code, jumeau, _, _] = cells[..] else { continue };
        if code.parse::<u8>().is_ok() && !jumeau.is_empty() {
            assert!(statuses.contains(&format!("{code} ")), "no {code} in: {statuses}");
            found += 1;
        }
    }
    assert_eq!(found, 4, "docs/operating/deploy.md lists the exit statuses");
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    for line in ["limits", "limits --json", "--help", "check --help"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_jumeau"))
            .args(line.split(' '))
            .stdout(full)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{line}: {text}");
        assert!(text.contains("cannot write to standard output: No space left"), "{line}: {text}");
    }
}

/// As in `jumeau limits >&-` and `jumeau limits | head -1`.
#[test]
fn output_that_is_not_read_is_no_mistake() {
    for line in ["limits", "limits --json", "check", "check --json", "--help"] {
        let closed = format!("exec \"$0\" {line} >&-");
        let mut shell = Command::new("sh");
        shell.args(["-c", &closed, env!("CARGO_BIN_EXE_jumeau")]);
        let (_, writer) = std::io::pipe().map(|(reader, writer)| (drop(reader), writer)).unwrap();
        let mut piped = Command::new(env!("CARGO_BIN_EXE_jumeau"));
        piped.args(line.split(' ')).stdout(writer);
        for mut command in [shell, piped] {
            let output = command.output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{line}: {output:?}");
        }
    }
}

#[test]
fn an_argument_cannot_control_the_terminal() {
    let output = Command::new(env!("CARGO_BIN_EXE_jumeau"))
        .arg("\u{1b}[2J\u{1b}]52;c;eA==\u{7}")
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told:?}");
    assert!(!told.contains('\u{1b}') && told.contains("�[2J�]52;c;eA==�"), "{told:?}");
}
