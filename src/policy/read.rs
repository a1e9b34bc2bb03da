//! Reads TOML written by people, and reports every mistake with its location instead of stopping at the
//! first.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::str::FromStr;
use std::time::Duration;

use toml_span::value::{Key, ValueInner};
use toml_span::{ErrorKind, Span, Value};

pub(crate) use super::hint::hint;
use super::hint::one_of;
use super::{CompileError, Expression, SourceLocation, Template};
pub(crate) use crate::config::Findings;
use crate::config::{SourceText, limits};
use crate::event::{cut, language_tag};
use crate::language::Language;

/// The characters to which word processors and web pages convert straight quotes.
const TYPOGRAPHIC: [char; 9] = ['“', '”', '„', '‟', '‘', '’', '‚', '«', '»'];

/// A file to read.
#[derive(Clone, Copy)]
pub(crate) struct TomlSource<'a> {
    text: SourceText<'a>,
    found: &'a RefCell<Findings>,
}

impl<'a> TomlSource<'a> {
    /// A file, and the findings that collect its mistakes.
    pub(crate) fn new(
        file: &'a str,
        content: &'a str,
        found: &'a RefCell<Findings>,
    ) -> TomlSource<'a> {
        TomlSource { text: SourceText { file, content }, found }
    }

    /// Parses the file as TOML.
    pub(crate) fn parse(self) -> Option<Document<'a>> {
        if self.text.content.len() > limits::POLICY_FILE_BYTES {
            let message = format!(
                "expected a file of at most {} bytes, found {}; split it",
                limits::POLICY_FILE_BYTES,
                self.text.content.len()
            );
            self.found.borrow_mut().in_file(self.text.file, message);
            return None;
        }
        match toml_span::parse(self.text.content) {
            Ok(root) => Some(Document { source: self, root }),
            Err(error) => {
                let at_fault = self.text.content.get(error.span.start..).unwrap_or_default();
                let quote = at_fault.chars().next().filter(|c| TYPOGRAPHIC.contains(c));
                let message = match (quote, &error.kind) {
                    (Some(c), _) => {
                        format!("expected straight quotes, found `{c}`; write \"text\"")
                    }
                    (_, ErrorKind::DuplicateKey { key, first }) => format!(
                        "`{key}` is set twice; first in line {}",
                        self.text.line(first.start)
                    ),
                    (_, ErrorKind::DuplicateTable { name, first }) => format!(
                        "the table `{name}` is defined twice; first in line {}",
                        self.text.line(first.start)
                    ),
                    (_, ErrorKind::UnquotedString) => {
                        "expected a value, found text without quotes; write \"text\"".to_owned()
                    }
                    _ => format!("expected TOML, but: {error}"),
                };
                self.wrong(error.span, message);
                None
            }
        }
    }

    fn wrong(self, span: Span, message: impl Into<String>) {
        self.found.borrow_mut().at(self.text, (span.start, span.end), message);
    }

    fn place(self, span: Span) -> SourceLocation {
        SourceLocation::new(self.text.file, self.text.line(span.start))
    }
}

/// A parsed TOML file.
pub(crate) struct Document<'a> {
    source: TomlSource<'a>,
    root: Value<'a>,
}

impl Document<'_> {
    /// The whole file.
    pub(crate) fn root(&self) -> TomlItem<'_> {
        TomlItem { source: self.source, value: &self.root }
    }
}

/// A value in a file.
#[derive(Clone, Copy)]
pub(crate) struct TomlItem<'a> {
    source: TomlSource<'a>,
    value: &'a Value<'a>,
}

impl<'a> TomlItem<'a> {
    /// Adds a mistake about this value.
    pub(crate) fn wrong(self, message: impl Into<String>) {
        self.source.wrong(self.value.span, message);
    }

    /// Its location.
    pub(crate) fn place(self) -> SourceLocation {
        self.source.place(self.value.span)
    }

    fn inner(self) -> &'a ValueInner<'a> {
        self.value.as_ref()
    }

    /// Adds the mistake that the value is of another kind than `wanted`.
    pub(crate) fn expected<T>(self, expected: &str) -> Option<T> {
        let found = match self.inner() {
            ValueInner::String(_) => "a text",
            ValueInner::Integer(_) | ValueInner::Float(_) => "a number",
            ValueInner::Boolean(true) => "true",
            ValueInner::Boolean(false) => "false",
            ValueInner::Array(_) => "a list",
            ValueInner::Table(_) => "a table",
        };
        self.wrong(format!("expected {expected}, found {found}"));
        None
    }

    /// The value, which must be a table.
    pub(crate) fn table(self) -> Option<TomlTable<'a>> {
        match self.inner() {
            ValueInner::Table(table) => Some(TomlTable {
                source: self.source,
                span: self.value.span,
                table,
                known: RefCell::default(),
                any: Cell::new(false),
            }),
            _ => self.expected("a table"),
        }
    }

    /// The table, if it is one.
    pub(crate) fn as_table(self) -> Option<TomlTable<'a>> {
        matches!(self.inner(), ValueInner::Table(_)).then(|| self.table()).flatten()
    }

    /// The values of the list; none if it is not a list.
    pub(crate) fn as_list(self) -> Vec<TomlItem<'a>> {
        match self.inner() {
            ValueInner::Array(_) => self.list().unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The value, which must be a text.
    pub(crate) fn text(self) -> Option<&'a str> {
        self.as_text().or_else(|| self.expected("a text in quotes"))
    }

    /// Whether it is a text.
    pub(crate) fn is_text(self) -> bool {
        matches!(self.inner(), ValueInner::String(_))
    }

    /// The text, if it is one.
    pub(crate) fn as_text(self) -> Option<&'a str> {
        match self.inner() {
            ValueInner::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub(crate) fn as_truth(self) -> Option<bool> {
        match self.inner() {
            ValueInner::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The value, which must be a name: of letters, digits, `-` and `_`.
    pub(crate) fn name(self) -> Option<&'a str> {
        let name = self.text()?;
        match check_name(name) {
            Ok(()) => Some(name),
            Err(message) => {
                self.wrong(message);
                None
            }
        }
    }

    /// The tag of a language, which the value must name.
    pub(crate) fn language(self) -> Option<Cow<'a, str>> {
        let written = self.text()?;
        let tag = language_tag(written);
        let is_private = tag.starts_with("x-") || tag.starts_with("i-");
        let is_spelled = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_spelled && check_name(&tag).is_ok() && (is_private || tag.parse::<Language>().is_ok())
        {
            return Some(tag);
        }
        let found = cut(written, limits::NAME_BYTES);
        self.wrong(format!(
            "expected the tag of a language, such as `fr` or `fr-BE`, found `{found}`"
        ));
        None
    }

    /// The values of the value, which must be a list.
    pub(crate) fn list(self) -> Option<Vec<TomlItem<'a>>> {
        match self.inner() {
            ValueInner::Array(items) => {
                Some(items.iter().map(|value| TomlItem { source: self.source, value }).collect())
            }
            _ => self.expected("a list in brackets"),
        }
    }

    /// The values of the list, or the single value.
    pub(crate) fn list_or_one(self) -> Vec<TomlItem<'a>> {
        match self.inner() {
            ValueInner::Array(_) => self.list().unwrap_or_default(),
            _ => vec![self],
        }
    }

    /// The number, if it is one.
    pub(crate) fn as_number(self) -> Option<f64> {
        match self.inner() {
            ValueInner::Integer(number) => Some(*number as f64),
            ValueInner::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The value, which must be a number within `range`.
    pub(crate) fn number(self, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
        let Some(number) = self.as_number() else { return self.expected("a number") };
        if range.contains(&number) {
            return Some(number);
        }
        self.wrong(format!("expected {} to {}, found {number}", range.start(), range.end()));
        None
    }

    /// The value, which must be an integer within `range`.
    pub(crate) fn whole(self, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        match self.inner() {
            ValueInner::Integer(number) => {
                match u32::try_from(*number).ok().filter(|number| range.contains(number)) {
                    Some(number) => Some(number),
                    None => {
                        self.wrong(format!(
                            "expected {} to {}, found {number}",
                            range.start(),
                            range.end()
                        ));
                        None
                    }
                }
            }
            _ => self.expected("a whole number"),
        }
    }

    /// The value, which must be true or false.
    pub(crate) fn truth(self) -> Option<bool> {
        self.as_truth().or_else(|| self.expected("true or false"))
    }

    /// The value, which must be a duration such as `30m`, `36h` or `7d`, of at most ten years.
    pub(crate) fn span(self) -> Option<Duration> {
        let text = self.text()?;
        match humantime::parse_duration(text) {
            Ok(span) if span <= SPAN_MAX => Some(span),
            Ok(_) => {
                self.wrong(format!("expected a duration of at most ten years, found `{text}`"));
                None
            }
            Err(_) => {
                self.wrong(format!("expected a duration such as 30m, 36h or 7d, found `{text}`"));
                None
            }
        }
    }

    /// A word that is one of a few; `what` says of which kind.
    pub(crate) fn one_of<T: FromStr>(self, known: &[&str], what: &str) -> Option<T> {
        let word = self.text()?;
        let read = word.parse().ok();
        if let (None, Err(message)) = (&read, one_of(word, known, what)) {
            self.wrong(message);
        }
        read
    }

    /// A duration that is not zero.
    pub(crate) fn period(self) -> Option<Duration> {
        let span = self.span()?;
        if span.as_millis() == 0 {
            let found = self.as_text().unwrap_or_default();
            self.wrong(format!("expected a duration above 0, found `{found}`"));
            return None;
        }
        Some(span)
    }

    /// The value, which must be an expression: a text with CEL, or a number, or true or false.
    pub(crate) fn expression(self) -> Option<Expression> {
        let compiled = match self.inner() {
            ValueInner::String(source) => Expression::compile(source),
            ValueInner::Integer(number) => Expression::compile(&number.to_string()),
            ValueInner::Float(number) if number.is_finite() => {
                Expression::compile(&format!("{number:?}"))
            }
            ValueInner::Boolean(truth) => Expression::compile(&truth.to_string()),
            _ => return self.expected("an expression in quotes"),
        };
        let place = self.place();
        compiled.map(|one| one.at(place)).map_err(|error| self.wrong_inside(&error)).ok()
    }

    /// The value, which must be a template.
    pub(crate) fn template(self) -> Option<Template> {
        Template::compile(self.text()?).map_err(|error| self.wrong_inside(&error)).ok()
    }

    /// Adds a mistake at a position inside this text.
    pub(crate) fn wrong_inside(self, error: &CompileError) {
        self.source.wrong(self.inside(error), &error.message);
    }

    /// Adds a warning at a position inside this text.
    pub(crate) fn remark_inside(self, remark: &CompileError) {
        let Span { start, end } = self.inside(remark);
        self.source.found.borrow_mut().remark_at(self.source.text, (start, end), &remark.message);
    }

    /// The word at a position inside this text.
    fn inside(self, error: &CompileError) -> Span {
        let Span { start, end } = self.value.span;
        let written = self.source.text.content.get(start..end);
        let is_verbatim = written == self.as_text();
        let at = if is_verbatim { (start + error.offset).min(end) } else { start };
        let word_end = self
            .source
            .text
            .content
            .get(at..end)
            .filter(|_| is_verbatim)
            .and_then(|rest| rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')))
            .map_or(end, |length| at + length);
        Span { start: at, end: word_end }
    }

    /// The value, in the form of a twin or an event.
    pub(crate) fn value(self) -> crate::event::Value {
        use crate::event::Value as Kept;
        match self.inner() {
            ValueInner::String(text) => Kept::from(&**text),
            ValueInner::Integer(number) => Kept::Int(*number),
            ValueInner::Float(number) => Kept::from(*number),
            ValueInner::Boolean(truth) => Kept::Bool(*truth),
            ValueInner::Array(_) => Kept::List(
                self.list().unwrap_or_default().into_iter().map(TomlItem::value).collect(),
            ),
            ValueInner::Table(table) => Kept::Map(Box::new(
                table
                    .iter()
                    .map(|(key, value)| {
                        (&*key.name, TomlItem { source: self.source, value }.value())
                    })
                    .collect(),
            )),
        }
    }
}

const SPAN_MAX: Duration = Duration::from_secs(3_653 * 86_400);

/// Whether this can be a name in a policy and on the bus.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > limits::NAME_BYTES {
        let (most, found) = (limits::NAME_BYTES, name.len());
        return Err(format!("expected a name of 1 to {most} bytes, found {found}"));
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_' || *c == '-')) {
        None => Ok(()),
        Some(other) => Err(format!(
            "expected a name of letters, digits, `-` and `_`, found `{}` in it",
            other.escape_default()
        )),
    }
}

/// A table in a file. A key that is never asked for is a mistake: see [`TomlTable::finish`].
pub(crate) struct TomlTable<'a> {
    source: TomlSource<'a>,
    span: Span,
    table: &'a toml_span::value::Table<'a>,
    known: RefCell<Vec<&'static str>>,
    any: Cell<bool>,
}

impl<'a> TomlTable<'a> {
    /// Its location.
    pub(crate) fn place(&self) -> SourceLocation {
        self.source.place(self.span)
    }

    /// Adds a mistake about the table.
    pub(crate) fn wrong(&self, message: impl Into<String>) {
        // A table may span many lines; the mistake points to its beginning.
        let start = self.span.start;
        let line = self.source.text.content.get(start..self.span.end).unwrap_or_default();
        let length = line.lines().next().map_or(1, str::len);
        self.source.wrong(Span { start, end: start + length }, message);
    }

    /// The value of an optional key.
    pub(crate) fn get(&self, key: &'static str) -> Option<TomlItem<'a>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.table.get(key).map(|value| TomlItem { source: self.source, value })
    }

    /// The value of a required key.
    pub(crate) fn require(&self, key: &'static str) -> Option<TomlItem<'a>> {
        let item = self.get(key);
        if item.is_none() {
            self.wrong(format!("expected a key `{key}` here, found none"));
        }
        item
    }

    /// Every key with its value, in the order of the file; all of them count as known.
    pub(crate) fn entries(&self) -> Vec<(TomlKey<'a>, TomlItem<'a>)> {
        self.any.set(true);
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| {
                (TomlKey { source: self.source, key }, TomlItem { source: self.source, value })
            })
            .collect();
        entries.sort_by_key(|(named, _)| named.key.span.start);
        entries
    }

    /// Whether a key exists, which does not make it known.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.table.keys().map(|key| &*key.name)
    }

    /// Adds mistakes for the keys that were never asked for.
    pub(crate) fn finish(self) {
        if self.any.get() {
            return;
        }
        let known = self.known.borrow();
        for key in self.table.keys().filter(|key| !known.contains(&&*key.name)) {
            let hint = match hint(&key.name, known.iter().copied()) {
                none if none.is_empty() => format!("; expected one of {}", known.join(", ")),
                near => near,
            };
            self.source.wrong(key.span, format!("unknown key `{}`{hint}", key.name));
        }
    }
}

/// A key of a table.
#[derive(Clone, Copy)]
pub(crate) struct TomlKey<'a> {
    source: TomlSource<'a>,
    key: &'a Key<'a>,
}

impl<'a> TomlKey<'a> {
    /// The key itself.
    pub(crate) fn text(self) -> &'a str {
        &self.key.name
    }

    /// The key as a name; a mistake if it cannot be one.
    pub(crate) fn name(self) -> Option<&'a str> {
        match check_name(&self.key.name) {
            Ok(()) => Some(&self.key.name),
            Err(message) => {
                self.wrong(message);
                None
            }
        }
    }

    /// Its location.
    pub(crate) fn place(self) -> SourceLocation {
        self.source.place(self.key.span)
    }

    /// Adds a mistake about the key.
    pub(crate) fn wrong(self, message: impl Into<String>) {
        self.source.wrong(self.key.span, message);
    }
}
