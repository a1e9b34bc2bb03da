use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Version;
use super::mistake::{Found, Mistakes, Text};
use crate::config::{limits, not_utf8};

/// The folder of a policy that holds its stories, which are no part of the policy.
const SCENARIOS: &str = "scenarios/";

/// The folder of a policy that holds the policies of arms of experiments, each in a folder of its own.
pub(super) const ARMS: &str = "arms/";

/// The files that a policy is made of, by name: every `*.toml` below its folder, except its
/// scenarios.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, String>);

impl Files {
    /// Files from memory. Names are relative to the policy's folder, with `/` between folders;
    /// names that are no part of a policy are passed over.
    pub fn new<N: Into<String>, C: Into<String>>(files: impl IntoIterator<Item = (N, C)>) -> Files {
        Files(
            files
                .into_iter()
                .map(|(name, content)| (name.into(), content.into()))
                .filter(|(name, _)| belongs(name))
                .collect(),
        )
    }

    /// The files of a folder.
    ///
    /// # Errors
    /// A mistake for each file that cannot be read, is too large or is not UTF-8, and for a folder
    /// without any.
    pub fn read(folder: &Path) -> Result<Files, Mistakes> {
        let mut found = Found::default();
        let mut files = Files::default();
        files.gather(folder, "", &mut found, 0);
        if files.0.is_empty() && found.len() == 0 {
            found.in_file(
                &folder.display().to_string(),
                "expected a folder with at least one *.toml file, found none",
            );
        }
        found.finish().map(|()| files)
    }

    fn gather(&mut self, folder: &Path, prefix: &str, found: &mut Found, depth: usize) {
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => {
                return found.in_file(
                    &folder.display().to_string(),
                    format!("expected a folder with *.toml files, but: {error}"),
                );
            }
        };
        for entry in entries {
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let name = format!("{prefix}{name}");
            if path.is_dir() {
                // Deeper folders, or a link in a circle, hold no policy.
                if depth < limits::POLICY_FOLDER_DEPTH {
                    self.gather(&path, &format!("{name}/"), found, depth + 1);
                }
            } else if belongs(&name) {
                self.take(name, &path, found);
            }
        }
    }

    fn take(&mut self, name: String, path: &Path, found: &mut Found) {
        match fs::metadata(path) {
            Ok(about) if about.len() > limits::POLICY_FILE_BYTES as u64 => found.in_file(
                &name,
                format!(
                    "expected a file of at most {} bytes, found {}; split it",
                    limits::POLICY_FILE_BYTES,
                    about.len()
                ),
            ),
            Ok(_) => match fs::read(path).map(String::from_utf8) {
                Ok(Ok(content)) => {
                    self.0.insert(name, content);
                }
                Ok(Err(error)) => {
                    let start = error.utf8_error().valid_up_to();
                    // What stands before the byte is as it was.
                    let content = String::from_utf8_lossy(error.as_bytes());
                    let text = Text { file: &name, content: &content };
                    found.at(text, (start, start), not_utf8(&error).1);
                }
                Err(error) => {
                    found.in_file(&name, format!("expected a file to read, but: {error}"))
                }
            },
            Err(error) => found.in_file(&name, format!("expected a file to read, but: {error}")),
        }
    }

    /// Names and contents, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, content)| (name.as_str(), content.as_str()))
    }

    /// The policy's own files, and those of each policy of an arm, by the name of its folder.
    pub(super) fn by_arm(&self) -> (Files, BTreeMap<&str, Files>) {
        let mut own = Files::default();
        let mut arms: BTreeMap<&str, Files> = BTreeMap::new();
        for (name, content) in &self.0 {
            let arm = name.strip_prefix(ARMS).and_then(|rest| rest.split_once('/'));
            let files = arm.map_or(&mut own, |(arm, _)| arms.entry(arm).or_default());
            files.0.insert(name.clone(), content.clone());
        }
        (own, arms)
    }

    /// The version that these files make.
    pub fn version(&self) -> Version {
        let mut hash = Sha256::new();
        for part in self.iter().flat_map(|(name, content)| [name, content]) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digits = hex::encode(hash.finalize());
        Version(digits[..16].into())
    }
}

fn belongs(name: &str) -> bool {
    name.ends_with(".toml") && !name.starts_with(SCENARIOS)
}
