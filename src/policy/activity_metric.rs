use super::hint::one_of;

/// The readable metrics of an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityMetric {
    /// The number of occurrences.
    Times,
    /// The time of the last occurrence.
    Last,
    /// The number of days since the last occurrence.
    Silent,
    /// The mean gap between two, in days.
    Usual,
    /// The probability that the customer has not left, 0 to 1.
    Alive,
    /// The median number of days until the next occurrence, if the customer has not left.
    Next,
    /// The number of silent days after which the customer has more probably left than not.
    Doubt,
    /// The probability (0 to 1) of at least one within this many days.
    Chance(u16),
    /// The expected number within this many days.
    Expected(u16),
    /// The trend of its value, recent against long-term, −1 to 1.
    Trend,
}

/// The maximum number of days that a metric may look ahead: two years.
const AHEAD_DAYS_MAX: u16 = 731;

impl ActivityMetric {
    /// The metric with this name, as in paths: `alive`, `chance_28d`.
    pub fn of(name: &str) -> Option<ActivityMetric> {
        let ahead = |of: &str| {
            let days = name.strip_prefix(of)?.strip_suffix('d')?;
            // `parse` alone would accept a leading plus.
            let days: u16 =
                days.starts_with(|c: char| c.is_ascii_digit()).then_some(days)?.parse().ok()?;
            (1..=AHEAD_DAYS_MAX).contains(&days).then_some(days)
        };
        Some(match name {
            "times" => ActivityMetric::Times,
            "last" => ActivityMetric::Last,
            "silent_days" => ActivityMetric::Silent,
            "usual_days" => ActivityMetric::Usual,
            "alive" => ActivityMetric::Alive,
            "next_days" => ActivityMetric::Next,
            "doubt_days" => ActivityMetric::Doubt,
            "trend" => ActivityMetric::Trend,
            _ => match ahead("chance_") {
                Some(days) => ActivityMetric::Chance(days),
                None => ActivityMetric::Expected(ahead("expected_")?),
            },
        })
    }

    /// Whether it is a share, 0 to 1.
    pub fn is_share(self) -> bool {
        matches!(self, ActivityMetric::Alive | ActivityMetric::Chance(_))
    }

    /// Checks that there is a metric with this name.
    ///
    /// # Errors
    /// The nearest right name, or all names.
    pub(super) fn check(name: &str) -> Result<(), String> {
        const NAMES: [&str; 10] = [
            "alive",
            "next_days",
            "chance_28d",
            "expected_28d",
            "doubt_days",
            "usual_days",
            "silent_days",
            "times",
            "last",
            "trend",
        ];
        if ActivityMetric::of(name).is_some() {
            return Ok(());
        }
        if name.starts_with("chance_") || name.starts_with("expected_") {
            return Err(format!(
                "expected a number of days from 1 to {AHEAD_DAYS_MAX}, such as \
                 `chance_28d` or `expected_90d`, found `{name}`"
            ));
        }
        one_of(name, &NAMES, "metric of an activity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_look_ahead_by_days() {
        assert_eq!(ActivityMetric::of("chance_28d"), Some(ActivityMetric::Chance(28)));
        assert_eq!(ActivityMetric::of("expected_731d"), Some(ActivityMetric::Expected(731)));
        for name in ["chance_0d", "chance_732d", "expected_d", "expected_2", "chance_+3d", "days"] {
            assert_eq!(ActivityMetric::of(name), None, "{name}");
        }
    }
}
