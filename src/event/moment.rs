//! Points in time in the data of events, in the forms that systems write.

use std::borrow::Cow;

use chrono::format::Item;
use chrono::{DateTime, FixedOffset};

use super::{Time, Zone};

/// A point in time parsed from text, together with the clock in which it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    at: DateTime<FixedOffset>,
    clock: WrittenClock,
}

/// The clock in which a point in time is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WrittenClock {
    /// A local clock, by its offset from UTC: `2026-03-20T06:40:00+09:00`.
    Own,
    /// UTC, with no place meant: `2026-03-19T21:40:00Z`.
    Universal,
    /// A day without a clock: `2026-03-20`.
    Day,
}

impl Moment {
    /// Parses an RFC 3339 time, or another ISO 8601 form with only one possible meaning. The seconds and
    /// the separators between hours and minutes may be left out (`20260320T0640+0900`). A day alone is
    /// its first moment in UTC. None: it is not a point in time, or it lacks its offset from UTC.
    pub fn parse(text: &str) -> Option<Moment> {
        let text = text.trim();
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            let clock =
                if is_universal(text) { WrittenClock::Universal } else { WrittenClock::Own };
            return Some(Moment { at, clock });
        }
        if !text.is_ascii() {
            return None;
        }
        let (day, rest) = day(text)?;
        if rest.is_empty() && text.contains('-') {
            let at = DateTime::parse_from_rfc3339(&format!("{day}T00:00:00Z")).ok()?;
            return Some(Moment { at, clock: WrittenClock::Day });
        }
        let rest = rest.strip_prefix(['T', 't', ' '])?;
        let (hour, offset) = rest.split_at(rest.find(['Z', 'z', '+', '-'])?);
        let written = format!("{day}T{}{}", clock(hour.trim_end())?, distance(offset)?);
        let at = DateTime::parse_from_rfc3339(&written).ok()?;
        let clock =
            if is_universal(&written) { WrittenClock::Universal } else { WrittenClock::Own };
        Some(Moment { at, clock })
    }

    /// The same point in time for chrono.
    pub fn to_chrono(self) -> DateTime<FixedOffset> {
        self.at
    }

    /// The same point in time without its clock; none: it is not within the years 0 to 9999.
    pub fn time(self) -> Option<Time> {
        let ms = self.at.timestamp_millis();
        (Time::MIN.ms()..=Time::MAX.ms()).contains(&ms).then(|| Time::from_ms(ms))
    }

    /// The local time on the clock in which it was given, or, if it was given in UTC, on the clock of
    /// `zone`. A day is the same day everywhere. None: it is not within the years 0 to 9999.
    pub fn format(self, zone: Zone, pattern: &[Item<'_>]) -> Option<String> {
        // A leap second is the first second of the next minute.
        let at = self.time()?.to_utc();
        let items = pattern.iter();
        let shown = match (self.clock, zone) {
            (WrittenClock::Own, _) => {
                at.with_timezone(self.at.offset()).format_with_items(items).to_string()
            }
            (WrittenClock::Day, _) => at.format_with_items(items).to_string(),
            (WrittenClock::Universal, Zone::Place(place)) => {
                at.with_timezone(&place).format_with_items(items).to_string()
            }
            (WrittenClock::Universal, Zone::Fixed(offset)) => {
                at.with_timezone(&offset).format_with_items(items).to_string()
            }
        };
        Some(shown)
    }
}

/// Whether the offset means no place: RFC 3339 (section 4.3) gives `-00:00` that meaning, too.
fn is_universal(text: &str) -> bool {
    text.ends_with(['Z', 'z']) || text.ends_with("-00:00")
}

/// The day at the beginning of a text, in RFC 3339 form, and the rest.
fn day(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let is_number = |from: usize, to: usize| {
        text.get(from..to).is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_dash = |at: usize| text.as_bytes().get(at) == Some(&b'-');
    if is_number(0, 4) && is_dash(4) && is_number(5, 7) && is_dash(7) && is_number(8, 10) {
        let (day, rest) = text.split_at(10);
        return Some((day.into(), rest));
    }
    let (day, rest) = text.split_at_checked(8)?;
    let parts = (day.get(..4)?, day.get(4..6)?, day.get(6..)?);
    is_number(0, 8).then(|| (format!("{}-{}-{}", parts.0, parts.1, parts.2).into(), rest))
}

/// A time of day in RFC 3339 form.
fn clock(text: &str) -> Option<String> {
    let (whole, part) = match text.find(['.', ',']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let whole = match (whole.len(), whole.contains(':')) {
        (8, true) => whole.to_owned(),
        (5, true) if part.is_empty() => format!("{whole}:00"),
        (6, false) => format!("{}:{}:{}", whole.get(..2)?, whole.get(2..4)?, whole.get(4..)?),
        (4, false) if part.is_empty() => format!("{}:{}:00", whole.get(..2)?, whole.get(2..)?),
        _ => return None,
    };
    Some(format!("{whole}{}", part.replace(',', ".")))
}

/// An offset from UTC in RFC 3339 form.
fn distance(text: &str) -> Option<String> {
    match (text.len(), text.contains(':')) {
        (1, false) | (6, true) => Some(text.to_owned()),
        (3, false) => Some(format!("{text}:00")),
        (5, false) => Some(format!("{}:{}", text.get(..3)?, text.get(3..)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::format::StrftimeItems;
    use proptest::prelude::*;

    use super::*;

    /// The time in UTC, and the local time shown in Brussels.
    fn read(text: &str) -> Option<(String, String)> {
        let moment = Moment::parse(text)?;
        let pattern: Vec<Item<'_>> = StrftimeItems::new("%d/%m/%Y %H:%M").collect();
        let shown = moment.format(Zone::parse("Europe/Brussels").unwrap(), &pattern)?;
        Some((moment.time()?.to_string(), shown))
    }

    #[test]
    fn a_moment_is_shown_in_its_own_offset_and_one_in_utc_in_the_zone() {
        for (text, time, shown) in [
            ("2026-03-20T06:40:00+09:00", "2026-03-19T21:40:00Z", "20/03/2026 06:40"),
            ("2026-03-20T23:30:00-05:00", "2026-03-21T04:30:00Z", "20/03/2026 23:30"),
            ("2026-03-20T23:30:00Z", "2026-03-20T23:30:00Z", "21/03/2026 00:30"),
            ("2026-07-20t23:30:00z", "2026-07-20T23:30:00Z", "21/07/2026 01:30"),
            ("2026-03-20T23:30:00-00:00", "2026-03-20T23:30:00Z", "21/03/2026 00:30"),
            ("2026-03-20T23:30:00+00:00", "2026-03-20T23:30:00Z", "20/03/2026 23:30"),
            ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00Z", "01/01/2027 01:00"),
            ("2026-03-20", "2026-03-20T00:00:00Z", "20/03/2026 00:00"),
        ] {
            assert_eq!(read(text), Some((time.to_owned(), shown.to_owned())), "{text}");
        }
    }

    #[test]
    fn other_forms_of_iso_8601_are_the_same_moment() {
        for text in [
            "2026-03-20T06:40:00+09:00",
            " 2026-03-20T06:40:00+09:00 ",
            "2026-03-20 06:40:00+09:00",
            "2026-03-20T06:40:00+0900",
            "2026-03-20T06:40:00+09",
            "2026-03-20T06:40+09:00",
            "2026-03-20 06:40:00 +0900",
            "20260320T064000+0900",
            "20260320T0640+09",
            "2026-03-20T06:40:00.000+0900",
            "2026-03-20T06:40:00,0+0900",
        ] {
            let moment = ("2026-03-19T21:40:00Z".to_owned(), "20/03/2026 06:40".to_owned());
            assert_eq!(read(text), Some(moment), "{text}");
        }
        assert_eq!(read("20260320T0640Z").unwrap().1, "20/03/2026 07:40");
    }

    #[test]
    fn an_ambiguous_time_is_refused() {
        for text in [
            "",
            "soon",
            "20/03/2026",
            "20260320",
            "2026-3-20",
            "2026-02-30",
            "2026-03",
            "2026-03-20T06:40:00",
            "2026-03-20T06+09:00",
            "2026-03-20T06:40.5Z",
            "2026-03-20T06:40:00+9",
            "2026-03-20T06:40:00 CET",
            "2026-03-20T25:40Z",
            "2026-03-20Z",
            "1774008000",
            "２０２６-03-20",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9TtZz:+.,é -]{0,30}") {
            let _ = read(&text);
        }

        #[test]
        fn a_printed_time_parses_as_a_moment_of_that_time(
            ms in Time::MIN.ms()..=Time::MAX.ms(),
        ) {
            let time = Time::from_ms(ms);
            prop_assert_eq!(Moment::parse(&time.to_string()).and_then(Moment::time), Some(time));
        }
    }
}
