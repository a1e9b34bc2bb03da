//! Pieces of texts, to which trained models give weights: words, pairs of words, and letters in a row.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::hash::Hasher as _;
use std::ops::Range;

use rustc_hash::FxHasher;
use smallvec::SmallVec;

use super::text::{Token, TokenKind, Tokens};
use super::word_table::WordTable;

/// The hash of a piece, letter by letter: pieces that begin alike share the work. The same on every machine
/// with 64 bits, and nowhere stored.
#[derive(Clone, Default)]
pub(super) struct PieceHasher(FxHasher);

impl PieceHasher {
    pub(super) fn push(&mut self, letter: char) {
        self.0.write_u32(letter.into());
    }

    pub(super) fn extend(&mut self, letters: impl Iterator<Item = char>) {
        letters.for_each(|letter| self.push(letter));
    }

    pub(super) fn hash(&self) -> u64 {
        self.0.finish()
    }
}

/// The hash of a piece as it stands in the file of a model.
pub(super) fn piece_hash(piece: &str) -> u64 {
    let mut hasher = PieceHasher::default();
    hasher.extend(piece.chars());
    hasher.hash()
}

/// The mark of a word's begin.
const BEGIN: char = '^';

/// The mark of a word's end.
const END: char = '$';

/// The letters of a word between the marks of its begin and end.
#[derive(Debug, Default)]
pub(super) struct MarkedWord {
    letters: SmallVec<[char; 32]>,
}

impl MarkedWord {
    pub(super) fn set(&mut self, letters: impl Iterator<Item = char>) {
        self.letters.clear();
        self.letters.push(BEGIN);
        self.letters.extend(letters);
        self.letters.push(END);
    }

    pub(super) fn marked(&self) -> &[char] {
        &self.letters
    }

    /// Passes each run of so many letters, the marks among them.
    pub(super) fn runs(&self, length: usize) -> impl Iterator<Item = &[char]> {
        self.letters.windows(length)
    }
}

/// Whether letters are a whole word between its marks.
pub(super) fn is_whole_word(letters: &[char]) -> bool {
    letters.first() == Some(&BEGIN) && letters.last() == Some(&END)
}

/// The letters of a piece within a word, with the marks of its begin and end.
const RUN: usize = 4;

/// The mark of letters within a word, so that they are told from words.
const RUN_MARK: char = '~';

/// The number of pieces for which memory is taken at once: those of a message of 400 letters.
const PIECES_USUAL: usize = 512;

/// A piece of a message: a word, two words, or [`RUN`] letters of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) hash: u64,
    /// The tokens that it covers.
    start: u32,
    end: u32,
    is_letters: bool,
}

impl Piece {
    /// The tokens that it covers.
    pub(super) fn tokens(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Adds a number to those of its tokens, to each the same share.
    pub(super) fn add_to(&self, tokens: &mut [f32], number: f32) {
        let share = number / (self.end - self.start) as f32;
        tokens[self.tokens()].iter_mut().for_each(|known| *known += share);
    }
}

/// The pieces of a message, each once, as models find them.
#[derive(Debug)]
pub(super) struct HashedPieces {
    list: Vec<Piece>,
    /// The factors of words and of letters: those of each kind have unit length together, so that a long message
    /// weighs no more than a short one.
    factors: [f32; 2],
}

impl HashedPieces {
    pub(super) fn new(tokens: &Tokens) -> HashedPieces {
        let (mut list, mut counts) = (Vec::with_capacity(PIECES_USUAL), [0_u32; 2]);
        each_message_piece(tokens, |piece, _| {
            counts[usize::from(piece.is_letters)] += 1;
            list.push(piece);
        });
        HashedPieces { list, factors: counts.map(|count| 1.0 / f32::sqrt(count.max(1) as f32)) }
    }

    /// The pieces to which a model gives weights, each with its factor.
    pub(super) fn known<'a, W>(
        &'a self,
        weights: &'a WordTable<W>,
    ) -> impl Iterator<Item = (&'a Piece, f32, &'a W)> {
        self.list.iter().filter_map(|piece| {
            let factor = self.factors[usize::from(piece.is_letters)];
            weights.get(&piece.hash).map(|weights| (piece, factor, weights))
        })
    }
}

/// The pieces of a message, each once, as they stand in the files of models.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessagePieces {
    /// Words, and pairs of words.
    pub words: Vec<String>,
    /// Sequences of letters within words.
    pub letters: Vec<String>,
}

impl MessagePieces {
    pub(super) fn new(tokens: &Tokens) -> MessagePieces {
        let mut all = MessagePieces::default();
        each_message_piece(tokens, |piece, text| {
            let group = if piece.is_letters { &mut all.letters } else { &mut all.words };
            group.push(text.to_string());
        });
        all
    }
}

/// The letters of a piece, as it stands in the file of a model.
pub(super) enum PieceText<'a> {
    Word(&'a str),
    Pair(&'a str, &'a str),
    Run(&'a [char]),
}

impl fmt::Display for PieceText<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PieceText::Word(word) => out.write_str(word),
            PieceText::Pair(first, second) => write!(out, "{first} {second}"),
            PieceText::Run(letters) => {
                out.write_char(RUN_MARK)?;
                letters.iter().try_for_each(|letter| out.write_char(*letter))
            }
        }
    }
}

/// Passes each piece of a message once.
pub(super) fn each_message_piece(tokens: &Tokens, mut each: impl FnMut(Piece, PieceText<'_>)) {
    let mut seen = WordTable::<()>::with_capacity_and_hasher(PIECES_USUAL, Default::default());
    let mut pass = |piece: Piece, text: PieceText<'_>| {
        if seen.insert(piece.hash, ()).is_none() {
            each(piece, text);
        }
    };
    let mut marked = MarkedWord::default();
    // The word before, where it stands, and its hash as the beginning of a pair.
    let mut last: Option<(Cow<'_, str>, usize, PieceHasher)> = None;
    for (at, token) in tokens.list.iter().enumerate() {
        let Some(word) = word(token, tokens) else { continue };
        // A message has far fewer tokens than 2³².
        let piece = |hasher: &PieceHasher, start: usize, is_letters| Piece {
            hash: hasher.hash(),
            start: start as u32,
            end: at as u32 + 1,
            is_letters,
        };
        let mut hasher = PieceHasher::default();
        hasher.extend(word.chars());
        pass(piece(&hasher, at, false), PieceText::Word(&word));
        if let Some((before, start, mut hasher)) = last.take() {
            hasher.push(' ');
            hasher.extend(word.chars());
            pass(piece(&hasher, start, false), PieceText::Pair(&before, &word));
        }
        if token.kind == TokenKind::Word {
            marked.set(word.chars());
            for run in marked.runs(RUN) {
                let mut hasher = PieceHasher::default();
                hasher.push(RUN_MARK);
                hasher.extend(run.iter().copied());
                pass(piece(&hasher, at, true), PieceText::Run(run));
            }
        }
        last = Some((word, at, hasher));
    }
}

/// A token as a word of a piece; none: it is none.
fn word<'a>(token: &Token, tokens: &'a Tokens) -> Option<Cow<'a, str>> {
    match token.kind {
        TokenKind::Word => Some(tokens.learned_form(token)),
        // Ages and hours tell something, other numbers only that there is one.
        TokenKind::Number if tokens.form(token).len() <= 2 => Some(tokens.form(token).into()),
        TokenKind::Number => Some("0".into()),
        TokenKind::Stop { questions: 1.., .. } => Some("?".into()),
        TokenKind::Stop { exclamations: 1.., .. } => Some("!".into()),
        TokenKind::Stop { .. } | TokenKind::Pause | TokenKind::Picture => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_one_hash_however_it_is_made() {
        let mut hasher = PieceHasher::default();
        hasher.extend("card".chars());
        let word = hasher.hash();
        hasher.push(' ');
        hasher.extend("stolen".chars());
        assert_eq!((word, hasher.hash()), (piece_hash("card"), piece_hash("card stolen")));
        assert_ne!(piece_hash("ab"), piece_hash("ba"));
    }

    #[test]
    fn a_word_is_read_between_its_marks() {
        let mut word = MarkedWord::default();
        word.set("été".chars());
        let runs: Vec<String> = word.runs(4).map(|run| run.iter().collect()).collect();
        assert_eq!(runs, ["^été", "été$"]);
        assert!(is_whole_word(word.marked()) && !is_whole_word(&word.marked()[1..]));
    }
}
