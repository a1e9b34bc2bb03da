use smallvec::SmallVec;

use super::lexicon::Lexicon;
use super::meaning::Meaning;
use super::text::{TokenKind, Tokens};

/// A range of tokens, by index, and its contribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WeightedSpan {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) weight: f32,
}

/// The parts of a text with a contribution to one measure.
pub(super) type WeightedSpans = SmallVec<[WeightedSpan; 32]>;

/// A text, split into tokens that are looked up.
#[derive(Debug, Clone)]
pub(super) struct AnalysedText<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Tokens,
    pub(super) meanings: SmallVec<[Option<Meaning>; 64]>,
    /// For each token the end of its sentence.
    ends: SmallVec<[u32; 64]>,
    /// Whether all its words are in capitals, so that none stands out.
    pub(super) all_shouted: bool,
}

impl<'a> AnalysedText<'a> {
    /// Splits `text` and looks up its words.
    pub(super) fn new(text: &'a str, lexicon: &Lexicon) -> AnalysedText<'a> {
        let tokens = super::text::split(text, lexicon);
        let meanings = lexicon.meanings(&tokens);
        let mut end = tokens.list.len() as u32;
        let mut ends: SmallVec<[u32; 64]> = SmallVec::from_elem(end, tokens.list.len());
        for (at, token) in tokens.list.iter().enumerate().rev() {
            if matches!(token.kind, TokenKind::Stop { .. }) {
                end = at as u32;
            }
            ends[at] = end;
        }
        let mut words = tokens.list.iter().filter(|token| token.is_word());
        let all_shouted = words.all(|token| token.shouted);
        AnalysedText { text, tokens, meanings, ends, all_shouted }
    }

    /// The end of the sentence of token `at`: its stop, or the number of tokens.
    pub(super) fn sentence_end(&self, at: usize) -> usize {
        self.ends.get(at).map_or(self.tokens.list.len(), |end| *end as usize)
    }
}
