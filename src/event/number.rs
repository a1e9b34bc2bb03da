//! Numbers as people and programs are shown them.

use serde::Serializer;

/// A number that is to be shown with so many decimals: 0, if it would be shown as a zero with a minus
/// sign.
pub fn unsigned_zero(number: impl Into<f64>, decimals: usize) -> f64 {
    let number = number.into();
    let shown = format!("{:.decimals$}", number.abs());
    if shown.bytes().all(|byte| matches!(byte, b'0' | b'.')) { 0.0 } else { number }
}

/// The decimal digits of a computed number in messages and replies: a float has about 16, and the last
/// ones are the noise of its computation.
const DIGITS: usize = 6;

/// Writes a computed number with six significant digits into JSON, and as it is into stored records.
pub(crate) fn six_digits<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
    let number = if to.is_human_readable() { six_digits_of(*number) } else { *number };
    to.serialize_f64(number)
}

/// A number rounded to six significant digits.
fn six_digits_of(number: f64) -> f64 {
    let written = format!("{:.after$e}", number, after = DIGITS - 1);
    written.parse().map_or(number, |rounded: f64| rounded + 0.0)
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[test]
    fn a_number_that_is_nearly_zero_is_shown_without_a_minus_sign() {
        for (number, decimals, shown) in [
            (-0.0, 2, "0.00"),
            (-0.004, 2, "0.00"),
            (-0.006, 2, "-0.01"),
            (-0.05, 1, "-0.1"),
            (-0.4, 0, "0"),
            (0.004, 2, "0.00"),
            (f64::NEG_INFINITY, 1, "-inf"),
        ] {
            assert_eq!(format!("{:.decimals$}", unsigned_zero(number, decimals)), shown);
        }
        assert_eq!(format!("{:+.1}", unsigned_zero(-0.01_f32, 1)), "+0.0");
    }

    #[derive(Serialize)]
    struct Scored(#[serde(serialize_with = "six_digits")] f64);

    #[test]
    fn a_computed_number_has_six_digits_in_json() {
        for (number, json) in [
            (0.1 + 0.2, "0.3"),
            (0.36000000000000004, "0.36"),
            (2.0 / 3.0, "0.666667"),
            (1234567.8, "1234570.0"),
            (1.0 / 3e7, "3.33333e-8"),
            (0.0, "0.0"),
            (-0.0, "0.0"),
        ] {
            assert_eq!(serde_json::to_string(&Scored(number)).unwrap(), json);
        }
    }
}
