//! The desk needs a terminal, and says so where there is none.

use std::process::{Command, Stdio};

#[test]
fn without_a_terminal_the_desk_says_what_it_needs_and_names_an_alternative() {
    let output = Command::new(env!("CARGO_BIN_EXE_agentdesk"))
        .stdin(Stdio::null())
        .output()
        .expect("the desk runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("expected a terminal"), "{text}");
    assert!(text.contains("twinctl escalations"), "{text}");
    assert!(output.stdout.is_empty(), "nothing is drawn");
}

#[test]
fn the_help_lists_every_exit_status_and_is_a_failure_if_it_cannot_be_written() {
    let help = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentdesk"));
        command.arg("--help");
        command
    };
    let output = help().output().expect("the desk runs");
    let page = String::from_utf8_lossy(&output.stdout);
    let (_, statuses) = page.split_once("Exit status: ").expect("the help has them");
    assert!([0, 1, 2, 4].iter().all(|code| statuses.contains(&format!("{code} "))), "{statuses}");
    let full = std::fs::File::options().write(true).open("/dev/full").expect("there is one");
    let output = help().stdout(full).output().expect("the desk runs");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}
