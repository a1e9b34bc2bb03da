//! Text analysis: the language, valence, urgency and topics of a message.
//!
//! Takes text and the files of languages; returns a [`Language`], a [`Reading`] with the words that
//! caused it, and, with [`Phrases`], the topics of a text. The result is the same for the same text and
//! files, everywhere and always. A language is data: a folder with its words (`config/languages`); none
//! is built into the code.

mod analysed_text;
mod automatic;
mod code;
mod detect;
mod file;
mod grammar;
mod grammar_draft;
mod html;
mod languages;
mod lexicon;
mod likeness;
mod misspelt;
mod phrases;
mod reading;
mod spelled_text;
mod text;
mod thread;
mod topics;
mod urgency;
mod valence;

pub use code::{BadLanguage, Language};
pub use detect::{DetectedLanguage, LanguagePrior};
pub use languages::{AUTOMATIC, Languages, TrainingSample};
pub use likeness::is_alike;
pub use phrases::{BadPhrases, Phrases, Topic};
pub use reading::{Cue, NEUTRAL_BAND, Reading, Tone};
pub use topics::Topics;
