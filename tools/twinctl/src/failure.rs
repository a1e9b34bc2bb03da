//! Failures of a command.

use std::process::ExitCode;

use anstyle::AnsiColor;
use jumeau::terminal::{self, TextStyle};

/// Why a command failed; the kind determines the exit status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A negative result: not found, or refused.
    #[error("{0}")]
    Negative(String),
    /// Invalid arguments.
    #[error("{0}")]
    Usage(String),
    /// No broker or no service.
    #[error("{0}")]
    Unreachable(String),
    /// The result could not be written.
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

    /// Prints the failure to standard error: for people, or as JSON.
    pub(crate) fn tell(&self, is_json: bool) {
        if is_json {
            return terminal::warn(terminal::error(&self.to_string(), self.code()));
        }
        let wrong = TextStyle::new(AnsiColor::Red.on_default().bold());
        terminal::warn(format_args!("{wrong}twinctl:{wrong:#} {self}"));
    }
}
