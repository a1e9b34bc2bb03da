//! The colours, by what they mean.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use jumeau::terminal::TextStyle;

/// A title.
pub(crate) const TITLE: TextStyle = TextStyle::new(Style::new().bold());
/// What is there, but matters less.
pub(crate) const FAINT: TextStyle = TextStyle::new(Style::new().dimmed());
/// Who.
pub(crate) const CUSTOMER: TextStyle = TextStyle::new(AnsiColor::Cyan.on_default().bold());
/// Something came in.
pub(crate) const EVENT: TextStyle = TextStyle::new(AnsiColor::Blue.on_default());
/// Something is done.
pub(crate) const ACTION: TextStyle = TextStyle::new(AnsiColor::Green.on_default());
/// People are called.
pub(crate) const ESCALATION: TextStyle = TextStyle::new(AnsiColor::Magenta.on_default());
/// Something is taken back.
pub(crate) const RECALL: TextStyle = TextStyle::new(AnsiColor::Yellow.on_default());
/// Something went wrong.
pub(crate) const WRONG: TextStyle = TextStyle::new(AnsiColor::Red.on_default());

/// A text in a colour.
pub(crate) struct Styled<T>(pub(crate) TextStyle, pub(crate) T);

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Styled(ink, content) = self;
        write!(out, "{ink}")?;
        // Handed on, so that a width given outside counts the text alone.
        content.fmt(out)?;
        write!(out, "{ink:#}")
    }
}
