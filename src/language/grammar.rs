//! What the writer of a text wants: patterns of words, and what takes a wish back.
//!
//! Words become letters and patterns regular expressions over these letters, as in a cascade of
//! finite automata (S. Abney: Partial Parsing via Finite-State Cascades, 1996): each word that any
//! pattern names has a letter of its own, all others share one, and so do marks. So a pattern is
//! matched in linear time, whatever is written.
//!
//! A pattern of `[wishes]` finds the words that wish for something. What stands around them in
//! their sentence decides whether it is wished for, now and by the one who speaks: the sentence, with
//! `@` in place of these words, is compared with the patterns of `[unless]`: negations, the past,
//! conditions, questions, reports. `config/languages/README.md` says how both are written.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use smallvec::SmallVec;

use super::lexicon::{Lexicon, Table};
use super::text::{self, Kind, Token, Tokens, hash};
use crate::config::limits;

/// The letters of what is no word of a pattern.
const OTHER: char = '_';
const NUMBER: char = '#';
pub(super) const PAUSE: char = ',';
pub(super) const QUOTE: char = '"';
pub(super) const QUESTION: char = '?';
/// The letter of the words that wish, where it is asked whether they do.
pub(super) const WISH: char = '@';
/// The letter of the first word; the others follow.
const FIRST: u32 = 0x100;

/// Shorter words are frequent ones, of which the one without an accent is meant: `la` is no `là`.
const SHARED_BYTES: usize = 4;

/// So many letters stand for several words at most.
const SHARED: usize = 90;

/// All letters of words and numbers, for a class of a regular expression. Naming them instead of leaving
/// marks out keeps the automata small.
const WORDS: &str = r"_\x23\u{100}-\u{7ff}";

/// The class of words at which a gap ends, since another clause begins there.
const BREAK: &str = "break";

/// Up to so many words fill a gap.
const GAP: usize = 3;

/// Shorter words are not taken for misspelt ones, and longer ones are rare.
const MISSPELT_BYTES: std::ops::RangeInclusive<usize> = 5..=20;

/// One place in a pattern.
#[derive(Debug, Clone, PartialEq)]
enum Atom {
    /// This word, by its index.
    Word(u32),
    /// Any of a class, by its index.
    Class(usize),
    /// Up to [`GAP`] words: `...`.
    Gap,
    /// Any number of words and pauses: `*`.
    Rest,
    /// Any one word: `_`.
    Any,
    /// A number: `#`.
    Number,
    /// A pause or a quotation mark, as it is written.
    Mark(char),
    /// The beginning of the sentence: `^`.
    Start,
    /// Its end: `$`.
    End,
    /// The wish: `@`.
    Wish,
}

/// Alternatives, and how often they may stand: the suffix `?`, `*` or `+`, or nothing.
#[derive(Debug, Clone, PartialEq)]
struct Element {
    atoms: SmallVec<[Atom; 2]>,
    times: &'static str,
}

type Pattern = Vec<Element>;

/// What the files of a language say, before it is compiled.
#[derive(Debug, Default)]
pub(super) struct Draft {
    words: Vec<Box<str>>,
    classes: Vec<(Box<str>, Vec<Pattern>)>,
    wishes: Vec<(Box<str>, Vec<Pattern>)>,
    unless: Vec<Pattern>,
}

/// Where patterns stand, which says what they may have in them.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// In the class of this index: names of earlier ones only.
    Class(usize),
    Wish,
    Unless,
}

impl Draft {
    /// Adds a line `name: pattern | pattern` to a class.
    pub(super) fn class(&mut self, line: &str, elides: &Elides<'_>) -> Result<usize, String> {
        let (name, patterns) = named(line, "a class and its words: `people: agent | a manager`")?;
        let index = self.classes.iter().position(|(known, _)| **known == *name);
        let index = index.unwrap_or_else(|| {
            self.classes.push((name.into(), Vec::new()));
            self.classes.len() - 1
        });
        let patterns = self.patterns(patterns, Place::Class(index), elides)?;
        let count = patterns.len();
        self.classes[index].1.extend(patterns);
        Ok(count)
    }

    /// Adds a line `topic: pattern | pattern` of wishes.
    pub(super) fn wish(&mut self, line: &str, elides: &Elides<'_>) -> Result<usize, String> {
        let (topic, patterns) = named(line, "a topic and its patterns: `person: <want> <people>`")?;
        let patterns = self.patterns(patterns, Place::Wish, elides)?;
        let count = patterns.len();
        match self.wishes.iter_mut().find(|(known, _)| **known == *topic) {
            Some((_, known)) => known.extend(patterns),
            None => self.wishes.push((topic.into(), patterns)),
        }
        Ok(count)
    }

    /// Adds a line of patterns that take a wish back.
    pub(super) fn unless(&mut self, line: &str, elides: &Elides<'_>) -> Result<usize, String> {
        let patterns = self.patterns(line, Place::Unless, elides)?;
        let count = patterns.len();
        self.unless.extend(patterns);
        Ok(count)
    }

    fn patterns(
        &mut self,
        text: &str,
        place: Place,
        elides: &Elides<'_>,
    ) -> Result<Vec<Pattern>, String> {
        text.split('|').map(|pattern| self.pattern(pattern, place, elides)).collect()
    }

    fn pattern(
        &mut self,
        text: &str,
        place: Place,
        elides: &Elides<'_>,
    ) -> Result<Pattern, String> {
        let mut pattern = Pattern::new();
        for part in text.split_whitespace() {
            self.element(part, place, elides, &mut pattern)?;
        }
        let shown = super::mistake::shown(text.trim());
        let wishes = pattern.iter().filter(|part| part.atoms.contains(&Atom::Wish)).count();
        if pattern.len() > limits::PATTERN_PARTS {
            let most = limits::PATTERN_PARTS;
            return Err(format!("expected a pattern of at most {most} words, found `{shown}`"));
        }
        if place == Place::Unless && wishes != 1 {
            return Err(format!(
                "expected a pattern with one `@` where the wish stands, found `{shown}`"
            ));
        }
        let says = |part: &Element| {
            matches!(part.times, "" | "+")
                && part.atoms.iter().any(|atom| matches!(atom, Atom::Word(_) | Atom::Class(_)))
        };
        if place == Place::Wish && !pattern.iter().any(says) {
            return Err(format!("expected a pattern with a word in it, found `{shown}`"));
        }
        Ok(pattern)
    }

    fn element(
        &mut self,
        part: &str,
        place: Place,
        elides: &Elides<'_>,
        pattern: &mut Pattern,
    ) -> Result<(), String> {
        let plain = |atom| Element { atoms: SmallVec::from_iter([atom]), times: "" };
        let whole = match part {
            "..." => Some(Atom::Gap),
            "*" => Some(Atom::Rest),
            "_" => Some(Atom::Any),
            "#" => Some(Atom::Number),
            "," => Some(Atom::Mark(PAUSE)),
            "\"" => Some(Atom::Mark(QUOTE)),
            "?" => Some(Atom::Mark(QUESTION)),
            "^" => Some(Atom::Start),
            "$" => Some(Atom::End),
            "@" if place == Place::Unless => Some(Atom::Wish),
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
                let shown = super::mistake::shown(part);
                return Err(format!(
                    "expected a word, `<class>` or one of `... _ # , ^ $ *`, found `{shown}`"
                ));
            }
            // What a text splits at an apostrophe is two words here as well.
            let mut word = &*word;
            while let Some((before, after)) = word.split_once('\'')
                && elides(&text::folded(before))
            {
                if rest.contains('/') {
                    let shown = super::mistake::shown(part);
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

    fn class_named(&self, name: &str, place: Place) -> Result<Atom, String> {
        let index = self.classes.iter().position(|(known, _)| **known == *name);
        match (index, place) {
            (Some(index), Place::Class(own)) if index >= own => None,
            (found, _) => found,
        }
        .map(Atom::Class)
        .ok_or_else(|| {
            let name = super::mistake::shown(name);
            format!("`<{name}>` names no class; expected one of [classes], above")
        })
    }

    fn word(&mut self, word: &str) -> Result<Atom, String> {
        let index = self.words.iter().position(|known| **known == *word).unwrap_or_else(|| {
            self.words.push(word.into());
            self.words.len() - 1
        });
        if index >= limits::PATTERN_WORDS {
            let most = limits::PATTERN_WORDS;
            return Err(format!("expected at most {most} different words in patterns"));
        }
        Ok(Atom::Word(index as u32))
    }

    /// The words that are alike without accents and apostrophes, each with the letter that stands for all
    /// of them: who leaves these out writes `demande` for `demandé` and `id` for `i'd`, too.
    fn bare(&self) -> Vec<(String, Bare)> {
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
                (word, Bare { letter: letter(at), has_apostrophe })
            })
            .collect()
    }

    /// Compiles what was read.
    pub(super) fn compile(&self) -> Result<Grammar, String> {
        let mut grammar = Grammar::default();
        let shared = self.bare();
        // Each letter as a pattern has it.
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
        let letters = || self.words.iter().enumerate().map(|(at, word)| (word, letter(at as u32)));
        for (word, letter) in letters() {
            grammar.letters.insert(hash(word), letter);
        }
        // Many leave accents and apostrophes out.
        for (word, letter) in letters() {
            let word = text::folded(word);
            grammar.letters.entry(hash(&word)).or_insert(letter);
            if word.contains('\'') {
                grammar.letters.entry(hash(&word.replace('\'', ""))).or_insert(letter);
            }
        }
        // A word that has a letter too many is first of all the one without it: `perrson` is no `persons`.
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
        let mut classes: Vec<String> = Vec::with_capacity(self.classes.len());
        for (_, patterns) in &self.classes {
            let class = self.alternatives(patterns, &classes, &spelled, "");
            classes.push(class);
        }
        for (topic, patterns) in &self.wishes {
            let any = format!("{PAUSE}*");
            grammar.wishes.push((
                topic.clone(),
                built(&self.alternatives(patterns, &classes, &spelled, &any))?,
            ));
        }
        if !self.unless.is_empty() {
            grammar.unless = Some(built(&self.alternatives(&self.unless, &classes, &spelled, ""))?);
        }
        Ok(grammar)
    }

    /// The regular expression of any of these, in this order; `between` may stand between words.
    fn alternatives(
        &self,
        patterns: &[Pattern],
        classes: &[String],
        spelled: &[String],
        between: &str,
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
        between: &str,
    ) -> String {
        let mut built = String::new();
        for (at, element) in pattern.iter().enumerate() {
            let parts: Vec<String> =
                element.atoms.iter().map(|atom| self.atom(atom, classes, spelled)).collect();
            let between = if at + 1 < pattern.len() { between } else { "" };
            built.push_str(&format!("(?:(?:{}){between}){}", parts.join("|"), element.times));
        }
        built
    }

    fn atom(&self, atom: &Atom, classes: &[String], spelled: &[String]) -> String {
        match atom {
            Atom::Word(word) => format!("[{}]", spelled[*word as usize]),
            Atom::Class(index) => classes.get(*index).cloned().unwrap_or_default(),
            Atom::Gap => {
                let breaks = self.classes.iter().find(|(name, _)| **name == *BREAK);
                let breaks: String = breaks
                    .into_iter()
                    .flat_map(|(_, patterns)| patterns.iter().flatten())
                    .flat_map(|element| &element.atoms)
                    .filter_map(|atom| match atom {
                        Atom::Word(word) => Some(spelled[*word as usize].as_str()),
                        _ => None,
                    })
                    .collect();
                let breaks = if breaks.is_empty() { breaks } else { format!("--[{breaks}]") };
                format!("[{WORDS}{breaks}]{{0,{GAP}}}")
            }
            Atom::Rest => format!("[{WORDS}{PAUSE}{QUOTE}]*"),
            Atom::Any => format!("[{WORDS}]"),
            Atom::Number => NUMBER.to_string(),
            Atom::Mark(mark) => format!("[{mark}]"),
            Atom::Start => format!("^[{PAUSE}{QUOTE}]*"),
            Atom::End => format!("[{PAUSE}{QUOTE}]*[{QUESTION}]?$"),
            Atom::Wish => WISH.to_string(),
        }
    }
}

/// Whether letters before an apostrophe are a word of their own.
pub(super) type Elides<'a> = dyn Fn(&str) -> bool + 'a;

/// The name before the colon, and what stands after it.
fn named<'a>(line: &'a str, expected: &str) -> Result<(&'a str, &'a str), String> {
    match line.split_once(':') {
        Some((name, rest)) if !name.trim().is_empty() && !rest.trim().is_empty() => {
            Ok((name.trim(), rest))
        }
        _ => Err(format!("expected {expected}")),
    }
}

/// The letter of a word.
fn letter(word: u32) -> char {
    char::from_u32(FIRST + word).unwrap_or(OTHER)
}

fn built(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(limits::GRAMMAR_BYTES)
        .dfa_size_limit(limits::GRAMMAR_BYTES)
        .build()
        .map_err(|error| {
            let most = limits::GRAMMAR_BYTES;
            format!("expected patterns that take at most {most} bytes, but: {error}")
        })
}

/// Whether a word has as many letters as those that are taken for misspelt ones.
fn is_misspelt(word: &str) -> bool {
    MISSPELT_BYTES.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Calls `see` with the hash of this word and of each that lacks one letter of it, but the first: two words
/// that have one of these in common differ by one letter that is missing, added or another, or by
/// two that changed places.
fn each_misspelling(word: &str, mut see: impl FnMut(u64)) {
    if !is_misspelt(word) {
        return;
    }
    see(hash(word));
    let mut shorter = String::with_capacity(word.len());
    for left_out in 1..word.len() {
        shorter.clear();
        shorter.push_str(&word[..left_out]);
        shorter.push_str(&word[left_out + 1..]);
        see(hash(&shorter));
    }
}

/// A word without accents and apostrophes.
fn bare(word: &str) -> String {
    text::folded(word).replace('\'', "")
}

/// Words that are alike without accents and apostrophes.
#[derive(Debug, Clone, Copy)]
struct Bare {
    letter: char,
    /// Whether one of them has an apostrophe; else they differ by accents.
    has_apostrophe: bool,
}

/// What a text leaves out everywhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeftOut {
    pub(super) accents: bool,
    pub(super) apostrophes: bool,
}

/// The patterns of one language, compiled.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    letters: Table<char>,
    /// Of words that are alike without accents and apostrophes: the letter where a text has none.
    bare: Table<Bare>,
    /// The letters of words from which one letter was taken.
    misspelt: Table<char>,
    pub(super) wishes: Vec<(Box<str>, Regex)>,
    pub(super) unless: Option<Regex>,
}

impl Grammar {
    /// The topics that are wishes.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.wishes.iter().map(|(topic, _)| &**topic)
    }

    /// Whether a pattern names this word.
    pub(super) fn knows(&self, word: u64) -> bool {
        self.letters.contains_key(&word)
    }

    /// The letter of a word or a number.
    pub(super) fn letter(
        &self,
        token: &Token,
        tokens: &Tokens,
        lexicon: &Lexicon,
        left_out: LeftOut,
    ) -> char {
        if let Some(bare) = self.bare.get(&token.folded)
            && (if bare.has_apostrophe { left_out.apostrophes } else { left_out.accents })
        {
            return bare.letter;
        }
        let known = |hash: u64| self.letters.get(&hash).copied();
        let found = known(token.exact).or_else(|| known(token.folded));
        if let Some(letter) = found.or_else(|| token.squeezed.and_then(known)) {
            return letter;
        }
        if token.kind == Kind::Number {
            return NUMBER;
        }
        match lexicon.meaning(token) {
            Some(meaning) if meaning.number => NUMBER,
            Some(_) => OTHER,
            None => {
                let mut found = None;
                each_misspelling(tokens.form(token), |misspelt| {
                    found = found.or_else(|| self.misspelt.get(&misspelt).copied());
                });
                found.unwrap_or(OTHER)
            }
        }
    }
}
