use std::collections::BTreeSet;

use super::{Path, Root, SourceLocation, Trigger};

/// The uses of names in rules and actions, collected while these are read.
#[derive(Debug, Default)]
pub(super) struct PolicyUsage {
    /// Needs whose strength is read.
    pub(super) needs: BTreeSet<String>,
    /// Purposes whose consent is read, each with the first location.
    pub(super) purposes: Vec<(String, SourceLocation)>,
    /// Inputs that trigger something, by kind and detail, with their locations.
    pub(super) heard: Vec<(Trigger, Box<str>, SourceLocation)>,
}

impl PolicyUsage {
    /// Records that an expression or a text reads a path.
    pub(super) fn read(&mut self, path: &Path, place: impl FnOnce() -> SourceLocation) {
        let Some(name) = path.names().next() else { return };
        match path.root {
            Root::Needs => {
                self.needs.insert(name.to_owned());
            }
            Root::Consents if self.purposes.iter().all(|(known, _)| known != name) => {
                self.purposes.push((name.to_owned(), place()));
            }
            _ => {}
        }
    }
}
