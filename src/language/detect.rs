//! Which language a text is in.
//!
//! The words that a language uses all the time tell it even in a text of three words; the trigrams
//! of `whatlang` decide where they do not. Both may only choose among the languages that are
//! allowed, and what cannot be told is in the prior one.

use whatlang::{Detector, Lang};

use super::Language;
use super::lexicon::Lexicon;
use super::text;
use crate::config::limits;
use crate::event::cut;

/// How many frequent words a language must have more than the others, if the text is in it.
const LEAD: f32 = 0.4;

/// The lead that the prior language has before a word is read.
const PRIOR: f32 = 0.5;

/// The weight of a word that is known but not frequent.
const KNOWN: f32 = 0.4;

/// Letters below which trigrams guess.
const TRIGRAM_LETTERS: usize = 12;

/// The confidence of the trigrams from which they are believed against the prior language.
const TRIGRAM_CONFIDENCE: f64 = 0.8;

pub(super) fn detect(text: &str, lexicons: &[&Lexicon], prior: Language) -> Language {
    if lexicons.len() < 2 {
        return lexicons.first().map_or(prior, |only| only.language);
    }
    let text = cut(text, limits::DETECT_BYTES);
    let mut first = (f32::NEG_INFINITY, prior);
    let mut second = f32::NEG_INFINITY;
    for lexicon in lexicons {
        let mut score = known_words(text, lexicon);
        if lexicon.language == prior {
            score += PRIOR;
        }
        if score > first.0 {
            second = first.0;
            first = (score, lexicon.language);
        } else {
            second = second.max(score);
        }
    }
    if first.0 - second >= LEAD {
        return first.1;
    }
    by_trigrams(text, lexicons, prior).unwrap_or(first.1)
}

fn known_words(text: &str, lexicon: &Lexicon) -> f32 {
    let tokens = text::split(text, lexicon);
    let mut score = 0.0;
    for token in tokens.list.iter().filter(|token| token.is_word()) {
        match lexicon.words.get(&token.exact) {
            Some(meaning) if meaning.common => score += 1.0,
            Some(_) => score += KNOWN,
            None => {}
        }
    }
    score
}

fn by_trigrams(text: &str, lexicons: &[&Lexicon], prior: Language) -> Option<Language> {
    if text.chars().filter(|c| c.is_alphabetic()).count() < TRIGRAM_LETTERS {
        return None;
    }
    let known: Vec<(Lang, Language)> =
        lexicons.iter().filter_map(|lexicon| Some((lexicon.trigrams?, lexicon.language))).collect();
    let detector = Detector::with_allowlist(known.iter().map(|(lang, _)| *lang).collect());
    let found = detector.detect(text)?;
    let language = known.iter().find(|(lang, _)| *lang == found.lang())?.1;
    (language == prior || found.confidence() >= TRIGRAM_CONFIDENCE).then_some(language)
}
