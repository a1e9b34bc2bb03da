use std::sync::Arc;

use smallvec::SmallVec;

use super::spelled_text::SpelledText;
use super::{Language, Languages, Phrases, Topic};
use crate::config::limits;

/// The topics of messages: subjects, which are found wherever one of their phrases occurs, and wishes,
/// which must also be wished for.
///
/// `I do not want to leave` contains the subject `leaving`, but is not such a wish; nor is `yesterday I
/// wanted to leave`, `if it goes on I shall leave` or `how does one leave?`. The patterns of wishes, and
/// of what cancels them, are data of each language.
#[derive(Debug, Clone)]
pub struct Topics {
    phrases: Phrases,
    /// The names of the topics that are wishes.
    wishes: Box<[Box<str>]>,
    languages: Arc<Languages>,
}

impl Topics {
    /// Topics by their phrases, of which `wishes` are wishes; for these, languages provide patterns.
    pub fn new(
        phrases: Phrases,
        wishes: impl IntoIterator<Item = impl Into<Box<str>>>,
        languages: Arc<Languages>,
    ) -> Topics {
        Topics { phrases, wishes: wishes.into_iter().map(Into::into).collect(), languages }
    }

    /// The topics in the first [`limits::MESSAGE_READ_BYTES`] of a text, in the order in which they
    /// occur; at most [`limits::TOPICS_FOUND`].
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

    /// The number of its own phrases.
    pub fn len(&self) -> usize {
        self.phrases.len()
    }

    /// Whether it has no phrases.
    pub fn is_empty(&self) -> bool {
        self.phrases.is_empty()
    }
}
