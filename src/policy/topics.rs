//! Reads `[topics]`: phrases by which the topic of a message is recognised.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::hint::hint;
use super::queues::PERSON;
use super::read::{TomlItem, TomlTable};
use crate::config::Findings;
use crate::event::language_tag;
use crate::language::{Language, Languages, Phrases, Topics};

/// How messages are analysed: the supported languages and topics.
#[derive(Debug, Clone)]
pub struct Speech {
    /// The loaded languages.
    pub languages: Arc<Languages>,
    /// The policy's languages that are loaded; the first is the default.
    pub spoken: Box<[Language]>,
    /// The topics, with their phrases and those of the languages.
    pub topics: Topics,
}

/// A phrase, its topic, and the language in which it counts; none: in all.
pub(super) type TopicPhrase = (Box<str>, Option<Language>, Box<str>);

/// The word for phrases that count in every language.
const ANY: &str = "any";

/// The key that marks a topic as a wish.
const WISH: &str = "wish";

/// The topics of a policy.
#[derive(Default)]
pub(super) struct TopicDefinitions {
    phrases: Vec<TopicPhrase>,
    /// The topics that are wishes.
    wishes: Vec<Box<str>>,
}

pub(super) fn read(table: &TomlTable<'_>, spoken: &[Box<str>], definitions: &mut TopicDefinitions) {
    let TopicDefinitions { phrases, wishes } = definitions;
    let Some(all) = table.get("topics").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let (Some(topic), Some(table)) = (key.name(), item.table()) else { continue };
        if phrases.iter().any(|(known, ..)| **known == *topic) {
            key.wrong(format!("the topic `{topic}` is defined twice"));
        }
        let before = phrases.len();
        if table.get(WISH).and_then(TomlItem::truth).unwrap_or(false) {
            wishes.push(topic.into());
        }
        for (code, list) in table.entries() {
            if code.text() == WISH {
                continue;
            }
            let language = match code.text() {
                ANY => None,
                code_text => match language_tag(code_text).parse::<Language>() {
                    Ok(language) if is_spoken(language, spoken) => Some(language),
                    _ => {
                        let known = spoken.iter().map(|tag| &**tag).chain([ANY]);
                        let mut near = hint(code_text, known);
                        if near.is_empty() {
                            near = "; add it to `languages` in [policy]".to_owned();
                        }
                        code.wrong(format!(
                            "expected a language of the policy, or `{ANY}`, found `{code_text}`{near}"
                        ));
                        continue;
                    }
                },
            };
            for phrase in list.list_or_one() {
                let Some(text) = phrase.text() else { continue };
                // Compiled alone, it gives the error and its position.
                if let Err(error) = Phrases::new([(topic, language, text)]) {
                    phrase.wrong(error.to_string());
                } else {
                    phrases.push((topic.into(), language, text.into()));
                }
            }
        }
        if phrases.len() == before {
            key.wrong(format!(
                "expected phrases for the topic `{topic}`, such as en = [\"…\"], found none"
            ));
        }
    }
}

fn is_spoken(language: Language, spoken: &[Box<str>]) -> bool {
    spoken.iter().any(|tag| tag.parse() == Ok(language))
}

/// The message analysis of a policy, once all its files are read. `known` are its topics, to which
/// languages contribute phrases.
pub(super) fn compile(
    known: &BTreeSet<String>,
    definitions: &TopicDefinitions,
    spoken: &[Box<str>],
    languages: &Arc<Languages>,
    file: &str,
    found: &RefCell<Findings>,
) -> Speech {
    let is_known = |topic: &str| known.contains(topic);
    let all = definitions
        .phrases
        .iter()
        .map(|(topic, language, phrase)| (&**topic, *language, &**phrase));
    let own = languages
        .topics()
        .filter(|(topic, language, _)| is_known(topic) && is_spoken(*language, spoken));
    let all = all.chain(own.map(|(topic, language, phrase)| (topic, Some(language), phrase)));
    let phrases = Phrases::new(all).unwrap_or_else(|error| {
        found.borrow_mut().in_file(file, error.to_string());
        Phrases::default()
    });
    let brought = languages.wishes().filter(|topic| is_known(topic));
    let wishes: BTreeSet<&str> =
        brought.chain(definitions.wishes.iter().map(|wish| &**wish)).chain([PERSON]).collect();
    let topics = Topics::new(phrases, wishes, languages.clone());
    let spoken = spoken
        .iter()
        .filter_map(|tag| tag.parse().ok())
        .filter(|language| languages.iter().any(|known| known == *language))
        .collect();
    Speech { languages: languages.clone(), spoken, topics }
}
