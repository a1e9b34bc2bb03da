//! Detects the language of a text, or that it is none of those that are read.
//!
//! A trained model gives log-odds for each of its languages, also for those that nobody reads here. What is
//! known of the customer adds to them, and of a short text the words that a language knows. Numbers are no
//! evidence, and names little.

use smallvec::SmallVec;

use super::Language;
use super::language_model::{LanguageModel, LanguageOdds};
use super::lexicon::Lexicon;
use super::text;
use crate::config::limits;
use crate::event::cut;

/// The log-odds that a customer writes in their own language rather than in another one that is read.
const OWN: f32 = 1.8;

/// The same for the most probable language, of a customer who has not written yet.
const LIKELY: f32 = 0.7;

/// The log-odds that a customer writes in a language that is read rather than in a certain other one.
const READ: f32 = 0.4;

/// The probability from which on a text is sufficient evidence itself.
const SURE: f32 = 0.8;

/// The log-odds of a language that knows each word of a short text.
const WORDS: f32 = 1.0;

/// The factor for the log-odds of a text without any word that the model knows, such as a name.
const UNKNOWN_WORDS: f32 = 0.7;

/// The further parts of a text that tell its language if the first one is in none of those that are read.
const FURTHER_PARTS: usize = 3;

/// The bytes up to which a text is short.
const SHORT_BYTES: usize = 32;

/// The letters below which a text says nothing: `ok`, `no`.
const TEXT_LETTERS: usize = 4;

/// The share of its pieces that a text has in common with the languages of the model, at least: one in
/// other letters has less.
const KNOWN: f32 = 0.3;

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
    /// The language; none: it is none of those that are allowed.
    pub language: Option<Language>,
    /// Whether the text itself is sufficient evidence, whatever the prior.
    pub is_sure: bool,
}

/// Detects the language of a text by its first [`limits::DETECT_BYTES`]. If these are in none of `allowed`, by
/// the [`FURTHER_PARTS`] below them, too: a message may begin with a quotation or a greeting in another language.
pub(super) fn detect(
    text: &str,
    allowed: &[Language],
    prior: LanguagePrior,
    model: &LanguageModel,
    lexicons: &[Lexicon],
) -> DetectedLanguage {
    let first = cut(text, limits::DETECT_BYTES);
    let found = detect_part(first, allowed, prior, model, lexicons);
    let mut rest = &text[first.len()..];
    if found.language.is_some() || rest.len() < SHORT_BYTES {
        return found;
    }
    let mut in_none = 1;
    let mut counts: SmallVec<[(Language, usize); FURTHER_PARTS]> = SmallVec::new();
    for _ in 0..FURTHER_PARTS {
        let part = cut(rest, limits::DETECT_BYTES);
        if part.len() < SHORT_BYTES {
            break;
        }
        rest = &rest[part.len()..];
        match detect_part(part, allowed, prior, model, lexicons) {
            DetectedLanguage { language: Some(language), is_sure: true } => {
                match counts.iter_mut().find(|(known, _)| *known == language) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((language, 1)),
                }
            }
            _ => in_none += 1,
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    let language = most.filter(|(_, count)| *count >= in_none).map(|(language, _)| language);
    DetectedLanguage { language, is_sure: false }
}

fn detect_part(
    text: &str,
    allowed: &[Language],
    prior: LanguagePrior,
    model: &LanguageModel,
    lexicons: &[Lexicon],
) -> DetectedLanguage {
    let unsure = |language| DetectedLanguage { language, is_sure: false };
    let letters = text.chars().filter(|letter| letter.is_alphabetic()).take(TEXT_LETTERS);
    if model.is_empty() || letters.count() < TEXT_LETTERS {
        return unsure(Some(prior.language()));
    }
    // A language that the model does not know may be what it takes for none.
    let is_unknown = |language: &Language| !model.languages.contains(language);
    let none = Some(prior.language()).filter(|language| is_unknown(language));
    let none = none.or_else(|| allowed.iter().copied().find(is_unknown));
    let mut evidence = model.judge(text);
    if evidence.known < KNOWN {
        return unsure(none);
    }
    if !evidence.knows_word {
        evidence.odds.iter_mut().for_each(|odds| *odds *= UNKNOWN_WORDS);
    }
    if text.len() <= SHORT_BYTES {
        let all = evidence.odds.iter_mut().zip(&model.languages);
        for (odds, language) in all.filter(|(_, language)| allowed.contains(language)) {
            if let Some(lexicon) = lexicons.iter().find(|known| known.language == *language) {
                *odds += WORDS * known_words(text, lexicon);
            }
        }
    }
    let before = |language: &Language| match prior {
        _ if !allowed.contains(language) => -READ,
        LanguagePrior::Own(own) if own == *language => OWN,
        LanguagePrior::Likely(likely) if likely == *language => LIKELY,
        _ => 0.0,
    };
    let odds = evidence.odds.iter().zip(&model.languages).map(|(odds, known)| odds + before(known));
    let Some((first, _)) = best(&odds.collect()) else { return unsure(none) };
    let language = model.languages[first];
    if !allowed.contains(&language) {
        return unsure(none);
    }
    let is_sure =
        best(&evidence.odds).is_some_and(|(at, probability)| at == first && probability >= SURE);
    DetectedLanguage { language: Some(language), is_sure }
}

/// The position of the highest odds, and its probability.
fn best(odds: &LanguageOdds) -> Option<(usize, f32)> {
    let (first, most) = odds.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1))?;
    let sum: f32 = odds.iter().map(|odds| f32::exp(odds - most)).sum();
    Some((first, 1.0 / sum))
}

/// The share of the words of a text that a language knows.
fn known_words(text: &str, lexicon: &Lexicon) -> f32 {
    let tokens = text::split(text, lexicon);
    let words = tokens.list.iter().filter(|token| token.is_word());
    let is_known = |token: &&text::Token| {
        lexicon.words.contains_key(&token.exact)
            || lexicon.unaccented.contains_key(&token.exact)
            || lexicon.grammar.knows(token.exact)
    };
    let (count, known) = (words.clone().count(), words.filter(is_known).count());
    known as f32 / count.max(1) as f32
}
