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

/// Phrases by their first words.
#[derive(Debug)]
pub(super) struct PhraseBook<V = f32> {
    /// Those that begin with two words, by both: many begin with `not` or `the`.
    by_words: WordTable<Vec<PhraseEntry<V>>>,
    by_word: WordTable<Vec<PhraseEntry<V>>>,
    /// By the first letters of the stem with which they begin.
    by_stem: WordTable<Vec<PhraseEntry<V>>>,
    by_number: Vec<PhraseEntry<V>>,
}

impl<V> Default for PhraseBook<V> {
    fn default() -> PhraseBook<V> {
        PhraseBook {
            by_words: WordTable::default(),
            by_word: WordTable::default(),
            by_stem: WordTable::default(),
            by_number: Vec::new(),
        }
    }
}

/// The hash of two words.
fn both(first: u64, second: u64) -> u64 {
    first.rotate_left(32) ^ second
}

/// The hash of the letters by which a stem is found; none if it has fewer.
fn stem_index(form: &str) -> Option<u64> {
    let (last, letter) = form.char_indices().nth(STEM_INDEX_LETTERS - 1)?;
    Some(text::hash(&form[..last + letter.len_utf8()]))
}

impl<V: Copy> PhraseBook<V> {
    /// Adds a phrase, or changes the value of an existing one. One that has alternatives among its first two
    /// parts is added with each of them, so that it is found by its first words.
    pub(super) fn put(&mut self, phrase: PhraseEntry<V>) {
        for at in 0..phrase.parts.len().min(2) {
            if let PhrasePart::Either(sequences) = &phrase.parts[at] {
                for sequence in sequences.iter() {
                    let (before, rest) = (&phrase.parts[..at], &phrase.parts[at + 1..]);
                    let parts = [before, sequence, rest].concat().into();
                    self.put(PhraseEntry { parts, value: phrase.value });
                }
                return;
            }
        }
        let shelf = match &*phrase.parts {
            [PhrasePart::Word(first), PhrasePart::Word(second), ..] => {
                self.by_words.entry(both(*first, *second)).or_default()
            }
            [PhrasePart::Word(first), ..] => self.by_word.entry(*first).or_default(),
            [PhrasePart::Stem(stem), ..] => {
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
        let by_first = self.by_words.values_mut().chain(self.by_word.values_mut());
        by_first.chain(self.by_stem.values_mut()).flatten().chain(&mut self.by_number)
    }

    /// Sorts the phrases so that the longest is tried first.
    pub(super) fn finish(&mut self) {
        let by_first = self.by_words.values_mut().chain(self.by_word.values_mut());
        for shelf in by_first.chain(self.by_stem.values_mut()) {
            shelf.sort_by_key(|phrase| std::cmp::Reverse(phrase.parts.len()));
        }
        self.by_number.sort_by_key(|phrase| std::cmp::Reverse(phrase.parts.len()));
    }

    /// The longest phrase that begins at token `at`: its value, and the token after it. Of several as long, one
    /// that begins with two words counts before one that begins with a word, and that before one that begins
    /// with a stem; and the first before later ones.
    pub(super) fn at(
        &self,
        at: usize,
        tokens: &Tokens,
        meanings: &[Option<Meaning>],
    ) -> Option<(V, usize)> {
        let token = &tokens.list[at];
        let mut longest: Option<(V, usize)> = None;
        let mut try_all = |phrases: &[PhraseEntry<V>], begins: &dyn Fn(&PhrasePart) -> bool| {
            for phrase in phrases.iter().filter(|phrase| begins(&phrase.parts[0])) {
                let end = follows(&phrase.parts[1..], at + 1, tokens, meanings);
                if let Some(end) = end.filter(|end| longest.is_none_or(|(_, known)| *end > known)) {
                    longest = Some((phrase.value, end));
                }
            }
        };
        if let Some(next) = tokens.list.get(at + 1).filter(|next| next.is_word()) {
            for second in [Some(next.folded), next.squeezed].into_iter().flatten() {
                if let Some(phrases) = self.by_words.get(&both(token.folded, second)) {
                    try_all(phrases, &|_| true);
                }
            }
        }
        if let Some(phrases) = self.by_word.get(&token.folded) {
            try_all(phrases, &|_| true);
        }
        if !self.by_number.is_empty() && is_number(at, tokens, meanings) {
            try_all(&self.by_number, &|first| {
                !matches!(first, PhrasePart::Range(..)) || is_one(first, at, tokens, meanings)
            });
        }
        if !self.by_stem.is_empty()
            && token.is_word()
            && let Some(phrases) =
                stem_index(tokens.form(token)).and_then(|index| self.by_stem.get(&index))
        {
            try_all(phrases, &|first| is_one(first, at, tokens, meanings));
        }
        longest
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
