//! Reads languages, and models of valence, from folders.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};

use super::text;
use crate::config::limits;
use crate::language::Languages;

/// The built-in languages; those of a folder with one folder per language, which replace built-in ones of the
/// same code; and models of valence of another one, one file per language, which are added to them.
///
/// # Errors
/// If a folder cannot be read; every mistake in the files.
pub fn languages(folder: Option<&Path>, models: Option<&Path>) -> anyhow::Result<Arc<Languages>> {
    if folder.is_none() && models.is_none() {
        return Ok(Languages::embedded());
    }
    let files = folder.map_or_else(|| Ok(Vec::new()), language_files)?;
    let trained = models.map_or_else(|| Ok(Vec::new()), model_files)?;
    let languages = Languages::with_models(files, trained).with_context(|| {
        let folders = [folder, models].into_iter().flatten();
        let folders: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
        format!("the languages in {} have mistakes", folders.join(" and "))
    })?;
    Ok(Arc::new(languages))
}

/// The files of a folder with one folder per language, by name: `de/words.txt`.
fn language_files(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| unreadable(folder))? {
        let own = entry?.path();
        if own.is_dir() {
            files.extend(text_files(&own, folder)?);
        }
    }
    ensure!(
        !files.is_empty(),
        "expected files such as de/words.txt in {}, found none; remove the setting `languages.folder` to use the \
         built-in languages",
        folder.display()
    );
    Ok(files)
}

/// The files of a folder with one model per language, by name: `de.txt`.
fn model_files(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let files = text_files(folder, folder)?;
    ensure!(
        !files.is_empty(),
        "expected models such as en.txt in {}, found none; train one with `twinsense train`, or remove the setting \
         `languages.models`",
        folder.display()
    );
    Ok(files)
}

/// The text files of a folder, by their name within `root`.
fn text_files(folder: &Path, root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| unreadable(folder))? {
        let path = entry?.path();
        let about = std::fs::metadata(&path).with_context(|| unreadable(folder))?;
        if !about.is_file() || path.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        if about.len() > limits::LANGUAGE_FILE_BYTES as u64 {
            return Err(anyhow!(
                "expected {} to have at most {} bytes, found {}; split it",
                path.display(),
                limits::LANGUAGE_FILE_BYTES,
                about.len()
            ));
        }
        let content = text(&path, || unreadable(&path))?;
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
        files.push((name.replace('\\', "/"), content));
    }
    Ok(files)
}

fn unreadable(path: &Path) -> String {
    format!("cannot read the languages in {}", path.display())
}
