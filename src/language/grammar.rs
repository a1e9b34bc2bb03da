//! Wishes: what the writer of a text wants, by patterns of words, and what cancels a wish.
//!
//! Words are mapped to letters and patterns to regular expressions over these letters, as in a cascade of
//! finite automata (S. Abney: Partial Parsing via Finite-State Cascades, 1996): each word in any pattern
//! has a letter of its own, all others share one, and so do marks. So a pattern is matched in linear
//! time, whatever the text.
//!
//! A sentence has clauses, also where no mark separates them: a clause begins with the words of the class
//! `clause`, unless a word of `joins` precedes these. A pattern for one clause does not match across its
//! end, and nothing before a word of `turns` (`but`) cancels a wish after it.
//!
//! A pattern of `[wishes]` finds the words that express a wish. The rest of their sentence determines
//! whether the wish is real, present and the speaker's own: the sentence, with `@` in place of these
//! words, is compared with the patterns of `[unless]`: negations, the past, conditions, questions,
//! reports. `config/languages/README.md` explains how both are written.

use std::collections::BTreeSet;

use regex::Regex;
use smallvec::SmallVec;

use super::lexicon::{COMPOUND_LETTERS, Lexicon};
use super::misspelt::each_misspelling;
use super::text::{Token, TokenKind, Tokens, hash};
use super::word_table::WordTable;

/// The letter of words that occur in no pattern.
pub(super) const OTHER: char = '_';
pub(super) const NUMBER: char = '#';
pub(super) const PAUSE: char = ',';
pub(super) const QUOTE: char = '"';
pub(super) const QUESTION: char = '?';
/// The mark for the beginning of another clause within a sentence.
pub(super) const CLAUSE: char = ';';
/// The letter for the words of a wish, when it is tested whether they express one.
pub(super) const WISH: char = '@';

/// Words that are equal without accents and apostrophes.
#[derive(Debug, Clone, Copy)]
pub(super) struct BareWord {
    pub(super) letter: char,
    /// Whether one of them has an apostrophe; otherwise they differ by accents.
    pub(super) has_apostrophe: bool,
}

/// A word in its full spelling: with and without accents.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpelledWord {
    pub(super) exact: u64,
    pub(super) folded: u64,
}

/// What a text leaves out consistently.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeftOut {
    pub(super) accents: bool,
    pub(super) apostrophes: bool,
}

/// The compiled patterns of one language.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    pub(super) letters: WordTable<char>,
    /// For words that are equal without accents and apostrophes: the letter of the word without any.
    pub(super) bare: WordTable<BareWord>,
    /// The letters of words with one letter removed.
    pub(super) misspelt: WordTable<char>,
    /// The letters of words that are the ends of others.
    pub(super) ends: WordTable<char>,
    pub(super) wishes: Vec<(Box<str>, Regex)>,
    pub(super) unless: Option<Regex>,
    /// The words that begin another clause.
    pub(super) opens: Option<Regex>,
    /// The letters of words that include the clause after them.
    pub(super) joins: BTreeSet<char>,
    /// The letters of words that contrast a clause with the preceding one.
    pub(super) turns: BTreeSet<char>,
    /// Other spellings of words, with the words that they stand for.
    pub(super) spellings: WordTable<Box<[SpelledWord]>>,
}

impl Grammar {
    /// The topics that are wishes.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.wishes.iter().map(|(topic, _)| &**topic)
    }

    /// Whether a pattern contains this word, or it is another spelling of words.
    pub(super) fn knows(&self, word: u64) -> bool {
        self.letters.contains_key(&word) || self.spellings.contains_key(&word)
    }

    /// The beginnings of further clauses within the letters of a sentence, in bytes.
    pub(super) fn clauses(&self, sentence: &str) -> SmallVec<[usize; 8]> {
        // A `but` does not join its clause to the preceding one.
        let is_joined = |at: usize| {
            let before = sentence[..at].chars().next_back();
            let turns =
                sentence[at..].chars().next().is_some_and(|word| self.turns.contains(&word));
            before.is_none_or(|before| !turns && self.joins.contains(&before))
        };
        let opens = self.opens.iter().flat_map(|opens| opens.find_iter(sentence));
        opens.map(|hit| hit.start()).filter(|at| !is_joined(*at)).collect()
    }

    /// The beginning of the last contrasting clause before `at`, in bytes.
    pub(super) fn turn(&self, sentence: &str, at: usize) -> usize {
        let turns = |start: usize| {
            let opening = sentence[start + 1..at].chars().next();
            opening.is_some_and(|opening| self.turns.contains(&opening))
        };
        let mut clauses = sentence[..at].rmatch_indices(CLAUSE).map(|(start, _)| start);
        clauses.find(|start| turns(*start)).unwrap_or(0)
    }

    /// Calls `see` with the letter of a word or a number, or with those of the words that it is another
    /// spelling of.
    pub(super) fn each_letter(
        &self,
        token: &Token,
        tokens: &Tokens,
        lexicon: &Lexicon,
        left_out: LeftOut,
        mut see: impl FnMut(char),
    ) {
        let Some(written) = self.spellings.get(&token.folded) else {
            return see(self.letter(token, tokens, lexicon, left_out));
        };
        for word in written {
            let found = self.known(word.exact, word.folded, left_out);
            see(found.unwrap_or(OTHER));
        }
    }

    /// The letter of a word in a pattern.
    fn known(&self, exact: u64, folded: u64, left_out: LeftOut) -> Option<char> {
        if let Some(bare) = self.bare.get(&folded)
            && (if bare.has_apostrophe { left_out.apostrophes } else { left_out.accents })
        {
            return Some(bare.letter);
        }
        self.letters.get(&exact).or_else(|| self.letters.get(&folded)).copied()
    }

    /// The letter of the longest word of the class `ends` that a word ends with.
    fn end(&self, form: &str) -> Option<char> {
        if self.ends.is_empty() {
            return None;
        }
        let mut ends = form.char_indices().skip(COMPOUND_LETTERS);
        ends.find_map(|(at, _)| self.ends.get(&hash(&form[at..])).copied())
    }

    /// The letter of a word or a number.
    fn letter(&self, token: &Token, tokens: &Tokens, lexicon: &Lexicon, left_out: LeftOut) -> char {
        let found = self.known(token.exact, token.folded, left_out);
        let squeezed = || token.squeezed.and_then(|word| self.letters.get(&word).copied());
        if let Some(letter) = found.or_else(squeezed) {
            return letter;
        }
        if token.kind == TokenKind::Number {
            return NUMBER;
        }
        match lexicon.meaning(token) {
            Some(meaning) if meaning.number => NUMBER,
            Some(_) => OTHER,
            None => {
                let mut found = None;
                each_misspelling(tokens.form(token), |misspelt| {
                    found = found.or_else(|| self.misspelt.get(&misspelt).copied());
                });
                found.or_else(|| self.end(tokens.form(token))).unwrap_or(OTHER)
            }
        }
    }
}
