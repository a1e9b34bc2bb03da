//! The compiled lexicon of one language: the meanings of its words.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Language;
use super::automatic::Automatic;
use super::grammar::Grammar;
use super::grave_book::GraveBook;
use super::meaning::Meaning;
use super::phrase_book::PhraseBook;
use super::text::{self, Splits, Token, Tokens};
use super::thread::Threads;
use super::valence_model::ValenceModel;
use super::word_table::WordTable;

/// The maximum length of an elided word that is joined with the next one: `jusqu`.
const ELISION_BYTES: usize = 5;

/// The minimum length of a word that another one is joined with: `jai`, but not `ya`.
const RUN_ON_BYTES: usize = 2;

/// The bytes of a word of a hashtag that is told by the words that are known, at least. With shorter ones, words
/// that are not known would be taken apart: `#therapist`.
const TAG_WORD_BYTES: usize = 4;

/// Longer words are not looked for in a hashtag.
const TAG_WORD_BYTES_MOST: usize = 16;

/// The minimum letters before the last word of a compound: fewer are a prefix, which may change the meaning.
pub(super) const COMPOUND_LETTERS: usize = 4;

/// The meaning of an emoji or emoticon.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture {
    /// Its valence, −1..1.
    pub(super) weight: f32,
    /// Whether it emphasises what the words beside it say, be that good or bad.
    pub(super) emphasises: bool,
}

/// The lexicon of one language.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) language: Language,
    pub(super) words: WordTable<Meaning>,
    /// Words whose accents may be missing, by the form without accents.
    pub(super) unaccented: WordTable<Meaning>,
    pub(super) pictures: WordTable<Picture>,
    /// The words that can precede an apostrophe, and whether people who leave it out join them with any
    /// word.
    pub(super) elisions: WordTable<bool>,
    /// Words that begin like an elision and another word, but are one: `test` is not `t'est`.
    pub(super) wholes: WordTable<()>,
    pub(super) phrases: PhraseBook,
    /// The phrases beside which praise is irony, with the factor by which it is turned.
    pub(super) ironies: PhraseBook,
    /// The beginnings of questions by which somebody asks, and does not complain.
    pub(super) questions: PhraseBook<()>,
    pub(super) urgency: PhraseBook,
    /// The phrases that show grave topics, and those of their surroundings.
    pub(super) grave: GraveBook,
    /// What a company has trained on messages of its own.
    pub(super) valence: Option<ValenceModel>,
    /// What the file of a company's own model says of it; none: it has none.
    pub(super) own_model: Option<Box<str>>,
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
            ironies: PhraseBook::default(),
            questions: PhraseBook::default(),
            urgency: PhraseBook::default(),
            grave: GraveBook::default(),
            valence: None,
            own_model: None,
            topics: Vec::new(),
            grammar: Grammar::default(),
            threads: Threads::default(),
            automatic: Automatic::default(),
            sentences: HashMap::new(),
            digraphs: false,
            compounds: None,
        }
    }

    /// The meaning of a token, in its spelling, else without accents or stretching.
    pub(super) fn meaning(&self, token: &Token) -> Option<Meaning> {
        if token.kind == text::TokenKind::Picture {
            let picture = self.pictures.get(&token.exact)?;
            let (weight, emphasises) = (Some(picture.weight), picture.emphasises);
            return Some(Meaning { weight, emphasises, ..Meaning::default() });
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

    fn words_of(&self, letters: &str) -> SmallVec<[usize; 4]> {
        let is_word = |word: &str| word.len() >= TAG_WORD_BYTES && self.knows(text::hash(word));
        if is_word(letters) {
            return SmallVec::new();
        }
        // For each length the fewest words that are so long, and where the last of them begins.
        let mut best: SmallVec<[Option<(usize, usize)>; 64]> =
            SmallVec::from_elem(None, letters.len() + 1);
        best[0] = Some((0, 0));
        for end in 1..=letters.len() {
            best[end] = (end.saturating_sub(TAG_WORD_BYTES_MOST)..end)
                .filter(|start| is_word(&letters[*start..end]))
                .filter_map(|start| Some((best[start]?.0 + 1, start)))
                .min();
        }
        let mut ends = SmallVec::new();
        let mut end = letters.len();
        while end > 0 {
            let Some((_, start)) = best[end] else { return SmallVec::new() };
            ends.push(end);
            end = start;
        }
        ends.reverse();
        ends
    }

    fn is_picture(&self, hash: u64) -> bool {
        self.pictures.contains_key(&hash)
    }

    fn has_digraphs(&self) -> bool {
        self.digraphs
    }
}
