//! Writes a trained model where the one before stands.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use jumeau::config::limits;
use jumeau::language::{Language, Languages};
use tempfile::Builder;

/// Everybody may read a model, as far as the umask lets them: the service is often another user.
const MODE: u32 = 0o666;

/// Writes the file of a model of a language. It is written beside the place first and then takes it, so that a model
/// that stands there stays whole whatever fails.
///
/// # Errors
/// If the file would not be loaded, by its name or by its content; if it cannot be written.
pub(crate) fn write(path: &Path, language: Language, model: &str) -> anyhow::Result<()> {
    check_place(path, language)?;
    check(language, model)?;
    // A link goes on to lead to the model.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let unwritten = || format!("cannot write the model {}", path.display());
    let mut draft = Builder::new()
        .prefix(".")
        .suffix(".new")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .with_context(unwritten)?;
    draft.write_all(model.as_bytes()).with_context(unwritten)?;
    draft.as_file().sync_all().with_context(unwritten)?;
    draft.persist(&place).with_context(unwritten)?;
    Ok(())
}

/// Checks that a model can be written to a file, before somebody waits for the training.
///
/// # Errors
/// If the file is not named by its language, such as `en.txt`; if it is no file, or its folder is none.
pub(crate) fn check_place(path: &Path, language: Language) -> anyhow::Result<()> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
    ensure!(
        stem == Some(language) && path.extension().is_some_and(|ending| ending == "txt"),
        "expected a file named by the language of the set, such as `models/{language}.txt`, found `{}`",
        path.display()
    );
    ensure!(
        !path.exists() || path.is_file(),
        "expected a file to write the model to, found something else at `{}`",
        path.display()
    );
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    ensure!(
        folder.is_none_or(Path::is_dir),
        "expected a folder for the model `{}`, found none; make it first",
        path.display()
    );
    Ok(())
}

/// Checks that a model is one that the service loads.
///
/// # Errors
/// If it is too large, or has mistakes.
pub(crate) fn check(language: Language, model: &str) -> anyhow::Result<()> {
    ensure!(
        model.len() <= limits::LANGUAGE_FILE_BYTES,
        "expected a model of at most {} bytes, which the service loads, found one of {}: train on fewer messages, \
         such as the newest",
        limits::LANGUAGE_FILE_BYTES,
        model.len()
    );
    // The words of the language have no part in it, so that any language will do.
    let words = (format!("{language}/words.txt"), String::new());
    Languages::with_models([words], [(format!("{language}.txt"), model.to_owned())])
        .context("expected a model that the service loads; please report this")?;
    Ok(())
}
