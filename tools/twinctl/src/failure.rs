//! How a command ends when it does not end well.

use std::process::ExitCode;

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
}

impl Failure {
    /// The exit status.
    pub(crate) fn status(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Negative(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unreachable(_) => 3,
        })
    }
}
