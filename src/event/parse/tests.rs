use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::event::{Time, Value};

fn of(customer: &str, headers: &[Header<'_>], payload: &str) -> Result<Event, Rejection> {
    let payload = payload.as_bytes();
    parse(&Raw { channel: "web", customer, headers, payload, sequence: 1 })
}

#[test]
fn an_event_is_about_the_customer_of_its_nats_subject() {
    let named =
        |who: &str| format!(r#"{{"type":"page","subject":"{who}","data":{{"name":"Home"}}}}"#);
    // Both spellings of the customer are accepted.
    assert!(of("ann%40example%2Eorg", &[], &named("ann@example.org")).is_ok());
    assert!(of("ann%40example%2Eorg", &[], &named("ann%40example%2Eorg")).is_ok());
    assert!(of("ann", &[], r#"{"type":"page","data":{"name":"Home"}}"#).is_ok());

    let refused = of("ann", &[], &named("bob")).unwrap_err();
    insta::assert_snapshot!(refused, @"bad-customer: expected the attribute `subject` to be `ann`, as in the NATS subject, found `bob`; publish the event on the subject of its customer");
    let headers = [("ce-specversion", "1.0"), ("ce-type", "page"), ("ce-subject", "bob")];
    let refused = of("ann", &headers, "{}").unwrap_err();
    assert_eq!(refused.reason, Reason::BadCustomer);
}

fn track(more: &str) -> String {
    format!(r#"{{"type":"track","id":"1"{more}}}"#)
}

fn refused(headers: &[Header<'_>], payload: &str) -> String {
    of("ann", headers, payload).map(|event| panic!("{event:?}")).unwrap_err().to_string()
}

const VISIT: &str = r#"{"name":"Visit","properties":{"n":1}}"#;

#[test]
fn an_event_has_one_identity_in_every_notation() {
    let structured = of(
        "ann",
        &[],
        r#"{"specversion":"1.0","type":"track","id":"r\u00e9f-1 a","source":"/point de vente/Liège",
            "time":"2026-03-02T10:00:00+01:00","data":{"name":"Visit","properties":{"n":1}}}"#,
    );
    let structured = structured.unwrap();
    for (id, source, time) in [
        ("r%C3%A9f-1%20a", "/point%20de%20vente/Li%C3%A8ge", "2026-03-02T09:00:00Z"),
        ("r%c3%a9f-1 a", "\"/point de vente/Liège\"", "2026-03-02T09%3A00%3A00Z"),
        ("\"réf-1 a\"", "%2Fpoint de vente/Li%C3%A8ge", "\"2026-03-02T09:00:00Z\""),
    ] {
        let headers = [
            ("CE-SpecVersion", "1.0"),
            ("Ce-Type", "%74rack"),
            ("ce-ID", id),
            ("ce-source", source),
            ("Ce-Time", time),
            ("ce-subject", "ann"),
            ("content-type", "application/json"),
        ];
        assert_eq!(of("ann", &headers, VISIT).unwrap(), structured, "{id}");
    }
}

#[test]
fn a_cloudevents_content_type_makes_an_event_structured_despite_other_headers() {
    let headers = [
        ("content-type", "application/cloudevents+json; charset=utf-8"),
        ("ce-specversion", "1.0"),
        ("ce-type", "page"),
        ("ce-id", "other"),
    ];
    let event = of("ann", &headers, &track(r#","data":{"name":"Visit"}"#)).unwrap();
    assert_eq!((&*event.id, event.kind.event_type()), ("1", EventType::Track));
    // Without a CloudEvents content type, the attributes determine the mode: the payload is the data.
    assert!(
        of("ann", &[("content-type", "application/json")], &track(r#","data":{"name":"V"}"#))
            .is_ok()
    );
    let plain = [("ce-type", "track"), ("ce-id", "b")];
    assert_eq!(&*of("ann", &plain, VISIT).unwrap().id, "b");
}

#[test]
fn data_may_come_as_base64() {
    let whole = of("ann", &[], &track(&format!(r#","data":{VISIT}"#))).unwrap();
    let encoded = STANDARD.encode(VISIT);
    for more in [
        String::new(),
        r#","datacontenttype":"application/json; charset=utf-8""#.into(),
        r#","datacontenttype":"application/vnd.acme+json","data":null"#.into(),
    ] {
        let payload = track(&format!(r#"{more},"data_base64":"{encoded}""#));
        assert_eq!(of("ann", &[], &payload).unwrap(), whole, "{more}");
    }
    let null = track(&format!(r#","data_base64":null,"data":{VISIT}"#));
    assert_eq!(of("ann", &[], &null).unwrap(), whole);

    let half = STANDARD.encode(r#"{"name":"half \ud83d"}"#);
    let event = of("ann", &[], &track(&format!(r#","data_base64":"{half}""#))).unwrap();
    assert_eq!(event.kind.detail(), "half \u{FFFD}");

    let refusals = [
        refused(&[], &track(r#","data":{},"data_base64":"e30=""#)),
        refused(&[], &track(r#","data_base64":"***""#)),
        // Without padding; in the URL-safe alphabet; bytes that are not text; a number.
        refused(&[], &track(r#","data_base64":"e30""#)),
        refused(&[], &track(r#","data_base64":"-_-_""#)),
        refused(&[], &track(r#","data_base64":"/w==""#)),
        refused(&[], &track(r#","data_base64":7"#)),
    ];
    assert!(refusals[5].contains("expected a string"), "{}", refusals[5]);
    for (at, refusal) in refusals.iter().enumerate().take(5) {
        assert!(
            refusal.starts_with("bad-envelope") && refusal.contains("`data_base64`"),
            "{at}: {refusal}"
        );
    }
}

#[test]
fn an_event_that_lacks_its_data_is_refused_and_not_taken_as_empty() {
    for &kind in EventType::ALL {
        let bare = format!(r#"{{"type":"{kind}"}}"#);
        let null = format!(r#"{{"type":"{kind}","data":null}}"#);
        let empty = format!(r#"{{"type":"{kind}","data_base64":""}}"#);
        let headers = [("ce-specversion", "1.0"), ("ce-type", kind.name())];
        let all = [
            of("ann", &[], &bare),
            of("ann", &[], &null),
            of("ann", &[], &empty),
            of("ann", &headers, " "),
        ];
        for found in all {
            if kind == EventType::Ask {
                assert!(found.is_ok(), "an `ask` needs no data");
            } else {
                let refused = found.expect_err(kind.name());
                assert_eq!(refused.reason, Reason::BadData);
                assert!(refused.detail.ends_with("found: no data"), "{refused}");
            }
        }
    }
}

#[test]
fn data_declared_as_another_type_than_json_is_refused() {
    for media in ["text/plain", "application/xml", "application/octet-stream"] {
        let refusal =
            refused(&[], &track(&format!(r#","datacontenttype":"{media}","data":{VISIT}"#)));
        assert!(refusal.starts_with("bad-envelope") && refusal.contains(media), "{refusal}");
        let own = [("ce-type", "ask"), ("ce-datacontenttype", media)];
        assert!(refused(&own, "{}").contains(media));
        let http = [("ce-type", "ask"), ("Content-Type", media)];
        assert!(refused(&http, "{}").contains(media));
    }
    let batch = [("Content-Type", "application/cloudevents-batch+json")];
    assert!(refused(&batch, "[]").contains("publish each as a message of its own"));
    assert!(
        refused(&[], &format!("[{}]", track(""))).contains("each event as a message of its own")
    );
}

#[test]
fn lists_in_place_of_objects_are_refused() {
    let positions = r#"["1.0","1","/s","track",null,null,null,null,{"name":"V"},null]"#;
    assert!(refused(&[], positions).starts_with("bad-envelope"));
    for &kind in EventType::ALL {
        for list in ["[]", r#"["a","b",{},null]"#, "[[],[],[],[],[]]"] {
            let refusal = refused(&[], &format!(r#"{{"type":"{kind}","data":{list}}}"#));
            assert!(refusal.starts_with("bad-data") && refusal.contains("sequence"), "{refusal}");
            let headers = [("ce-type", kind.name())];
            assert!(refused(&headers, list).starts_with("bad-data"));
        }
    }
}

#[test]
fn unusual_but_valid_events_are_accepted() {
    let at = |text: &str| Time::parse(text);
    for (more, time) in [
        (
            r#","datacontenttype":null,"dataschema":null,"subject":null,"time":null,"source":null"#,
            None,
        ),
        (r#","time":"2026-03-02T09:00:00.123456789Z""#, at("2026-03-02T09:00:00.123Z")),
        (r#","time":"2026-03-02T10:00:00+01:00""#, at("2026-03-02T09:00:00Z")),
        (r#","time":"2026-03-02T03:30:00-05:30""#, at("2026-03-02T09:00:00Z")),
        (r#","time":"2026-03-02t09:00:00z""#, at("2026-03-02T09:00:00Z")),
        (r#","time":"2026-03-02T09:00:00-00:00""#, at("2026-03-02T09:00:00Z")),
        // A leap second ends with the next second.
        (r#","time":"2016-12-31T23:59:60Z""#, at("2017-01-01T00:00:00Z")),
        (r#","time":"2017-01-01T00:59:60.5+01:00""#, at("2017-01-01T00:00:00.5Z")),
        (r##","source":"#fragment""##, None),
        (r#","source":"urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66","subject":"""#, None),
        (
            r#","a":10,"b":true,"c":"x","d":"TWE=","e":null,"f":1.5,"g":[1],"h":{"i":2},"j":1e999"#,
            None,
        ),
        (r#","datacontenttype":"application/json; charset=utf-8""#, None),
        (r#","datacontenttype":"TEXT/JSON""#, None),
        (r#","datacontenttype":" ""#, None),
    ] {
        let event = of("ann", &[], &track(&format!(r#"{more},"data":{VISIT}"#)));
        assert_eq!(event.map(|event| event.time), Ok(time), "{more}");
    }
    let escaped =
        r#"{"\u0074ype":"\u0074rack","\u0069d":"évén №1 😀 a","d\u0061ta":{"n\u0061me":"V"}}"#;
    assert_eq!(&*of("ann", &[], escaped).unwrap().id, "évén №1 😀 a");
}

#[test]
fn a_time_before_1990_counts_as_absent() {
    for (time, is_meant) in [
        ("0001-01-01T00:00:00Z", false),
        ("1970-01-01T00:00:00Z", false),
        ("1970-01-01T00:03:12Z", false),
        ("1989-12-31T23:59:59Z", false),
        ("1990-01-01T00:00:00Z", true),
    ] {
        let event = of("ann", &[], &track(&format!(r#","time":"{time}","data":{VISIT}"#))).unwrap();
        let parsed = Time::parse(time);
        let expected = if is_meant { (parsed, None) } else { (None, parsed) };
        assert_eq!((event.time, event.impossible), expected, "{time}");
    }
}

#[test]
fn an_invalid_time_is_refused_with_a_valid_example() {
    for time in ["yesterday", "2026-03-02", "2026-03-02T09:00:00", "2026-02-30T09:00:00Z", ""] {
        let refusal = refused(&[], &track(&format!(r#","time":"{time}","data":{VISIT}"#)));
        assert!(refusal.contains("not an RFC 3339 time such as"), "{refusal}");
    }
}

#[test]
fn half_an_emoji_and_nul_are_replaced_wherever_they_stand() {
    let payload = r#"{"type":"track","id":"a\ud83d","source":"\u0000","data":{"name":"b\udfff",
        "properties":{"c\ud800":["d\u0000",{"e":"\ud83d\ude21"}]}}}"#;
    let event = of("ann", &[], payload).unwrap();
    assert_eq!(&*event.id, "a\u{FFFD}");
    let EventKind::Track(data) = &event.kind else { panic!("{event:?}") };
    assert_eq!(&*data.name, "b\u{FFFD}");
    let value = data.properties.get("c\u{FFFD}").unwrap().to_string();
    assert_eq!(value, "[\"d\u{FFFD}\",{\"e\":\"😡\"}]");
    let headers = [("ce-type", "track"), ("ce-id", "a%EF%BF%BD"), ("ce-source", "%00")];
    let binary = of("ann", &headers, r#"{"name":"x"}"#).unwrap();
    assert_eq!(binary.fingerprint, event.fingerprint);
    // The identifier of a customer is a token of the subject, and has one spelling.
    assert!(of("a%00", &[], payload).is_err());
    let link = of("ann", &[], r#"{"type":"link","data":{"to":"b\u0000b"}}"#).unwrap();
    assert_eq!(
        link.kind,
        EventKind::Link(crate::event::LinkData { to: "b\u{FFFD}b".into(), merge: false })
    );
}

#[test]
fn integers_are_kept_exactly_or_refused() {
    let event = of(
        "ann",
        &[],
        r#"{"type":"identify","data":{"traits":{"a":18446744073709551615,"b":9007199254740993}}}"#,
    );
    let EventKind::Identify(data) = event.unwrap().kind else { panic!() };
    assert_eq!(data.traits.get("a"), Some(&Value::UInt(u64::MAX)));
    assert_eq!(data.traits.get("b"), Some(&Value::Int(9_007_199_254_740_993)));
    let refusal =
        refused(&[], r#"{"type":"signal","data":{"name":"a","value":18446744073709551616}}"#);
    assert!(
        refusal.starts_with("bad-data") && refusal.contains("18446744073709551616"),
        "{refusal}"
    );
}

proptest! {
    #[test]
    fn any_bytes_become_an_event_or_a_rejection(
        payload in prop::collection::vec(any::<u8>(), 0..96),
        headers in prop::collection::vec(("ce-(type|id|source|time|subject|x)|content-type", "\\PC{0,16}"), 0..5),
    ) {
        let headers: Vec<Header<'_>> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
        let raw = Raw { channel: "web", customer: "ann", headers: &headers, payload: &payload, sequence: 1 };
        let _ = parse(&raw);
    }
}
