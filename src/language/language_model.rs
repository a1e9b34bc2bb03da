//! A linear model that tells languages apart by their letters and words.
//!
//! A softmax regression. Its features are the pieces of a text: whole words, and sequences of up to
//! [`RUN`] letters within words, where `^` and `$` mark a word's begin and end. Each counts as often as it
//! occurs, and all of them are scaled by the square root of their number. `tools/twinsense` trains it.

use smallvec::SmallVec;

use super::Language;
use super::pieces::{MarkedWord, PieceHasher, is_whole_word, piece_hash};
use super::text::{narrow, shortened};
use super::units::units_of;
use super::word_table::WordTable;
use crate::config::{Findings, limits};

/// The most letters of a piece that is no whole word, its marks included.
const RUN: usize = 4;

/// Longer words are no pieces themselves.
const WORD_LETTERS: usize = 12;

/// Log-odds of languages, in the order of the model.
pub(super) type LanguageOdds = SmallVec<[f32; 24]>;

/// A trained model.
#[derive(Debug, Default)]
pub(super) struct LanguageModel {
    /// The languages that it tells apart.
    pub(super) languages: Vec<Language>,
    /// The log-odds of a text without any known piece.
    bias: Vec<f32>,
    /// The log-odds of one unit of weight.
    unit: f32,
    /// The row of each piece in `weights`, by its hash.
    rows: WordTable<u32>,
    /// For each piece a weight for each language, in units, and nothing else: they must fit the processor's
    /// caches.
    weights: Vec<i8>,
}

/// What a model says of a text.
#[derive(Debug, Default)]
pub(super) struct LanguageEvidence {
    /// The log-odds of the languages of the model.
    pub(super) odds: LanguageOdds,
    /// The share of the pieces that the model knows.
    pub(super) known: f32,
    /// Whether it knows one of the words as a whole.
    pub(super) knows_word: bool,
}

impl LanguageModel {
    /// Reads a model as `twinsense train-detection` prints it.
    pub(super) fn read(file: &str, content: &str, found: &mut Findings) -> LanguageModel {
        let mut model = LanguageModel::default();
        for (number, line) in (1..).zip(content.lines()) {
            if line.is_empty() || line.starts_with("# ") {
                continue;
            }
            if model.line(line).is_none() {
                found.in_line(
                    file,
                    number,
                    format!(
                        "expected what `twinsense train-detection` prints: `languages` and at most {} of \
                         them, `unit` and a number from 0 to 10, `bias` and a number for each language, \
                         or a letter or point for each language and a piece of a word; found `{}`",
                        limits::DETECTED_LANGUAGES,
                        shortened(line)
                    ),
                );
            }
        }
        model
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (first, rest) = line.split_once(' ')?;
        let count = self.languages.len();
        match first {
            "languages" => {
                let all = rest.split(' ').map(|code| code.parse().ok());
                let all: Option<Vec<_>> = all.collect();
                self.languages = all.filter(|all| all.len() <= limits::DETECTED_LANGUAGES)?;
                Some(())
            }
            "unit" => {
                self.unit = rest.parse().ok().filter(|unit| (0.0..=10.0).contains(unit))?;
                Some(())
            }
            "bias" => {
                let all = rest.split(' ').map(|odds| odds.parse().ok());
                let all: Option<Vec<f32>> = all.collect();
                self.bias = all.filter(|all| {
                    all.len() == count && all.iter().all(|odds| odds.abs() <= 100.0)
                })?;
                Some(())
            }
            weights => {
                let weights: Option<Vec<i8>> = weights.bytes().map(units_of).collect();
                let weights = weights.filter(|weights| weights.len() == count)?;
                let row = self.rows.len() as u32;
                if self.rows.insert(piece_hash(rest), row).is_some() {
                    return None;
                }
                self.weights.extend(weights);
                Some(())
            }
        }
    }

    /// Whether nothing was trained.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() || self.bias.is_empty()
    }

    /// Judges a text.
    pub(super) fn judge(&self, text: &str) -> LanguageEvidence {
        let (mut count, mut known, mut knows_word) = (0, 0, false);
        let mut sums: SmallVec<[i32; limits::DETECTED_LANGUAGES]> =
            SmallVec::from_elem(0, self.languages.len());
        each_piece(text, |hash, letters| {
            count += 1;
            let Some(row) = self.rows.get(&hash) else { return };
            known += 1;
            knows_word |= is_whole_word(letters);
            let start = *row as usize * sums.len();
            let weights = &self.weights[start..start + sums.len()];
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += i32::from(*weight));
        });
        let scale = self.unit * scale(count);
        let odds = sums.iter().zip(&self.bias).map(|(sum, bias)| bias + scale * *sum as f32);
        let known = if count == 0 { 0.0 } else { known as f32 / count as f32 };
        LanguageEvidence { odds: odds.collect(), known, knows_word }
    }
}

/// The factor of each of so many pieces.
pub(super) fn scale(count: usize) -> f32 {
    1.0 / f32::sqrt(count.max(1) as f32)
}

/// Passes the pieces of a text with their hashes, as often as they occur.
pub(super) fn each_piece(text: &str, mut each: impl FnMut(u64, &[char])) {
    let mut word = MarkedWord::default();
    for written in
        text.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty())
    {
        word.set(plain(written));
        let letters = word.marked();
        if (RUN + 1..=WORD_LETTERS + 2).contains(&letters.len()) {
            let mut hasher = PieceHasher::default();
            hasher.extend(letters.iter().copied());
            each(hasher.hash(), letters);
        }
        for start in 0..letters.len() {
            let mut hasher = PieceHasher::default();
            for end in start..letters.len().min(start + RUN) {
                hasher.push(letters[end]);
                let is_mark = start == end && (start == 0 || end + 1 == letters.len());
                if !is_mark {
                    each(hasher.hash(), &letters[start..=end]);
                }
            }
        }
    }
}

/// The letters of a word in lower case, full-width ones as plain ones, each at most twice in a row: `sooooo` is
/// `soo`.
fn plain(word: &str) -> impl Iterator<Item = char> {
    let (mut last, mut times) = ('\0', 1);
    word.chars().map(narrow).flat_map(char::to_lowercase).filter(move |letter| {
        times = if *letter == last { times + 1 } else { 1 };
        last = *letter;
        times <= 2
    })
}
