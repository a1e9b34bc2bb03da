//! Reads a message as the service reads it.

use std::sync::Arc;

use anyhow::ensure;
use jumeau::language::{
    Cue, GraveFinding, Language, LanguagePrior, Languages, Phrases, Tone, Topics,
};
use jumeau::policy::PERSON;
use serde::Serialize;

/// What the service hears in a message of a customer, under a policy without topics of its own.
#[derive(Debug, Serialize)]
pub(crate) struct HeardText {
    /// The language; none: the text is in none of those that are loaded.
    language: Option<Language>,
    /// Whether a program wrote it; then nothing more is read.
    automatic: bool,
    /// What the customer wrote themselves, without quoted mail, signature and HTML; none: all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<String>,
    /// None: nothing is read.
    #[serde(flatten)]
    feeling: Option<Feeling>,
    /// The topics that languages bring along.
    topics: Vec<FoundWords>,
    /// The grave topics, the one with the most evidence first.
    grave: Vec<FoundGrave>,
    /// Whether the customer wishes for a person.
    person: bool,
}

/// Valence and urgency of a text, with the words that caused them.
#[derive(Debug, Serialize)]
struct Feeling {
    tone: Tone,
    valence: f32,
    confidence: f32,
    urgency: f32,
    words: Vec<Cue>,
    pressing: Vec<Cue>,
}

/// A topic with the words that show it.
#[derive(Debug, Serialize)]
struct FoundWords {
    topic: String,
    words: Box<str>,
}

/// A grave topic with its evidence.
#[derive(Debug, Serialize)]
struct FoundGrave {
    topic: &'static str,
    words: Box<str>,
    /// From one half to 1.
    strength: f32,
    /// Whether people are asked and rules are triggered.
    certain: bool,
}

impl HeardText {
    /// Reads a text in a language; without one, in the one that is told from it.
    ///
    /// # Errors
    /// If the language is not loaded, or none that is loaded is told.
    pub(crate) fn read(
        text: &str,
        language: Option<Language>,
        languages: &Arc<Languages>,
    ) -> anyhow::Result<HeardText> {
        let own = languages.own_words(text);
        let likely = LanguagePrior::Likely(Language::ENGLISH);
        let language = language.or_else(|| languages.detect(&own, &[], likely).language);
        let automatic = languages.is_automatic(&own);
        let mut heard = HeardText {
            language,
            automatic,
            own: (*own != *text).then(|| own.to_string()),
            feeling: None,
            topics: Vec::new(),
            grave: Vec::new(),
            person: false,
        };
        if automatic || own.trim().is_empty() {
            return Ok(heard);
        }
        let parsed =
            language.and_then(|language| Some((language, languages.parse(&own, language)?)));
        ensure!(
            parsed.is_some(),
            "expected a text in a language that is loaded ({}), found {}; `--language` says which it is",
            languages.iter().map(|known| known.to_string()).collect::<Vec<_>>().join(", "),
            language.map_or("another one".to_owned(), |language| format!("`{language}`"))
        );
        if let Some((language, parsed)) = parsed {
            let reading = parsed.reading();
            heard.feeling = Some(Feeling {
                tone: reading.tone(),
                valence: reading.valence,
                confidence: reading.confidence,
                urgency: reading.urgency,
                words: reading.words.into_vec(),
                pressing: reading.pressing.into_vec(),
            });
            heard.topics = topics(&own, language, languages)?;
            heard.person = heard.topics.iter().any(|found| found.topic == PERSON);
            heard.grave = parsed.grave().into_iter().map(FoundGrave::from).collect();
        }
        Ok(heard)
    }
}

impl From<GraveFinding> for FoundGrave {
    fn from(found: GraveFinding) -> FoundGrave {
        let certain = found.is_certain();
        let GraveFinding { topic, strength, words, .. } = found;
        // More decimals say nothing to readers.
        let strength = (strength * 1000.0).round() / 1000.0;
        FoundGrave { topic: topic.name(), words, strength, certain }
    }
}

/// The topics of languages in a text.
fn topics(
    text: &str,
    language: Language,
    languages: &Arc<Languages>,
) -> anyhow::Result<Vec<FoundWords>> {
    let known = languages.topics().map(|(name, language, phrase)| (name, Some(language), phrase));
    let topics = Topics::new(Phrases::new(known)?, languages.wishes(), languages.clone());
    let found = topics.find(text, language).into_iter();
    Ok(found.map(|found| FoundWords { topic: found.name.to_owned(), words: found.words }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let heard = HeardText::read(text, None, &Languages::embedded()).unwrap();
        serde_json::to_string_pretty(&heard).unwrap()
    }

    #[test]
    fn a_message_is_read_without_the_mail_that_it_quotes() {
        let mail = "<p>Somebody stole my card and pays with it, please block it <b>immediately</b>! I want to talk \
                    to a human.</p>\n<p>Sent from my iPhone</p>";
        insta::assert_snapshot!(read(mail), @r#"
        {
          "language": "en",
          "automatic": false,
          "own": "Somebody stole my card and pays with it, please block it immediately! I want to talk to a human.",
          "tone": "negative",
          "valence": -0.508,
          "confidence": 0.586,
          "urgency": 0.7,
          "words": [
            {
              "text": "stole",
              "weight": -0.528
            },
            {
              "text": "talk to a human",
              "weight": -0.18
            }
          ],
          "pressing": [
            {
              "text": "immediately",
              "weight": 0.7
            }
          ],
          "topics": [
            {
              "topic": "person",
              "words": "talk to a human"
            }
          ],
          "grave": [
            {
              "topic": "fraud",
              "words": "Somebody stole my",
              "strength": 0.883,
              "certain": true
            }
          ],
          "person": true
        }
        "#);
        let mail = "It is broken.\n\nOn Tue, 3 Feb 2026 at 08:01, Care <care@shop.example> wrote:\n> Thank you, great!";
        assert_eq!(
            read(mail).lines().filter(|line| !line.contains("\"own\"")).collect::<Vec<_>>(),
            read("It is broken.").lines().collect::<Vec<_>>()
        );
    }

    #[test]
    fn nothing_is_read_from_an_automatic_message_and_from_a_quotation_alone() {
        let automatic = "Hi,\n\nI'm out of office until Tuesday 7 April and will not be reading mail. If it is urgent, \
                         please contact my colleague Jo, or ask at the desk to speak to somebody.";
        insta::assert_snapshot!(read(automatic), @r#"
        {
          "language": "en",
          "automatic": true,
          "topics": [],
          "grave": [],
          "person": false
        }
        "#);
        let quoted = read("> Thank you, great!");
        assert!(quoted.contains("\"own\": \"\"") && !quoted.contains("valence"), "{quoted}");
    }

    #[test]
    fn a_text_that_no_loaded_language_has_is_refused() {
        let languages = Languages::embedded();
        let refused = |text, code: Option<&str>| {
            let language = code.map(|code| code.parse().unwrap());
            HeardText::read(text, language, &languages).unwrap_err().to_string()
        };
        let hungarian = "nagyon szépen köszönöm a gyors segítséget";
        insta::assert_snapshot!(refused(hungarian, None), @"expected a text in a language that is loaded (de, en, fr), found another one; `--language` says which it is");
        insta::assert_snapshot!(refused("thanks", Some("xx")), @"expected a text in a language that is loaded (de, en, fr), found `xx`; `--language` says which it is");
    }
}
