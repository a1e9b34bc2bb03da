use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use smallvec::SmallVec;

use super::Language;
use super::text::{Folded, fold, is_invisible, narrow};
use crate::config::limits;
use crate::event::cut;

/// Topics and their phrases, found in a text in one pass.
///
/// Case, accents, marks and blanks are ignored; a phrase begins and ends with whole words and stays
/// within a sentence; `refund*` stands for every word with this beginning.
#[derive(Debug, Clone)]
pub struct Phrases {
    automaton: AhoCorasick,
    topics: Box<[Box<str>]>,
    /// For each pattern its topic, and the language in which it counts.
    patterns: Box<[(u16, Option<Language>)]>,
    /// The number of phrases: some have two patterns.
    count: usize,
}

/// A topic found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic<'a> {
    /// Its name.
    pub name: &'a str,
    /// The words that matched first, as written; cut at [`limits::NAME_BYTES`].
    pub words: Box<str>,
    /// Their position in the text, in bytes.
    pub at: usize,
}

impl<'a> Topic<'a> {
    pub(super) fn new(name: &'a str, text: &str, place: Range<usize>) -> Topic<'a> {
        let words = cut(text.get(place.clone()).unwrap_or_default(), limits::NAME_BYTES).into();
        Topic { name, words, at: place.start }
    }
}

/// Why phrases cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPhrases {
    /// A phrase has no letter or digit.
    #[error("topic `{topic}`: expected a phrase of words, found `{phrase}`")]
    Empty {
        /// The topic.
        topic: String,
        /// The phrase.
        phrase: String,
    },
    /// A phrase has a `*` that does not end it.
    #[error("topic `{topic}`: expected `*` at the end of a phrase only, found `{phrase}`")]
    Star {
        /// The topic.
        topic: String,
        /// The phrase.
        phrase: String,
    },
    /// A phrase is too long.
    #[error(
        "topic `{topic}`: expected a phrase of at most {} bytes, found one of {bytes}: `{phrase}`",
        limits::NAME_BYTES
    )]
    TooLong {
        /// The topic.
        topic: String,
        /// The beginning of the phrase.
        phrase: String,
        /// Its length.
        bytes: usize,
    },
    /// There are too many topics.
    #[error("expected at most {} topics, found more", limits::TOPICS)]
    TooManyTopics,
    /// There are too many phrases.
    #[error("expected at most {} phrases of all topics, found more", limits::TOPIC_PHRASES)]
    TooManyPhrases,
    /// The phrases together are too large to be matched.
    #[error("expected phrases that can be matched together, but: {0}")]
    TooLarge(String),
}

impl Default for Phrases {
    /// No phrases.
    #[expect(clippy::expect_used, reason = "the message names the invariant")]
    fn default() -> Phrases {
        Phrases::new([]).expect("no phrases at all are within every limit")
    }
}

impl Phrases {
    /// Compiles phrases: each with its topic and the language in which it counts; none: in all.
    ///
    /// # Errors
    /// The first mistake.
    pub fn new<'a>(
        phrases: impl IntoIterator<Item = (&'a str, Option<Language>, &'a str)>,
    ) -> Result<Phrases, BadPhrases> {
        let mut topics: Vec<Box<str>> = Vec::new();
        let mut patterns = Vec::new();
        let mut texts = Vec::new();
        let mut count = 0;
        for (topic, language, phrase) in phrases {
            let index = match topics.iter().position(|known| **known == *topic) {
                Some(index) => index,
                None => {
                    topics.push(topic.into());
                    topics.len() - 1
                }
            };
            let index = u16::try_from(index).ok().filter(|at| usize::from(*at) < limits::TOPICS);
            let index = index.ok_or(BadPhrases::TooManyTopics)?;
            if count == limits::TOPIC_PHRASES {
                return Err(BadPhrases::TooManyPhrases);
            }
            let text = pattern(topic, phrase)?;
            // `kuendigen` is another spelling of `kündigen`.
            if let Some(phrase) = with_digraphs(phrase) {
                let other = pattern(topic, &phrase)?;
                texts.push(other);
                patterns.push((index, language));
            }
            texts.push(text);
            patterns.push((index, language));
            count += 1;
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&texts)
            .map_err(|error| BadPhrases::TooLarge(error.to_string()))?;
        Ok(Phrases { automaton, topics: topics.into(), patterns: patterns.into(), count })
    }

    /// The topics in the first [`limits::MESSAGE_READ_BYTES`] of a text, in the order in which they
    /// occur; at most [`limits::TOPICS_FOUND`].
    pub fn find(&self, text: &str, language: Language) -> SmallVec<[Topic<'_>; 4]> {
        self.find_if(text, language, |_, _| true)
    }

    /// The same, for the phrases that a filter accepts, by their topic and position in the text.
    pub(super) fn find_if(
        &self,
        text: &str,
        language: Language,
        mut counts: impl FnMut(&str, Range<usize>) -> bool,
    ) -> SmallVec<[Topic<'_>; 4]> {
        let mut found: SmallVec<[(u16, Topic<'_>); 4]> = SmallVec::new();
        if self.patterns.is_empty() {
            return SmallVec::new();
        }
        let normal = Normal::new(cut(text, limits::MESSAGE_READ_BYTES));
        for hit in self.automaton.find_overlapping_iter(&normal.text) {
            let Some((topic, of)) = self.patterns.get(hit.pattern().as_usize()) else { continue };
            if of.is_some_and(|of| of != language) || found.iter().any(|(known, _)| known == topic)
            {
                continue;
            }
            if let Some(name) = self.topics.get(usize::from(*topic))
                && let Some(place) = normal.place(hit.start(), hit.end())
                && counts(name, place.clone())
            {
                found.push((*topic, Topic::new(name, text, place)));
            }
            if found.len() == limits::TOPICS_FOUND {
                break;
            }
        }
        found.into_iter().map(|(_, topic)| topic).collect()
    }

    /// The number of phrases.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

/// A phrase with `ae`, `oe` and `ue` in place of its umlauts, if it has any.
fn with_digraphs(phrase: &str) -> Option<String> {
    let phrase = phrase.to_lowercase();
    let with = phrase.replace('ä', "ae").replace('ö', "oe").replace('ü', "ue");
    (with != phrase).then_some(with)
}

/// A phrase in the form of a [`Normal`] text, with a blank at each end.
fn pattern(topic: &str, phrase: &str) -> Result<String, BadPhrases> {
    let topic = || topic.to_owned();
    if phrase.len() > limits::NAME_BYTES {
        let (bytes, phrase) = (phrase.len(), cut(phrase, limits::NAME_BYTES).to_owned());
        return Err(BadPhrases::TooLong { topic: topic(), phrase, bytes });
    }
    let (words, open) = match phrase.trim().strip_suffix('*') {
        Some(words) => (words, true),
        None => (phrase, false),
    };
    if words.contains('*') || open && !words.ends_with(char::is_alphanumeric) {
        return Err(BadPhrases::Star { topic: topic(), phrase: phrase.to_owned() });
    }
    let mut text = Normal::new(words).text;
    if !text.contains(|letter: char| letter.is_alphanumeric()) || text.contains('|') {
        return Err(BadPhrases::Empty { topic: topic(), phrase: phrase.to_owned() });
    }
    if open {
        text.pop();
    }
    Ok(text)
}

/// A text in lower case without accents: one blank around each word, `|` between sentences.
struct Normal {
    text: String,
    /// For each word its position here, and its position in the text.
    words: SmallVec<[(usize, usize, usize); 64]>,
}

impl Normal {
    fn new(written: &str) -> Normal {
        let mut normal =
            Normal { text: String::with_capacity(written.len() + 2), words: SmallVec::new() };
        normal.text.push(' ');
        let mut in_word = false;
        for (at, written) in written.char_indices() {
            if is_invisible(written) {
                continue;
            }
            let letter = narrow(written);
            let accent = ('\u{300}'..='\u{36f}').contains(&letter);
            if !(letter.is_alphanumeric() || accent && in_word) {
                if in_word {
                    normal.text.push(' ');
                }
                in_word = false;
                if matches!(letter, '.' | '!' | '?' | '\n' | '…') && !normal.text.ends_with("| ")
                {
                    normal.text.push_str("| ");
                }
                continue;
            }
            if !in_word {
                normal.words.push((normal.text.len(), at, at));
                in_word = true;
            }
            for small in letter.to_lowercase() {
                match fold(small) {
                    Folded::Same => normal.text.push(small),
                    Folded::As(letters) => normal.text.push_str(letters),
                    Folded::Nothing => {}
                }
            }
            if let Some((_, _, end)) = normal.words.last_mut() {
                *end = at + written.len_utf8();
            }
        }
        if in_word {
            normal.text.push(' ');
        }
        // A phrase may end with a mark; only a text has sentences after it.
        if normal.text.ends_with("| ") {
            normal.text.truncate(normal.text.len() - 2);
        }
        normal
    }

    /// The position in the text of the words at `start..end` here.
    fn place(&self, start: usize, end: usize) -> Option<Range<usize>> {
        let first = self.words.partition_point(|(at, ..)| *at < start);
        let after = self.words.partition_point(|(at, ..)| *at < end);
        let words = self.words.get(first..after)?;
        Some(words.first()?.1..words.last()?.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: Language = Language::ENGLISH;

    fn found(phrases: &[(&str, &str)], text: &str) -> Vec<(String, String)> {
        let phrases = Phrases::new(phrases.iter().map(|(topic, phrase)| (*topic, None, *phrase)));
        let phrases = phrases.unwrap();
        let topics = phrases.find(text, ENGLISH);
        topics.iter().map(|topic| (topic.name.to_owned(), topic.words.to_string())).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, words)| ((*name).to_owned(), (*words).to_owned())).collect()
    }

    #[test]
    fn a_phrase_is_found_in_any_case_with_any_accents_and_blanks() {
        let phrases = [("refund", "être remboursé"), ("delivery", "n'est pas arrivé")];
        assert_eq!(
            found(&phrases, "Mon colis n’est   PAS arrive, je veux ETRE remboursé"),
            pairs(&[("delivery", "n’est   PAS arrive"), ("refund", "ETRE remboursé")]),
        );
    }

    #[test]
    fn a_phrase_is_found_in_full_width_letters_and_around_invisible_characters() {
        let phrases = [("leaving", "cancel*"), ("refund", "money back")];
        assert_eq!(
            found(&phrases, "Can\u{ad}cel it, ｍｏｎｅｙ\u{200b}　ｂａｃｋ！"),
            pairs(&[("leaving", "Can\u{ad}cel"), ("refund", "ｍｏｎｅｙ\u{200b}　ｂａｃｋ")]),
        );
    }

    #[test]
    fn an_umlaut_may_be_written_as_two_letters() {
        let phrases = [("leaving", "kündig*"), ("money", "Geld zurück")];
        for text in ["Kündigung, Geld zurück", "Kuendigung, Geld zurueck", "KUNDIGUNG, Geld zuruck"]
        {
            assert_eq!(found(&phrases, text).len(), 2, "{text}");
        }
        let phrases = Phrases::new([("leaving", None, "kündig*")]).unwrap();
        assert_eq!(phrases.len(), 1, "it is one phrase");
    }

    #[test]
    fn a_phrase_is_made_of_whole_words() {
        let phrases = [("insurance", "car"), ("animals", "cat")];
        assert_eq!(found(&phrases, "my credit card and my catalogue"), []);
        assert_eq!(found(&phrases, "the cat."), pairs(&[("animals", "cat")]));
    }

    #[test]
    fn a_star_matches_every_ending() {
        let phrases = [("leaving", "cancel*"), ("leaving", "close my acc*")];
        assert_eq!(found(&phrases, "Cancellation, please"), pairs(&[("leaving", "Cancellation")]));
        assert_eq!(
            found(&phrases, "close my accounts!"),
            pairs(&[("leaving", "close my accounts")])
        );
    }

    #[test]
    fn phrases_that_share_a_word_are_both_found() {
        let phrases = [("bill", "my last bill"), ("payment", "bill paid")];
        assert_eq!(
            found(&phrases, "is my last bill paid?"),
            pairs(&[("bill", "my last bill"), ("payment", "bill paid")])
        );
    }

    #[test]
    fn a_phrase_stays_within_a_sentence() {
        let phrases = [("bill", "pay bill")];
        assert_eq!(found(&phrases, "Who should pay? Bill should."), []);
        assert_eq!(found(&phrases, "pay, bill").len(), 1);
    }

    #[test]
    fn each_topic_is_reported_once() {
        let phrases = [("bill", "invoice"), ("bill", "bill")];
        assert_eq!(found(&phrases, "the bill, I mean the invoice"), pairs(&[("bill", "bill")]));
    }

    #[test]
    fn a_phrase_matches_only_in_its_language() {
        let phrases = Phrases::new([
            ("thanks", Some(Language::FRENCH), "merci"),
            ("thanks", Some(ENGLISH), "thanks"),
        ])
        .unwrap();
        assert_eq!(phrases.find("merci", ENGLISH).len(), 0);
        assert_eq!(phrases.find("merci", Language::FRENCH).len(), 1);
        assert_eq!(phrases.len(), 2);
    }

    #[test]
    fn an_invalid_phrase_is_refused_with_a_reason() {
        let refused = |phrase: &str| {
            Phrases::new([("bill", None, phrase)]).map(drop).unwrap_err().to_string()
        };
        insta::assert_snapshot!(refused("…"), @"topic `bill`: expected a phrase of words, found `…`");
        insta::assert_snapshot!(refused("my * bill"), @"topic `bill`: expected `*` at the end of a phrase only, found `my * bill`");
        insta::assert_snapshot!(cut(&refused(&"bill ".repeat(60)), 70), @"topic `bill`: expected a phrase of at most 128 bytes, found one of 300");
        let many = vec![("bill", None, "bill"); limits::TOPIC_PHRASES + 1];
        assert_eq!(Phrases::new(many).map(drop), Err(BadPhrases::TooManyPhrases));
        let topics: Vec<String> = (0..=limits::TOPICS).map(|number| number.to_string()).collect();
        let topics = topics.iter().map(|topic| (topic.as_str(), None, "bill"));
        assert_eq!(Phrases::new(topics).map(drop), Err(BadPhrases::TooManyTopics));
    }

    #[test]
    fn an_empty_list_of_phrases_finds_nothing() {
        assert!(Phrases::new([]).unwrap().is_empty());
        assert_eq!(found(&[], "anything"), []);
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_searched(text in "\\PC*", phrase in "[a-z]{1,4}( [a-z]{1,4}){0,2}\\*?") {
            let phrases = Phrases::new([("any", None, phrase.as_str())]).unwrap();
            for topic in phrases.find(&text, ENGLISH) {
                assert!(text.contains(&*topic.words));
            }
        }

        #[test]
        fn a_phrase_is_found_in_itself(phrase in "[a-zà-öø-ÿ]{1,8}( [a-z']{1,8}[a-z]){0,3}") {
            let phrases = Phrases::new([("any", None, phrase.as_str())]).unwrap();
            let text = format!("well, {}!", phrase.to_uppercase());
            proptest::prop_assert_eq!(phrases.find(&text, ENGLISH).len(), 1);
        }
    }
}
