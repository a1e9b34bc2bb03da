//! The desk needs a terminal, and says so where there is none.

use std::process::{Command, Stdio};

#[test]
fn without_a_terminal_the_desk_says_what_it_needs_and_what_does_without() {
    let output = Command::new(env!("CARGO_BIN_EXE_agentdesk"))
        .stdin(Stdio::null())
        .output()
        .expect("the desk runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("expected a terminal"), "{said}");
    assert!(said.contains("twinctl escalations"), "{said}");
    assert!(output.stdout.is_empty(), "nothing is drawn");
}
