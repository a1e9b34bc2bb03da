//! Analyses the customer's own messages.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::event::{AnalysedWords, Analysis, Channel, MessageData, Speaker, Value, language_tag};
use crate::language::{Cue, DetectedLanguage, Language, LanguagePrior, ParsedMessage, Reading};
use crate::policy::Policy;
use crate::twin::fold::timeline::is_automatic_message;
use crate::twin::moment::{MessageContent, ReactionContext, language};
use crate::twin::note::Notes;
use crate::twin::state::{HeardMessage, Twin};

/// The reading from an external analyser's answer.
fn analysed(analysis: &Analysis, language: Language) -> Reading {
    let cue = |words: &AnalysedWords| Cue { text: words.text.clone(), weight: words.weight };
    Reading {
        language,
        valence: analysis.valence,
        confidence: analysis.confidence,
        urgency: analysis.urgency,
        words: analysis.words.iter().map(cue).collect(),
        pressing: SmallVec::new(),
    }
}

impl Twin {
    /// Analyses a customer's own message and updates their sentiment.
    pub(super) fn listen(
        &mut self,
        message: &MessageData,
        channel: &Channel,
        context: &ReactionContext<'_>,
        notes: &mut Notes,
    ) -> Option<MessageContent> {
        if message.from != Speaker::Customer {
            return None;
        }
        let speech = &context.policy.speech;
        let text = speech.languages.own_words(&message.text);
        let own = language::language(self, context);
        let DetectedLanguage { language, is_sure } =
            self.spoken(message, &text, context.policy, own.as_deref())?;
        let understood = language.unwrap_or(Language::UNDETERMINED);
        let is_automatic = is_automatic_message(message, &text, &speech.languages);
        let parsed = if is_automatic { None } else { speech.languages.parse(&text, understood) };
        let reading = match &message.analysis {
            // The text is empty, or all of it is quoted.
            _ if is_automatic || text.is_empty() && !message.text.is_empty() => None,
            Some(analysis) => Some(analysed(analysis, understood)),
            // No reading is better than a wrong one.
            None => parsed.as_ref().map(ParsedMessage::reading),
        };
        if reading.is_none() && !is_automatic && !text.is_empty() {
            notes.not_understood();
        }
        let topics =
            if is_automatic { SmallVec::new() } else { speech.topics.find(&text, understood) };
        let grave = parsed.as_ref().map(ParsedMessage::grave).unwrap_or_default();
        let of_policy = topics.iter().map(|topic| (topic.name, &*topic.words));
        let names = |name: &str| topics.iter().any(|topic| topic.name == name);
        let certain = grave.iter().filter(|found| found.is_certain());
        let built_in = certain.map(|found| (found.topic.name(), &*found.words));
        let built_in = built_in.filter(|(name, _)| !names(name));
        let all: Vec<(&str, &str)> = of_policy.chain(built_in).collect();
        self.hear_grave(&grave, channel, context.input.at);
        let content = MessageContent {
            topics: Value::List(all.iter().map(|(name, _)| (*name).into()).collect()),
            words: all.iter().map(|(name, words)| (*name, Value::from(*words))).collect(),
            language,
            reading: reading.clone(),
            own: match &text {
                Cow::Borrowed(_) => None,
                Cow::Owned(own) => Some(own.as_str().into()),
            },
            grave,
            is_automatic,
        };
        let Some(reading) = reading else { return Some(content) };
        // The current input is the newest entry.
        let number = self.timeline.total().saturating_sub(1);
        let sentiment = self.sentiment.get_or_insert_default();
        if is_sure {
            sentiment.language = language;
        }
        let at = context.input.at;
        sentiment.add_message(HeardMessage { at, channel: channel.clone(), number, reading });
        Some(content)
    }

    /// The language of a message: the one that the channel gives, or else the detected one, with the
    /// customer's own as the most probable. None if none of the policy's languages is loaded.
    fn spoken(
        &self,
        message: &MessageData,
        text: &str,
        policy: &Policy,
        own: Option<&str>,
    ) -> Option<DetectedLanguage> {
        let speech = &policy.speech;
        let analysed = message.analysis.as_ref().and_then(|analysis| analysis.language.as_deref());
        let named = analysed.or(message.language.as_deref());
        let named = named.and_then(|tag| language_tag(tag).parse::<Language>().ok());
        if let Some(language) = named {
            return Some(DetectedLanguage { language: Some(language), is_sure: true });
        }
        let known = |tag: &str| tag.parse().ok().filter(|tag| speech.spoken.contains(tag));
        let before = self.sentiment.as_ref().and_then(|sentiment| sentiment.language);
        let prior = match own.and_then(known).or(before) {
            Some(own) => LanguagePrior::Own(own),
            None => LanguagePrior::Likely(speech.spoken.first().copied()?),
        };
        Some(speech.languages.detect(text, &speech.spoken, prior))
    }
}
