use std::fmt;

use crate::config::limits;
use crate::event::cut;

/// One mistake in a language's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LexiconMistake {
    /// The file, relative to the folder of languages.
    pub file: Box<str>,
    /// The line, from 1; 0 if the mistake is about the file as a whole.
    pub line: u32,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl fmt::Display for LexiconMistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.file, self.message),
            line => write!(out, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// All mistakes, ordered by file and line; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LexiconMistakes(Box<[LexiconMistake]>);

impl LexiconMistakes {
    /// The mistakes, ordered by file and line.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &LexiconMistake> {
        self.0.iter()
    }
}

impl fmt::Display for LexiconMistakes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.0.iter().enumerate() {
            if at > 0 {
                out.write_str("\n")?;
            }
            mistake.fmt(out)?;
        }
        Ok(())
    }
}

impl std::error::Error for LexiconMistakes {}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct LexiconFindings(Vec<LexiconMistake>);

impl LexiconFindings {
    pub(super) fn at(&mut self, file: &str, line: usize, message: impl Into<String>) {
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.0.push(LexiconMistake { file: file.into(), line, message: message.into() });
    }

    /// The mistakes, if there are any; the first [`limits::MISTAKES`] of them.
    pub(super) fn finish(mut self) -> Result<(), LexiconMistakes> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.sort();
        let more = self.0.len().saturating_sub(limits::MISTAKES);
        self.0.truncate(limits::MISTAKES);
        if more > 0
            && let Some(last) = self.0.last_mut()
        {
            last.message = format!("{} (and {more} more mistakes after this one)", last.message);
        }
        Err(LexiconMistakes(self.0.into()))
    }
}

/// The content of a file, shortened for a message.
pub(super) fn shown(text: &str) -> &str {
    cut(text, limits::NAME_BYTES)
}
