//! The colours, by what they mean.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};

/// A title.
pub(crate) const TITLE: Style = Style::new().bold();
/// What is there, but matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Who.
pub(crate) const CUSTOMER: Style = AnsiColor::Cyan.on_default().bold();
/// Something came in.
pub(crate) const EVENT: Style = AnsiColor::Blue.on_default();
/// Something is done.
pub(crate) const ACTION: Style = AnsiColor::Green.on_default();
/// People are called.
pub(crate) const ESCALATION: Style = AnsiColor::Magenta.on_default();
/// Something is taken back.
pub(crate) const RECALL: Style = AnsiColor::Yellow.on_default();
/// Something went wrong.
pub(crate) const WRONG: Style = AnsiColor::Red.on_default();

/// A text in a colour.
pub(crate) struct Inked<T>(pub(crate) Style, pub(crate) T);

impl<T: Display> Display for Inked<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inked(style, content) = self;
        write!(out, "{style}")?;
        // Handed on, so that a width given outside counts the text alone.
        content.fmt(out)?;
        write!(out, "{style:#}")
    }
}
