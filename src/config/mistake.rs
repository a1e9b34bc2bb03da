use std::fmt;

use super::limits;

/// One mistake in what people write: a policy, a story, a language, the settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file, relative to its folder; of a setting also an environment variable or an argument.
    pub file: Box<str>,
    /// The line, from 1; 0 if the mistake is about the file as a whole.
    pub line: u32,
    /// The column in characters, from 1; 0 if the mistake is about the line as a whole.
    pub column: u32,
    /// What was expected, what was found, what to do.
    pub message: String,
    /// The line itself; empty without a column.
    pub excerpt: String,
    /// The number of characters of the line that the mistake covers; at least 1.
    pub width: u32,
}

impl fmt::Display for Mistake {
    /// Writes the location and the message; below them, if there is a column, the line with a mark under
    /// the mistake.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { file, line, column, message, excerpt, width } = self;
        match (line, column) {
            (0, _) => return write!(out, "{file}: {message}"),
            (line, 0) => return write!(out, "{file}:{line}: {message}"),
            _ => {}
        }
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs are kept, so that the mark is under the mistake on any terminal.
        let indent: String = excerpt
            .chars()
            .take((*column as usize).saturating_sub(1))
            .map(|character| if character == '\t' { '\t' } else { ' ' })
            .collect();
        let mark = "^".repeat((*width).max(1) as usize);
        write!(
            out,
            "{file}:{line}:{column}: {message}\n {number} | {excerpt}\n {margin} | {indent}{mark}"
        )
    }
}

/// All mistakes, in the order in which people should read them; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    all: Box<[Mistake]>,
    /// What is written between two of them.
    between: &'static str,
}

impl Mistakes {
    /// Mistakes that take a line each.
    pub(crate) fn by_line(all: impl Into<Box<[Mistake]>>) -> Mistakes {
        Mistakes { all: all.into(), between: "\n" }
    }

    /// Mistakes with excerpts, set apart by an empty line.
    fn apart(all: impl Into<Box<[Mistake]>>) -> Mistakes {
        Mistakes { all: all.into(), between: "\n\n" }
    }

    /// The mistakes, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Mistake> {
        self.all.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.all.iter().enumerate() {
            if at > 0 {
                out.write_str(self.between)?;
            }
            mistake.fmt(out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The text of a file, to which mistakes refer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceText<'a> {
    /// The file, relative to its folder.
    pub(crate) file: &'a str,
    /// Its content.
    pub(crate) content: &'a str,
}

impl SourceText<'_> {
    /// The line of a byte, from 1.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        let before = self.before(offset);
        count(before.matches('\n').count()) + 1
    }

    fn before(&self, offset: usize) -> &str {
        cut(self.content, offset)
    }
}

/// The beginning of a text, of whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The mistakes and warnings found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    mistakes: Vec<Mistake>,
    remarks: Vec<Mistake>,
}

/// A finding at the bytes `start..end` of a file.
fn at(text: SourceText<'_>, (start, end): (usize, usize), message: String) -> Mistake {
    let before = text.before(start);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let excerpt = text.content[line_start..].lines().next().unwrap_or("");
    let column = before[line_start..].chars().count();
    let within = &cut(text.content, end.max(start))[before.len()..];
    let width = within.lines().next().unwrap_or("").chars().count();
    let room = excerpt.chars().count().saturating_sub(column);
    Mistake {
        file: text.file.into(),
        line: text.line(start),
        column: count(column) + 1,
        message,
        excerpt: cut(excerpt, limits::TEXT_BYTES).to_owned(),
        width: count(width.min(room)).max(1),
    }
}

impl Mistake {
    /// A mistake about a line, from 1, or about a file as a whole: 0.
    pub(crate) fn in_line(file: &str, line: usize, message: impl Into<String>) -> Mistake {
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let (file, message) = (file.into(), message.into());
        Mistake { file, line, column: 0, message, excerpt: String::new(), width: 1 }
    }

    /// A finding about a whole line, from 1, of a file with this content.
    pub(crate) fn on_line(file: &str, content: &str, line: u32, message: String) -> Mistake {
        let excerpt = content.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
        let blank = excerpt.chars().count() - excerpt.trim_start().chars().count();
        Mistake {
            file: file.into(),
            line,
            column: count(blank) + 1,
            message,
            excerpt: cut(excerpt, limits::TEXT_BYTES).to_owned(),
            width: count(excerpt.trim().chars().count()).max(1),
        }
    }
}

impl Findings {
    /// Adds a mistake at the bytes `start..end` of a file.
    pub(crate) fn at(
        &mut self,
        text: SourceText<'_>,
        (start, end): (usize, usize),
        message: impl Into<String>,
    ) {
        self.mistakes.push(at(text, (start, end), message.into()));
    }

    /// Adds a warning at the bytes `start..end` of a file: valid, but probably not intended.
    pub(crate) fn remark_at(
        &mut self,
        text: SourceText<'_>,
        (start, end): (usize, usize),
        message: impl Into<String>,
    ) {
        self.remarks.push(at(text, (start, end), message.into()));
    }

    /// Adds warnings found elsewhere.
    pub(crate) fn add_remarks(&mut self, remarks: Vec<Mistake>) {
        self.remarks.extend(remarks);
    }

    /// The warnings, ordered by file and line.
    pub(crate) fn remarks(&mut self) -> Vec<Mistake> {
        let mut remarks = std::mem::take(&mut self.remarks);
        remarks.sort();
        remarks.dedup();
        remarks
    }

    /// Adds a mistake about a whole file.
    pub(crate) fn in_file(&mut self, file: &str, message: impl Into<String>) {
        self.in_line(file, 0, message);
    }

    /// Adds a mistake about a line, from 1, or about a file as a whole: 0.
    pub(crate) fn in_line(&mut self, file: &str, line: usize, message: impl Into<String>) {
        self.mistakes.push(Mistake::in_line(file, line, message));
    }

    /// One mistake about a whole file.
    pub(crate) fn one_in_file(file: &str, message: impl Into<String>) -> Mistakes {
        let mut found = Findings::default();
        found.in_file(file, message);
        Mistakes::apart(found.mistakes)
    }

    /// The number of mistakes.
    pub(crate) fn len(&self) -> usize {
        self.mistakes.len()
    }

    /// The mistakes, if there are any, without excerpts: a line each.
    pub(crate) fn finish_by_line(self) -> Result<(), Mistakes> {
        self.finish().map_err(|mistakes| Mistakes::by_line(mistakes.all))
    }

    /// The mistakes, if there are any, ordered by file and line; the first [`limits::MISTAKES`] of them.
    pub(crate) fn finish(mut self) -> Result<(), Mistakes> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        self.mistakes.sort();
        self.mistakes.dedup();
        let more = self.mistakes.len().saturating_sub(limits::MISTAKES);
        self.mistakes.truncate(limits::MISTAKES);
        if more > 0
            && let Some(last) = self.mistakes.last_mut()
        {
            let ending = if more == 1 { "" } else { "s" };
            last.message =
                format!("{} (and {more} more mistake{ending} after this one)", last.message);
        }
        Err(Mistakes::apart(self.mistakes))
    }
}
