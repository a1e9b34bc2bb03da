//! Exponential decay of evidence.

use std::time::Duration;

/// The remaining weight of evidence after a time: exponential decay, `2^(-elapsed/half_life)`, from 1 (at
/// once) towards 0. For two consecutive periods the weights are multiplied. With a half-life of zero only
/// evidence of this very moment counts.
pub(in crate::twin) fn decay(elapsed: Duration, half_life: Duration) -> f64 {
    if elapsed.is_zero() {
        return 1.0;
    }
    (-(elapsed.as_secs_f64() / half_life.as_secs_f64())).exp2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YEAR_MS: u64 = 365 * 86_400_000;

    #[test]
    fn after_one_half_life_half_remains() {
        let day = Duration::from_secs(86_400);
        assert_eq!(decay(day, day), 0.5);
        assert_eq!(decay(day, Duration::ZERO), 0.0);
        assert_eq!(decay(Duration::ZERO, Duration::ZERO), 1.0);
    }

    proptest! {
        #[test]
        fn longer_periods_leave_less_and_consecutive_periods_multiply(
            [a, b] in prop::array::uniform2(0..YEAR_MS),
            half_life in 3_600_000..YEAR_MS,
        ) {
            let [a, b, half_life] = [a, b, half_life].map(Duration::from_millis);
            prop_assert!(decay(a + b, half_life) <= decay(a, half_life));
            let composed = decay(a, half_life) * decay(b, half_life);
            prop_assert!((composed - decay(a + b, half_life)).abs() <= 1e-12);
        }
    }
}
