//! The output: for people, or as JSON.

use std::fmt::Display;

use jumeau::terminal;
use serde::Serialize;

use crate::failure::Failure;

/// All output goes through this, so that no untrusted text reaches a terminal unescaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    is_json: bool,
}

impl Out {
    /// An output for people, or as JSON.
    pub(crate) fn new(is_json: bool) -> Out {
        Out { is_json }
    }

    /// Whether JSON is wanted.
    pub(crate) fn is_json(self) -> bool {
        self.is_json
    }

    /// Prints a result: as JSON, or as the text built from it.
    pub(crate) fn tell<T: Serialize>(
        self,
        result: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.is_json {
            terminal::say(json(result)?);
        } else {
            terminal::show(text(result));
        }
        Ok(())
    }

    /// Prints one item of a sequence, as one line. `false` once nothing reads the output.
    pub(crate) fn goes_on<T: Serialize>(
        self,
        item: &T,
        line: impl FnOnce(&T) -> String,
    ) -> Result<bool, Failure> {
        let line = if self.is_json {
            let line = serde_json::to_string(item).map_err(unwritable)?;
            terminal::json(&line).into_owned()
        } else {
            line(item)
        };
        Ok(terminal::is_read(line))
    }

    /// Prints a remark besides the result; none with JSON.
    pub(crate) fn remark(self, remark: impl Display) {
        if !self.is_json {
            terminal::say(remark);
        }
    }
}

/// Indented JSON, with control characters escaped.
pub(crate) fn json(result: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(result).map_err(unwritable)?;
    Ok(terminal::json(&text).into_owned())
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::Unreachable(format!("the answer is not JSON: {error}"))
}
