//! Reads the patterns of wishes of a language, and compiles them to a [`Grammar`].

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use smallvec::SmallVec;

use super::grammar::{
    BareWord, CLAUSE, Grammar, NUMBER, OTHER, PAUSE, QUESTION, QUOTE, SpelledWord, WISH,
};
use super::misspelt::{each_misspelling, is_misspelt};
use super::text::{self, hash};
use super::word_table::WordTable;
use crate::config::limits;

/// The letter of the first word; the others follow.
const FIRST: u32 = 0x100;

/// Shorter words are frequent ones, where the unaccented word is meant: `la` is not `là`.
const SHARED_BYTES: usize = 4;

/// The maximum number of letters that each represent several words.
const SHARED: usize = 90;

/// All letters of words and numbers, for a class of a regular expression. An explicit class instead of an
/// exclusion of marks keeps the automata small.
const WORDS: &str = r"_\x23\u{100}-\u{7ff}";

/// The class of words that end a gap, because another clause begins there.
const BREAK: &str = "break";

/// The class of words that begin another clause, whether or not a mark precedes them.
const OPENS: &str = "clause";

/// The class of words that contrast a clause with the preceding one: `but`, `so`.
const TURNS: &str = "turns";

/// The class of words that include the clause after them: `I think that …`, `if …`, `when …`.
const JOINS: &str = "joins";

/// The class of words that an unknown word may end with, and is read as: `Kreditabteilung` as `Abteilung`.
const ENDS: &str = "ends";

/// The maximum number of words in a gap.
const GAP: usize = 3;

/// One position in a pattern.
#[derive(Debug, Clone, PartialEq)]
enum Atom {
    /// This word, by its index.
    Word(u32),
    /// Any word of a class, by its index.
    Class(usize),
    /// Up to [`GAP`] words: `...`.
    Gap,
    /// Any number of words and pauses: `*`.
    Rest,
    /// Any number of words of one clause, also between two pauses within it: `~`.
    Clause,
    /// Any one word: `_`.
    Any,
    /// A number: `#`.
    Number,
    /// A pause or a quotation mark, as written.
    Mark(char),
    /// The beginning of the sentence: `^`.
    Start,
    /// Its end: `$`.
    End,
    /// The wish: `@`.
    Wish,
}

/// Alternatives with their repetition: the suffix `?`, `*` or `+`, or none.
#[derive(Debug, Clone, PartialEq)]
struct Element {
    atoms: SmallVec<[Atom; 2]>,
    times: &'static str,
}

type WishPattern = Vec<Element>;

/// The patterns in the files of a language, before compilation.
#[derive(Debug, Default)]
pub(super) struct Draft {
    words: Vec<Box<str>>,
    classes: Vec<(Box<str>, Vec<WishPattern>)>,
    wishes: Vec<(Box<str>, Vec<WishPattern>)>,
    unless: Vec<WishPattern>,
    /// Other spellings, with the words that they stand for, separated by blanks.
    spellings: Vec<(Box<str>, Box<str>)>,
}

/// What may occur between the words of a pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Between {
    Nothing,
    /// Pauses, and the beginnings of clauses.
    Marks,
    /// The beginning of a clause that a word of the pattern opens.
    Clauses,
}

/// The section of a pattern, which determines its syntax.
#[derive(Debug, Clone, Copy, PartialEq)]
enum PatternSection {
    /// In the class with this index: it may use earlier classes only.
    Class(usize),
    Wish,
    Unless,
}

impl Draft {
    /// Adds a line `name: pattern | pattern` to a class.
    pub(super) fn class(&mut self, line: &str, elides: &Elides<'_>) -> Result<usize, String> {
        let (name, patterns) =
            named(line, "a class and its words, such as `people: agent | a manager`")?;
        let index = self.classes.iter().position(|(known, _)| **known == *name);
        let index = index.unwrap_or_else(|| {
            self.classes.push((name.into(), Vec::new()));
            self.classes.len() - 1
        });
        let patterns = self.patterns(patterns, PatternSection::Class(index), elides)?;
        let count = patterns.len();
        self.classes[index].1.extend(patterns);
        Ok(count)
    }

    /// Adds a line `topic: pattern | pattern` of wishes.
    pub(super) fn wish(&mut self, line: &str, elides: &Elides<'_>) -> Result<usize, String> {
        let (topic, patterns) =
            named(line, "a topic and its patterns, such as `person: <want> <people>`")?;
        let patterns = self.patterns(patterns, PatternSection::Wish, elides)?;
        let count = patterns.len();
        match self.wishes.iter_mut().find(|(known, _)| **known == *topic) {
            Some((_, known)) => known.extend(patterns),
            None => self.wishes.push((topic.into(), patterns)),
        }
        Ok(count)
    }

    /// Adds a line of patterns that cancel a wish.
    pub(super) fn unless(&mut self, line: &str, elides: &Elides<'_>) -> Result<usize, String> {
        let patterns = self.patterns(line, PatternSection::Unless, elides)?;
        let count = patterns.len();
        self.unless.extend(patterns);
        Ok(count)
    }

    /// Adds a line `words: spelling spelling` of other spellings of these words.
    pub(super) fn spelling(&mut self, line: &str, elides: &Elides<'_>) -> Result<usize, String> {
        let (words, spellings) =
            named(line, "words and their other spellings, such as `you: u ya`")?;
        let mut full: Vec<String> = Vec::new();
        for word in words.split_whitespace() {
            let mut word = &*word.to_lowercase().replace('’', "'");
            while let Some((before, after)) = word.split_once('\'')
                && elides(&text::folded(before))
            {
                full.push(before.into());
                word = after;
            }
            full.push(word.into());
        }
        let before = self.spellings.len();
        for spelling in spellings.split_whitespace() {
            if !spelling.chars().all(|c| c.is_alphanumeric() || c == '\'') {
                let shown = super::text::shortened(spelling);
                return Err(format!("expected spellings of single words, found `{shown}`"));
            }
            self.spellings.push((spelling.to_lowercase().into(), full.join(" ").into()));
        }
        Ok(self.spellings.len() - before)
    }

    fn patterns(
        &mut self,
        text: &str,
        place: PatternSection,
        elides: &Elides<'_>,
    ) -> Result<Vec<WishPattern>, String> {
        text.split('|').map(|pattern| self.pattern(pattern, place, elides)).collect()
    }

    fn pattern(
        &mut self,
        text: &str,
        place: PatternSection,
        elides: &Elides<'_>,
    ) -> Result<WishPattern, String> {
        let mut pattern = WishPattern::new();
        for part in text.split_whitespace() {
            self.element(part, place, elides, &mut pattern)?;
        }
        let shown = super::text::shortened(text.trim());
        let wishes = pattern.iter().filter(|part| part.atoms.contains(&Atom::Wish)).count();
        if pattern.len() > limits::PATTERN_PARTS {
            let most = limits::PATTERN_PARTS;
            return Err(format!("expected a pattern of at most {most} words, found `{shown}`"));
        }
        if place == PatternSection::Unless && wishes != 1 {
            return Err(format!(
                "expected a pattern with one `@` where the wish stands, found `{shown}`"
            ));
        }
        let says = |part: &Element| {
            matches!(part.times, "" | "+")
                && part.atoms.iter().any(|atom| matches!(atom, Atom::Word(_) | Atom::Class(_)))
        };
        if place == PatternSection::Wish && !pattern.iter().any(says) {
            return Err(format!("expected a pattern with a word in it, found `{shown}`"));
        }
        Ok(pattern)
    }

    fn element(
        &mut self,
        part: &str,
        place: PatternSection,
        elides: &Elides<'_>,
        pattern: &mut WishPattern,
    ) -> Result<(), String> {
        let plain = |atom| Element { atoms: SmallVec::from_iter([atom]), times: "" };
        let whole = match part {
            "..." => Some(Atom::Gap),
            "*" => Some(Atom::Rest),
            "~" => Some(Atom::Clause),
            "_" => Some(Atom::Any),
            "#" => Some(Atom::Number),
            "," => Some(Atom::Mark(PAUSE)),
            "\"" => Some(Atom::Mark(QUOTE)),
            "?" => Some(Atom::Mark(QUESTION)),
            "^" => Some(Atom::Start),
            "$" => Some(Atom::End),
            "@" if place == PatternSection::Unless => Some(Atom::Wish),
            _ => None,
        };
        if let Some(atom) = whole {
            pattern.push(plain(atom));
            return Ok(());
        }
        let (rest, times) = match part.char_indices().next_back() {
            Some((at, '?')) => (&part[..at], "?"),
            Some((at, '*')) => (&part[..at], "*"),
            Some((at, '+')) => (&part[..at], "+"),
            _ => (part, ""),
        };
        let mut element = Element { atoms: SmallVec::new(), times };
        for word in rest.split('/') {
            if let Some(name) = word.strip_prefix('<').and_then(|word| word.strip_suffix('>')) {
                element.atoms.push(self.class_named(name, place)?);
                continue;
            }
            let word = word.to_lowercase().replace('’', "'");
            if word.is_empty() || !word.chars().all(|c| c.is_alphanumeric() || c == '\'') {
                let shown = super::text::shortened(part);
                return Err(format!(
                    "expected a word, `<class>` or one of `... ~ _ # , ^ $ *`, found `{shown}`"
                ));
            }
            // A word that the tokenizer splits at an apostrophe is two words here as well.
            let mut word = &*word;
            while let Some((before, after)) = word.split_once('\'')
                && elides(&text::folded(before))
            {
                if rest.contains('/') {
                    let shown = super::text::shortened(part);
                    return Err(format!("expected single words between `/`, found `{shown}`"));
                }
                let before = self.word(before)?;
                pattern.push(plain(before));
                word = after;
            }
            if !word.is_empty() {
                element.atoms.push(self.word(word)?);
            }
        }
        if !element.atoms.is_empty() {
            pattern.push(element);
        }
        Ok(())
    }

    fn class_named(&self, name: &str, place: PatternSection) -> Result<Atom, String> {
        let index = self.classes.iter().position(|(known, _)| **known == *name);
        match (index, place) {
            (Some(index), PatternSection::Class(own)) if index >= own => None,
            (found, _) => found,
        }
        .map(Atom::Class)
        .ok_or_else(|| {
            let name = super::text::shortened(name);
            format!("unknown class `<{name}>`; add it to [classes] above this line")
        })
    }

    fn word(&mut self, word: &str) -> Result<Atom, String> {
        let index = self.words.iter().position(|known| **known == *word).unwrap_or_else(|| {
            self.words.push(word.into());
            self.words.len() - 1
        });
        if index >= limits::PATTERN_WORDS {
            let most = limits::PATTERN_WORDS;
            return Err(format!("expected at most {most} different words in patterns, found more"));
        }
        Ok(Atom::Word(index as u32))
    }

    /// The words that are equal without accents and apostrophes, with the one letter that represents all
    /// of them: people who leave these out write `demande` for `demandé` and `id` for `i'd`, too.
    fn bare(&self) -> Vec<(String, BareWord)> {
        let mut alike: BTreeMap<String, (u32, bool)> = BTreeMap::new();
        for word in &self.words {
            let (count, has_apostrophe) = alike.entry(bare(word)).or_default();
            *count += 1;
            *has_apostrophe |= word.contains('\'');
        }
        let shared = alike.into_iter().filter(|(word, (count, has_apostrophe))| {
            *count > 1 && (*has_apostrophe || word.len() >= SHARED_BYTES)
        });
        let first = self.words.len() as u32;
        (first..)
            .zip(shared.take(SHARED))
            .map(|(at, (word, (_, has_apostrophe)))| {
                (word, BareWord { letter: letter(at), has_apostrophe })
            })
            .collect()
    }

    /// Compiles the patterns.
    pub(super) fn compile(&self) -> Result<Grammar, String> {
        let mut grammar = Grammar::default();
        let shared = self.bare();
        // The form of each letter in a pattern.
        let written = |word: u32| {
            let own = self.words.get(word as usize).map(|word| bare(word));
            let of_all = shared.iter().find(|(word, _)| own.as_deref() == Some(&**word));
            of_all.map_or_else(String::new, |(_, all)| all.letter.to_string())
                + &letter(word).to_string()
        };
        let spelled: Vec<String> = (0..self.words.len() as u32).map(written).collect();
        for (word, bare) in &shared {
            grammar.bare.insert(hash(word), *bare);
        }
        for (spelling, words) in &self.spellings {
            let words = words
                .split(' ')
                .map(|word| SpelledWord { exact: hash(word), folded: hash(&text::folded(word)) });
            grammar.spellings.insert(hash(&text::folded(spelling)), words.collect());
        }
        self.add_letters(&mut grammar);
        let mut classes: Vec<String> = Vec::with_capacity(self.classes.len());
        for (_, patterns) in &self.classes {
            let class = self.alternatives(patterns, &classes, &spelled, Between::Nothing);
            classes.push(class);
        }
        for (topic, patterns) in &self.wishes {
            grammar.wishes.push((
                topic.clone(),
                built(&self.alternatives(patterns, &classes, &spelled, Between::Marks))?,
            ));
        }
        let opens = self.classes.iter().position(|(name, _)| **name == *OPENS);
        if let Some(opens) = opens.and_then(|index| classes.get(index)) {
            grammar.opens = Some(built(opens)?);
        }
        grammar.joins = self.letters_of(JOINS, &spelled).chars().collect();
        grammar.turns = self.letters_of(TURNS, &spelled).chars().collect();
        grammar.ends = self.ends();
        if !self.unless.is_empty() {
            grammar.unless = Some(built(&self.alternatives(
                &self.unless,
                &classes,
                &spelled,
                Between::Clauses,
            ))?);
        }
        Ok(grammar)
    }

    /// The single words of the class `ends`, without accents, with their letters.
    fn ends(&self) -> WordTable<char> {
        let class = self.classes.iter().find(|(name, _)| **name == *ENDS);
        let words =
            class.into_iter().flat_map(|(_, patterns)| patterns).filter_map(
                |pattern| match pattern.first()?.atoms[..] {
                    [Atom::Word(word)] if pattern.len() == 1 => Some(word),
                    _ => None,
                },
            );
        words.map(|word| (hash(&text::folded(&self.words[word as usize])), letter(word))).collect()
    }

    /// Adds the letters that stand for words in patterns: of each word as it is written, and as people
    /// write it.
    fn add_letters(&self, grammar: &mut Grammar) {
        let letters = || self.words.iter().enumerate().map(|(at, word)| (word, letter(at as u32)));
        for (word, letter) in letters() {
            grammar.letters.insert(hash(word), letter);
        }
        // Many people leave out accents and apostrophes.
        for (word, letter) in letters() {
            let word = text::folded(word);
            grammar.letters.entry(hash(&word)).or_insert(letter);
            if word.contains('\'') {
                grammar.letters.entry(hash(&word.replace('\'', ""))).or_insert(letter);
            }
        }
        // A word with one letter too many is primarily the word without it: `perrson` is not `persons`.
        for (word, letter) in letters() {
            let word = text::folded(word);
            if is_misspelt(&word) {
                grammar.misspelt.entry(hash(&word)).or_insert(letter);
            }
        }
        for (word, letter) in letters() {
            each_misspelling(&text::folded(word), |misspelt| {
                grammar.misspelt.entry(misspelt).or_insert(letter);
            });
        }
    }

    /// The regular expression for any of these, in this order; `between` may occur between words.
    fn alternatives(
        &self,
        patterns: &[WishPattern],
        classes: &[String],
        spelled: &[String],
        between: Between,
    ) -> String {
        let mut single = String::new();
        let mut others = Vec::new();
        for pattern in patterns {
            match &pattern[..] {
                [Element { atoms, times: "" }]
                    if atoms.iter().all(|atom| matches!(atom, Atom::Word(_))) =>
                {
                    for atom in atoms {
                        if let Atom::Word(word) = atom {
                            single.push_str(&spelled[*word as usize]);
                        }
                    }
                }
                pattern => others.push(self.sequence(pattern, classes, spelled, between)),
            }
        }
        if !single.is_empty() {
            others.push(format!("[{single}]"));
        }
        format!("(?:{})", others.join("|"))
    }

    fn sequence(
        &self,
        pattern: &[Element],
        classes: &[String],
        spelled: &[String],
        between: Between,
    ) -> String {
        let mut built = String::new();
        for (at, element) in pattern.iter().enumerate() {
            let parts: Vec<String> =
                element.atoms.iter().map(|atom| self.atom(atom, classes, spelled)).collect();
            // A named word may begin another clause; a wildcard ends with its own.
            let is_named = |atom: &Atom| matches!(atom, Atom::Word(_) | Atom::Class(_));
            let (before, after) = match between {
                Between::Marks if at + 1 < pattern.len() => ("", "[,;]*"),
                Between::Clauses if at > 0 && element.atoms.iter().all(is_named) => (";?", ""),
                _ => ("", ""),
            };
            let times = element.times;
            built.push_str(&format!("(?:{before}(?:{}){after}){times}", parts.join("|")));
        }
        built
    }

    /// The letters of the single words in a class and in the classes that it uses.
    fn letters_of(&self, class: &str, spelled: &[String]) -> String {
        let mut letters = String::new();
        let mut classes: Vec<usize> =
            self.classes.iter().position(|(name, _)| **name == *class).into_iter().collect();
        // A class uses earlier ones only, so this ends.
        while let Some((_, patterns)) = classes.pop().and_then(|index| self.classes.get(index)) {
            let single = patterns.iter().filter(|pattern| pattern.len() == 1).flatten();
            for atom in single.flat_map(|element| &element.atoms) {
                match atom {
                    Atom::Word(word) => letters.push_str(&spelled[*word as usize]),
                    Atom::Class(index) => classes.push(*index),
                    _ => {}
                }
            }
        }
        letters
    }

    fn atom(&self, atom: &Atom, classes: &[String], spelled: &[String]) -> String {
        match atom {
            Atom::Word(word) => format!("[{}]", spelled[*word as usize]),
            Atom::Class(index) => classes.get(*index).cloned().unwrap_or_default(),
            Atom::Gap => {
                let breaks = self.letters_of(BREAK, spelled);
                let breaks = if breaks.is_empty() { breaks } else { format!("--[{breaks}]") };
                format!("[{WORDS}{breaks}]{{0,{GAP}}}")
            }
            Atom::Rest => format!("[{WORDS}{PAUSE}{QUOTE}{CLAUSE}]*"),
            // An insertion does not begin like a clause: `never, in all the years I am here,`.
            Atom::Clause => {
                format!("[{WORDS}]*(?:{PAUSE}[{WORDS}][{WORDS}{CLAUSE}]*{PAUSE}[{WORDS}]*)*")
            }
            Atom::Any => format!("[{WORDS}]"),
            Atom::Number => NUMBER.to_string(),
            Atom::Mark(mark) => format!("[{mark}]"),
            Atom::Start => format!("(?:^|{CLAUSE})[{PAUSE}{QUOTE}]*"),
            Atom::End => format!("[{PAUSE}{QUOTE}]*(?:[{QUESTION}]?$|{CLAUSE})"),
            Atom::Wish => WISH.to_string(),
        }
    }
}

/// Whether the letters before an apostrophe are a word of their own.
pub(super) type Elides<'a> = dyn Fn(&str) -> bool + 'a;

/// The name before the colon, and the text after it.
fn named<'a>(line: &'a str, expected: &str) -> Result<(&'a str, &'a str), String> {
    match line.split_once(':') {
        Some((name, rest)) if !name.trim().is_empty() && !rest.trim().is_empty() => {
            Ok((name.trim(), rest))
        }
        _ => Err(format!("expected {expected}, found `{}`", text::shortened(line))),
    }
}

/// The letter of a word.
fn letter(word: u32) -> char {
    char::from_u32(FIRST + word).unwrap_or(OTHER)
}

fn built(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(limits::GRAMMAR_BYTES)
        // If this cache fills up repeatedly, the slowest strategy is used permanently.
        .dfa_size_limit(limits::GRAMMAR_CACHE_BYTES)
        .build()
        .map_err(|error| {
            let most = limits::GRAMMAR_BYTES;
            format!("expected patterns that take at most {most} bytes, but: {error}")
        })
}

/// A word without accents and apostrophes.
fn bare(word: &str) -> String {
    text::folded(word).replace('\'', "")
}
