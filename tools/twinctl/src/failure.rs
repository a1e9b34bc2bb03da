//! How a command ends when it does not end well.

use std::process::ExitCode;

use anstyle::AnsiColor;
use jumeau::terminal::{self, TextStyle};

/// Why a command did not do what it was asked; the kind is the exit status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The answer is no: not found, or refused.
    #[error("{0}")]
    Negative(String),
    /// What was typed cannot be.
    #[error("{0}")]
    Usage(String),
    /// There is no broker, or no service.
    #[error("{0}")]
    Unreachable(String),
    /// The answer could not be written.
    #[error("{0}")]
    Unwritten(String),
}

impl Failure {
    /// The exit status.
    pub(crate) fn status(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Negative(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unreachable(_) => 3,
            Failure::Unwritten(_) => terminal::UNWRITTEN,
        }
    }

    /// Tells why, where mistakes are told: for people, or as JSON.
    pub(crate) fn tell(&self, is_json: bool) {
        if is_json {
            return terminal::warn(terminal::error(&self.to_string(), self.code()));
        }
        let wrong = TextStyle::new(AnsiColor::Red.on_default().bold());
        terminal::warn(format_args!("{wrong}twinctl:{wrong:#} {self}"));
    }
}
