//! A model of valence that a company has trained on labelled messages of its own, on top of the lexicon.
//!
//! A softmax regression of three classes: negative, neutral, positive. Its features are what the lexicon says
//! ([`LEXICAL_FEATURES`]) and the [pieces](super::pieces) of the message; a piece counts once, scaled by the
//! square root of the number of pieces of its kind. `twinsense train` trains it.

use super::pieces::{HashedPieces, MessagePieces};
use super::word_table::WordTable;

/// The classes of valence: negative, neutral, positive.
pub const CLASSES: usize = 3;

/// The names of what a lexicon says of a message, as they stand in the file of a model.
pub const LEXICAL_FEATURES: [&str; 10] =
    ["sum", "good", "bad", "best", "worst", "ending", "asks", "exclaims", "requests", "length"];

/// A number for each of [`LEXICAL_FEATURES`], of about the size of one.
pub(super) type LexicalFeatures = [f32; LEXICAL_FEATURES.len()];

/// What a model is trained on of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct ValenceSample {
    /// What the lexicon says, in the order of [`LEXICAL_FEATURES`].
    pub lexical: [f32; LEXICAL_FEATURES.len()],
    /// Its pieces.
    pub pieces: MessagePieces,
}

/// A trained model. Each weight has a number for each class.
#[derive(Debug, Default)]
pub(super) struct ValenceModel {
    /// The log-odds of a message without any known piece.
    pub(super) bias: [f32; CLASSES],
    /// The weights of what the lexicon says.
    pub(super) lexical: [[f32; CLASSES]; LEXICAL_FEATURES.len()],
    /// The log-odds of one unit of weight.
    pub(super) unit: f32,
    /// The weights of pieces in units, by their hashes.
    pub(super) weights: WordTable<[i8; CLASSES]>,
}

/// What a model says of a message.
pub(super) struct ValenceJudgement {
    /// The log-odds of the classes.
    pub(super) odds: [f32; CLASSES],
    /// For each token the log-odds of positive rather than negative that it adds.
    pub(super) shares: Vec<f32>,
}

impl ValenceModel {
    /// Judges a message with so many tokens, of which the lexicon says this.
    pub(super) fn judge(
        &self,
        lexical: LexicalFeatures,
        pieces: &HashedPieces,
        tokens: usize,
    ) -> ValenceJudgement {
        let mut odds = self.bias;
        let mut add = |factor: f32, weights: [f32; CLASSES]| {
            odds.iter_mut().zip(weights).for_each(|(odds, weight)| *odds += factor * weight);
        };
        for (value, weights) in lexical.into_iter().zip(self.lexical) {
            add(value, weights);
        }
        let mut shares = vec![0.0; tokens];
        for (piece, factor, weights) in pieces.known(&self.weights) {
            let weights = weights.map(|units| self.unit * f32::from(units));
            add(factor, weights);
            piece.add_to(&mut shares, 0, factor * (weights[2] - weights[0]));
        }
        ValenceJudgement { odds, shares }
    }
}
