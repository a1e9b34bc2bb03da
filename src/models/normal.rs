use twox_hash::XxHash3_64;

/// 1/√(2π).
const DENSITY_AT_ZERO: f64 = 0.398_942_280_401_432_7;

/// The density of the standard normal distribution at `x`.
pub fn density(x: f64) -> f64 {
    DENSITY_AT_ZERO * libm::exp(-0.5 * x * x)
}

/// The cumulative standard normal distribution at `x`: 0 to 1.
pub fn below(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// The quantile of the standard normal distribution for a `share`; a share outside of 0 to 1 is clamped,
/// which gives at most 8.3 away from zero.
///
/// Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37, 1988: exact to about 16 digits.
pub fn quantile(share: f64) -> f64 {
    let share = share.clamp(1e-16, 1.0 - 1e-16);
    let from_middle = share - 0.5;
    if from_middle.abs() <= 0.425 {
        let r = 0.180_625 - from_middle * from_middle;
        return from_middle * ratio(r, &MIDDLE);
    }
    let tail = if from_middle < 0.0 { share } else { 1.0 - share };
    let r = (-libm::log(tail)).sqrt();
    let size = if r <= 5.0 { ratio(r - 1.6, &NEAR) } else { ratio(r - 5.0, &FAR) };
    size.copysign(from_middle)
}

/// A rational function: the coefficients above, and below without the constant 1; lowest first.
struct Rational([f64; 8], [f64; 7]);

fn ratio(x: f64, Rational(above, below): &Rational) -> f64 {
    let above = above.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient);
    let below = below.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient);
    above / (below * x + 1.0)
}

const MIDDLE: Rational = Rational(
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_545,
    ],
);

const NEAR: Rational = Rational(
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);

const FAR: Rational = Rational(
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

/// The correction factors of a truncated normal distribution: `v(t) = φ(t)/Φ(t)`, and `w(t) = v(t)·(v(t)
/// + t)`, which lies between 0 and 1.
pub(super) fn truncated(t: f64) -> (f64, f64) {
    // For very negative t, φ/Φ is 0/0; its asymptote is −t.
    let v = if t < -30.0 { -t } else { density(t) / below(t) };
    (v, (v * (v + t)).clamp(0.0, 1.0))
}

/// A uniform pseudo-random number between 0 and 1, both excluded, computed from a seed.
pub fn uniform(seed: u64) -> f64 {
    let bits = XxHash3_64::oneshot(&seed.to_le_bytes()) >> 12;
    (bits as f64 + 0.5) / (1u64 << 52) as f64
}

/// A standard normal pseudo-random number computed from a seed: it lets a decision explore, and be the
/// same each time it is repeated.
pub fn normal(seed: u64) -> f64 {
    quantile(uniform(seed))
}

/// Combines parts into a seed: another part, or another order, gives another seed.
pub fn seed(parts: &[u64]) -> u64 {
    parts.iter().fold(parts.len() as u64, |seed, part| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..].copy_from_slice(&part.to_le_bytes());
        XxHash3_64::oneshot(&bytes)
    })
}

/// The hash of a text, for [`seed`].
pub fn hashed(text: &str) -> u64 {
    XxHash3_64::oneshot(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_match_the_published_ones() {
        for (x, share) in
            [(0.0, 0.5), (1.959_963_984_540_054, 0.975), (-3.0, 0.001_349_898_031_630_09)]
        {
            assert!((below(x) - share).abs() < 1e-14, "{x}: {}", below(x));
            assert!((quantile(share) - x).abs() < 1e-12, "{share}: {}", quantile(share));
        }
        assert!((quantile(1e-12) + 7.034_483_825).abs() < 1e-8);
    }

    #[test]
    fn derived_draws_have_the_mean_and_variance_of_a_normal() {
        let draws: Vec<f64> = (0..10_000).map(normal).collect();
        let mean = draws.iter().sum::<f64>() / 1e4;
        let square = draws.iter().map(|x| x * x).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.05, "{mean}, {square}");
    }

    #[test]
    fn a_seed_depends_on_its_parts_and_their_order() {
        assert_eq!(seed(&[1, 2]), seed(&[1, 2]));
        assert_ne!(seed(&[1, 2]), seed(&[2, 1]));
        assert_ne!(seed(&[1]), seed(&[1, 0]));
    }

    proptest! {
        #[test]
        fn the_quantile_inverts_the_distribution(x in -7.0..7.0) {
            // Above the mean, a share close to 1 has few significant digits.
            let x: f64 = x;
            prop_assert!((quantile(below(-x.abs())) + x.abs()).abs() < 1e-9);
        }

        #[test]
        fn a_truncation_moves_towards_the_observation_and_never_widens(t in -200.0..200.0) {
            let (v, w) = truncated(t);
            prop_assert!(v >= 0.0 && v.is_finite(), "{v}");
            prop_assert!((0.0..=1.0).contains(&w), "{w}");
        }
    }
}
