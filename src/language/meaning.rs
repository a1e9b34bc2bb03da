//! What a word means.

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
    /// Whether it takes the side of the words beside it, as some emoji do.
    pub(super) emphasises: bool,
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
