use proptest::prelude::*;
use serde_json::Value as Plain;

use super::*;
use crate::event::{
    Analysis, AskData, CaseData, ConsentData, HandoffData, IdentifyData, InteractionData, LinkData,
    Map, MessageData, NamedData, OutcomeData, PreferenceData, SharedFact, SignalData, UnlinkData,
    Value,
};

fn mended(json: &str) -> String {
    repair(json).into_owned()
}

#[test]
fn invalid_characters_become_the_replacement_character_and_others_stay() {
    for (json, meant) in [
        (r#""half \ud83d""#, "half \u{FFFD}"),
        (r#""half \ude21 within""#, "half \u{FFFD} within"),
        (r#""\uD83D\uD83D\uDE21\uDE21""#, "\u{FFFD}\u{1F621}\u{FFFD}"),
        (r#""\ude21\ud83d""#, "\u{FFFD}\u{FFFD}"),
        (r#""a\u0000b\u0000""#, "a\u{FFFD}b\u{FFFD}"),
        (r#""\ud83dA""#, "\u{FFFD}A"),
        (r#""\ud83d\n""#, "\u{FFFD}\n"),
        (r#""\ud83d\\ude21""#, "\u{FFFD}\\ude21"),
        (r#""\ud83d\u0041\ude21""#, "\u{FFFD}A\u{FFFD}"),
        // Complete, or not an escape.
        (r#""\ud83d\ude21""#, "\u{1F621}"),
        (r#""\\ud83d \\u0000 \\\\u0000""#, "\\ud83d \\u0000 \\\\u0000"),
        (r#""\u0001\u00e9\uffff""#, "\u{1}\u{e9}\u{ffff}"),
    ] {
        let read: String = read(&mended(json)).unwrap();
        assert_eq!(read, meant, "{json}");
    }
    // Names and nested values, too.
    let map: Map = read_bytes(br#"{"a\ud83d": [{"\u0000": "\udfff"}]}"#).unwrap();
    assert_eq!(map.get("a\u{FFFD}").unwrap().to_string(), "[{\"\u{FFFD}\":\"\u{FFFD}\"}]");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(read_bytes::<Value>(b"\xEF\xBB\xBF{}").unwrap().to_string(), "{}");
    assert!(read_bytes::<Value>(b"\xEF\xBB\xBF\xEF\xBB\xBF{}").is_err());
}

#[test]
fn valid_json_is_not_copied_and_broken_json_stays_broken() {
    for sound in [r#"{"a": "\ud83d\ude21 \n é"}"#, "{}", "", r#""\\u0000""#] {
        assert!(matches!(repair(sound), Cow::Borrowed(_)), "{sound}");
    }
    for broken in
        [r#""\u00""#, r#""\ud8"#, r#""\"#, r#""\ud83d"#, r#"\ud83d"#, r#""\uD83G""#, "\"\\é\""]
    {
        assert!(read::<Plain>(&mended(broken)).is_err(), "{broken}");
    }
    let misread = read_bytes::<Plain>(b"\"caf\xE9\"").unwrap_err();
    assert_eq!(misread.to_string(), "a byte at 4 that is not UTF-8");
}

fn plain() -> impl Strategy<Value = Plain> {
    let leaf = prop_oneof![
        Just(Plain::Null),
        any::<bool>().prop_map(Plain::from),
        any::<i64>().prop_map(Plain::from),
        any::<u64>().prop_map(Plain::from),
        any::<f64>().prop_map(Plain::from),
        "[^\\x00]{0,8}".prop_map(Plain::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Plain::from),
            prop::collection::btree_map("[^\\x00]{0,6}", inner, 0..4)
                .prop_map(|map| Plain::Object(map.into_iter().collect())),
        ]
    })
}

/// JSON in which every character is escaped.
fn escaped(json: &str) -> String {
    let mut out = String::new();
    let mut is_text = false;
    let mut rest = json.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                is_text = !is_text;
                out.push(c);
            }
            '\\' => {
                out.push(c);
                let next = rest.next();
                out.extend(next);
                out.extend(rest.by_ref().take(if next == Some('u') { 4 } else { 0 }));
            }
            c if is_text => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out
}

proptest! {
    #[test]
    fn valid_json_is_never_changed(value in plain()) {
        let json = value.to_string();
        prop_assert_eq!(mended(&json), &*json);
        let json = escaped(&json);
        prop_assert_eq!(mended(&json), &*json);
        // Floats keep their last digit only if parsed directly: through the adapter, both are equal.
        prop_assert_eq!(read::<Plain>(&json).unwrap(), serde_json::from_str::<Plain>(&json).unwrap());
    }

    #[test]
    fn any_utf_16_units_become_a_text(units in prop::collection::vec(any::<u16>(), 0..12)) {
        let json: String = units.iter().map(|unit| format!("\\u{unit:04X}")).collect();
        let read: String = read(&mended(&format!("\"{json}\""))).unwrap();
        let meant = String::from_utf16_lossy(&units).replace('\0', "\u{FFFD}");
        prop_assert_eq!(read, meant);
    }

    #[test]
    fn any_bytes_are_parsed_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read_bytes::<Value>(&bytes);
    }

    #[test]
    fn an_integer_is_kept_exactly_or_refused(number in any::<i128>(), shift in 0u32..127) {
        let number = (number >> shift).to_string();
        match read::<Value>(&number) {
            Ok(value) => prop_assert_eq!(value.to_string(), number),
            Err(misread) => {
                prop_assert!(number.parse::<i64>().is_err() && number.parse::<u64>().is_err());
                prop_assert!(misread.to_string().contains(&number), "{}", misread);
            }
        }
    }
}

#[test]
fn an_integer_that_would_be_rounded_is_refused_anywhere() {
    for json in [
        r#"{"a": 18446744073709551616}"#,
        r#"{"a": [{"b": -9223372036854775809}]}"#,
        r#"{"t": "1e5 \" 3", "a": 100000000000000000000000000000000}"#,
    ] {
        assert!(matches!(read::<Map>(json), Err(JsonError::Rounded(_))), "{json}");
    }
    // A number that is written as a float, and a text, are kept unchanged.
    for json in [
        r#"{"a": 18446744073709551615, "b": 1e300, "c": "18446744073709551616"}"#,
        r#"{"a": 1.8446744073709551616e19, "b": 184467440737095516160.5}"#,
    ] {
        assert!(read::<Map>(json).is_ok(), "{json}");
    }
    assert!(read::<Map>(r#"{"a": 1e400}"#).unwrap_err().to_string().contains("out of range"));
}

/// Parses a valid object as `T`, and checks that the same values as a list are rejected.
fn by_position<T: DeserializeOwned>(what: &str, sound: &str) {
    assert!(read::<T>(sound).is_ok(), "{what}: {sound}");
    let object: Plain = serde_json::from_str(sound).unwrap();
    let values: Vec<Plain> = object.as_object().unwrap().values().cloned().collect();
    let nothing: Vec<Plain> = Vec::new();
    for list in [Plain::from(values), Plain::from(nothing), Plain::from(vec![Plain::Null; 24])] {
        let refused = read::<T>(&list.to_string()).map(drop).expect_err(what).to_string();
        assert!(refused.contains("invalid type: sequence"), "{what}: {refused}");
        assert!(read_value::<T>(list).is_err(), "{what}");
    }
}

#[test]
fn a_list_is_not_accepted_as_an_object() {
    by_position::<IdentifyData>("identify", r#"{"traits": {"a": 1}}"#);
    by_position::<LinkData>("link", r#"{"to": "ada"}"#);
    by_position::<UnlinkData>("unlink", r#"{"from": "ada"}"#);
    by_position::<NamedData>("track", r#"{"name": "Visit", "properties": {}}"#);
    by_position::<MessageData>("message", r#"{"text": "hi", "from": "customer"}"#);
    by_position::<PreferenceData>("preference", r#"{"key": "seat", "value": 1}"#);
    by_position::<ConsentData>("consent", r#"{"purpose": "marketing", "granted": true}"#);
    by_position::<InteractionData>("interaction", r#"{"id": "1", "kind": "c", "state": "paused"}"#);
    by_position::<CaseData>("case", r#"{"id": "1", "state": "open"}"#);
    by_position::<SignalData>("signal", r#"{"name": "a", "value": 1}"#);
    by_position::<OutcomeData>("outcome", r#"{"decision": "d", "outcome": "seen"}"#);
    by_position::<HandoffData>("handoff", r#"{"state": "claimed", "agent": "bo"}"#);
    by_position::<AskData>("ask", r#"{"placements": ["home"]}"#);
    by_position::<SharedFact>("broadcast", r#"{"value": 1}"#);
    by_position::<Analysis>("analysis", r#"{"valence": 0.5}"#);
    // Nested, too.
    assert!(read::<SharedFact>(r#"{"decide": [["a"], [], [], null, null]}"#).is_err());
    assert!(read::<Analysis>(r#"{"valence": 0.5, "words": [["bad", 0.5]]}"#).is_err());
}

#[test]
fn a_contract_name_may_not_repeat_and_the_last_of_the_senders_names_wins() {
    let twice = r#"{"name": "Visit", "n\u0061me": "Buy"}"#;
    let refused = read::<NamedData>(twice).unwrap_err().to_string();
    assert!(refused.contains("duplicate field `name`"), "{refused}");
    let data: IdentifyData = read(r#"{"traits": {"a": 1, "\u0061": 2}}"#).unwrap();
    assert_eq!(data.traits.get("a"), Some(&Value::Int(2)));
}
