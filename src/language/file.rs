//! Reads the files of a language into its [`Lexicon`].
//!
//! A file has sections, `[words]` for instance; a line of most sections is a number and the words it
//! applies to. `config/languages/README.md` explains each section.

mod grave;
mod valence_model;

use std::sync::Arc;

use hashbrown::HashMap;

use super::grammar_draft::Draft;
use super::lexicon::{Lexicon, Picture};
use super::meaning::{Contrast, Meaning, Negator};
use super::phrase_book::{PhraseEntry, PhrasePart, STEM_INDEX_LETTERS};
use super::text::{folded, hash, shortened, with_umlauts};
use super::valence::NEGATOR_REACH;
use super::{Phrases, model_file};
use crate::config::{Findings, limits};

/// The sections, as written in the files.
const SECTIONS: [&str; 33] = [
    "language",
    "common",
    "numbers",
    "elisions",
    "wholes",
    "partners",
    "courtesies",
    "requests",
    "endings",
    "negators",
    "carriers",
    "relays",
    "boosters",
    "contrasts",
    "words",
    "phrases",
    "ironies",
    "questions",
    "urgency",
    "alternatives",
    "grave",
    "gravemodel",
    "surroundings",
    "pictures",
    "topics",
    "spellings",
    "classes",
    "wishes",
    "unless",
    "threads",
    "automatic",
    "sentences",
    "valencemodel",
];

/// A reader of several files into one lexicon.
pub(super) struct LexiconReader<'a> {
    lexicon: &'a mut Lexicon,
    found: &'a mut Findings,
    /// Endings by the name of their class.
    endings: HashMap<String, Vec<String>>,
    /// Sequences of words that stand for each other in phrases, by their name.
    alternatives: HashMap<String, Arc<[Box<[PhrasePart]>]>>,
    /// The accented words: without accents, and with them.
    accented: Vec<(u64, u64)>,
    /// The patterns of wishes, and the file that contains them.
    draft: Draft,
    draft_file: String,
    entries: usize,
}

/// One line and its location.
#[derive(Clone, Copy)]
struct Line<'a> {
    file: &'a str,
    number: usize,
    text: &'a str,
}

impl<'a> LexiconReader<'a> {
    pub(super) fn new(lexicon: &'a mut Lexicon, found: &'a mut Findings) -> LexiconReader<'a> {
        LexiconReader {
            lexicon,
            found,
            endings: HashMap::new(),
            alternatives: HashMap::new(),
            accented: Vec::new(),
            draft: Draft::default(),
            draft_file: String::new(),
            entries: 0,
        }
    }

    /// Reads the elisions of a file. They come before everything else, because they split the words of phrases.
    pub(super) fn read_elisions(&mut self, content: &str) {
        let mut is_elisions = false;
        for text in content.lines().map(str::trim) {
            if text.starts_with('[') {
                is_elisions = text == "[elisions]";
            } else if is_elisions && !text.is_empty() && !text.starts_with("# ") {
                self.elisions(text);
            }
        }
    }

    /// Reads a model that a company has trained, which takes the place of one that the language has. It must be whole,
    /// as its last line says.
    pub(super) fn read_model(&mut self, name: &str, content: &str) {
        self.lexicon.valence = None;
        // Some editors begin a text with a byte order mark.
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        let mut lines = content.lines().map(str::trim);
        let about = lines.find_map(|line| line.strip_prefix("# ")).unwrap_or("without a heading");
        self.lexicon.own_model = Some(shortened(about).into());
        let mut numbered = (1..).zip(content.lines().map(str::trim));
        let other = numbered.find(|(_, line)| {
            line.starts_with('[') && line.ends_with(']') && *line != "[valencemodel]"
        });
        match other {
            Some((number, section)) => {
                let section = shortened(section);
                let message = format!(
                    "expected the section `[valencemodel]` alone in a model, found `{section}`; other sections \
                     belong in the folder `languages.folder`"
                );
                self.found.in_line(name, number, message);
            }
            None => {
                for (number, what) in model_file::damage(content) {
                    self.found.in_line(name, number, what);
                }
                self.read(name, content);
            }
        }
    }

    /// Reads one file; its lines override those of earlier files.
    pub(super) fn read(&mut self, file: &str, content: &str) {
        if content.len() > limits::LANGUAGE_FILE_BYTES {
            let message = format!(
                "expected a file of at most {} bytes, found {}; split it",
                limits::LANGUAGE_FILE_BYTES,
                content.len()
            );
            return self.found.in_line(file, 0, message);
        }
        let mut section = None;
        for (index, text) in content.lines().enumerate() {
            let text = text.trim();
            let line = Line { file, number: index + 1, text };
            // An emoticon may begin with `#`: a comment has a blank after it.
            if text.is_empty() || text == "#" || text.starts_with("# ") {
                continue;
            }
            if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
                && name.bytes().all(|byte| byte.is_ascii_lowercase())
                && !name.is_empty()
            {
                section = SECTIONS.iter().find(|known| **known == name).copied();
                if section.is_none() {
                    let known = SECTIONS.join(", ");
                    self.wrong(line, format!("unknown section `{name}`; expected one of {known}"));
                    section = Some("");
                }
                continue;
            }
            match section {
                Some(section) => self.line(section, line),
                None => {
                    self.wrong(
                        line,
                        "expected a section such as `[words]` before this line, found none",
                    );
                    return;
                }
            }
            if self.entries > limits::LANGUAGE_ENTRIES {
                let most = limits::LANGUAGE_ENTRIES;
                let message = format!("expected at most {most} entries in a language, found more");
                return self.wrong(line, message);
            }
        }
    }

    /// Finishes the lexicon.
    pub(super) fn finish(self) {
        for (folded, exact) in self.accented {
            if !self.lexicon.words.contains_key(&folded)
                && let Some(meaning) = self.lexicon.words.get(&exact).copied()
            {
                self.lexicon.unaccented.entry(folded).or_insert(meaning);
            }
        }
        self.lexicon.phrases.finish();
        self.lexicon.ironies.finish();
        self.lexicon.questions.finish();
        self.lexicon.urgency.finish();
        let words = &self.lexicon.words;
        let negates = |word| words.get(&word).is_some_and(|known| known.negator.is_some());
        self.lexicon.grave.finish(negates);
        match self.draft.compile() {
            Ok(grammar) => self.lexicon.grammar = grammar,
            Err(message) => self.found.in_line(&self.draft_file, 0, message),
        }
    }

    fn wrong(&mut self, line: Line<'_>, message: impl Into<String>) {
        self.found.in_line(line.file, line.number, message);
    }

    /// Reports a line that has another form than `expected`.
    fn unlike(&mut self, line: Line<'_>, expected: &str) {
        self.wrong(line, format!("expected {expected}, found `{}`", shortened(line.text)));
    }

    fn line(&mut self, section: &str, line: Line<'_>) {
        match section {
            "language" => self.setting(line),
            "common" => self.each_word(line, line.text, |word| word.common = true),
            "numbers" => self.each_word(line, line.text, |word| word.tool().number = true),
            "courtesies" => self.each_word(line, line.text, |word| word.courtesy = true),
            "requests" => self.each_word(line, line.text, |word| word.request = true),
            "partners" => self.each_word(line, line.text, |word| word.partner = true),
            // These were read before.
            "elisions" => {}
            "wholes" => {
                for word in line.text.split_whitespace() {
                    self.lexicon.wholes.insert(hash(&folded(word)), ());
                }
            }
            "endings" => self.ending(line),
            "negators" => self.negator(line),
            "carriers" => {
                if let Some((reach, rest)) = self.number(line, line.text, 1.0, 8.0) {
                    self.each_word(line, rest, |word| word.carrier = reach as u8);
                }
            }
            "relays" => self.each_word(line, line.text, |word| word.relay = true),
            "boosters" => {
                if let Some((factor, rest)) = self.number(line, line.text, 0.0, 3.0) {
                    self.each_word(line, rest, |word| word.tool().boost = Some(factor));
                }
            }
            "contrasts" => {
                if let Some((before, rest)) = self.number(line, line.text, 0.0, 3.0)
                    && let Some((after, rest)) = self.number(line, rest, 0.0, 3.0)
                {
                    let contrast = Contrast { before, after };
                    self.each_word(line, rest, |word| word.tool().contrast = Some(contrast));
                }
            }
            "words" => {
                if let Some((weight, rest)) = self.number(line, line.text, -1.0, 1.0) {
                    self.each_word(line, rest, |word| word.weight = Some(weight));
                }
            }
            "phrases" | "ironies" | "urgency" => self.phrases(section, line),
            "questions" => self.questions(line),
            "alternatives" => self.alternatives(line),
            "grave" => self.grave(line),
            "gravemodel" => self.grave_model(line),
            "surroundings" => self.surroundings(line),
            "pictures" => self.pictures(line),
            "topics" => self.topic(line),
            "spellings" | "classes" | "wishes" | "unless" => self.patterns(section, line),
            "threads" => match self.lexicon.threads.add(line.text) {
                Ok(phrases) => self.entries += phrases,
                Err(message) => self.wrong(line, message),
            },
            "automatic" => match self.lexicon.automatic.add(line.text) {
                Ok(phrases) => self.entries += phrases,
                Err(message) => self.wrong(line, message),
            },
            "sentences" => self.sentence(line),
            "valencemodel" => self.valence_model(line),
            _ => {}
        }
    }

    /// Words that can precede an apostrophe; people who leave it out join those with a `+` with any word.
    fn elisions(&mut self, text: &str) {
        for word in text.split_whitespace() {
            let (word, runs_into_any) = match word.strip_suffix('+') {
                Some(word) => (word, true),
                None => (word, false),
            };
            self.lexicon.elisions.insert(hash(&folded(word)), runs_into_any);
        }
    }

    fn setting(&mut self, line: Line<'_>) {
        match line.text.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("umlauts", "digraphs")) => self.lexicon.digraphs = true,
            Some(("umlauts", value)) => {
                self.wrong(line, format!("expected `umlauts = digraphs`, found `{}`", shortened(value)));
            }
            Some(("compounds", value)) => match value.parse() {
                Ok(least) if (3..=20).contains(&least) => self.lexicon.compounds = Some(least),
                _ => self.wrong(
                    line,
                    format!(
                        "expected how many letters at least the last word of a compound has, from 3 to \
                         20, found `{}`",
                        shortened(value)
                    ),
                ),
            },
            Some((key, _)) => self.wrong(
                line,
                format!(
                    "unknown setting `{}`; expected `umlauts` or `compounds`",
                    shortened(key)
                ),
            ),
            None => self.unlike(line, "a setting such as `umlauts = digraphs`"),
        }
    }

    /// Words as texts of this language are read: an `ae` is an `ä`, if it is one in the language.
    fn as_read(&self, words: &str) -> String {
        let words = words.to_lowercase().replace('’', "'");
        if self.lexicon.digraphs { with_umlauts(&words) } else { words }
    }

    /// The number at the beginning of a text, and the rest.
    fn number<'t>(
        &mut self,
        line: Line<'_>,
        text: &'t str,
        min: f32,
        max: f32,
    ) -> Option<(f32, &'t str)> {
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match first.parse::<f32>() {
            Ok(number) if (min..=max).contains(&number) && !rest.trim().is_empty() => {
                return Some((number, rest.trim()));
            }
            Ok(number) if (min..=max).contains(&number) => {
                self.wrong(line, "expected words after the number, found nothing");
            }
            _ => self.wrong(
                line,
                format!(
                    "expected a number from {min} to {max} at the beginning of the line, found `{}`",
                    shortened(first)
                ),
            ),
        }
        None
    }

    fn each_word(&mut self, line: Line<'_>, words: &str, change: impl Fn(&mut Meaning)) {
        for word in words.split_whitespace() {
            let Some((stem, class)) = word.split_once('/') else {
                self.change(line, word, &change);
                continue;
            };
            let Some(endings) = self.endings.get(class).cloned() else {
                let class = shortened(class).to_owned();
                self.wrong(
                    line,
                    format!(
                        "unknown class of endings `{class}`; add it to [endings] above this line"
                    ),
                );
                continue;
            };
            for ending in endings {
                self.change(line, &format!("{stem}{ending}"), &change);
            }
        }
    }

    fn change(&mut self, line: Line<'_>, word: &str, change: &impl Fn(&mut Meaning)) {
        let word = self.as_read(word);
        if !word.chars().all(|letter| letter.is_alphanumeric() || letter == '\'') {
            let word = shortened(&word);
            let message = format!("`{word}` is more than one word; put it into [phrases]");
            return self.wrong(line, message);
        }
        let exact = hash(&word);
        let without = folded(&word);
        if without != word {
            self.accented.push((hash(&without), exact));
        }
        self.entries += 1;
        change(self.lexicon.words.entry(exact).or_default());
    }

    fn ending(&mut self, line: Line<'_>) {
        let Some((class, endings)) = line.text.split_once(':') else {
            return self.unlike(line, "a class and its endings, such as `er: e es ons ez ent`");
        };
        let endings = endings
            .split_whitespace()
            .map(|ending| if ending == "-" { String::new() } else { ending.to_owned() })
            .collect();
        self.endings.insert(class.trim().to_owned(), endings);
    }

    fn negator(&mut self, line: Line<'_>) {
        let mut fields = line.text.split_whitespace();
        let word = fields.next().unwrap_or("");
        let mut reach = || fields.next().and_then(|field| field.parse::<u8>().ok());
        let most = u8::try_from(NEGATOR_REACH).unwrap_or(u8::MAX);
        let (Some(after), Some(before)) = (reach(), reach()) else {
            return self.unlike(
                line,
                "a word and how many words after and before it are negated, such as `not 4 0`",
            );
        };
        if after.max(before) > most {
            let found = after.max(before);
            let message = format!("expected a reach of at most {most} words, found {found}");
            return self.wrong(line, message);
        }
        let mut negator =
            Negator { after, before, needs_partner: false, speaks: false, doubles: false };
        for option in fields {
            match option {
                "partner" => negator.needs_partner = true,
                "idle" => negator.speaks = true,
                "double" => negator.doubles = true,
                other => {
                    let other = shortened(other).to_owned();
                    let message =
                        format!("expected `partner`, `idle`, `double` or nothing, found `{other}`");
                    return self.wrong(line, message);
                }
            }
        }
        self.each_word(line, word, |word| word.tool().negator = Some(negator));
    }

    fn phrases(&mut self, section: &str, line: Line<'_>) {
        let Some((weight, rest)) = self.number(line, line.text, -1.0, 1.0) else { return };
        for phrase in rest.split('|') {
            match self.parts(phrase) {
                Ok(parts) => {
                    self.entries += 1;
                    let phrase = PhraseEntry { parts: parts.into(), value: weight };
                    match section {
                        "urgency" => self.lexicon.urgency.put(phrase),
                        "ironies" => self.lexicon.ironies.put(phrase),
                        _ => self.lexicon.phrases.put(phrase),
                    }
                }
                Err(message) => self.wrong(line, message),
            }
        }
    }

    /// Emoji and emoticons; those behind `~` emphasise.
    fn pictures(&mut self, line: Line<'_>) {
        let Some((weight, rest)) = self.number(line, line.text, -1.0, 1.0) else { return };
        for picture in rest.split_whitespace() {
            self.entries += 1;
            let (picture, emphasises) = match picture.strip_prefix('~') {
                Some(picture) if !picture.is_empty() => (picture, true),
                _ => (picture, false),
            };
            self.lexicon.pictures.insert(hash(picture), Picture { weight, emphasises });
        }
    }

    fn questions(&mut self, line: Line<'_>) {
        for phrase in line.text.split('|') {
            match self.parts(phrase) {
                Ok(parts) => {
                    self.entries += 1;
                    self.lexicon.questions.put(PhraseEntry { parts: parts.into(), value: () });
                }
                Err(message) => self.wrong(line, message),
            }
        }
    }

    fn topic(&mut self, line: Line<'_>) {
        let Some((topic, phrases)) = line.text.split_once(':') else {
            return self
                .unlike(line, "a topic and its phrases, such as `person: a human | an agent`");
        };
        let topic = topic.trim();
        for phrase in phrases.split('|').map(str::trim) {
            // Compiled alone, it gives the error.
            match Phrases::new([(topic, None, phrase)]) {
                Ok(_) => self.lexicon.topics.push((topic.into(), phrase.into())),
                Err(error) => self.wrong(line, error.to_string()),
            }
            self.entries += 1;
        }
    }

    fn patterns(&mut self, section: &str, line: Line<'_>) {
        if self.draft_file != line.file {
            line.file.clone_into(&mut self.draft_file);
        }
        let elisions = &self.lexicon.elisions;
        let elides = |before: &str| elisions.contains_key(&hash(before));
        let text = if self.lexicon.digraphs { &*self.as_read(line.text) } else { line.text };
        let read = match section {
            "spellings" => self.draft.spelling(text, &elides),
            "classes" => self.draft.class(text, &elides),
            "wishes" => self.draft.wish(text, &elides),
            _ => self.draft.unless(text, &elides),
        };
        match read {
            Ok(patterns) => self.entries += patterns,
            Err(message) => self.wrong(line, message),
        }
    }

    fn sentence(&mut self, line: Line<'_>) {
        match line.text.split_once(':') {
            Some((key, words)) if !words.trim().is_empty() => {
                self.entries += 1;
                self.lexicon.sentences.insert(key.trim().into(), words.trim().into());
            }
            _ => self.unlike(line, "a key and its words, such as `mood: How they feel`"),
        }
    }

    /// Words that stand for each other in phrases: `relative: mum / my mother`.
    fn alternatives(&mut self, line: Line<'_>) {
        let Some((name, sequences)) = line.text.split_once(':') else {
            return self
                .wrong(line, "expected a name and alternatives: `relative: mum / my mother`");
        };
        self.grave_words(sequences);
        match self.either(sequences) {
            Ok(either) => {
                self.entries += either.len();
                self.alternatives.insert(name.trim().to_owned(), either);
            }
            Err(message) => self.wrong(line, message),
        }
    }

    /// Alternatives, each a sequence of words: `mum/my mother`; an empty one stands for nothing.
    fn either(&mut self, sequences: &str) -> Result<Arc<[Box<[PhrasePart]>]>, String> {
        let all = sequences.split('/').map(|sequence| Ok(self.sequence(sequence)?.into()));
        let all: Result<Vec<Box<[PhrasePart]>>, String> = all.collect();
        Ok(all?.into())
    }

    /// The parts of a phrase that may begin and end a phrase.
    fn parts(&mut self, phrase: &str) -> Result<Vec<PhrasePart>, String> {
        let parts = self.sequence(phrase)?;
        let shortened = shortened(phrase.trim());
        if parts.len() > limits::PHRASE_WORDS {
            return Err(format!(
                "expected a phrase of at most {} words, found `{shortened}`",
                limits::PHRASE_WORDS
            ));
        }
        let begins = |part: Option<&PhrasePart>| match part {
            Some(PhrasePart::Word(_) | PhrasePart::Number | PhrasePart::Range(..)) => true,
            Some(PhrasePart::Stem(stem)) => stem.chars().count() >= STEM_INDEX_LETTERS,
            _ => false,
        };
        let can_begin = match parts.first() {
            Some(PhrasePart::Either(all)) => all.iter().all(|sequence| begins(sequence.first())),
            first => begins(first),
        };
        if can_begin && !matches!(parts.last(), Some(PhrasePart::Gap(_))) {
            return Ok(parts);
        }
        Err(format!(
            "expected a phrase that begins with a word, `#`, or at least {STEM_INDEX_LETTERS} letters \
             and `*`, and does not end with `...`, found `{shortened}`"
        ))
    }

    /// A sequence of words, alternatives in brackets, and names of alternatives.
    fn sequence(&mut self, phrase: &str) -> Result<Vec<PhrasePart>, String> {
        let mut parts = Vec::new();
        let mut rest = phrase.trim();
        while !rest.is_empty() {
            let (part, after) = if let Some(inner) = rest.strip_prefix('(') {
                let Some((inner, after)) = inner.split_once(')') else {
                    return Err(format!("expected `)` after `(`, found `{}`", shortened(phrase)));
                };
                (PhrasePart::Either(self.either(inner)?), after)
            } else if let Some(inner) = rest.strip_prefix('<') {
                let (name, after) = inner.split_once('>').unwrap_or((inner, ""));
                let Some(either) = self.alternatives.get(name) else {
                    return Err(format!(
                        "expected a name of [alternatives] above, found `<{}>`",
                        shortened(name)
                    ));
                };
                (PhrasePart::Either(either.clone()), after)
            } else {
                let end = rest.find(|c: char| c.is_whitespace() || "(<".contains(c));
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                self.word_parts(word, &mut parts);
                rest = after.trim_start();
                continue;
            };
            parts.push(part);
            rest = after.trim_start();
        }
        Ok(parts)
    }

    /// The parts of one word of a phrase: several if it is split at an apostrophe.
    fn word_parts(&mut self, word: &str, parts: &mut Vec<PhrasePart>) {
        let word = folded(&self.as_read(word));
        match word.as_str() {
            "#" => parts.push(PhrasePart::Number),
            range if let Some((least, most)) = number_range(range) => {
                parts.push(PhrasePart::Range(least, most));
            }
            "_" => parts.push(PhrasePart::Any),
            "..." => parts.push(PhrasePart::Gap(3)),
            stem if stem.ends_with('*') => {
                parts.push(PhrasePart::Stem(stem.trim_end_matches('*').into()))
            }
            compound if compound.contains('-') => {
                // The tokenizer splits words at hyphens.
                let words: Vec<&str> =
                    compound.split('-').filter(|part| !part.is_empty()).collect();
                words.into_iter().for_each(|word| self.word_parts(word, parts));
            }
            mut word => {
                // A word that the tokenizer splits at an apostrophe is two words here as well.
                while let Some((before, after)) = word.split_once('\'')
                    && self.lexicon.elisions.contains_key(&hash(before))
                {
                    parts.push(PhrasePart::Word(hash(before)));
                    word = after;
                }
                if !word.is_empty() {
                    // A phrase may contain a word in the form that people write: `jai rien compris`.
                    self.lexicon.wholes.insert(hash(word), ());
                    parts.push(PhrasePart::Word(hash(word)));
                }
            }
        }
    }
}

/// The bounds of a range of numbers: `#5-17`.
fn number_range(word: &str) -> Option<(u32, u32)> {
    let (least, most) = word.strip_prefix('#')?.split_once('-')?;
    Some((least.parse().ok()?, most.parse().ok()?))
}
