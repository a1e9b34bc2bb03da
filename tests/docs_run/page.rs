//! The fenced blocks of a page, and what a test does with each.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block, or a comment with commands that only the test runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of its first fence, from 1.
    pub(crate) line: usize,
    /// The first word behind the fence, by which GitHub highlights it.
    pub(crate) language: String,
    /// The words behind the language, which GitHub ignores.
    pub(crate) words: Vec<String>,
    pub(crate) text: String,
}

/// What a test does with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role<'a> {
    /// Runs its commands, and compares the output that it shows.
    Run,
    /// Nothing: it is an example, for this reason.
    Example,
    /// Compares it with what the last command printed.
    Output,
    /// Makes this text the file, or its end.
    Write { file: &'a str, how: Writing },
    /// Nothing: it is no command.
    Quote,
}

/// How a text gets into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// It is the whole file.
    Anew,
    /// At the file's end, after an empty line.
    Paragraph,
    /// At the file's end, in the next line.
    Line,
}

/// A command, and the output that the page shows below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownCommand {
    pub(crate) command: String,
    pub(crate) output: String,
}

impl Block {
    /// What a test does with it.
    ///
    /// # Errors
    /// What its first line must say, if a reader cannot tell whether it is run.
    pub(crate) fn role(&self) -> Result<Role<'_>, String> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let is_shell = matches!(self.language.as_str(), "sh" | "console");
        match (words.as_slice(), is_shell) {
            (["run"], true) => Ok(Role::Run),
            (["example", _, ..], true) => Ok(Role::Example),
            (["example"], true) => Err("`example` needs the reason why no test runs it".into()),
            (_, true) => Err(format!(
                "commands need `{0} run`, or `{0} example` and the reason why no test runs them",
                self.language
            )),
            (["output"], false) => Ok(Role::Output),
            (["write", file], false) => Ok(Role::Write { file, how: Writing::Anew }),
            (["add", file], false) => Ok(Role::Write { file, how: Writing::Paragraph }),
            (["continue", file], false) => Ok(Role::Write { file, how: Writing::Line }),
            ([], false) if self.language.is_empty() => {
                Err("a block needs a language, for example `text`".into())
            }
            ([], false) => Ok(Role::Quote),
            (words, false) => Err(format!("unknown words behind the language: {words:?}")),
        }
    }

    /// Its commands. In a `console` block a command begins with `$ `, and its output follows it; in an
    /// `sh` block each line is a command.
    pub(crate) fn commands(&self) -> Vec<ShownCommand> {
        let mut commands: Vec<ShownCommand> = Vec::new();
        let mut is_continued = false;
        for line in self.text.lines() {
            let is_output = self.language == "console" && !line.starts_with("$ ");
            match commands.last_mut() {
                Some(last) if is_continued => last.command += &format!("\n{line}"),
                Some(last) if is_output => last.output += &format!("{line}\n"),
                _ if line.trim().is_empty() => continue,
                _ => commands.push(ShownCommand {
                    command: line.strip_prefix("$ ").unwrap_or(line).to_owned(),
                    output: String::new(),
                }),
            }
            is_continued = !is_output && line.ends_with('\\');
        }
        commands
    }
}

/// The blocks of a page, in order. A comment `<!-- run` … `-->` is a block of commands, too.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((line, first)) = lines.next() {
        let indent = first.len() - first.trim_start().len();
        let (info, end) = match first.trim_start() {
            "<!-- run" => ("sh run", "-->"),
            fence => match fence.strip_prefix("```") {
                Some(info) => (info, "```"),
                None => continue,
            },
        };
        let mut words = info.split_whitespace().map(str::to_owned);
        let language = words.next().unwrap_or_default();
        let content = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != end);
        let content = content.map(|line| line.get(indent..).unwrap_or_default());
        let text = content.fold(String::new(), |text, line| text + line + "\n");
        blocks.push(Block { line, language, words: words.collect(), text });
    }
    blocks
}

/// Every page of the documentation.
pub(crate) fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(|name| root.join(name))
        .to_vec();
    pages.extend(files(&root.join("docs"), "md"));
    pages.extend(files(&root.join("config"), "md"));
    pages
}

/// Files below a folder with this ending.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|known| known == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}
