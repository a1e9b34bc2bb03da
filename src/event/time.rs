use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, negative before.
///
/// It is within the years 0 to 9999, so that it always has an RFC 3339 form, which people and JSON see;
/// stored records contain the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, JsonSchema)]
#[schemars(with = "String", extend("format" = "date-time"))]
pub struct Time(i64);

impl Time {
    /// The earliest time: 0000-01-01T00:00:00Z.
    pub const MIN: Time = Time(-62_167_219_200_000);
    /// The latest time: 9999-12-31T23:59:59.999Z.
    pub const MAX: Time = Time(253_402_300_799_999);

    /// Earlier times are treated as missing: 1990-01-01T00:00:00Z. They come from programs without a
    /// clock (zero means the year 1, 1970, or 1980 on some devices). Replayed histories may still be
    /// older than this program.
    pub const EARLIEST_PLAUSIBLE: Time = Time(631_152_000_000);

    /// The time `ms` milliseconds after the epoch, clamped to the allowed range.
    pub const fn from_ms(ms: i64) -> Time {
        if ms < Self::MIN.0 {
            Self::MIN
        } else if ms > Self::MAX.0 {
            Self::MAX
        } else {
            Time(ms)
        }
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Parses an RFC 3339 time, with any offset. `None` if `text` is not one.
    pub fn parse(text: &str) -> Option<Time> {
        let moment = DateTime::parse_from_rfc3339(text).ok()?;
        let ms = moment.timestamp_millis();
        (Self::MIN.0..=Self::MAX.0).contains(&ms).then_some(Time(ms))
    }

    /// The same time for chrono.
    pub fn to_utc(self) -> DateTime<Utc> {
        // Both bounds are within chrono's range, so the fallback is never used.
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }

    /// The time elapsed since `earlier`; zero if this is not after it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;

    /// Saturates at [`Time::MAX`].
    fn add(self, span: Duration) -> Time {
        let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Time::from_ms(self.0.saturating_add(ms))
    }
}

impl std::ops::Sub<Duration> for Time {
    type Output = Time;

    /// Saturates at [`Time::MIN`].
    fn sub(self, span: Duration) -> Time {
        let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Time::from_ms(self.0.saturating_sub(ms))
    }
}

impl From<DateTime<Utc>> for Time {
    fn from(moment: DateTime<Utc>) -> Time {
        Time::from_ms(moment.timestamp_millis())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { to.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        if from.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
            Time::parse(&text).ok_or_else(|| {
                de::Error::invalid_value(
                    de::Unexpected::Str(&text),
                    &"an RFC 3339 time such as 2026-11-22T09:30:00Z",
                )
            })
        } else {
            Ok(Time::from_ms(i64::deserialize(from)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_parses_back_from_its_text() {
        for ms in [0, -1, 1_700_000_000_123, Time::MIN.0, Time::MAX.0] {
            let time = Time::from_ms(ms);
            assert_eq!(Time::parse(&time.to_string()), Some(time));
        }
    }

    #[test]
    fn arithmetic_saturates_at_the_smallest_and_largest_time() {
        assert_eq!(Time::MAX + Duration::from_secs(1), Time::MAX);
        assert_eq!(Time::MIN - Duration::MAX, Time::MIN);
        assert_eq!(Time::MIN.since(Time::MAX), Duration::ZERO);
    }
}
