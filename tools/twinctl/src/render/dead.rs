//! Dead letters.

use comfy_table::{Attribute, Color};
use jumeau::api::{DeadLetterView, DeadListReply, DeadRetryReply};
use jumeau::event::Time;

use super::quantity::{bytes, count, distance, moment};
use super::sheet::{Cell, Sheet};
use super::style::{FAINT, Styled, WRONG};

/// A list of dead letters, with their number.
pub(crate) fn dead_letters(list: &DeadListReply, now: Time, width: u16) -> String {
    let mut sheet = Sheet::new(width);
    if list.letters.is_empty() {
        sheet.line("no dead letters");
        return sheet.finish();
    }
    let rows = list.letters.iter().map(|letter| {
        vec![
            Cell::new(format!("#{}", letter.sequence)),
            Cell::new(distance(now, letter.at)).add_attribute(Attribute::Dim),
            Cell::new(&letter.reason).fg(Color::Red),
            Cell::new(&letter.subject).fg(Color::Cyan),
            Cell::new(&letter.detail),
        ]
    });
    sheet.rows(rows.collect());
    let shown = list.letters.len() as u64;
    let reasons = list.counts.iter().map(|(reason, times)| format!("{reason} {}", count(*times)));
    let reasons = reasons.collect::<Vec<_>>().join(", ");
    sheet.line(Styled(FAINT, format_args!("{} shown; in all: {reasons}", count(shown))));
    sheet.finish()
}

/// One dead letter with its bytes.
pub(crate) fn letter(letter: &DeadLetterView, width: u16) -> String {
    let mut sheet = Sheet::new(width);
    sheet.line(format_args!(
        "{}  {}",
        Styled(WRONG, format_args!("#{} {}", letter.sequence, letter.reason)),
        Styled(FAINT, moment(letter.at)),
    ));
    sheet.line(&letter.detail);
    sheet.section(
        "event",
        vec![
            vec![Cell::new("subject"), Cell::new(&letter.subject)],
            vec![Cell::new("sequence"), Cell::new(letter.event_sequence)],
            vec![Cell::new("partition"), Cell::new(letter.partition)],
            vec![Cell::new("size"), Cell::new(bytes(letter.bytes))],
        ],
    );
    let headers = letter.headers.iter();
    sheet.section(
        "headers",
        headers.map(|(name, value)| vec![Cell::new(name), Cell::new(value)]).collect(),
    );
    let (kind, payload) = match (&letter.text, &letter.hex) {
        (Some(text), _) => ("payload", text.as_str()),
        (None, Some(hex)) => ("payload, in hexadecimal digits", hex.as_str()),
        (None, None) => ("payload", ""),
    };
    sheet.line("");
    sheet.line(Styled(super::style::TITLE, kind));
    sheet.text(payload);
    sheet.finish()
}

/// The result of publishing dead letters again.
pub(crate) fn retried(answer: &DeadRetryReply) -> String {
    let mut sheet = Sheet::new(u16::MAX);
    sheet.line(format_args!("published again: {}", count(answer.retried.len() as u64)));
    for failed in &answer.failed {
        sheet.line(format_args!(
            "{} {}",
            Styled(WRONG, format_args!("#{}", failed.sequence)),
            failed.why
        ));
    }
    sheet.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    fn sample() -> DeadLetterView {
        DeadLetterView {
            sequence: 12,
            at: Time::parse("2026-11-22T09:58:00Z").unwrap(),
            reason: "unknown-type".into(),
            detail:
                "expected one of the types identify, track; found `trakc`; did you mean `track`?"
                    .into(),
            subject: "jumeau.events.web.alice".into(),
            event_sequence: 40_021,
            partition: 3,
            bytes: 23,
            headers: vec![("Nats-Msg-Id".into(), "e-1".into())],
            text: Some("{\"type\": \"trakc\"}\u{1b}[2J".into()),
            hex: None,
        }
    }

    #[test]
    fn dead_letters_are_shown_as_a_list() {
        let list = DeadListReply {
            counts: BTreeMap::from([("bad-json".into(), 30), ("unknown-type".into(), 1)]),
            letters: vec![sample()],
        };
        let now = Time::parse("2026-11-22T10:00:00Z").unwrap();
        withstands(&list, |list| dead_letters(list, now, u16::MAX));
        insta::assert_snapshot!(plain(&dead_letters(&list, now, 120)), @r#"
          #12  2 min ago  unknown-type  jumeau.events.web.alice  expected one of the types identify, track; found `trakc`; did
                                                                 you mean `track`?
        1 shown; in all: bad-json 30, unknown-type 1
        "#);
    }

    #[test]
    fn the_bytes_of_a_dead_letter_cannot_control_the_terminal() {
        // Its bytes may contain line breaks.
        let textless = DeadLetterView { text: None, ..sample() };
        withstands(&textless, |one| letter(one, u16::MAX));
        insta::assert_snapshot!(plain(&letter(&sample(), 100)), @r#"
        #12 unknown-type  2026-11-22 09:58:00
        expected one of the types identify, track; found `trakc`; did you mean `track`?

        event
          subject    jumeau.events.web.alice
          sequence   40021
          partition  3
          size       23 B

        headers
          Nats-Msg-Id  e-1

        payload
        {"type": "trakc"}�[2J
        "#);
    }
}
