//! Grave topics, and the phrases of a language that show them.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{EnumString, FromRepr, IntoStaticStr, VariantArray};

use super::grave_model::GraveModel;
use super::misspelt::each_misspelling;
use super::phrase_book::{PhraseBook, PhraseEntry, has_word};
use super::text::{folded, hash};
use super::word_table::WordTable;

/// The letters of a word of a cue from which on a misspelt form of it counts, too.
pub(super) const MISSPELT_LETTERS: usize = 7;

/// A grave topic: something in a customer's life, or between them and the company, beside which nothing may
/// be sold. Its number is stored and must never be changed or reused.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumString,
    FromRepr,
    IntoStaticStr,
    VariantArray,
    JsonSchema,
)]
#[schemars(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[repr(u8)]
pub enum GraveTopic {
    /// Somebody may hurt or kill themselves or others.
    Danger = 0,
    /// A death that concerns the customer.
    Bereavement = 1,
    /// A serious illness or injury.
    Illness = 2,
    /// Fraud, a stolen card, a stolen identity.
    Fraud = 3,
    /// Fire, flood, gas, a crash: an accident or an emergency.
    Accident = 4,
    /// Violence, threats, harassment, discrimination.
    Violence = 5,
    /// The customer threatens or takes legal or regulatory steps.
    Legal = 6,
    /// The customer cannot pay.
    Hardship = 7,
    /// A vulnerable or under-age person is concerned.
    Vulnerable = 8,
}

impl GraveTopic {
    /// Every grave topic, the most pressing first.
    pub const ALL: &'static [GraveTopic] = GraveTopic::VARIANTS;

    /// The topic's name in files and messages.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The topic as a bit of a set.
    pub(super) const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// A set of topics, as bits.
    pub(super) fn set(topics: &[GraveTopic]) -> u16 {
        topics.iter().fold(0, |set, topic| set | topic.bit())
    }
}

impl Serialize for GraveTopic {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(self.name())
        } else {
            to.serialize_u8(*self as u8)
        }
    }
}

impl<'de> Deserialize<'de> for GraveTopic {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<GraveTopic, D::Error> {
        if from.is_human_readable() {
            let name = String::deserialize(from)?;
            name.parse().map_err(|_| D::Error::custom(format!("unknown grave topic `{name}`")))
        } else {
            let code = u8::deserialize(from)?;
            let known = GraveTopic::from_repr(code);
            known.ok_or_else(|| D::Error::custom(format!("unknown code of a grave topic: {code}")))
        }
    }
}

/// What a phrase shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct GraveCue {
    /// The topics, as bits; none: the phrase covers its words, which show nothing then.
    pub(super) topics: u16,
    /// The share of the doubt that it takes, 0 to 1.
    pub(super) weight: f32,
    /// Whether negations do not take it away.
    pub(super) is_fixed: bool,
    /// Whether it contains a negation itself: `don't want to live`.
    pub(super) has_negator: bool,
    /// Its number in the language: a phrase counts once.
    pub(super) number: u32,
}

/// How far surroundings reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Sentence,
    /// Their sentence, and the ones before and after it.
    Around,
}

/// By how much a phrase changes the weight of the cues around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CueModifier {
    pub(super) reach: Reach,
    pub(super) factor: f32,
    /// The topics that it concerns, as bits.
    pub(super) topics: u16,
}

/// The phrases of a language about grave topics.
#[derive(Debug, Default)]
pub(super) struct GraveBook {
    pub(super) cues: PhraseBook<GraveCue>,
    pub(super) surroundings: PhraseBook<CueModifier>,
    /// What was learned from messages.
    pub(super) model: GraveModel,
    /// Misspelt forms of long words of the cues, with these words, by their position in `long`.
    pub(super) misspelt: WordTable<u32>,
    /// The long words of the cues.
    pub(super) long: Vec<Box<str>>,
    /// All words of the cues: they are never misspelt ones of others.
    pub(super) words: WordTable<()>,
}

impl GraveBook {
    pub(super) fn put_cue(&mut self, cue: PhraseEntry<GraveCue>) {
        self.cues.put(cue);
    }

    pub(super) fn put_surroundings(&mut self, surroundings: PhraseEntry<CueModifier>) {
        self.surroundings.put(surroundings);
    }

    /// Adds a word of a cue, so that misspelt forms of it are recognised.
    pub(super) fn put_word(&mut self, word: &str) {
        let word = folded(&word.to_lowercase());
        let is_new = self.words.insert(hash(&word), ()).is_none();
        if is_new && word.len() >= MISSPELT_LETTERS {
            let at = self.long.len() as u32;
            each_misspelling(&word, |form| {
                self.misspelt.entry(form).or_insert(at);
            });
            self.long.push(word.into());
        }
    }

    /// Finishes the book, once it is known which words negate.
    pub(super) fn finish(&mut self, negates: impl Fn(u64) -> bool) {
        for cue in self.cues.iter_mut() {
            cue.value.has_negator = has_word(&cue.parts, &negates);
        }
        self.cues.finish();
        self.surroundings.finish();
    }
}
