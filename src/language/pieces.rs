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
    /// Its number among the different pieces of the message, from 0 in the order of their first occurrences.
    number: u32,
    /// Whether it occurs for the first time.
    is_first: bool,
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

    /// Whether it is letters of a word.
    pub(super) fn is_letters(&self) -> bool {
        self.is_letters
    }

    /// Adds a number to those of its tokens, to each the same share; `tokens` begin with token `first`.
    pub(super) fn add_to(&self, tokens: &mut [f32], first: usize, number: f32) {
        let share = number / (self.end - self.start) as f32;
        let Range { start, end } = self.tokens();
        tokens[start - first..end - first].iter_mut().for_each(|known| *known += share);
    }
}

/// The factors of so many different words, and letters: those of each kind have unit length together, so that a long
/// text weighs no more than a short one.
fn factors(counts: [u32; 2]) -> [f32; 2] {
    counts.map(|count| 1.0 / f32::sqrt(count.max(1) as f32))
}

/// The pieces of a message, as models find them.
#[derive(Debug)]
pub(super) struct HashedPieces {
    /// Every occurrence, in the order of their last tokens.
    list: Vec<Piece>,
    /// The number of different ones.
    different: usize,
    /// Those of words, and of letters.
    factors: [f32; 2],
}

impl HashedPieces {
    pub(super) fn new(tokens: &Tokens) -> HashedPieces {
        let (mut list, mut counts) = (Vec::with_capacity(PIECES_USUAL), [0_u32; 2]);
        each_message_piece(tokens, |piece, _| {
            counts[usize::from(piece.is_letters)] += u32::from(piece.is_first);
            list.push(piece);
        });
        let different = counts[0] as usize + counts[1] as usize;
        HashedPieces { list, different, factors: factors(counts) }
    }

    /// The pieces to which a model gives weights, each once, with its factor.
    pub(super) fn known<'a, W>(
        &'a self,
        weights: &'a WordTable<W>,
    ) -> impl Iterator<Item = (&'a Piece, f32, &'a W)> {
        self.list.iter().filter(|piece| piece.is_first).filter_map(|piece| {
            let factor = self.factors[usize::from(piece.is_letters)];
            weights.get(&piece.hash).map(|weights| (piece, factor, weights))
        })
    }
}

/// The pieces of a message with the weights that a model gives to them, for reading parts of it.
#[derive(Debug)]
pub(super) struct WeighedPieces<'a, W> {
    pieces: &'a HashedPieces,
    /// By the numbers of pieces.
    weights: Vec<Option<&'a W>>,
    /// For each piece the part in which it was seen last, by the number of the part.
    seen: Vec<u32>,
    parts: u32,
}

impl<'a, W> WeighedPieces<'a, W> {
    pub(super) fn new(pieces: &'a HashedPieces, weights: &'a WordTable<W>) -> Self {
        let firsts = pieces.list.iter().filter(|piece| piece.is_first);
        WeighedPieces {
            pieces,
            weights: firsts.map(|piece| weights.get(&piece.hash)).collect(),
            seen: vec![0; pieces.different],
            parts: 0,
        }
    }

    /// Passes each piece within these tokens that has weights, once. Returns the factors of words and of letters
    /// among all pieces within.
    pub(super) fn each_known(
        &mut self,
        tokens: &Range<usize>,
        mut each: impl FnMut(&Piece, &'a W),
    ) -> [f32; 2] {
        self.parts += 1;
        let list = &self.pieces.list;
        let begin = list.partition_point(|piece| piece.tokens().end <= tokens.start);
        let mut counts = [0_u32; 2];
        let until_end = list[begin..].iter().take_while(|piece| piece.tokens().end <= tokens.end);
        for piece in until_end.filter(|piece| piece.tokens().start >= tokens.start) {
            let seen = &mut self.seen[piece.number as usize];
            if std::mem::replace(seen, self.parts) == self.parts {
                continue;
            }
            counts[usize::from(piece.is_letters)] += 1;
            if let Some(weights) = self.weights[piece.number as usize] {
                each(piece, weights);
            }
        }
        factors(counts)
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
            if !piece.is_first {
                return;
            }
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

/// Passes every occurrence of each piece of a message, in the order of their last tokens.
fn each_message_piece(tokens: &Tokens, mut each: impl FnMut(Piece, PieceText<'_>)) {
    let mut numbers = WordTable::<u32>::with_capacity_and_hasher(PIECES_USUAL, Default::default());
    let mut pass = |mut piece: Piece, text: PieceText<'_>| {
        let next = numbers.len() as u32;
        piece.number = *numbers.entry(piece.hash).or_insert(next);
        piece.is_first = piece.number == next;
        each(piece, text);
    };
    let mut marked = MarkedWord::default();
    // The word before, where it stands, and its hash as the beginning of a pair.
    let mut last: Option<(Cow<'_, str>, usize, PieceHasher)> = None;
    for (at, token) in tokens.list.iter().enumerate() {
        let Some(word) = word(token, tokens) else { continue };
        // A message has far fewer tokens than 2³².
        let piece = |hasher: &PieceHasher, start: usize, is_letters| Piece {
            hash: hasher.hash(),
            number: 0,
            is_first: false,
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
