//! Numbers as people and programs are shown them.

/// A number that is to be shown with so many decimals: 0, if it would be shown as a zero with a minus
/// sign.
pub fn unsigned_zero(number: impl Into<f64>, decimals: usize) -> f64 {
    let number = number.into();
    let shown = format!("{:.decimals$}", number.abs());
    if shown.bytes().all(|byte| matches!(byte, b'0' | b'.')) { 0.0 } else { number }
}

#[cfg(test)]
mod tests {
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
}
