use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::primary_language;

/// A language, by its ISO 639 code of two or three lower-case letters; the region is dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language([u8; 3]);

/// The text is not a language code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a language code of two or three letters, such as `en`, found `{0}`")]
pub struct BadLanguage(String);

impl Language {
    /// English.
    pub const ENGLISH: Language = Language(*b"en\0");
    /// French.
    pub const FRENCH: Language = Language(*b"fr\0");
    /// German.
    pub const GERMAN: Language = Language(*b"de\0");

    /// None that is known, by the code of ISO 639-2.
    pub const UNDETERMINED: Language = Language(*b"und");

    /// The code.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..length]).unwrap_or("")
    }
}

impl FromStr for Language {
    type Err = BadLanguage;

    /// Parses `fr`, and also `fr-CA`, `fr_CA`, `FR` and `fra`.
    fn from_str(text: &str) -> Result<Language, BadLanguage> {
        let code = text.split(['-', '_']).next().unwrap_or("");
        let mut letters = [0; 3];
        if !(2..=3).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            let found = crate::event::cut(text, crate::config::limits::NAME_BYTES);
            return Err(BadLanguage(found.to_owned()));
        }
        for (letter, byte) in letters.iter_mut().zip(primary_language(code).bytes()) {
            *letter = byte.to_ascii_lowercase();
        }
        Ok(Language(letters))
    }
}

impl TryFrom<String> for Language {
    type Error = BadLanguage;

    fn try_from(text: String) -> Result<Language, BadLanguage> {
        text.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.as_str().to_owned()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
