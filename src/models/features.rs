use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use twox_hash::XxHash3_64;

use crate::config::limits;

/// The number of bins for each doubling of a number.
const BINS_AN_OCTAVE: f64 = 2.0;
/// The number of bins of a share between 0 and 1.
const BINS_OF_A_SHARE: f64 = 8.0;

/// The feature of every situation: the arm's general level.
pub(super) const INTERCEPT: u64 = 1;

/// The features of a situation in the form of the model: hashed names and bins of values, each with its
/// share.
///
/// | value | its bins |
/// |---|---|
/// | number | sign and logarithm, two bins for each doubling; none for zero |
/// | share from 0 to 1 | eight points, 1/8 apart; none for zero |
/// | text | one for each text |
/// | truth | one for true, none for false |
/// | absent | one of its own |
///
/// Zero and false are the reference and have no bin: a bin that is nearly always present would duplicate
/// the intercept.
///
/// A number between two bins belongs partly to each, so that close values are similar. At most
/// [`limits::FEATURES`] values are read; further ones are skipped and counted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Features {
    /// The bins of the values.
    #[schemars(with = "Vec<ActiveFeature>")]
    pub(super) active: SmallVec<[ActiveFeature; 64]>,
    /// The number of values read.
    values: u32,
    /// The number of values with a bin.
    present: u32,
    /// The number of values skipped because there were too many.
    passed_over: u32,
}

/// One bin of a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct ActiveFeature {
    /// The hash of the name and the bin.
    pub(super) key: u64,
    /// The share of the value in it: above 0, at most 1.
    pub(super) share: f32,
}

impl Features {
    /// No features.
    pub fn new() -> Features {
        Features::default()
    }

    /// The number of values read.
    pub fn len(&self) -> usize {
        self.values as usize
    }

    /// Whether no value was read.
    pub fn is_empty(&self) -> bool {
        self.values == 0
    }

    /// The number of values skipped because there were too many.
    pub fn passed_over(&self) -> u32 {
        self.passed_over
    }

    /// Adds a number of any size; one that is not finite counts as absent.
    pub fn number(&mut self, name: &str, value: f64) {
        if !value.is_finite() {
            return self.unknown(name);
        }
        if !self.admit() {
            return;
        }
        if value == 0.0 {
            return;
        }
        let sign = if value > 0.0 { b'+' } else { b'-' };
        self.between(name, sign, libm::log2(value.abs()) * BINS_AN_OCTAVE);
    }

    /// Adds a share from 0 to 1; one outside is clamped.
    pub fn share(&mut self, name: &str, value: f64) {
        if value.is_nan() {
            return self.unknown(name);
        }
        if self.admit() {
            self.between(name, b's', value.clamp(0.0, 1.0) * BINS_OF_A_SHARE);
        }
    }

    /// Adds one text of several.
    pub fn text(&mut self, name: &str, value: &str) {
        if self.admit() {
            self.present += 1;
            self.push(name, b't', XxHash3_64::oneshot(value.as_bytes()), 1.0);
        }
    }

    /// Adds a boolean.
    pub fn flag(&mut self, name: &str, value: bool) {
        if self.admit() && value {
            self.present += 1;
            self.push(name, b'f', 0, 1.0);
        }
    }

    /// Records that the value with this name is unknown.
    pub fn unknown(&mut self, name: &str) {
        if self.admit() {
            self.present += 1;
            self.push(name, b'?', 0, 1.0);
        }
    }

    /// The factor of the features, so that a prior does not depend on their number.
    pub(super) fn scale(&self) -> f64 {
        1.0 / f64::from(self.present.max(1)).sqrt()
    }

    /// The sum of the squares of all features after scaling, at most 1.
    pub(super) fn length(&self) -> f64 {
        let squares: f64 = self.active.iter().map(|it| f64::from(it.share).powi(2)).sum();
        squares * self.scale().powi(2)
    }

    fn admit(&mut self) -> bool {
        if self.len() >= limits::FEATURES {
            self.passed_over += 1;
            return false;
        }
        self.values += 1;
        true
    }

    fn between(&mut self, name: &str, kind: u8, place: f64) {
        let low = place.floor();
        let share = (place - low) as f32;
        self.present += 1;
        if share < 1.0 && (kind, low) != (b's', 0.0) {
            self.push(name, kind, low as i64 as u64, 1.0 - share);
        }
        if share > 0.0 {
            self.push(name, kind, (low as i64 + 1) as u64, share);
        }
    }

    fn push(&mut self, name: &str, kind: u8, bin: u64, share: f32) {
        let mut end = [kind; 9];
        end[1..].copy_from_slice(&bin.to_le_bytes());
        let key = XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(name.as_bytes()), &end);
        // The smallest keys are reserved: 0 for none, and the intercept.
        self.active.push(ActiveFeature { key: key.max(INTERCEPT + 1), share });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(value: f64) -> Features {
        let mut features = Features::new();
        features.number("age", value);
        features
    }

    /// The similarity of two situations, 0 to 1.
    fn likeness(one: &Features, other: &Features) -> f32 {
        let share = |features: &Features, key| {
            features.active.iter().find(|active| active.key == key).map_or(0.0, |it| it.share)
        };
        one.active.iter().map(|active| active.share.min(share(other, active.key))).sum()
    }

    #[test]
    fn a_different_name_or_type_is_a_different_feature() {
        let mut features = Features::new();
        features.number("age", 1.0);
        features.number("size", 1.0);
        features.text("age", "1");
        features.flag("age", true);
        features.unknown("age");
        features.share("age", 1.0);
        let mut keys: Vec<u64> = features.active.iter().map(|active| active.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!((keys.len(), features.len()), (6, 6));
    }

    #[test]
    fn a_number_that_is_not_finite_counts_as_absent() {
        let mut absent = Features::new();
        absent.unknown("age");
        assert_eq!(of(f64::NAN), absent);
        assert_eq!(of(f64::INFINITY), absent);
    }

    #[test]
    fn features_beyond_the_limit_are_counted_and_not_kept() {
        let mut features = Features::new();
        for number in 0..limits::FEATURES + 3 {
            features.text("city", &number.to_string());
        }
        assert_eq!((features.len(), features.passed_over()), (limits::FEATURES, 3));
    }

    proptest! {
        #[test]
        fn the_shares_of_a_number_add_up_to_one(
            value in prop::num::f64::ANY.prop_filter("zero is nowhere", |value| *value != 0.0),
        ) {
            let whole: f32 = of(value).active.iter().map(|active| active.share).sum();
            prop_assert!((whole - 1.0).abs() < 1e-6);
        }

        #[test]
        fn closer_numbers_share_more_features(value in 1.0..1e6, near in 1.0..1.08, far in 1.1..100.0) {
            let near = likeness(&of(value), &of(value * near));
            let far = likeness(&of(value), &of(value * far));
            prop_assert!(near >= far - 1e-5, "{near} {far}");
            prop_assert_eq!(likeness(&of(value), &of(-value)), 0.0);
        }
    }
}
