//! Loads policies and stories from a folder or from the built-in examples.

mod folder;
mod language_files;
mod reload;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use include_dir::{Dir, include_dir};

use crate::config::not_utf8;
use crate::language::Languages;
use crate::policy::{self, Files, Policy};
use crate::story::{self, Story};

pub use folder::read_files;
pub use language_files::languages;
pub use reload::{PolicyReloader, watch};

static EXAMPLES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/config/policies");

/// The folder of a policy that holds its stories.
const SCENARIOS: &str = "scenarios";

/// The source of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// A built-in example, by name.
    Embedded(String),
    /// A folder.
    Folder(PathBuf),
}

impl PolicySource {
    /// Parses a setting: the name of an embedded policy; anything else is a folder.
    ///
    /// # Errors
    /// A sentence with the names of the embedded policies, if it is neither.
    pub fn find(name: &str) -> anyhow::Result<PolicySource> {
        if !name.contains(['/', '\\', '.']) && EXAMPLES.get_dir(name).is_some() {
            return Ok(PolicySource::Embedded(name.to_owned()));
        }
        let folder = PathBuf::from(name);
        if folder.is_dir() {
            return Ok(PolicySource::Folder(folder));
        }
        Err(anyhow!(
            "expected a folder with a policy or one of {}; found `{name}`{}",
            PolicySource::embedded().join(", "),
            policy::hint(name, PolicySource::embedded())
        ))
    }

    /// The names of the built-in policies.
    pub fn embedded() -> Vec<&'static str> {
        EXAMPLES.dirs().filter_map(|folder| folder.path().to_str()).collect()
    }

    /// Where its stories are.
    pub fn scenarios(&self) -> PathBuf {
        let policy = match self {
            PolicySource::Embedded(name) => Path::new(name),
            PolicySource::Folder(folder) => folder,
        };
        policy.join(SCENARIOS)
    }

    /// The policy, for customers who write these languages.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn policy(&self, languages: &Arc<Languages>) -> anyhow::Result<Policy> {
        Ok(policy::load_with(&self.files()?, languages)?)
    }

    /// The policy's files.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn files(&self) -> anyhow::Result<Files> {
        match self {
            PolicySource::Folder(folder) => Ok(read_files(folder)?),
            PolicySource::Embedded(name) => Ok(Files::new(texts(name, ""))),
        }
    }

    /// The policy's stories, sorted by their files' names.
    ///
    /// # Errors
    /// All mistakes in the first file that has any.
    pub fn stories(&self, policy: &Policy) -> anyhow::Result<Vec<Story>> {
        Ok(self.stories_with_text(policy)?.into_iter().map(|(story, _)| story).collect())
    }

    /// The same, each with its file.
    ///
    /// # Errors
    /// As [`stories`](PolicySource::stories).
    pub fn stories_with_text(&self, policy: &Policy) -> anyhow::Result<Vec<(Story, String)>> {
        let mut files = match self {
            PolicySource::Embedded(name) => texts(name, SCENARIOS),
            PolicySource::Folder(_) => read_folder(&self.scenarios())?,
        };
        files.sort();
        files
            .into_iter()
            .map(|(name, content)| Ok((story::parse(&name, &content, policy)?, content)))
            .collect()
    }
}

impl std::fmt::Display for PolicySource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PolicySource::Embedded(_) => out.write_str("embedded"),
            PolicySource::Folder(folder) => write!(out, "{}", folder.display()),
        }
    }
}

/// The texts of an embedded policy in one of its folders and those below, by name within the policy.
fn texts(policy: &str, folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<&Dir<'_>> =
        EXAMPLES.get_dir(Path::new(policy).join(folder)).into_iter().collect();
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        let files = folder.files();
        let files = files.filter(|file| file.path().extension().is_some_and(|end| end == "toml"));
        found.extend(files.filter_map(|file| {
            let name = file.path().strip_prefix(policy).ok()?.to_str()?;
            Some((name.to_owned(), file.contents_utf8()?.to_owned()))
        }));
    }
    found
}

/// Reads a text file.
fn text(path: &Path, unreadable: impl FnOnce() -> String) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let (line, what) = not_utf8(&error);
        anyhow!("{}:{line}: {what}", path.display())
    })
}

fn read_folder(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the stories in {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let content = text(&path, || format!("cannot read the story {}", path.display()))?;
            found.push((format!("{SCENARIOS}/{name}"), content));
        }
    }
    Ok(found)
}
