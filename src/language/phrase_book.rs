//! Phrases, found by their first word.

use std::sync::Arc;

use super::meaning::Meaning;
use super::text::{self, Token, Tokens};
use super::word_table::WordTable;

/// One position in a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PhrasePart {
    /// This word, by its hash without accents.
    Word(u64),
    /// A word with this beginning: `annul*`.
    Stem(Box<str>),
    /// A number, in digits or letters: `#`.
    Number,
    /// A number in digits from the one to the other: `#5-17`.
    Range(u32, u32),
    /// Any one word: `_`.
    Any,
    /// At most this many words: `...`.
    Gap(u8),
    /// One of several sequences: `(mum/my mother)`; an empty one makes it optional.
    Either(Arc<[Box<[PhrasePart]>]>),
}

/// A phrase and what it means: a weight, or more.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PhraseEntry<V> {
    pub(super) parts: Box<[PhrasePart]>,
    pub(super) value: V,
}

/// The letters by which phrases that begin with a stem are found; a stem is at least so long.
pub(super) const STEM_INDEX_LETTERS: usize = 3;

/// Phrases by their first word.
#[derive(Debug)]
pub(super) struct PhraseBook<V = f32> {
    by_word: WordTable<Vec<PhraseEntry<V>>>,
    /// By the first letters of the stem with which they begin.
    by_stem: WordTable<Vec<PhraseEntry<V>>>,
    by_number: Vec<PhraseEntry<V>>,
}

impl<V> Default for PhraseBook<V> {
    fn default() -> PhraseBook<V> {
        PhraseBook {
            by_word: WordTable::default(),
            by_stem: WordTable::default(),
            by_number: Vec::new(),
        }
    }
}

/// The hash of the letters by which a stem is found; none if it has fewer.
fn stem_index(form: &str) -> Option<u64> {
    let (last, letter) = form.char_indices().nth(STEM_INDEX_LETTERS - 1)?;
    Some(text::hash(&form[..last + letter.len_utf8()]))
}

impl<V: Copy> PhraseBook<V> {
    /// Adds a phrase, or changes the value of an existing one. One that begins with alternatives is added
    /// with each of them, so that it is found by its first word.
    pub(super) fn put(&mut self, phrase: PhraseEntry<V>) {
        if let Some((PhrasePart::Either(sequences), rest)) = phrase.parts.split_first() {
            for sequence in sequences.iter() {
                let parts = [sequence, rest].concat().into();
                self.put(PhraseEntry { parts, value: phrase.value });
            }
            return;
        }
        let shelf = match phrase.parts.first() {
            Some(PhrasePart::Word(first)) => self.by_word.entry(*first).or_default(),
            Some(PhrasePart::Stem(stem)) => {
                self.by_stem.entry(stem_index(stem).unwrap_or_default()).or_default()
            }
            _ => &mut self.by_number,
        };
        match shelf.iter_mut().find(|other| other.parts == phrase.parts) {
            Some(other) => other.value = phrase.value,
            None => shelf.push(phrase),
        }
    }

    /// Every phrase, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut PhraseEntry<V>> {
        let by_first = self.by_word.values_mut().chain(self.by_stem.values_mut());
        by_first.flatten().chain(&mut self.by_number)
    }

    /// Sorts the phrases so that the longest is tried first.
    pub(super) fn finish(&mut self) {
        for shelf in self.by_word.values_mut().chain(self.by_stem.values_mut()) {
            shelf.sort_by_key(|phrase| std::cmp::Reverse(phrase.parts.len()));
        }
        self.by_number.sort_by_key(|phrase| std::cmp::Reverse(phrase.parts.len()));
    }

    /// The longest phrase that begins at token `at`: its value, and the token after it. Of several as long, one
    /// that begins with the word itself counts before one that begins with a stem, and the first before later
    /// ones.
    pub(super) fn at(
        &self,
        at: usize,
        tokens: &Tokens,
        meanings: &[Option<Meaning>],
    ) -> Option<(V, usize)> {
        let token = &tokens.list[at];
        let words = self.by_word.get(&token.folded).map_or(&[][..], Vec::as_slice);
        let numbers = if is_number(at, tokens, meanings) { &self.by_number[..] } else { &[] };
        let stems = if self.by_stem.is_empty() || !token.is_word() {
            &[][..]
        } else {
            let stems = stem_index(tokens.form(token)).and_then(|index| self.by_stem.get(&index));
            stems.map_or(&[][..], Vec::as_slice)
        };
        let begins = |phrase: &&PhraseEntry<V>| match phrase.parts.first() {
            Some(PhrasePart::Stem(stem)) => tokens.form(token).starts_with(&**stem),
            _ => true,
        };
        let numbers = numbers.iter().filter(|phrase| match phrase.parts.first() {
            Some(range @ PhrasePart::Range(..)) => is_one(range, at, tokens, meanings),
            _ => true,
        });
        words
            .iter()
            .chain(numbers)
            .chain(stems.iter().filter(begins))
            .filter_map(|phrase| {
                follows(&phrase.parts[1..], at + 1, tokens, meanings).map(|end| (phrase.value, end))
            })
            .reduce(|longest, other| if other.1 > longest.1 { other } else { longest })
    }
}

fn is_number(at: usize, tokens: &Tokens, meanings: &[Option<Meaning>]) -> bool {
    tokens.list[at].kind == text::TokenKind::Number || meanings[at].is_some_and(|word| word.number)
}

/// The token after `parts`, if they match at `at`.
fn follows(
    parts: &[PhrasePart],
    at: usize,
    tokens: &Tokens,
    meanings: &[Option<Meaning>],
) -> Option<usize> {
    let Some((part, rest)) = parts.split_first() else { return Some(at) };
    if let PhrasePart::Gap(most) = part {
        return (0..=usize::from(*most))
            .take_while(|skipped| {
                (at..at + skipped).all(|at| tokens.list.get(at).is_some_and(Token::is_word))
            })
            .find_map(|skipped| follows(rest, at + skipped, tokens, meanings));
    }
    if let PhrasePart::Either(sequences) = part {
        let ends = sequences.iter().filter_map(|sequence| {
            follows(rest, follows(sequence, at, tokens, meanings)?, tokens, meanings)
        });
        return ends.max();
    }
    if is_one(part, at, tokens, meanings) { follows(rest, at + 1, tokens, meanings) } else { None }
}

/// Whether the word at `at` is this part.
fn is_one(part: &PhrasePart, at: usize, tokens: &Tokens, meanings: &[Option<Meaning>]) -> bool {
    let Some(token) = tokens.list.get(at).filter(|token| token.is_word()) else { return false };
    match part {
        PhrasePart::Word(word) => token.folded == *word || token.squeezed == Some(*word),
        PhrasePart::Stem(stem) => tokens.form(token).starts_with(&**stem),
        PhrasePart::Number => is_number(at, tokens, meanings),
        PhrasePart::Range(least, most) => {
            tokens.form(token).parse().is_ok_and(|number| (*least..=*most).contains(&number))
        }
        PhrasePart::Any | PhrasePart::Gap(_) | PhrasePart::Either(_) => true,
    }
}

/// Whether one of the words of a phrase fulfils a condition; words in its gaps are none of them.
pub(super) fn has_word(parts: &[PhrasePart], is: &impl Fn(u64) -> bool) -> bool {
    parts.iter().any(|part| match part {
        PhrasePart::Word(word) => is(*word),
        PhrasePart::Either(sequences) => sequences.iter().any(|sequence| has_word(sequence, is)),
        _ => false,
    })
}
