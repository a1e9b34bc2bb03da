//! A linear model that was trained on messages with grave topics: what phrases cannot list, it has seen.
//!
//! A logistic regression for each topic, and one for whether there is any. Its features are the pieces of a
//! message: words, pairs of words, and sequences of [`RUN`] letters within words; a piece counts once,
//! however often it occurs, and the features of a message have unit length, so that a long one weighs no
//! more than a short one. `tools/twinsense` trains it.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::grave_book::GraveTopic;
use super::text::{Token, TokenKind, Tokens, hash};
use super::word_table::WordTable;

/// The judgements: whether there is a grave topic, and one for each topic.
pub const JUDGEMENTS: usize = 1 + GraveTopic::ALL.len();

/// The letters of a piece of a word, with a mark at the word's begin and end.
const RUN: usize = 4;

/// The number of pieces for which memory is taken at once: those of a message of 400 letters.
const PIECES_USUAL: usize = 512;

/// Log-odds: whether there is a grave topic, and one for each topic.
pub(super) type LogOdds = [f32; JUDGEMENTS];

/// A trained model.
#[derive(Debug, Default)]
pub(super) struct GraveModel {
    /// The log-odds of a message without any known piece.
    pub(super) bias: LogOdds,
    /// The log-odds of one unit of weight.
    pub(super) unit: f32,
    /// The weights of pieces in units, by their hashes.
    pub(super) weights: WordTable<[i8; JUDGEMENTS]>,
}

/// A piece of a message: a word, two words, or letters of a word.
#[derive(Debug, Clone, Copy)]
struct Piece {
    hash: u64,
    /// The words that it covers, by their numbers.
    start: usize,
    end: usize,
    is_letters: bool,
}

/// What a model says of a message.
pub(super) struct Judgement {
    pub(super) odds: LogOdds,
    /// The known pieces with their factors.
    known: Vec<(Piece, f32, [i8; JUDGEMENTS])>,
    unit: f32,
}

impl GraveModel {
    /// Whether nothing was trained.
    pub(super) fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Judges a message.
    pub(super) fn judge(&self, tokens: &Tokens) -> Judgement {
        let (mut found, mut counts) = (Vec::new(), [0_u32; 2]);
        each_piece(tokens, |piece, _| {
            counts[usize::from(piece.is_letters)] += 1;
            if let Some(weights) = self.weights.get(&piece.hash) {
                found.push((piece, *weights));
            }
        });
        let factors = counts.map(|count| 1.0 / f32::sqrt(count.max(1) as f32));
        let mut odds = self.bias;
        let mut known = Vec::with_capacity(found.len());
        for (piece, weights) in found {
            let factor = factors[usize::from(piece.is_letters)];
            for (odds, weight) in odds.iter_mut().zip(weights) {
                *odds += factor * self.unit * f32::from(weight);
            }
            known.push((piece, factor, weights));
        }
        Judgement { odds, known, unit: self.unit }
    }
}

impl Judgement {
    /// The tokens that speak most for a topic, at most `most` in a row.
    pub(super) fn evidence(
        &self,
        topic: GraveTopic,
        tokens: &Tokens,
        most: usize,
    ) -> (usize, usize) {
        let mut shares = vec![0.0; tokens.list.len()];
        for (piece, factor, weights) in &self.known {
            let weight = f32::from(weights[1 + topic as usize]) + f32::from(weights[0]);
            let share = factor * self.unit * weight / (piece.end - piece.start) as f32;
            shares[piece.start..piece.end].iter_mut().for_each(|known| *known += share);
        }
        let mut best = (0, shares.len().min(1), f32::MIN);
        // Words that say nothing neither begin nor end the evidence.
        for start in (0..shares.len()).filter(|at| shares[*at] > 0.0) {
            let mut sum = 0.0;
            for end in start + 1..=shares.len().min(start + most) {
                sum += shares[end - 1];
                if sum > best.2 {
                    best = (start, end, sum);
                }
            }
        }
        (best.0, best.1)
    }
}

/// The pieces of a message, each once, as they stand in the section `[gravemodel]` of a language.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GravePieces {
    /// Words, and pairs of words.
    pub words: Vec<String>,
    /// Sequences of letters within words.
    pub letters: Vec<String>,
}

/// The pieces of a message.
pub(super) fn pieces(tokens: &Tokens) -> GravePieces {
    let mut all = GravePieces::default();
    each_piece(tokens, |piece, text| {
        let group = if piece.is_letters { &mut all.letters } else { &mut all.words };
        group.push(text.to_owned());
    });
    all
}

/// The hash of a piece as it stands in the section `[gravemodel]`.
pub(super) fn piece_hash(piece: &str) -> u64 {
    hash(piece)
}

/// Passes each piece of a message once.
fn each_piece(tokens: &Tokens, mut each: impl FnMut(Piece, &str)) {
    let mut seen = WordTable::<()>::with_capacity_and_hasher(PIECES_USUAL, Default::default());
    let mut pass = |text: &str, start, end, is_letters| {
        let hash = piece_hash(text);
        if seen.insert(hash, ()).is_none() {
            each(Piece { hash, start, end, is_letters }, text);
        }
    };
    let (mut pair, mut marked) = (String::new(), MarkedWord::default());
    let mut last = None;
    for (at, token) in tokens.list.iter().enumerate() {
        let Some(word) = word(token, tokens) else { continue };
        pass(&word, at, at + 1, false);
        if let Some(start) = last {
            pair.push(' ');
            pair.push_str(&word);
            pass(&pair, start, at + 1, false);
        }
        pair.clear();
        pair.push_str(&word);
        if token.kind == TokenKind::Word {
            marked.set(&word);
            marked.runs(|run| pass(run, at, at + 1, true));
        }
        last = Some(at);
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

/// A word between `^` and `$`, the marks of its begin and end.
#[derive(Default)]
struct MarkedWord {
    text: String,
    /// Where its letters begin, the marks among them, and where it ends.
    places: SmallVec<[usize; 32]>,
    run: String,
}

impl MarkedWord {
    fn set(&mut self, word: &str) {
        self.text.clear();
        self.text.extend(["^", word, "$"]);
        self.places.clear();
        self.places.extend(self.text.char_indices().map(|(at, _)| at));
        self.places.push(self.text.len());
    }

    /// Passes its runs of letters, each behind a `~`.
    fn runs(&mut self, mut each: impl FnMut(&str)) {
        for places in self.places.windows(RUN + 1) {
            self.run.clear();
            self.run.push('~');
            self.run.push_str(&self.text[places[0]..places[RUN]]);
            each(&self.run);
        }
    }
}
