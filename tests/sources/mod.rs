//! The sources of the crate and of its tools, for the tests that read them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(dead_code, reason = "each test uses what it needs")]

use std::fs;
use std::path::{Path, PathBuf};

/// A module path below `crate`.
pub(crate) type Module = Vec<String>;

/// One source file.
pub(crate) struct SourceFile {
    /// The file, from the folder that was read.
    pub(crate) path: PathBuf,
    /// The content, without the module of tests at its end.
    pub(crate) code: String,
}

impl SourceFile {
    /// Whether the whole file is tests.
    pub(crate) fn is_tests(&self) -> bool {
        self.path.file_stem().is_some_and(|stem| stem == "tests")
    }

    /// The lines that are no comments, with their numbers from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.code.lines());
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The module that the file is, if it was read from the crate's `src`.
    pub(crate) fn module(&self) -> Module {
        let parts = self.path.with_extension("");
        let mut module: Module =
            parts.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        module.pop_if(|name| name == "mod");
        module
    }

    /// The paths that the file imports, below `crate`; a name that it hands on under another one is not
    /// followed.
    pub(crate) fn imports(&self) -> Vec<Module> {
        let code: String = self.lines().flat_map(|(_, line)| [line, "\n"]).collect();
        // What only comments name is not used.
        let code = code.replace("#[cfg(doc)]\nuse ", "");
        let mut found = Vec::new();
        let mut rest = code.as_str();
        while let Some(at) = rest.find("use ") {
            let is_word = rest[..at].chars().next_back().is_some_and(char::is_alphanumeric);
            rest = &rest[at + 4..];
            if is_word {
                continue;
            }
            let Some(end) = rest.find(';') else { break };
            expand(&rest[..end], &mut Vec::new(), &mut found);
        }
        let module = self.module();
        found.into_iter().filter_map(|path| absolute(&module, &path)).collect()
    }
}

/// The folder of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the crate itself, by their paths in `src`.
pub(crate) fn of_the_crate() -> Vec<SourceFile> {
    let src = root().join("src");
    let mut found = Vec::new();
    gather(&src, &src, &mut found);
    assert!(found.len() > 200, "the sources are where they were");
    found
}

/// The files of the crate and of its tools, by their paths in the repository.
pub(crate) fn of_the_workspace() -> Vec<SourceFile> {
    let mut found = Vec::new();
    gather(root(), &root().join("src"), &mut found);
    for tool in fs::read_dir(root().join("tools")).unwrap() {
        let src = tool.unwrap().path().join("src");
        if src.is_dir() {
            gather(root(), &src, &mut found);
        }
    }
    assert!(found.len() > 200, "the sources are where they were");
    found
}

fn gather(from: &Path, folder: &Path, found: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(from, &path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(from).unwrap().to_owned();
            found.push(SourceFile { path, code: without_tests(&text) });
        }
    }
}

/// The text without its modules of tests: one with a body is the last part of a file by convention, one in a
/// file of its own is declared anywhere, and leaves two empty lines.
fn without_tests(text: &str) -> String {
    let mut parts = text.split("#[cfg(test)]\n");
    let mut code = parts.next().unwrap().to_owned();
    for part in parts {
        let (declared, rest) = part.split_once('\n').unwrap();
        let is_module = declared.starts_with("mod ") || declared.starts_with("pub(crate) mod ");
        match is_module {
            true if declared.ends_with('{') => break,
            true => code.extend(["\n\n", rest]),
            false => code.extend(["#[cfg(test)]\n", part]),
        }
    }
    code
}

/// All paths of a tree such as `a::{b, c::{self, d}}`.
fn expand(tree: &str, before: &mut Vec<String>, found: &mut Vec<Module>) {
    let tree = tree.trim();
    match tree.find('{') {
        Some(open) => {
            let depth = before.len();
            before.extend(
                tree[..open].split("::").map(str::trim).filter(|s| !s.is_empty()).map(Into::into),
            );
            let inner = tree[open + 1..].rsplit_once('}').map_or("", |(inner, _)| inner);
            let (mut level, mut from) = (0, 0);
            for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
                match c {
                    '{' => level += 1,
                    '}' => level -= 1,
                    ',' if level == 0 => {
                        if !inner[from..at].trim().is_empty() {
                            expand(&inner[from..at], before, found);
                        }
                        from = at + 1;
                    }
                    _ => {}
                }
            }
            before.truncate(depth);
        }
        None => {
            let path = tree.split(" as ").next().unwrap_or_default();
            let names = path.split("::").map(str::trim).filter(|name| *name != "self");
            found.push(before.iter().cloned().chain(names.map(Into::into)).collect());
        }
    }
}

fn absolute(module: &Module, path: &[String]) -> Option<Module> {
    let first = path.first()?.as_str();
    match first {
        "crate" => Some(path[1..].to_vec()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let kept = module.len().checked_sub(ups)?;
            Some([&module[..kept], &path[ups..]].concat())
        }
        // A path from a file's own module, if it has such parts; another crate has none.
        _ => Some([&module[..], path].concat()),
    }
}
