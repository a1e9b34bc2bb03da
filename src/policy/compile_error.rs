/// Why an expression could not be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// The position, in bytes from the start of the expression.
    pub offset: usize,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl CompileError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> CompileError {
        CompileError { offset, message: message.into() }
    }
}
