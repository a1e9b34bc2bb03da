//! Fits linear models, and writes them as text.

use std::fmt::Write as _;
use std::hash::Hasher as _;

use jumeau::language::{UNITS, letter_of};
use twox_hash::XxHash3_64;

/// The number of iterations; more of them change no figure.
const STEPS: usize = 300;

/// Weights below so many units are zero.
const UNITS_LEAST: f32 = 1.5;

/// One text with `N` answers: those that are wanted, its weight beside the penalty, and its features.
pub(crate) struct Sample<const N: usize> {
    pub(crate) wanted: [f32; N],
    pub(crate) weight: f32,
    pub(crate) features: Vec<(u32, f32)>,
}

/// The probabilities of answers that do not exclude each other, in place of their log-odds.
pub(crate) fn sigmoid<const N: usize>(odds: &mut [f32; N]) {
    odds.iter_mut().for_each(|odds| *odds = 1.0 / (1.0 + f32::exp(-*odds)));
}

/// The probabilities of answers of which one is right, in place of their log-odds.
pub(crate) fn softmax<const N: usize>(odds: &mut [f32; N]) {
    let most = odds.iter().copied().fold(f32::MIN, f32::max);
    odds.iter_mut().for_each(|odds| *odds = f32::exp(*odds - most));
    let sum: f32 = odds.iter().sum();
    odds.iter_mut().for_each(|odds| *odds /= sum);
}

/// The weights of `count` features, and the log-odds of a text without any.
///
/// The cross entropy with a ridge penalty of ½‖w‖², fitted with AdaGrad (J. Duchi et al., 2011) over all texts
/// at once, without randomness.
pub(crate) fn fit<const N: usize>(
    samples: &[Sample<N>],
    count: usize,
    probabilities: fn(&mut [f32; N]),
) -> (Vec<[f32; N]>, [f32; N]) {
    let mut weights = vec![[0.0; N]; count + 1];
    let mut speeds = vec![[1e-8; N]; count + 1];
    for step in 0..STEPS {
        let mut slopes = weights.clone();
        // The log-odds of all texts are free of the penalty.
        slopes[count] = [0.0; N];
        for sample in samples {
            let mut odds = weights[count];
            for (at, value) in &sample.features {
                for (odds, weight) in odds.iter_mut().zip(&weights[*at as usize]) {
                    *odds += value * weight;
                }
            }
            probabilities(&mut odds);
            for (odds, wanted) in odds.iter_mut().zip(&sample.wanted) {
                *odds = sample.weight * (*odds - wanted);
            }
            for (at, value) in &sample.features {
                for (slope, error) in slopes[*at as usize].iter_mut().zip(&odds) {
                    *slope += value * error;
                }
            }
            for (slope, error) in slopes[count].iter_mut().zip(&odds) {
                *slope += error;
            }
        }
        let rate = if step < STEPS / 2 { 0.5 } else { 0.1 };
        for ((weights, speeds), slopes) in weights.iter_mut().zip(&mut speeds).zip(&slopes) {
            for ((weight, speed), slope) in weights.iter_mut().zip(speeds).zip(slopes) {
                *speed += slope * slope;
                *weight -= rate * slope / f32::sqrt(*speed);
            }
        }
    }
    let bias = weights.pop().unwrap_or([0.0; N]);
    (weights, bias)
}

/// A model of the first `count` answers as text: its unit, its bias, and a line for each piece that has a weight of
/// at least `least` units.
pub(crate) fn written<const N: usize>(
    bias: &[f32; N],
    weights: &[[f32; N]],
    pieces: &[&str],
    (count, least): (usize, f32),
) -> String {
    let most = weights.iter().flatten().fold(0.0, |most: f32, weight| most.max(weight.abs()));
    let unit = most / f32::from(UNITS);
    let bias: Vec<String> = bias[..count].iter().map(|odds| format!("{odds:.3}")).collect();
    let mut model = format!("unit {unit:.4}\nbias {}\n", bias.join(" "));
    for (weights, piece) in weights.iter().zip(pieces) {
        let units = weights[..count].iter().map(|weight| weight / unit);
        if units.clone().any(|units| units.abs() >= least) {
            let units = units.map(|units| if units.abs() < UNITS_LEAST { 0.0 } else { units });
            let letters: String = units.map(|units| letter_of(units.round() as i8)).collect();
            // Writing to a string does not fail.
            let _ = writeln!(model, "{letters} {piece}");
        }
    }
    model
}

/// The digest of the texts on which a model is trained, so that a test tells whether it is older than they.
pub(crate) fn digest(lines: impl Iterator<Item = String>) -> String {
    let mut digest = XxHash3_64::new();
    lines.for_each(|line| digest.write(format!("{line}\n").as_bytes()));
    format!("{:016x}", digest.finish())
}
