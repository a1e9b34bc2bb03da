//! The colours, by meaning.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use jumeau::terminal::TextStyle;

/// A title.
pub(crate) const TITLE: TextStyle = TextStyle::new(Style::new().bold());
/// Something less important.
pub(crate) const FAINT: TextStyle = TextStyle::new(Style::new().dimmed());
/// A customer.
pub(crate) const CUSTOMER: TextStyle = TextStyle::new(AnsiColor::Cyan.on_default().bold());
/// An event.
pub(crate) const EVENT: TextStyle = TextStyle::new(AnsiColor::Blue.on_default());
/// An action.
pub(crate) const ACTION: TextStyle = TextStyle::new(AnsiColor::Green.on_default());
/// An escalation.
pub(crate) const ESCALATION: TextStyle = TextStyle::new(AnsiColor::Magenta.on_default());
/// A recall.
pub(crate) const RECALL: TextStyle = TextStyle::new(AnsiColor::Yellow.on_default());
/// An error.
pub(crate) const WRONG: TextStyle = TextStyle::new(AnsiColor::Red.on_default());

/// A text in a colour.
pub(crate) struct Styled<T>(pub(crate) TextStyle, pub(crate) T);

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Styled(ink, content) = self;
        write!(out, "{ink}")?;
        // Delegated, so that an outer width counts the text alone.
        content.fmt(out)?;
        write!(out, "{ink:#}")
    }
}
