//! Detects the language of a text.
//!
//! The frequent words of a language identify it even in a text of one word; otherwise the trigrams of
//! `whatlang` decide. Only the allowed languages are considered; without evidence the prior language is
//! assumed. Names and numbers are no evidence.

use whatlang::{Detector, Lang};

use super::Language;
use super::lexicon::Lexicon;
use super::text;
use crate::config::limits;
use crate::event::cut;

/// By how many frequent words a language must lead over the others to be detected.
const LEAD: f32 = 0.4;

/// The lead of the customer's own language before any word is read: more than one frequent word of
/// another language, because many people write `ok`, `thanks` and `super` in any language.
const OWN: f32 = 1.5;

/// The lead of the most probable language of a customer who has not written yet: less than one known word
/// of another.
const LIKELY: f32 = 0.2;

/// The weight of a word that is known but not frequent.
const KNOWN: f32 = 0.4;

/// The number of letters below which trigrams only guess.
const TRIGRAM_LETTERS: usize = 12;

/// The minimum confidence of the trigrams to override the prior language.
const TRIGRAM_CONFIDENCE: f64 = 0.8;

/// The prior knowledge about a customer's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LanguagePrior {
    /// The customer has used or declared this language.
    Own(Language),
    /// There is none: this language is the most probable.
    Likely(Language),
}

impl LanguagePrior {
    /// The language.
    pub fn language(self) -> Language {
        match self {
            LanguagePrior::Own(language) | LanguagePrior::Likely(language) => language,
        }
    }
}

/// The detected language of a text, and its certainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectedLanguage {
    /// The language.
    pub language: Language,
    /// Whether the text itself is sufficient evidence, whatever the prior.
    pub is_sure: bool,
}

pub(super) fn detect(text: &str, lexicons: &[&Lexicon], prior: LanguagePrior) -> DetectedLanguage {
    let likeliest = prior.language();
    if lexicons.len() < 2 {
        let language = lexicons.first().map_or(likeliest, |only| only.language);
        return DetectedLanguage { language, is_sure: false };
    }
    let text = cut(text, limits::DETECT_BYTES);
    let lead = match prior {
        LanguagePrior::Own(_) => OWN,
        LanguagePrior::Likely(_) => LIKELY,
    };
    // The score of each language from the words, and the same with the prior.
    let scores = lexicons.iter().map(|lexicon| {
        let words = known_words(text, lexicon);
        let before = if lexicon.language == likeliest { lead } else { 0.0 };
        (lexicon.language, words, words + before)
    });
    let (mut first, mut second) = ((likeliest, 0.0, f32::NEG_INFINITY), f32::NEG_INFINITY);
    let mut most_words = [0.0, 0.0];
    for score in scores {
        if score.2 > first.2 {
            second = first.2;
            first = score;
        } else {
            second = second.max(score.2);
        }
        if score.1 > most_words[0] {
            most_words = [score.1, most_words[0]];
        } else {
            most_words[1] = f32::max(most_words[1], score.1);
        }
    }
    let has_most = first.1 >= most_words[0];
    let is_sure = has_most && most_words[0] - most_words[1] >= LEAD;
    if first.2 - second >= LEAD {
        return DetectedLanguage { language: first.0, is_sure };
    }
    match by_trigrams(text, lexicons, likeliest) {
        Some(language) => DetectedLanguage { language, is_sure: is_sure && language == first.0 },
        None => DetectedLanguage { language: first.0, is_sure },
    }
}

fn known_words(text: &str, lexicon: &Lexicon) -> f32 {
    let tokens = text::split(text, lexicon);
    let mut score = 0.0;
    // If apostrophes are left out, a word of another language looks like two words of this one: `das` is
    // not `d'as`.
    let is_whole = |token: &text::Token| {
        let (before, behind) =
            (&text[..token.place.start as usize], &text[token.place.end as usize..]);
        !before.ends_with(char::is_alphabetic) && !behind.starts_with(char::is_alphabetic)
    };
    for token in tokens.list.iter().filter(|token| token.is_word() && is_whole(token)) {
        match lexicon.words.get(&token.exact).or_else(|| lexicon.unaccented.get(&token.exact)) {
            Some(meaning) if meaning.common => score += 1.0,
            Some(_) => score += KNOWN,
            None if lexicon.grammar.knows(token.exact) => score += KNOWN,
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
