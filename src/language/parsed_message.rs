//! A message that is split once, and then read in several ways.

use super::analysed_text::AnalysedText;
use super::lexicon::Lexicon;
use super::pieces::{HashedPieces, MessagePieces};

/// A message in one language, split into words and pieces.
#[derive(Debug)]
pub struct ParsedMessage<'a> {
    pub(super) lexicon: &'a Lexicon,
    pub(super) analysed: AnalysedText<'a>,
    pub(super) pieces: HashedPieces,
}

impl<'a> ParsedMessage<'a> {
    pub(super) fn new(text: &'a str, lexicon: &'a Lexicon) -> ParsedMessage<'a> {
        let analysed = AnalysedText::new(text, lexicon);
        let pieces = HashedPieces::new(&analysed.tokens);
        ParsedMessage { lexicon, analysed, pieces }
    }

    /// Its pieces for the training of a model, each once.
    pub fn pieces(&self) -> MessagePieces {
        MessagePieces::new(&self.analysed.tokens)
    }
}
