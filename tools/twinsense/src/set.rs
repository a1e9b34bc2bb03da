use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use jumeau::language::Language;

/// Labelled texts in one language.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) path: PathBuf,
    pub(crate) language: Language,
    /// Labels and texts.
    pub(crate) rows: Vec<(i8, String)>,
}

impl Set {
    /// Reads `language:path`.
    pub(crate) fn read(name: &str) -> anyhow::Result<Set> {
        let (language, path) = name.split_once(':').ok_or_else(|| {
            anyhow!("expected a language and a file such as `en:set.tsv`, found `{name}`")
        })?;
        let content =
            fs::read_to_string(path).with_context(|| format!("cannot read the set {path}"))?;
        let mut rows = Vec::new();
        for (number, line) in content.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with("# ") {
                continue;
            }
            let parted = line.split_once('\t');
            let Some((label, text)) =
                parted.and_then(|(label, text)| Some((label.trim().parse().ok()?, text)))
            else {
                bail!("{path}:{}: expected a label, a tab and a text", number + 1);
            };
            if !(-1..=1).contains(&label) {
                bail!("{path}:{}: expected -1, 0 or 1 as label, found {label}", number + 1);
            }
            rows.push((label, text.to_owned()));
        }
        if rows.is_empty() {
            bail!("{path}: expected lines of a label, a tab and a text; found none");
        }
        Ok(Set { path: path.into(), language: language.parse()?, rows })
    }

    /// Whether it has a neutral class: whether any label is negative.
    pub(crate) fn has_neutral(&self) -> bool {
        self.rows.iter().any(|(label, _)| *label < 0)
    }
}
