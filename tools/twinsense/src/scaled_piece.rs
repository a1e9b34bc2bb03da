//! The pieces of messages as features of models.

use std::collections::{BTreeMap, HashMap};

use jumeau::language::MessagePieces;

/// A piece that fewer messages have teaches nothing.
const MESSAGES_MIN: usize = 2;

/// A piece and its inverse document frequency: what many messages have is scaled down before the fit, so that the
/// ridge concerns it more.
pub(crate) struct ScaledPiece {
    pub(crate) text: String,
    pub(crate) factor: f32,
}

/// The pieces that enough messages have, in alphabetical order.
pub(crate) fn scaled<'a>(
    messages: impl ExactSizeIterator<Item = &'a MessagePieces>,
) -> Vec<ScaledPiece> {
    let total = messages.len() as f32;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for MessagePieces { words, letters } in messages {
        words.iter().chain(letters).for_each(|piece| *counts.entry(piece).or_default() += 1);
    }
    counts.retain(|_, count| *count >= MESSAGES_MIN);
    let factor = |count: usize| f32::ln(total / count as f32) / 4.0;
    let all = counts.into_iter();
    all.map(|(piece, count)| ScaledPiece { text: piece.to_owned(), factor: factor(count) })
        .collect()
}

/// The places of pieces.
pub(crate) fn index(pieces: &[ScaledPiece]) -> HashMap<String, u32> {
    pieces.iter().zip(0..).map(|(piece, at)| (piece.text.clone(), at)).collect()
}

/// The features of a message: its known pieces by their places, so scaled that those of each kind have unit length.
pub(crate) fn features_of(
    found: &MessagePieces,
    pieces: &[ScaledPiece],
    index: &HashMap<String, u32>,
) -> Vec<(u32, f32)> {
    let mut features = Vec::new();
    for group in [&found.words, &found.letters] {
        let length = 1.0 / f32::sqrt(group.len().max(1) as f32);
        let known = group.iter().filter_map(|piece| index.get(piece).copied());
        features.extend(known.map(|at| (at, length * pieces[at as usize].factor)));
    }
    features
}
