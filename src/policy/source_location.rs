use std::fmt;
use std::sync::Arc;

/// A location in the policy's files, for explanations. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceLocation(Arc<str>);

impl SourceLocation {
    /// A line, from 1, of a file whose path is relative to the policy's folder.
    pub fn new(file: &str, line: u32) -> SourceLocation {
        SourceLocation(format!("{file}:{line}").into())
    }

    /// The file.
    pub fn file(&self) -> &str {
        self.0.rsplit_once(':').map_or(&self.0, |(file, _)| file)
    }

    /// The line, from 1.
    pub fn line(&self) -> u32 {
        self.0.rsplit_once(':').and_then(|(_, line)| line.parse().ok()).unwrap_or(1)
    }

    /// The location as text: `cards.toml:33`.
    pub fn written(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
