//! The analysis of the current message.

use smallvec::SmallVec;

use crate::event::{Map, Value};
use crate::language::{GraveFinding, Language, Reading};

/// The analysis of the current message, for rules.
#[derive(Debug)]
pub(in crate::twin) struct MessageContent {
    /// The language in which it is analysed; none: it is in none that is understood.
    pub(in crate::twin) language: Option<Language>,
    /// The valence and urgency; none if the language is not understood.
    pub(in crate::twin) reading: Option<Reading>,
    /// The topics that it matches, as a list of names.
    pub(in crate::twin) topics: Value,
    /// By topic, the words that match it.
    pub(in crate::twin) words: Map,
    /// The customer's own text, if the message quotes a thread.
    pub(in crate::twin) own: Option<Box<str>>,
    /// The grave topics of the message, the strongest first.
    pub(in crate::twin) grave: SmallVec<[GraveFinding; 2]>,
    /// Whether it is automatic: then it is not analysed.
    pub(in crate::twin) is_automatic: bool,
}

impl MessageContent {
    /// The names of the topics.
    pub(in crate::twin) fn topics(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(|(name, _)| name)
    }
}
