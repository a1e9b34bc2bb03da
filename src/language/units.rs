//! Weights of trained models as letters, so that a model is a text: `.` is none, `a` to `z` are 1 to
//! [`UNITS`] units, `A` to `Z` the same below zero.

/// The greatest weight, in units.
pub const UNITS: i8 = 26;

/// The weight of a letter; none: it is no weight.
pub(super) fn units_of(letter: u8) -> Option<i8> {
    match letter {
        b'.' => Some(0),
        b'a'..=b'z' => Some((letter - b'a') as i8 + 1),
        b'A'..=b'Z' => Some(-((letter - b'A') as i8 + 1)),
        _ => None,
    }
}

/// The letter of a weight, which is cut at [`UNITS`].
pub fn letter_of(units: i8) -> char {
    match units.clamp(-UNITS, UNITS) {
        0 => '.',
        units @ 1.. => char::from(b'a' + units as u8 - 1),
        units => char::from(b'A' + units.unsigned_abs() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_has_its_letter() {
        for units in -UNITS..=UNITS {
            assert_eq!(units_of(letter_of(units) as u8), Some(units));
        }
        assert_eq!((letter_of(100), letter_of(-100), units_of(b'?')), ('z', 'Z', None));
    }
}
