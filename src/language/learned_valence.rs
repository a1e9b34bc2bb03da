//! What a trained model of valence sees of a message, and what it adds to the words that cause the valence.

use super::analysed_text::{AnalysedText, WeightedSpan, WeightedSpans};
use super::text::TokenKind;
use super::valence_model::LexicalFeatures;

/// The weights of the lexicon's words at which a sum of them counts half.
const HALF: f32 = 0.5;

/// The log-odds that are a weight of 1 in the words of a reading.
const FULL_WEIGHT: f32 = 4.0;

/// What the lexicon says of a message, by the words that cause its valence.
pub(super) fn lexical_features(
    analysed: &AnalysedText<'_>,
    parts: &[WeightedSpan],
) -> LexicalFeatures {
    let weights = || parts.iter().map(|part| part.weight);
    let bounded = |weight: f32| weight / (weight.abs() + HALF);
    let flag = |is: bool| f32::from(u8::from(is));
    let good: f32 = weights().filter(|weight| *weight > 0.0).sum();
    let bad: f32 = weights().filter(|weight| *weight < 0.0).sum();
    let tokens = &analysed.tokens.list;
    let last = tokens.iter().rposition(|token| !token.is_mark()).unwrap_or(0);
    let last_end = analysed.sentence_end(last);
    let of_ending = parts.iter().filter(|part| analysed.sentence_end(part.start) == last_end);
    let ending: f32 = of_ending.map(|part| part.weight).sum();
    let stops = |is: fn(TokenKind) -> bool| tokens.iter().any(|token| is(token.kind));
    let requests = analysed.meanings.iter().any(|known| known.is_some_and(|word| word.request));
    let words = tokens.iter().filter(|token| token.is_word()).count();
    [
        bounded(good + bad),
        bounded(good),
        bounded(bad),
        weights().fold(0.0, f32::max),
        weights().fold(0.0, f32::min),
        bounded(ending),
        flag(stops(|kind| matches!(kind, TokenKind::Stop { questions: 1.., .. }))),
        flag(stops(|kind| matches!(kind, TokenKind::Stop { exclamations: 1.., .. }))),
        flag(requests),
        f32::ln(1.0 + words as f32) / 5.0,
    ]
}

/// Adds the log-odds that the words of a message have from the model to the parts that they are in; what is in no
/// part becomes one.
pub(super) fn add_shares(parts: &mut WeightedSpans, shares: &[f32]) {
    let mut weights: Vec<f32> = shares.iter().map(|share| share / FULL_WEIGHT).collect();
    for part in parts.iter_mut() {
        let of_part = &mut weights[part.start..part.end];
        part.weight += of_part.iter().sum::<f32>();
        of_part.fill(0.0);
    }
    let alone = weights.into_iter().enumerate().filter(|(_, weight)| *weight != 0.0);
    parts.extend(alone.map(|(at, weight)| WeightedSpan { start: at, end: at + 1, weight }));
}
