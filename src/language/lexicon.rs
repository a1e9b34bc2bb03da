//! The compiled lexicon of one language: the meanings of its words.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Language;
use super::automatic::Automatic;
use super::grammar::Grammar;
use super::text::{self, Splits, Token, Tokens};
use super::thread::Threads;

/// A hasher for keys that are hashes already.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct PassthroughHasher(u64);

impl Hasher for PassthroughHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A table by the hash of a word.
pub(super) type WordTable<V> = HashMap<u64, V, BuildHasherDefault<PassthroughHasher>>;

/// A word that negates others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Negator {
    /// The number of following words that it reaches.
    pub(super) after: u8,
    /// The number of preceding words that it reaches.
    pub(super) before: u8,
    /// Whether it negates only after a partner, as `plus` after `ne`.
    pub(super) needs_partner: bool,
    /// Whether it has a meaning by itself where it negates no word.
    pub(super) speaks: bool,
    /// Whether a negator right before it cancels it, as in `not without`.
    pub(super) doubles: bool,
}

/// A word that introduces the other side of a matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Contrast {
    /// By how much it weakens the preceding part of the sentence.
    pub(super) before: f32,
    /// By how much it strengthens the following part.
    pub(super) after: f32,
}

/// The meaning of one word.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meaning {
    /// Its valence, −1..1.
    pub(super) weight: Option<f32>,
    /// The factor for the following words.
    pub(super) boost: Option<f32>,
    pub(super) negator: Option<Negator>,
    pub(super) contrast: Option<Contrast>,
    /// Whether it is the partner that some negators need.
    pub(super) partner: bool,
    /// The maximum distance in words after a negator at which it extends the negation over the whole
    /// clause, as in `I do not think that …`; 0: it does not extend it.
    pub(super) carrier: u8,
    /// Whether it continues a negation that precedes it in the clause, as `ever` does.
    pub(super) relay: bool,
    /// Whether it is a number in letters.
    pub(super) number: bool,
    /// Whether it is mere politeness in a message with a request, as `thanks`.
    pub(super) courtesy: bool,
    /// Whether it expresses a request.
    pub(super) request: bool,
    /// Whether it is frequent enough to identify the language.
    pub(super) common: bool,
}

impl Meaning {
    /// A word that modifies others: it has no valence of its own, unless a later line gives it one.
    pub(super) fn tool(&mut self) -> &mut Meaning {
        self.weight = None;
        self
    }
}

/// One position in a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PhrasePart {
    /// This word, by its hash without accents.
    Word(u64),
    /// A word with this beginning: `annul*`.
    Stem(Box<str>),
    /// A number, in digits or letters: `#`.
    Number,
    /// Any one word: `_`.
    Any,
    /// At most this many words: `...`.
    Gap(u8),
}

/// A phrase and its weight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WeightedPhrase {
    pub(super) parts: Box<[PhrasePart]>,
    pub(super) weight: f32,
}

/// Phrases by their first word.
#[derive(Debug, Default)]
pub(super) struct PhraseBook {
    by_word: WordTable<Vec<WeightedPhrase>>,
    by_number: Vec<WeightedPhrase>,
    /// Those that begin with a stem, by the first letters of it.
    by_stem: WordTable<Vec<WeightedPhrase>>,
}

/// The minimum length of a stem at the beginning of a phrase.
pub(super) const FIRST_STEM_BYTES: usize = 3;

impl PhraseBook {
    /// Adds a phrase, or changes the weight of an existing one.
    pub(super) fn put(&mut self, phrase: WeightedPhrase) {
        let shelf = match phrase.parts.first() {
            Some(PhrasePart::Word(first)) => self.by_word.entry(*first).or_default(),
            Some(PhrasePart::Stem(stem)) => {
                let letters = stem.get(..FIRST_STEM_BYTES).unwrap_or(stem);
                self.by_stem.entry(text::hash(letters)).or_default()
            }
            _ => &mut self.by_number,
        };
        match shelf.iter_mut().find(|other| other.parts == phrase.parts) {
            Some(other) => other.weight = phrase.weight,
            None => shelf.push(phrase),
        }
    }

    /// Sorts the phrases so that the longest is tried first.
    pub(super) fn finish(&mut self) {
        for shelf in self.by_word.values_mut().chain(self.by_stem.values_mut()) {
            shelf.sort_by_key(|phrase| std::cmp::Reverse(phrase.parts.len()));
        }
        self.by_number.sort_by_key(|phrase| std::cmp::Reverse(phrase.parts.len()));
    }

    /// The longest phrase that begins at token `at`: its weight, and the token after it.
    pub(super) fn at(
        &self,
        at: usize,
        tokens: &Tokens,
        meanings: &[Option<Meaning>],
    ) -> Option<(f32, usize)> {
        let token = &tokens.list[at];
        let words = self.by_word.get(&token.folded).map_or(&[][..], Vec::as_slice);
        let numbers = if is_number(at, tokens, meanings) { &self.by_number[..] } else { &[] };
        let stems = match tokens.form(token).get(..FIRST_STEM_BYTES) {
            Some(letters) if !self.by_stem.is_empty() => self.by_stem.get(&text::hash(letters)),
            _ => None,
        };
        words
            .iter()
            .chain(numbers)
            .chain(stems.map_or(&[][..], Vec::as_slice))
            .filter_map(|phrase| {
                follows(&phrase.parts, at, tokens, meanings).map(|end| (phrase.weight, end))
            })
            .max_by_key(|(_, end)| *end)
    }
}

fn is_number(at: usize, tokens: &Tokens, meanings: &[Option<Meaning>]) -> bool {
    tokens.list[at].kind == text::TokenKind::Number || meanings[at].is_some_and(|word| word.number)
}

/// The token after `parts`, if they match at `at`.
fn follows(
    parts: &[PhrasePart],
    at: usize,
    tokens: &Tokens,
    meanings: &[Option<Meaning>],
) -> Option<usize> {
    let Some((part, rest)) = parts.split_first() else { return Some(at) };
    if let PhrasePart::Gap(most) = part {
        return (0..=usize::from(*most))
            .take_while(|skipped| {
                (at..at + skipped).all(|at| tokens.list.get(at).is_some_and(Token::is_word))
            })
            .find_map(|skipped| follows(rest, at + skipped, tokens, meanings));
    }
    let token = tokens.list.get(at).filter(|token| token.is_word())?;
    let stands = match part {
        PhrasePart::Word(word) => token.folded == *word || token.squeezed == Some(*word),
        PhrasePart::Stem(stem) => tokens.form(token).starts_with(&**stem),
        PhrasePart::Number => is_number(at, tokens, meanings),
        PhrasePart::Any | PhrasePart::Gap(_) => true,
    };
    if stands { follows(rest, at + 1, tokens, meanings) } else { None }
}

/// A sequence of one or two words and its weight in the linear model.
pub(super) type Grams = WordTable<f32>;

/// The key of two words in the linear model.
pub(super) fn pair(first: u64, second: u64) -> u64 {
    first.rotate_left(17) ^ second.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The maximum length of an elided word that is joined with the next one: `jusqu`.
const ELISION_BYTES: usize = 5;

/// The minimum length of a word that another one is joined with: `jai`, but not `ya`.
const RUN_ON_BYTES: usize = 2;

/// The minimum letters before the last word of a compound: fewer are a prefix, which may change the meaning.
pub(super) const COMPOUND_LETTERS: usize = 4;

/// The lexicon of one language.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) language: Language,
    pub(super) words: WordTable<Meaning>,
    /// Words whose accents may be missing, by the form without accents.
    pub(super) unaccented: WordTable<Meaning>,
    pub(super) pictures: WordTable<f32>,
    /// The words that can precede an apostrophe, and whether people who leave it out join them with any
    /// word.
    pub(super) elisions: WordTable<bool>,
    /// Words that begin like an elision and another word, but are one: `test` is not `t'est`.
    pub(super) wholes: WordTable<()>,
    pub(super) phrases: PhraseBook,
    pub(super) urgency: PhraseBook,
    pub(super) grams: Grams,
    /// Topics that the language provides, independent of a policy, each with a phrase.
    pub(super) topics: Vec<(Box<str>, Box<str>)>,
    /// The patterns of wishes, and of what cancels them.
    pub(super) grammar: Grammar,
    /// The phrases of mail programs around older threads.
    pub(super) threads: Threads,
    /// The phrases of automatic messages.
    pub(super) automatic: Automatic,
    /// Sentences for people of the company, by their key.
    pub(super) sentences: HashMap<Box<str>, Box<str>>,
    /// The language in the trigram detector, if it supports it.
    pub(super) trigrams: Option<whatlang::Lang>,
    /// Whether `ae`, `oe` and `ue` are other spellings of `ä`, `ö` and `ü`.
    pub(super) digraphs: bool,
    /// The minimum letters of a word's end that is a known word and gives a compound its valence; none: words
    /// are not joined to compounds.
    pub(super) compounds: Option<usize>,
}

impl Lexicon {
    /// An empty lexicon.
    pub(super) fn new(language: Language) -> Lexicon {
        Lexicon {
            language,
            words: WordTable::default(),
            unaccented: WordTable::default(),
            pictures: WordTable::default(),
            elisions: WordTable::default(),
            wholes: WordTable::default(),
            phrases: PhraseBook::default(),
            urgency: PhraseBook::default(),
            grams: Grams::default(),
            topics: Vec::new(),
            grammar: Grammar::default(),
            threads: Threads::default(),
            automatic: Automatic::default(),
            sentences: HashMap::new(),
            trigrams: None,
            digraphs: false,
            compounds: None,
        }
    }

    /// The meaning of a token, in its spelling, else without accents or stretching.
    pub(super) fn meaning(&self, token: &Token) -> Option<Meaning> {
        if token.kind == text::TokenKind::Picture {
            let weight = self.pictures.get(&token.exact).copied();
            return weight.map(|weight| Meaning { weight: Some(weight), ..Meaning::default() });
        }
        if !token.is_word() {
            return None;
        }
        let known = |hash: u64| self.words.get(&hash).or_else(|| self.unaccented.get(&hash));
        known(token.exact)
            .or_else(|| known(token.folded))
            .or_else(|| token.squeezed.and_then(known))
            .copied()
    }

    /// The meanings of all tokens.
    pub(super) fn meanings(&self, tokens: &Tokens) -> SmallVec<[Option<Meaning>; 64]> {
        let meaning = |token| self.meaning(token).or_else(|| self.compound(token, tokens));
        tokens.list.iter().map(meaning).collect()
    }

    /// The meaning of an unknown word that ends with a known one, as `Zahlungsproblem`: its valence only.
    fn compound(&self, token: &Token, tokens: &Tokens) -> Option<Meaning> {
        let least = self.compounds?;
        if token.kind != text::TokenKind::Word {
            return None;
        }
        let form = tokens.form(token);
        let known = |hash: u64| self.words.get(&hash).or_else(|| self.unaccented.get(&hash));
        // The longest end is the last word as a whole: `Unzufriedenheit` before `Zufriedenheit`.
        let ends = form.char_indices().skip(COMPOUND_LETTERS).map(|(at, _)| &form[at..]);
        let weight = ends
            .take_while(|end| end.len() >= least)
            .find_map(|end| known(text::hash(end)).and_then(|meaning| meaning.weight))?;
        Some(Meaning { weight: Some(weight), ..Meaning::default() })
    }
}

impl Lexicon {
    /// Whether the lexicon contains a word.
    fn knows(&self, folded: u64) -> bool {
        self.words.contains_key(&folded)
            || self.unaccented.contains_key(&folded)
            || self.grammar.knows(folded)
    }

    fn is_common(&self, folded: u64) -> bool {
        let known = self.words.get(&folded).or_else(|| self.unaccented.get(&folded));
        known.is_some_and(|word| word.common)
    }
}

impl Splits for Lexicon {
    fn elides(&self, folded: u64) -> bool {
        self.elisions.contains_key(&folded)
    }

    fn runs_on(&self, normal: &str) -> Option<usize> {
        if self.elisions.is_empty() || !normal.is_ascii() {
            return None;
        }
        let whole = text::hash(normal);
        let is_split = |end: &usize| {
            let Some(runs_into_any) = self.elisions.get(&text::hash(&normal[..*end])) else {
                return false;
            };
            let rest = text::hash(&normal[*end..]);
            // Words are elided before a vowel; before a consonant only frequent words are meant: `jveux`.
            match normal.as_bytes().get(*end) {
                Some(b'a' | b'e' | b'i' | b'o' | b'u' | b'y' | b'h') => self.knows(rest),
                _ => *runs_into_any && (self.is_common(rest) || self.grammar.knows(rest)),
            }
        };
        let most = ELISION_BYTES.min(normal.len().saturating_sub(RUN_ON_BYTES));
        let end = (1..=most).find(is_split)?;
        (!self.knows(whole) && !self.wholes.contains_key(&whole)).then_some(end)
    }

    fn is_contracted(&self, folded: u64) -> bool {
        self.knows(folded)
    }

    fn is_picture(&self, hash: u64) -> bool {
        self.pictures.contains_key(&hash)
    }

    fn has_digraphs(&self) -> bool {
        self.digraphs
    }
}
