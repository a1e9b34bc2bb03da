use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, negative before.
///
/// Within the years 0 to 9999, so that it always has an RFC 3339 form, which is what people and
/// JSON see; stored records hold the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, JsonSchema)]
#[schemars(with = "String", extend("format" = "date-time"))]
pub struct Time(i64);

impl Time {
    /// The earliest moment there is: 0000-01-01T00:00:00Z.
    pub const MIN: Time = Time(-62_167_219_200_000);
    /// The latest moment there is: 9999-12-31T23:59:59.999Z.
    pub const MAX: Time = Time(253_402_300_799_999);

    /// Before this no clock is right: 1990-01-01T00:00:00Z. What is said to be earlier was written by a
    /// program that knew no time (zero, in the years 1 and 1970, or 1980 on a device). Histories that are told again may be older
    /// than this program.
    pub const FIRST_SAID: Time = Time(631_152_000_000);

    /// The moment `ms` milliseconds after the epoch, moved into the allowed range.
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

    /// An RFC 3339 time, with any offset. `None` if `text` is not one.
    pub fn parse(text: &str) -> Option<Time> {
        let moment = DateTime::parse_from_rfc3339(text).ok()?;
        let ms = moment.timestamp_millis();
        (Self::MIN.0..=Self::MAX.0).contains(&ms).then_some(Time(ms))
    }

    /// The same moment for chrono.
    pub fn to_utc(self) -> DateTime<Utc> {
        // Both bounds are within chrono's range, so the fallback is never taken.
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;

    /// Stops at [`Time::MAX`] instead of overflowing.
    fn add(self, span: Duration) -> Time {
        let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Time::from_ms(self.0.saturating_add(ms))
    }
}

impl std::ops::Sub<Duration> for Time {
    type Output = Time;

    /// Stops at [`Time::MIN`] instead of overflowing.
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
    fn a_time_reads_back_what_it_prints() {
        for ms in [0, -1, 1_700_000_000_123, Time::MIN.0, Time::MAX.0] {
            let time = Time::from_ms(ms);
            assert_eq!(Time::parse(&time.to_string()), Some(time));
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        assert_eq!(Time::MAX + Duration::from_secs(1), Time::MAX);
        assert_eq!(Time::MIN - Duration::MAX, Time::MIN);
        assert_eq!(Time::MIN.since(Time::MAX), Duration::ZERO);
    }
}
