//! What a page shows, compared with what a command prints. Times, identifiers and durations may differ, and
//! `…` stands for anything: alone on a line for any number of lines.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// What differs from run to run, and what it is compared as.
static VARYING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\bd[0-9a-f]{32}\b", "DECISION"),
        (r"\b[0-9a-f]{64}\b", "HASH"),
        (r"\b[0-9a-f]{16}\b", "VERSION"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "TIME"),
        (r"\b\d+(\.\d+)?\s?(µs|ms)\b", "DURATION"),
        (r"\bin \d+ [smhd]\b", "in DURATION"),
        // A sum of fractions, as a computer writes it.
        (r"(\.\d*?[1-9])0{6,}\d\b", "$1"),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
    .into()
});

fn fixed(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, name) in VARYING.iter() {
        text = pattern.replace_all(&text, *name).into_owned();
    }
    text
}

/// Whether a text is what a page shows.
pub(crate) fn is_shown(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (fixed(shown), fixed(printed));
    let lines = |text: &'_ str| -> Vec<String> {
        text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect()
    };
    lines_match(&lines(&shown), &lines(&printed))
}

#[track_caller]
pub(crate) fn assert_shown(place: &str, shown: &str, printed: &str) {
    assert!(
        is_shown(shown, printed),
        "{place}\n--- the page shows\n{shown}\n--- printed is\n{printed}"
    );
}

fn lines_match(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == "…" => {
            (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others)),
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut left) = printed.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return left.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    true
}

/// Whether two texts are the same JSON, but for what differs from run to run.
pub(crate) fn same_json(shown: &str, printed: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(&fixed(text)).ok();
    // A program in the background prints a line of its own before the message.
    let message = printed.find('{').map(|at| &printed[at..]);
    matches!((parse(shown), message.and_then(parse)), (Some(shown), Some(printed)) if shown == printed)
}

#[test]
fn an_ellipsis_stands_for_anything_and_times_may_differ() {
    assert!(is_shown("a\n…\nz 2026-01-02 03:04\n", "a\nb\nc\nz 2027-05-06 07:08"));
    assert!(is_shown("…\nz", "z"));
    assert!(is_shown("one … three", "one two three"));
    assert!(!is_shown("one … three", "one two four"));
    assert!(!is_shown("a\nz", "a\nb\nz"));
    assert!(same_json(
        r#"{"at":"2026-01-02T03:04:05Z"}"#,
        "x\n{\"at\": \"2027-01-02T03:04:05.678Z\"}"
    ));
    assert!(!same_json(r#"{"a":1}"#, r#"{"a":2}"#));
}
