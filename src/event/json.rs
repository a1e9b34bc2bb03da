//! The only parser of untrusted JSON (from channels, operators and API callers). It handles, for every
//! type, what a lenient parser would get wrong:
//! * unpaired surrogates and NUL become U+FFFD;
//! * a list instead of an object (fields by position) is rejected at any depth, because omitting one
//!   field would shift the others;
//! * an integer that fits neither `i64` nor `u64` is rejected, never rounded;
//! * a duplicate field is rejected in our own objects; in the sender's (traits, properties) the last one
//!   wins.

mod strict;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use memchr::memchr;
use serde::de::{Deserialize, DeserializeOwned};

use self::strict::Strict;
use super::cut;

/// Why JSON could not be parsed.
#[derive(Debug)]
pub enum JsonError {
    /// It is not JSON, or JSON of another shape.
    Json(serde_json::Error),
    /// It contains a whole number that would be rounded.
    Rounded(Box<str>),
    /// It is not UTF-8; the position of the first invalid byte.
    NoText(usize),
}

impl JsonError {
    /// Whether it is not JSON at all.
    pub fn is_no_json(&self) -> bool {
        match self {
            JsonError::Json(error) => !error.is_data(),
            JsonError::Rounded(_) => false,
            JsonError::NoText(_) => true,
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonError::Json(error) => error.fmt(out),
            JsonError::Rounded(number) => write!(
                out,
                "the whole number {}, which would be rounded; numbers from {} to {} are exact, send \
                 others as strings",
                cut(number, 64),
                i64::MIN,
                u64::MAX
            ),
            JsonError::NoText(at) => write!(out, "a byte at {at} that is not UTF-8"),
        }
    }
}

/// The text of JSON bytes, with NUL and unpaired surrogates replaced by U+FFFD.
///
/// # Errors
/// [`JsonError::NoText`].
pub fn text(bytes: &[u8]) -> Result<Cow<'_, str>, JsonError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|error| JsonError::NoText(error.valid_up_to()))?;
    // A byte order mark, which some senders put before UTF-8, is skipped.
    Ok(repair(text.strip_prefix('\u{FEFF}').unwrap_or(text)))
}

/// Parses JSON text, which must come from [`text`].
///
/// # Errors
/// [`JsonError::Json`] or [`JsonError::Rounded`].
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, JsonError> {
    let is_huge = Cell::new(false);
    let mut from = serde_json::Deserializer::from_str(text);
    let found = T::deserialize(Strict::new(&mut from, &is_huge));
    let found = found.and_then(|found| from.end().map(|()| found)).map_err(JsonError::Json)?;
    // Only a number this large can have been rounded, which is very rare.
    if is_huge.get()
        && let Some(number) = beyond(text)
    {
        return Err(JsonError::Rounded(number.into()));
    }
    Ok(found)
}

/// Parses JSON bytes.
///
/// # Errors
/// A [`JsonError`].
pub fn read_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    read(&text(bytes)?)
}

/// Converts a value that was parsed before.
///
/// # Errors
/// [`JsonError::Json`].
pub fn read_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, JsonError> {
    T::deserialize(Strict::new(value, &Cell::new(false))).map_err(JsonError::Json)
}

/// The length of an escape within a string: `\u` and four digits.
const ESCAPE: usize = 6;
const INSTEAD: &str = "\\ufffd";

/// Replaces each NUL and each unpaired surrogate by U+FFFD; every other byte keeps its value and
/// position.
fn repair(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut mended = String::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        at += found;
        at += match unit(bytes, at) {
            // Another escape, or none: the character after the backslash belongs to it.
            None => 2,
            Some(0xD800..=0xDBFF) if matches!(unit(bytes, at + ESCAPE), Some(0xDC00..=0xDFFF)) => {
                2 * ESCAPE
            }
            Some(0 | 0xD800..=0xDFFF) => {
                mended.push_str(&text[copied..at]);
                mended.push_str(INSTEAD);
                copied = at + ESCAPE;
                ESCAPE
            }
            Some(_) => ESCAPE,
        };
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    mended.push_str(&text[copied..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit of the escape at `at`, if there is one.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

/// The first whole number in JSON that fits neither `i64` nor `u64`.
fn beyond(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(within) = bytes.get(at)
                    && *within != b'"'
                {
                    at += if *within == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let belongs =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = bytes[at..].iter().take_while(|byte| belongs(byte)).count();
                let number = &text[at..at + length];
                let is_whole = !number.contains(['.', 'e', 'E']);
                if is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                    return Some(number);
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests;
