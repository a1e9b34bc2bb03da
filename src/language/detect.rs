//! Which language a text is in.
//!
//! The words that a language uses all the time tell it even in a text of one word; the trigrams
//! of `whatlang` decide where they do not. Both may only choose among the languages that are
//! allowed, and what cannot be told is in the prior one. Names and numbers tell nothing.

use whatlang::{Detector, Lang};

use super::Language;
use super::lexicon::Lexicon;
use super::text;
use crate::config::limits;
use crate::event::cut;

/// How many frequent words a language must have more than the others, if the text is in it.
const LEAD: f32 = 0.4;

/// The lead that the customer's own language has before a word is read: more than one frequent word of
/// another language outweighs, since many say `ok`, `thanks` and `super` in whatever language.
const OWN: f32 = 1.5;

/// The lead that the likeliest language of somebody who has not spoken yet has: less than one known
/// word of another.
const LIKELY: f32 = 0.2;

/// The weight of a word that is known but not frequent.
const KNOWN: f32 = 0.4;

/// Letters below which trigrams guess.
const TRIGRAM_LETTERS: usize = 12;

/// The confidence of the trigrams from which they are believed against the prior language.
const TRIGRAM_CONFIDENCE: f64 = 0.8;

/// What is known of a customer's language before they say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LanguagePrior {
    /// They have shown or said that this is theirs.
    Own(Language),
    /// Nothing: this is the likeliest.
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

/// The language of a text, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectedLanguage {
    /// The language.
    pub language: Language,
    /// Whether the text itself tells it, whatever the prior.
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
    // Of each language the words, and the same with what was known before.
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
    // Where apostrophes are left out, a word of another language looks like two of this one: `das` is
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
