//! Numbers, durations and times as text.

use jumeau::event::Time;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 input`, `1,234 inputs`.
pub(crate) fn many(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", count(number))
}

/// A number per second.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second >= 10.0 || per_second == 0.0 {
        format!("{}/s", count(per_second.round() as u64))
    } else {
        format!("{per_second:.1}/s")
    }
}

/// `2048` as `2.0 KiB`.
pub(crate) fn bytes(number: u64) -> String {
    let mut scaled = number as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if scaled < 1024.0 {
            return if unit == "B" { format!("{number} B") } else { format!("{scaled:.1} {unit}") };
        }
        scaled /= 1024.0;
    }
    format!("{scaled:.1} TiB")
}

/// A duration in its largest sensible unit: `3 min`, `2 days`.
pub(crate) fn span(ms: u64) -> String {
    let units = [
        (86_400_000, "day", "days"),
        (3_600_000, "hour", "hours"),
        (60_000, "min", "min"),
        (1_000, "s", "s"),
    ];
    for (length, one, many) in units {
        let whole = ms / length;
        if whole >= 2 || (whole == 1 && length <= 60_000) {
            return format!("{whole} {}", if whole == 1 { one } else { many });
        }
    }
    format!("{ms} ms")
}

/// A time relative to `now`: `3 min ago`, `in 2 days`.
pub(crate) fn distance(now: Time, moment: Time) -> String {
    let (ahead, behind) = (moment.since(now), now.since(moment));
    let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if ahead.as_millis() < 1_000 && behind.as_millis() < 1_000 {
        "just now".into()
    } else if ahead.is_zero() {
        format!("{} ago", span(ms(behind)))
    } else {
        format!("in {}", span(ms(ahead)))
    }
}

/// A time to the second: `2026-11-22 09:30:00`.
pub(crate) fn moment(time: Time) -> String {
    time.to_utc().format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 12, 999, 1_000, 1_234_567].map(count).join(" "), "0 12 999 1,000 1,234,567");
    }

    #[test]
    fn spans_use_the_largest_unit_that_says_enough() {
        let spans = [5, 1_500, 61_000, 3_600_000, 7_200_000, 86_400_000, 200_000_000];
        assert_eq!(
            spans.map(span).join(" | "),
            "5 ms | 1 s | 1 min | 60 min | 2 hours | 24 hours | 2 days"
        );
    }

    #[test]
    fn moments_are_seen_from_now() {
        let now = Time::from_ms(1_000_000_000);
        assert_eq!(distance(now, Time::from_ms(999_000_000)), "16 min ago");
        assert_eq!(distance(now, Time::from_ms(1_400_000_000)), "in 4 days");
        assert_eq!(distance(now, now), "just now");
    }

    #[test]
    fn bytes_use_binary_units() {
        assert_eq!([512, 2_048, 5_000_000].map(bytes).join(" "), "512 B 2.0 KiB 4.8 MiB");
    }
}
