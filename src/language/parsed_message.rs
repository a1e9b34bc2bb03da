//! A message that is split once, and then read in several ways.

use std::cell::OnceCell;

use super::analysed_text::AnalysedText;
use super::lexicon::Lexicon;
use super::pieces::{HashedPieces, MessagePieces};

/// A message in one language, split into words and pieces.
#[derive(Debug)]
pub struct ParsedMessage<'a> {
    pub(super) lexicon: &'a Lexicon,
    pub(super) analysed: AnalysedText<'a>,
    /// Its pieces, once a model wants them.
    hashed: OnceCell<HashedPieces>,
}

impl<'a> ParsedMessage<'a> {
    pub(super) fn new(text: &'a str, lexicon: &'a Lexicon) -> ParsedMessage<'a> {
        ParsedMessage {
            lexicon,
            analysed: AnalysedText::new(text, lexicon),
            hashed: OnceCell::new(),
        }
    }

    /// Its pieces, as models find them.
    pub(super) fn hashed_pieces(&self) -> &HashedPieces {
        self.hashed.get_or_init(|| HashedPieces::new(&self.analysed.tokens))
    }

    /// Its pieces for the training of a model, each once.
    pub fn pieces(&self) -> MessagePieces {
        MessagePieces::new(&self.analysed.tokens)
    }
}
