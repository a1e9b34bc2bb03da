use std::sync::Arc;

use smallvec::SmallVec;

use super::spelled::SpelledText;
use super::{Language, Languages, Phrases, Topic};
use crate::config::limits;

/// What messages may be about: subjects, which are touched wherever a phrase of theirs stands, and
/// wishes, which have to be wished for.
///
/// `I do not want to leave` touches the subject `leaving`, but is no such wish; nor is
/// `yesterday I wanted to leave`, `if it goes on I shall leave` or `how does one leave?`. What a wish
/// looks like, and what takes it back, is data of each language.
#[derive(Debug, Clone)]
pub struct Topics {
    phrases: Phrases,
    /// The names of those that are wishes.
    wishes: Box<[Box<str>]>,
    languages: Arc<Languages>,
}

impl Topics {
    /// Topics by their phrases, of which `wishes` are wishes; of these, languages bring patterns
    /// along.
    pub fn new(
        phrases: Phrases,
        wishes: impl IntoIterator<Item = impl Into<Box<str>>>,
        languages: Arc<Languages>,
    ) -> Topics {
        Topics { phrases, wishes: wishes.into_iter().map(Into::into).collect(), languages }
    }

    /// The topics that the first [`limits::MESSAGE_READ_BYTES`] of a text touch, in the order in
    /// which they are touched; at most [`limits::TOPICS_FOUND`].
    pub fn find(&self, text: &str, language: Language) -> SmallVec<[Topic<'_>; 4]> {
        let spelled = self
            .languages
            .lexicon(language)
            .filter(|_| !self.wishes.is_empty())
            .map(|lexicon| SpelledText::new(text, lexicon));
        let is_wish = |topic: &str| self.wishes.iter().any(|wish| **wish == *topic);
        let mut found = self.phrases.find_if(text, language, |topic, place| match &spelled {
            Some(spelled) if is_wish(topic) => spelled.is_meant(&place),
            _ => true,
        });
        for (topic, place) in spelled.iter().flat_map(|spelled| spelled.wishes(is_wish)) {
            let Some(name) = self.wishes.iter().find(|wish| ***wish == *topic) else { continue };
            match found.iter_mut().find(|known| *known.name == *topic) {
                Some(known) if known.at <= place.start => {}
                Some(known) => *known = Topic::new(name, text, place),
                None => found.push(Topic::new(name, text, place)),
            }
        }
        found.sort_by_key(|topic| topic.at);
        found.truncate(limits::TOPICS_FOUND);
        found
    }

    /// How many phrases of its own it has.
    pub fn len(&self) -> usize {
        self.phrases.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.phrases.is_empty()
    }
}
