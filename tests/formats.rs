//! Every stored format that was ever written can still be read.
//!
//! A fixture is one sealed record as hexadecimal digits, `tests/fixtures/<kind>-v<version>.hex`. It
//! is made once, when its format is first written, and never touched again.

use jumeau::codec::{self, Kind};
use jumeau::event::Output;
use serde::Serialize;
use serde::de::DeserializeOwned;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name, ".hex"))
    };
}

fn open<T: DeserializeOwned>(kind: Kind, fixture: &str) -> T {
    codec::open(kind, &hex::decode(fixture.trim()).unwrap()).unwrap()
}

/// What is written now is the newest fixture, byte for byte: a changed type is a new format.
fn assert_written_as<T: Serialize>(kind: Kind, record: &T, fixture: &str) {
    let mut bytes = Vec::new();
    codec::seal(kind, record, &mut bytes).unwrap();
    assert_eq!(hex::encode(bytes), fixture.trim(), "the stored format of {kind} has changed");
}

#[test]
fn a_number_of_format_1_can_be_read() {
    let fixture = fixture!("number-v1");
    assert_eq!(open::<u64>(Kind::Number, fixture), 1_700_000_000_123);
    assert_written_as(Kind::Number, &1_700_000_000_123u64, fixture);
}

#[test]
fn a_timer_of_format_1_can_be_read() {
    let fixture = fixture!("timer-v1");
    assert_written_as(Kind::Timer, &(), fixture);
    open::<()>(Kind::Timer, fixture);
}

#[test]
fn an_output_of_format_1_can_be_read() {
    let fixture = fixture!("output-v1");
    let output = Output {
        id: "3-17".into(),
        subject: "jumeau.actions.app.open-card.ada".into(),
        headers: [("content-type".into(), "application/json".into())].into(),
        payload: br#"{"say":"caf\u00e9"}"#.as_slice().into(),
    };
    assert_eq!(open::<Output>(Kind::Output, fixture), output);
    assert_written_as(Kind::Output, &output, fixture);
}
