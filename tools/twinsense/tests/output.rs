//! Where texts come from, and whether the reader of the output is there.

use std::io::Write as _;
use std::process::{Command, Stdio};

fn twinsense(out: impl Into<Stdio>) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinsense"));
    command.args(["read", "--language", "en", "I", "love", "it"]).stdout(out);
    command.output().expect("it runs")
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    let output = twinsense(writer);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("there is one");
    let output = twinsense(full);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains("cannot write to standard output"),
        "{stderr}"
    );
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn a_text_is_read_from_arguments_or_from_standard_input() {
    let argued = twinsense(Stdio::piped());
    assert!(
        String::from_utf8_lossy(&argued.stdout).contains(r#""tone": "positive""#),
        "{argued:?}"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinsense"));
    command.args(["read", "--language", "en"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = command.spawn().unwrap();
    reader.stdin.take().unwrap().write_all(b"I love it").unwrap();
    let piped = reader.wait_with_output().unwrap();
    assert_eq!(piped.stdout, argued.stdout);
}
