//! Time zones, in the forms that systems write.

mod windows;

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use chrono::{FixedOffset, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::Value;

/// A time zone: with the rules of a place, or at a fixed offset from UTC.
///
/// It is used like any other [`TimeZone`]: `time.to_utc().with_timezone(&zone)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// The rules of a place, from the IANA database.
    Place(Tz),
    /// A fixed offset from UTC.
    Fixed(FixedOffset),
}

impl Zone {
    /// Universal time.
    pub const UTC: Zone = Zone::Place(Tz::UTC);

    /// Parses a time zone: a name of the IANA database (including old names) or of Windows, ignoring
    /// case, and with blanks for underscores; or an offset from UTC such as `+05:30`, `UTC+2`, `GMT-0330`
    /// or `Z`. Returns none for anything else.
    ///
    /// Abbreviations such as `IST` stand for zones of several countries, and are not accepted.
    pub fn parse(text: &str) -> Option<Zone> {
        if let Ok(place) = text.parse() {
            return Some(Zone::Place(place));
        }
        let folded = fold(text);
        let place = NAMES.get(&folded).copied().map(Zone::Place);
        place.or_else(|| distance(&folded).map(Zone::Fixed))
    }

    /// The zone in a value, such as the trait `timezone`. None: the value is absent.
    ///
    /// # Errors
    /// The value, if it is not a known zone.
    pub fn of(value: Option<&Value>) -> Result<Option<Zone>, &Value> {
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) if text.trim().is_empty() => Ok(None),
            Some(value) => match value.as_text().and_then(Zone::parse) {
                Some(zone) => Ok(Some(zone)),
                None => Err(value),
            },
        }
    }

    /// The names of the IANA database.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TZ_VARIANTS.iter().map(|place| place.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Zone::Place(place) => out.write_str(place.name()),
            Zone::Fixed(offset) => offset.fmt(out),
        }
    }
}

impl TimeZone for Zone {
    type Offset = FixedOffset;

    /// A fixed offset: the rules of a place cannot be derived from an offset.
    fn from_offset(offset: &FixedOffset) -> Zone {
        Zone::Fixed(*offset)
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> LocalResult<FixedOffset> {
        match self {
            Zone::Place(place) => place.offset_from_local_date(local).map(|offset| offset.fix()),
            Zone::Fixed(offset) => LocalResult::Single(*offset),
        }
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<FixedOffset> {
        match self {
            Zone::Place(place) => {
                place.offset_from_local_datetime(local).map(|offset| offset.fix())
            }
            Zone::Fixed(offset) => LocalResult::Single(*offset),
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> FixedOffset {
        match self {
            Zone::Place(place) => place.offset_from_utc_date(utc).fix(),
            Zone::Fixed(offset) => *offset,
        }
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        match self {
            Zone::Place(place) => place.offset_from_utc_datetime(utc).fix(),
            Zone::Fixed(offset) => *offset,
        }
    }
}

/// Zones by their folded names.
static NAMES: LazyLock<HashMap<String, Tz>> = LazyLock::new(|| {
    let places = TZ_VARIANTS.iter().map(|place| (fold(place.name()), *place));
    // In summer some systems report the zone's other name.
    let standard = windows::STANDARD.iter().flat_map(|(name, place)| {
        ["Standard", "Daylight"].map(|time| (format!("{name} {time} Time"), *place))
    });
    let others = windows::OTHERS.iter().flat_map(|(name, place)| {
        [name.to_string(), name.replace("Standard", "Daylight")].map(|name| (name, *place))
    });
    let named = standard.chain(others);
    let windows = named.filter_map(|(name, place)| Some((fold(&name), place.parse().ok()?)));
    places.chain(windows).collect()
});

/// The folded form of a name for comparison: lower case, no surrounding blanks, one underscore for blanks
/// within.
fn fold(name: &str) -> String {
    let is_blank = |c: char| c.is_whitespace() || c == '_';
    let words = name.split(is_blank).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_lowercase()
}

/// The smallest and the largest offset from UTC in use anywhere, in minutes.
const DISTANCES: std::ops::RangeInclusive<i32> = -12 * 60..=14 * 60;

/// The offset from UTC in a folded text.
fn distance(folded: &str) -> Option<FixedOffset> {
    let text = folded.replace('_', "");
    let rest = ["utc", "gmt", "ut"].iter().find_map(|prefix| text.strip_prefix(prefix));
    let rest = match rest.unwrap_or(&text) {
        "" if rest.is_some() => "+0",
        "z" if rest.is_none() => "+0",
        rest => rest,
    };
    let (sign, clock) = match rest.strip_prefix('+') {
        Some(clock) => (1, clock),
        None => (-1, rest.strip_prefix(['-', '\u{2212}'])?),
    };
    let minutes = sign * minutes(clock)?;
    DISTANCES.contains(&minutes).then(|| FixedOffset::east_opt(minutes * 60)).flatten()
}

/// The minutes in `5`, `05`, `0530`, `5:30`, `05:30`, `05:30:00` and `5.5`.
fn minutes(clock: &str) -> Option<i32> {
    let number = |digits: &str, lengths: &[usize]| {
        let is_one = lengths.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        is_one.then(|| digits.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = if let Some((hours, rest)) = clock.split_once(':') {
        (number(hours, &[1, 2])?, number(rest.strip_suffix(":00").unwrap_or(rest), &[2])?)
    } else if let Some((hours, share)) = clock.split_once('.') {
        let minutes = match share {
            "0" | "00" => 0,
            "25" => 15,
            "5" | "50" => 30,
            "75" => 45,
            _ => return None,
        };
        (number(hours, &[1, 2])?, minutes)
    } else if let Some((hours, minutes)) = clock.split_at_checked(2).filter(|_| clock.len() == 4) {
        (number(hours, &[2])?, number(minutes, &[2])?)
    } else {
        (number(clock, &[1, 2])?, 0)
    };
    (minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Time;

    /// The local time in a zone.
    fn clock(zone: &str, at: &str) -> Option<String> {
        let at = Time::parse(at).unwrap().to_utc();
        Zone::parse(zone).map(|zone| at.with_timezone(&zone).format("%F %H:%M").to_string())
    }

    #[test]
    fn every_zone_of_the_database_is_found_in_any_spelling() {
        for place in TZ_VARIANTS {
            let name = place.name();
            let blanks = name.replace('_', " ");
            let all =
                [name.to_lowercase(), name.to_uppercase(), format!(" {blanks}\t"), blanks.clone()];
            for written in all {
                assert_eq!(Zone::parse(&written), Some(Zone::Place(place)), "{written:?}");
            }
        }
        assert_eq!(
            clock("Asia/Calcutta", "2026-03-02T19:30:00Z"),
            clock("asia/kolkata", "2026-03-02T19:30:00Z")
        );
        assert_eq!(clock("us/eastern", "2026-07-01T12:00:00Z").unwrap(), "2026-07-01 08:00");
    }

    #[test]
    fn every_name_of_windows_has_a_zone_that_the_database_knows() {
        assert!(
            windows::STANDARD.is_sorted(),
            "the list is in order, so that none stands there twice"
        );
        for (name, place) in windows::STANDARD {
            let place: Tz = place.parse().unwrap_or_else(|_| panic!("{place}"));
            for name in [format!("{name} Standard Time"), format!(" {name}  daylight time ")] {
                assert_eq!(Zone::parse(&name), Some(Zone::Place(place)), "{name}");
            }
        }
        for (name, place) in windows::OTHERS {
            assert_eq!(
                Zone::parse(&name.to_uppercase()),
                Some(Zone::Place(place.parse().unwrap()))
            );
        }
        let noon = "2026-07-01T12:00:00Z";
        for (name, there) in [
            ("India Standard Time", "17:30"),
            ("Romance Standard Time", "14:00"),
            ("Romance Daylight Time", "14:00"),
            ("w. europe standard time", "14:00"),
            ("GMT Standard Time", "13:00"),
            ("Pacific Standard Time (Mexico)", "05:00"),
            ("UTC-11", "01:00"),
            ("UTC+12", "00:00"),
        ] {
            assert!(clock(name, noon).is_some_and(|clock| clock.ends_with(there)), "{name}");
        }
    }

    #[test]
    fn an_offset_from_utc_is_understood_as_people_write_it() {
        for (minutes, all) in [
            (
                330,
                &["+05:30", "+0530", "+5:30", "UTC+05:30", "utc +5.5", "GMT+5:30", "+05:30:00"][..],
            ),
            (120, &["UTC+2", "+02", "gmt+02:00", "UTC + 2", "UT+2", "+2"]),
            (-210, &["-03:30", "GMT-0330", "UTC\u{2212}3:30", "-3.50"]),
            (0, &["Z", "z", "UTC", "gmt", "+00:00", "-00:00", "UTC+0", "GMT0", "Etc/UTC"]),
            (840, &["+14:00"]),
            (-720, &["-12"]),
            // In these names the database has the opposite sign.
            (540, &["Etc/GMT-9", "etc/gmt-9"]),
        ] {
            for text in all {
                let zone = Zone::parse(text).unwrap_or_else(|| panic!("{text}"));
                let there = zone.offset_from_utc_datetime(&NaiveDateTime::default());
                assert_eq!(there.local_minus_utc(), minutes * 60, "{text}");
            }
        }
    }

    #[test]
    fn an_unknown_zone_name_is_refused() {
        for text in [
            "Mars/Phobos",
            "IST",
            "PST",
            "05:30",
            "530",
            "+530",
            "+5:3",
            "+05:60",
            "+15",
            "-13",
            "+5.3",
            "UTC+",
            "+",
            "UTCZ",
            "Europe",
            "Brussels time",
            "Eastern Time (US & Canada)",
            "+٠٥:٣٠",
            "undefined",
        ] {
            assert_eq!(Zone::parse(text), None, "{text}");
            assert!(Zone::of(Some(&text.into())).is_err(), "{text}");
        }
        assert_eq!(Zone::of(Some(&Value::Int(2))), Err(&Value::Int(2)));
        for nothing in [None, Some(&Value::Null), Some(&" ".into())] {
            assert_eq!(Zone::of(nothing), Ok(None));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic_and_an_offset_parses_back(
            text in "\\PC{0,24}", minutes in DISTANCES
        ) {
            let _ = Zone::parse(&text);
            let fixed = Zone::Fixed(FixedOffset::east_opt(minutes * 60).unwrap());
            prop_assert_eq!(Zone::parse(&fixed.to_string()), Some(fixed));
        }
    }
}
