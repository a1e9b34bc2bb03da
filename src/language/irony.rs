//! Praise that is irony: `Great, another delay`.
//!
//! Praise at the beginning of a sentence is irony if the sentence goes on with trouble: a phrase of `[ironies]`, and
//! no other praise or contrast. So is a short sentence of nothing but praise before one with such a phrase.

use std::ops::Range;

use super::analysed_text::{AnalysedText, WeightedSpan, WeightedSpans};
use super::lexicon::Lexicon;
use super::text::Token;

/// How many words of a sentence praise begins among, at most.
const PRAISE_WITHIN: usize = 3;

/// The words of a sentence that may be praise alone, at most.
const PRAISE_WORDS: usize = 3;

/// Turns praise that is irony into the opposite.
pub(super) fn turn_praise(
    parts: &mut WeightedSpans,
    analysed: &AnalysedText<'_>,
    lexicon: &Lexicon,
) {
    if parts.iter().all(|part| part.weight <= 0.0) {
        return;
    }
    let tokens = &analysed.tokens.list;
    let mut before = 0..0;
    let mut start = 0;
    while start < tokens.len() {
        let end = analysed.sentence_end(start);
        let trouble = (start..end).find_map(|at| {
            let phrase = lexicon.ironies.at(at, &analysed.tokens, &analysed.meanings);
            phrase.map(|(factor, after)| (at, factor, after))
        });
        let mut meanings = analysed.meanings[start..end].iter().flatten();
        let has_contrast = meanings.any(|word| word.contrast.is_some());
        if let Some((at, factor, after)) = trouble.filter(|_| !has_contrast) {
            let mut later = words(tokens, start..at).skip(PRAISE_WITHIN);
            let opening = start..later.next().unwrap_or(at);
            let said_before = words(tokens, before.clone()).count();
            match praise(parts, start..at) + praise(parts, after..end) {
                0 if said_before <= PRAISE_WORDS => turn(parts, before, factor),
                all if all == praise(parts, opening.clone()) => turn(parts, opening, factor),
                _ => {}
            }
        }
        before = start..end;
        start = end + 1;
    }
}

/// Where the words within these tokens are.
fn words(tokens: &[Token], within: Range<usize>) -> impl Iterator<Item = usize> {
    within.filter(|at| tokens[*at].is_word())
}

/// How many parts within these tokens are praise.
fn praise(parts: &WeightedSpans, within: Range<usize>) -> usize {
    parts.iter().filter(|part| part.weight > 0.0 && within.contains(&part.start)).count()
}

fn turn(parts: &mut WeightedSpans, within: Range<usize>, factor: f32) {
    let is_praise = |part: &&mut WeightedSpan| part.weight > 0.0 && within.contains(&part.start);
    parts.iter_mut().filter(is_praise).for_each(|part| part.weight *= -factor);
}
