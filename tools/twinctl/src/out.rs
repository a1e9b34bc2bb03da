//! What is printed: for people, or as JSON.

use std::fmt::Display;

use jumeau::terminal;
use serde::Serialize;

use crate::failure::Failure;

/// Everything goes out here, so that nothing that strangers wrote reaches a terminal as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    is_json: bool,
}

impl Out {
    /// For people, or as JSON.
    pub(crate) fn new(is_json: bool) -> Out {
        Out { is_json }
    }

    /// Whether JSON is wanted.
    pub(crate) fn is_json(self) -> bool {
        self.is_json
    }

    /// An answer: as JSON, or as the text that is made of it.
    pub(crate) fn tell<T: Serialize>(
        self,
        told: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.is_json {
            terminal::say(json(told)?);
        } else {
            terminal::show(text(told));
        }
        Ok(())
    }

    /// One thing of many that come one by one: a line each. `false` once nobody reads them.
    pub(crate) fn goes_on<T: Serialize>(
        self,
        told: &T,
        line: impl FnOnce(&T) -> String,
    ) -> Result<bool, Failure> {
        let line = if self.is_json {
            let line = serde_json::to_string(told).map_err(unwritable)?;
            terminal::json(&line).into_owned()
        } else {
            line(told)
        };
        Ok(terminal::is_read(line))
    }

    /// A remark beside the answer; none where JSON is read.
    pub(crate) fn remark(self, remark: impl Display) {
        if !self.is_json {
            terminal::say(remark);
        }
    }
}

/// JSON as people read it, with nothing in it that steers a terminal.
pub(crate) fn json(told: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(told).map_err(unwritable)?;
    Ok(terminal::json(&text).into_owned())
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::Unreachable(format!("an answer that is no JSON: {error}"))
}
