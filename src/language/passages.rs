//! The passages of a message: its sentences, and each two sentences beside each other.

use std::ops::Range;

use super::text::{TokenKind, Tokens};

/// The words of a sentence from which on it ends at the next comma, bracket or dash: many chats have no full stops.
const LONG_WORDS: usize = 20;

/// The words of a sentence after which it ends without any mark.
const MOST_WORDS: usize = 28;

/// The sentences of a message that have words, as ranges of tokens; each ends with its mark.
pub(super) fn sentences(tokens: &Tokens) -> Vec<Range<usize>> {
    let mut sentences: Vec<Range<usize>> = Vec::new();
    let (mut start, mut words) = (0, 0);
    for (at, token) in tokens.list.iter().enumerate() {
        words += usize::from(token.is_word());
        let ends = match token.kind {
            TokenKind::Stop { .. } => words > 0,
            TokenKind::Pause => words >= LONG_WORDS,
            _ => words >= MOST_WORDS,
        };
        if ends {
            sentences.push(start..at + 1);
            (start, words) = (at + 1, 0);
        }
    }
    match sentences.last_mut() {
        // What is left without a word belongs to the last sentence.
        Some(last) if words == 0 => last.end = tokens.list.len(),
        _ => sentences.push(start..tokens.list.len()),
    }
    sentences
}

/// The words from which on a sentence may tell something of its own: not `ok.` and `thanks.`
const TELLING_WORDS: usize = 3;

/// How many sentences may tell something, at least one.
pub(super) fn telling_sentences(tokens: &Tokens, sentences: &[Range<usize>]) -> usize {
    let words = |sentence: &Range<usize>| {
        tokens.list[sentence.clone()].iter().filter(|token| token.is_word()).count()
    };
    sentences.iter().filter(|sentence| words(sentence) >= TELLING_WORDS).count().max(1)
}

/// Each sentence, and each with the next one: the numbers of its sentences, and its tokens.
pub(super) fn passages(
    sentences: &[Range<usize>],
) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let singles = (0..sentences.len()).map(|at| at..at + 1);
    let pairs = (1..sentences.len()).map(|at| at - 1..at + 1);
    singles.chain(pairs).map(|numbers| {
        let tokens = sentences[numbers.start].start..sentences[numbers.end - 1].end;
        (numbers, tokens)
    })
}
