//! Praise that is irony: `Great, another delay`.
//!
//! Praise at the beginning of a sentence is irony if the sentence goes on with trouble: a phrase of `[ironies]`, and
//! no other praise or contrast. So is a short sentence of nothing but praise before one with such a phrase.

use smallvec::SmallVec;

use super::analysed_text::{AnalysedText, WeightedSpans};
use super::lexicon::Lexicon;

/// How far from the beginning of a sentence praise begins, at most, in words.
const PRAISE_WITHIN: usize = 3;

/// The words of a sentence that may be praise alone, at most.
const PRAISE_WORDS: usize = 3;

/// Turns praise that is irony into the opposite.
pub(super) fn turn_praise(
    parts: &mut WeightedSpans,
    analysed: &AnalysedText<'_>,
    lexicon: &Lexicon,
) {
    let tokens = &analysed.tokens.list;
    for at in 0..tokens.len() {
        let Some((factor, _)) = lexicon.ironies.at(at, &analysed.tokens, &analysed.meanings) else {
            continue;
        };
        let (start, end) = (analysed.sentence_start(at), analysed.sentence_end(at));
        let praise = |parts: &WeightedSpans, from: usize, to: usize| -> SmallVec<[usize; 4]> {
            let all = parts.iter().enumerate().filter(|(_, part)| part.weight > 0.0);
            all.filter(|(_, part)| (from..to).contains(&part.start)).map(|(at, _)| at).collect()
        };
        let contrasts = |from: usize, to: usize| {
            analysed.meanings[from..to].iter().flatten().any(|word| word.contrast.is_some())
        };
        if contrasts(start, end) {
            continue;
        }
        let mut turned = praise(parts, start, at.min(start + PRAISE_WITHIN));
        if turned.len() != praise(parts, start, end).len() {
            continue;
        }
        if turned.is_empty() && start > 0 {
            let (before, stop) = (analysed.sentence_start(start - 1), start - 1);
            let words = tokens[before..stop].iter().filter(|token| token.is_word()).count();
            if words <= PRAISE_WORDS {
                turned = praise(parts, before, stop);
            }
        }
        turned.iter().for_each(|at| parts[*at].weight *= -factor);
    }
}
