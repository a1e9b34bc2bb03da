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
mod grave;
mod grave_book;
mod grave_model;
mod html;
mod irony;
mod language_model;
mod languages;
mod learned_valence;
mod lexicon;
mod likeness;
mod meaning;
mod misspelt;
mod model_file;
mod parsed_message;
mod passages;
mod phrase_book;
mod phrases;
mod pieces;
mod reading;
mod spelled_text;
mod text;
mod thread;
mod topics;
mod units;
mod urgency;
mod valence;
mod valence_model;
mod word_table;

pub use code::{BadLanguage, Language};
pub use detect::{DetectedLanguage, LanguagePrior};
pub use grave::GraveFinding;
pub use grave_book::GraveTopic;
pub use grave_model::JUDGEMENTS;
pub use languages::{AUTOMATIC, Languages};
pub use likeness::is_alike;
pub use model_file::with_model_end;
pub use parsed_message::ParsedMessage;
pub use phrases::{BadPhrases, Phrases, Topic};
pub use pieces::MessagePieces;
pub use reading::{Cue, NEUTRAL_BAND, Reading, Tone};
pub use topics::Topics;
pub use units::{UNITS, letter_of};
pub use valence_model::{CLASSES, LEXICAL_FEATURES, ValenceSample};
