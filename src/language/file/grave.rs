//! Reads what languages say about grave topics.

use super::{LexiconReader, Line};
use crate::language::grave_book::{CueModifier, GraveCue, GraveTopic, Reach};
use crate::language::grave_model::{JUDGEMENTS, LogOdds};
use crate::language::phrase_book::PhraseEntry;
use crate::language::pieces::piece_hash;
use crate::language::text::shortened;
use crate::language::units::units_of;

impl LexiconReader<'_> {
    /// Phrases that show grave topics: `illness vulnerable 0.7: dementia`; of none: `0: dying to see`.
    pub(super) fn grave(&mut self, line: Line<'_>) {
        let Some((head, phrases)) = line.text.split_once(':') else {
            return self.wrong(
                line,
                "expected grave topics, a weight and phrases: `fraud 0.9: got hacked`",
            );
        };
        let mut topics = Vec::new();
        let mut words = head.split_whitespace().peekable();
        while let Some(Ok(topic)) = words.peek().map(|word| word.parse::<GraveTopic>()) {
            topics.push(topic);
            words.next();
        }
        let written = words.next().unwrap_or_default();
        let (number, is_fixed) = match written.strip_suffix('!') {
            Some(number) => (number, true),
            None => (written, false),
        };
        let weight = number.parse::<f32>().ok();
        let weight = weight.filter(|weight| (0.0..=1.0).contains(weight) && words.next().is_none());
        let Some(weight) = weight.filter(|weight| topics.is_empty() == (*weight == 0.0)) else {
            let known: Vec<&str> = GraveTopic::ALL.iter().map(|topic| topic.name()).collect();
            return self.wrong(
                line,
                format!(
                    "expected grave topics ({}) and a weight above 0 to 1, or `0` alone for \
                     phrases that show none; found `{}`",
                    known.join(", "),
                    shortened(head)
                ),
            );
        };
        for phrase in phrases.split('|') {
            self.entries += 1;
            let (topics, number) = (GraveTopic::set(&topics), self.entries as u32);
            let cue = GraveCue { topics, weight, is_fixed, has_negator: false, number };
            match self.parts(phrase) {
                Ok(parts) => {
                    self.lexicon.grave.put_cue(PhraseEntry { parts: parts.into(), value: cue });
                    self.grave_words(phrase);
                }
                Err(message) => self.wrong(line, message),
            }
        }
    }

    /// What was learned from messages: `unit 0.2`, `bias` and a number for each judgement, and pieces of
    /// messages, each behind its weights: `..c....... stolen`.
    pub(super) fn grave_model(&mut self, line: Line<'_>) {
        self.entries += 1;
        let model = &mut self.lexicon.grave.model;
        let is_read = match line.text.split_once(' ') {
            Some(("unit", unit)) => {
                let unit = unit.parse().ok().filter(|unit: &f32| (0.0..=10.0).contains(unit));
                unit.map(|unit| model.unit = unit)
            }
            Some(("bias", odds)) => biases(odds).map(|bias| model.bias = bias),
            Some((written, piece)) => weights(written).map(|weights| {
                model.weights.insert(piece_hash(piece), weights);
            }),
            None => None,
        };
        if is_read.is_none() {
            self.unlike(
                line,
                "what `twinsense train-grave` prints: `unit` and a number from 0 to 10, `bias` and ten \
                 numbers, or ten letters or points and a piece of a message",
            );
        }
    }

    /// Phrases around grave topics, by which these weigh less or more: `sentence 0.2: years ago`.
    pub(super) fn surroundings(&mut self, line: Line<'_>) {
        let (reach, rest) = match line.text.split_once(char::is_whitespace) {
            Some(("sentence", rest)) => (Reach::Sentence, rest),
            Some(("around", rest)) => (Reach::Around, rest),
            _ => {
                let message = format!(
                    "expected `sentence` or `around`, a factor and phrases: `sentence 0.2: years ago`; \
                     found `{}`",
                    shortened(line.text)
                );
                return self.wrong(line, message);
            }
        };
        let Some((head, phrases)) = rest.split_once(':') else {
            return self
                .wrong(line, "expected a factor, `:` and phrases: `sentence 0.2: years ago`");
        };
        let mut words = head.split_whitespace();
        let written = words.next().unwrap_or_default();
        let Ok(factor @ 0.0..=3.0) = written.parse::<f32>() else {
            let message = format!("expected a factor from 0 to 3, found `{}`", shortened(written));
            return self.wrong(line, message);
        };
        let Some(topics) = concerned(words) else {
            let message = format!(
                "expected grave topics after the factor, or those that are exempt with a `-` before each: \
                 `sentence 0.2 -danger: …`; found `{}`",
                shortened(head.trim())
            );
            return self.wrong(line, message);
        };
        for phrase in phrases.split('|') {
            self.entries += 1;
            let value = CueModifier { reach, factor, topics };
            match self.parts(phrase) {
                Ok(parts) => {
                    self.lexicon.grave.put_surroundings(PhraseEntry { parts: parts.into(), value })
                }
                Err(message) => self.wrong(line, message),
            }
        }
    }

    /// Remembers the words of a phrase about a grave topic, so that misspelt forms of them are recognised.
    pub(super) fn grave_words(&mut self, phrase: &str) {
        let words = phrase.split(|letter: char| !(letter.is_alphanumeric() || letter == '*'));
        words
            .filter(|word| !word.ends_with('*'))
            .for_each(|word| self.lexicon.grave.put_word(word));
    }
}

/// The topics that are named, or all but those named with a `-`; none: there are other words.
fn concerned<'a>(words: impl Iterator<Item = &'a str>) -> Option<u16> {
    let (mut named, mut exempt) = (Vec::new(), Vec::new());
    for word in words {
        match word.strip_prefix('-') {
            Some(word) => exempt.push(word.parse().ok()?),
            None => named.push(word.parse().ok()?),
        }
    }
    let all = if named.is_empty() { u16::MAX } else { GraveTopic::set(&named) };
    Some(all & !GraveTopic::set(&exempt))
}

fn biases(written: &str) -> Option<LogOdds> {
    let numbers: Option<Vec<f32>> = written.split(' ').map(|number| number.parse().ok()).collect();
    let numbers: LogOdds = numbers?.try_into().ok()?;
    numbers.iter().all(|number| number.abs() <= 100.0).then_some(numbers)
}

fn weights(written: &str) -> Option<[i8; JUDGEMENTS]> {
    let weights: Option<Vec<i8>> = written.bytes().map(units_of).collect();
    weights?.try_into().ok()
}
