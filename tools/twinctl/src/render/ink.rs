//! The colours, by what they mean.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use jumeau::terminal::Ink;

/// A title.
pub(crate) const TITLE: Ink = Ink::new(Style::new().bold());
/// What is there, but matters less.
pub(crate) const FAINT: Ink = Ink::new(Style::new().dimmed());
/// Who.
pub(crate) const CUSTOMER: Ink = Ink::new(AnsiColor::Cyan.on_default().bold());
/// Something came in.
pub(crate) const EVENT: Ink = Ink::new(AnsiColor::Blue.on_default());
/// Something is done.
pub(crate) const ACTION: Ink = Ink::new(AnsiColor::Green.on_default());
/// People are called.
pub(crate) const ESCALATION: Ink = Ink::new(AnsiColor::Magenta.on_default());
/// Something is taken back.
pub(crate) const RECALL: Ink = Ink::new(AnsiColor::Yellow.on_default());
/// Something went wrong.
pub(crate) const WRONG: Ink = Ink::new(AnsiColor::Red.on_default());

/// A text in a colour.
pub(crate) struct Inked<T>(pub(crate) Ink, pub(crate) T);

impl<T: Display> Display for Inked<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inked(ink, content) = self;
        write!(out, "{ink}")?;
        // Handed on, so that a width given outside counts the text alone.
        content.fmt(out)?;
        write!(out, "{ink:#}")
    }
}
