use std::fs;
use std::path::Path;

use crate::config::{Findings, SourceText, limits, not_utf8};
use crate::policy::{Files, Mistakes, belongs};

/// Reads the files of the policy in a folder.
///
/// # Errors
/// A mistake for each file that cannot be read, is too large or is not UTF-8, and for a folder
/// without any.
pub fn read_files(folder: &Path) -> Result<Files, Mistakes> {
    let mut found = Findings::default();
    let mut files = Vec::new();
    gather(folder, "", 0, &mut files, &mut found);
    if files.is_empty() && found.len() == 0 {
        found.in_file(
            &folder.display().to_string(),
            "expected a folder with at least one *.toml file, found none",
        );
    }
    found.finish().map(|()| Files::new(files))
}

type Contents = Vec<(String, String)>;

fn gather(folder: &Path, prefix: &str, depth: usize, files: &mut Contents, found: &mut Findings) {
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
            // Deeper folders, or a cycle of links, contain no policy.
            if depth < limits::POLICY_FOLDER_DEPTH {
                gather(&path, &format!("{name}/"), depth + 1, files, found);
            }
        } else if belongs(&name)
            && let Some(content) = read(&name, &path, found)
        {
            files.push((name, content));
        }
    }
}

fn read(name: &str, path: &Path, found: &mut Findings) -> Option<String> {
    let bytes = match fs::metadata(path) {
        Ok(about) if about.len() > limits::POLICY_FILE_BYTES as u64 => {
            let (most, bytes) = (limits::POLICY_FILE_BYTES, about.len());
            let what = format!("expected a file of at most {most} bytes, found {bytes}; split it");
            found.in_file(name, what);
            return None;
        }
        Ok(_) => fs::read(path),
        Err(error) => Err(error),
    };
    match bytes.map(String::from_utf8) {
        Ok(Ok(content)) => Some(content),
        Ok(Err(error)) => {
            let start = error.utf8_error().valid_up_to();
            // The text before the invalid byte is kept.
            let content = String::from_utf8_lossy(error.as_bytes());
            let text = SourceText { file: name, content: &content };
            found.at(text, (start, start), not_utf8(&error).1);
            None
        }
        Err(error) => {
            found.in_file(name, format!("expected a file to read, but: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_another_encoding_is_reported_with_line_and_cure() {
        let folder = tempfile::tempdir().unwrap();
        let latin = b"[policy]\nname = \"cr\xe8me\"\nlanguages = [\"fr\"]\n";
        fs::write(folder.path().join("creme.toml"), latin).unwrap();
        insta::assert_snapshot!(read_files(folder.path()).unwrap_err(), @r#"
        creme.toml:2:11: expected text in UTF-8, found the byte 0xE8; save the file as UTF-8
         2 | name = "cr�me"
           |           ^
        "#);
    }
}
