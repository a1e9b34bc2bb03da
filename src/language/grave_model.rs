//! A linear model that was trained on messages with grave topics: what phrases cannot list, it has seen.
//!
//! A logistic regression for each topic, and one for whether there is any. Its features are the pieces of a
//! message; a piece counts once, however often it occurs, and the features of a message have unit length, so that
//! a long one weighs no more than a short one. `tools/twinsense` trains it.

use std::ops::Range;

use super::grave_book::GraveTopic;
use super::pieces::{HashedPieces, WeighedPieces};
use super::word_table::WordTable;

/// The judgements: whether there is a grave topic, and one for each topic.
pub const JUDGEMENTS: usize = 1 + GraveTopic::ALL.len();

/// Log-odds: whether there is a grave topic, and one for each topic.
pub(super) type LogOdds = [f32; JUDGEMENTS];

/// A trained model.
#[derive(Debug, Default)]
pub(super) struct GraveModel {
    /// The log-odds of a message without any known piece.
    pub(super) bias: LogOdds,
    /// The log-odds of one unit of weight.
    pub(super) unit: f32,
    /// The weights of pieces in units, by their hashes.
    pub(super) weights: WordTable<[i8; JUDGEMENTS]>,
}

/// Judges parts of a message.
pub(super) struct GraveJudge<'a> {
    model: &'a GraveModel,
    pieces: WeighedPieces<'a, [i8; JUDGEMENTS]>,
}

impl GraveModel {
    /// Whether nothing was trained.
    pub(super) fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Judges a message with these pieces.
    pub(super) fn judge<'a>(&'a self, pieces: &'a HashedPieces) -> GraveJudge<'a> {
        GraveJudge { model: self, pieces: WeighedPieces::new(pieces, &self.weights) }
    }
}

impl GraveJudge<'_> {
    /// The log-odds of these tokens alone.
    pub(super) fn odds(&mut self, tokens: &Range<usize>) -> LogOdds {
        // The sums of words and of letters, whose factors are known at the end.
        let mut sums = [[0_i32; JUDGEMENTS]; 2];
        let factors = self.pieces.each_known(tokens, |piece, weights| {
            let sums = &mut sums[usize::from(piece.is_letters())];
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += i32::from(*weight));
        });
        let mut odds = self.model.bias;
        for (sums, factor) in sums.iter().zip(factors) {
            let factor = factor * self.model.unit;
            odds.iter_mut().zip(sums).for_each(|(odds, sum)| *odds += factor * *sum as f32);
        }
        odds
    }

    /// The tokens among these that speak most for a topic, at most `most` in a row.
    pub(super) fn evidence(
        &mut self,
        topic: GraveTopic,
        tokens: &Range<usize>,
        most: usize,
    ) -> Range<usize> {
        let mut shares = [vec![0.0; tokens.len()], vec![0.0; tokens.len()]];
        let factors = self.pieces.each_known(tokens, |piece, weights| {
            let weight = f32::from(weights[1 + topic as usize]) + f32::from(weights[0]);
            piece.add_to(&mut shares[usize::from(piece.is_letters())], tokens.start, weight);
        });
        let [words, letters] = shares;
        let both = words.iter().zip(&letters);
        let shares: Vec<f32> =
            both.map(|(word, letter)| word * factors[0] + letter * factors[1]).collect();
        let mut best = (0, shares.len().min(1), f32::MIN);
        // Words that say nothing neither begin nor end the evidence.
        for start in (0..shares.len()).filter(|at| shares[*at] > 0.0) {
            let mut sum = 0.0;
            for end in start + 1..=shares.len().min(start + most) {
                sum += shares[end - 1];
                if sum > best.2 {
                    best = (start, end, sum);
                }
            }
        }
        tokens.start + best.0..tokens.start + best.1
    }
}
