//! A message that is split once, and then read in several ways.

use smallvec::SmallVec;

use super::analysed_text::AnalysedText;
use super::grave::{self, GraveFinding};
use super::learned_valence::lexical_features;
use super::lexicon::Lexicon;
use super::pieces::{HashedPieces, MessagePieces};
use super::reading::{self, Reading};
use super::valence;
use super::valence_model::ValenceSample;

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

    /// Its valence and urgency.
    pub fn reading(&self) -> Reading {
        reading::read(self)
    }

    /// Its grave topics, the one with the most evidence first.
    pub fn grave(&self) -> SmallVec<[GraveFinding; 2]> {
        grave::find(self)
    }

    /// Its pieces for the training of a model, each once.
    pub fn pieces(&self) -> MessagePieces {
        MessagePieces::new(&self.analysed.tokens)
    }

    /// What a model of valence is trained on.
    pub fn valence_sample(&self) -> ValenceSample {
        let parts = valence::parts(&self.analysed, self.lexicon);
        ValenceSample { lexical: lexical_features(&self.analysed, &parts), pieces: self.pieces() }
    }
}
