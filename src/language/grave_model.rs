//! A linear model that was trained on messages with grave topics: what phrases cannot list, it has seen.
//!
//! A logistic regression for each topic, and one for whether there is any. Its features are the pieces of a
//! message; a piece counts once, however often it occurs, and the features of a message have unit length, so that
//! a long one weighs no more than a short one. `tools/twinsense` trains it.

use super::grave_book::GraveTopic;
use super::pieces::HashedPieces;
use super::text::Tokens;
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

/// What a model says of a message.
pub(super) struct Judgement<'a> {
    pub(super) odds: LogOdds,
    model: &'a GraveModel,
    pieces: &'a HashedPieces,
}

impl GraveModel {
    /// Whether nothing was trained.
    pub(super) fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Judges a message.
    pub(super) fn judge<'a>(&'a self, pieces: &'a HashedPieces) -> Judgement<'a> {
        let mut odds = self.bias;
        for (_, factor, weights) in pieces.known(&self.weights) {
            let factor = factor * self.unit;
            odds.iter_mut()
                .zip(weights)
                .for_each(|(odds, weight)| *odds += factor * f32::from(*weight));
        }
        Judgement { odds, model: self, pieces }
    }
}

impl Judgement<'_> {
    /// The tokens that speak most for a topic, at most `most` in a row.
    pub(super) fn evidence(
        &self,
        topic: GraveTopic,
        tokens: &Tokens,
        most: usize,
    ) -> (usize, usize) {
        let mut shares = vec![0.0; tokens.list.len()];
        for (piece, factor, weights) in self.pieces.known(&self.model.weights) {
            let weight = f32::from(weights[1 + topic as usize]) + f32::from(weights[0]);
            piece.add_to(&mut shares, factor * self.model.unit * weight);
        }
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
        (best.0, best.1)
    }
}
