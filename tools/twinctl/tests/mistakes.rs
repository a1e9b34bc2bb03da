//! The mistakes that `twinctl` reports as JSON, if JSON was requested.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_mistake_is_one_object_if_json_was_asked_for() {
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
        ("--json campaign spring", 2, "for the campaign `spring`, found neither"),
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
        let mistake: Value =
            serde_json::from_str(&err).unwrap_or_else(|e| panic!("{line}: {e}: {err}"));
        assert_eq!(output.status.code(), Some(code), "{line}: {err}");
        assert_eq!(mistake["code"], code, "{line}: {err}");
        assert!(mistake["error"].as_str().unwrap().contains(sentence), "{line}: {err}");
        assert_eq!(out, "", "{line}");
    }
}

fn twinctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinctl"));
    command.args(arguments).env("CLICOLOR_FORCE", "1");
    command
}

#[test]
fn a_reply_that_cannot_be_printed_fails_the_command() {
    for arguments in [
        &["schema"][..],
        &["schema", "track"],
        &["schema", "--json"],
        &["completion", "bash"],
        &["--help"],
        &["publish", "--help"],
        &["publish", "ann", "track", "name=Visit", "--dry-run"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = twinctl(arguments).stdout(full).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {text}");
        assert!(
            text.contains("cannot write to standard output: No space"),
            "{arguments:?}: {text}"
        );
    }
}

#[test]
fn the_help_lists_every_exit_status() {
    let help = twinctl(&["--help"]).env_remove("CLICOLOR_FORCE").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let (_, statuses) = help.split_once("Exit status: ").expect("the help has them");
    let page = include_str!("../../../docs/operating/deploy.md");
    let mut found = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, code, _, twinctl, _] = cells[..] else { continue };
        if code.parse::<u8>().is_ok() && !twinctl.is_empty() {
            assert!(statuses.contains(&format!("{code} ")), "no {code} in: {statuses}");
            found += 1;
        }
    }
    assert_eq!(found, 5, "docs/operating/deploy.md lists the exit statuses");
}

#[test]
fn a_closed_reader_is_no_error() {
    for arguments in [&["schema", "track"][..], &["completion", "bash"], &["--help"]] {
        // Its other end is gone when the answer comes.
        let (_, writer) = std::io::pipe().map(|(reader, writer)| (drop(reader), writer)).unwrap();
        let output = twinctl(arguments).stdout(writer).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
        // As in `twinctl schema >&-`.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" >&-", env!("CARGO_BIN_EXE_twinctl")]);
        let output = shell.args(arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn an_argument_cannot_control_the_terminal() {
    let evil = "\u{1b}[2J\u{1b}]52;c;eA==\u{7}\u{1b}[8m";
    for arguments in [
        &[evil][..],
        &["publish", "ann", evil],
        &["whatif", "ann", evil],
        &["advance", evil],
        &["dead", "show", evil],
        &["schema", evil],
    ] {
        let output = twinctl(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr:?}");
        let others = stderr.replace("\u{1b}[0m", "").replace("\u{1b}[1m\u{1b}[31m", "");
        assert!(!others.contains('\u{1b}'), "{arguments:?}: {stderr:?}");
        assert!(stderr.contains("�[2J�]52;c;eA==�"), "{arguments:?}: {stderr:?}");
    }
    // Our own colours stay.
    let stderr = twinctl(&["nonsense"]).output().unwrap().stderr;
    assert!(String::from_utf8_lossy(&stderr).contains("\u{1b}["), "{stderr:?}");
}
