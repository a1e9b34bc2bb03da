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
        // Programs of some systems begin a text with a byte order mark.
        let content = content.strip_prefix('\u{feff}').unwrap_or(&content);
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
            if text.trim().is_empty() {
                bail!(
                    "{path}:{}: expected a text after the label and the tab, found none",
                    number + 1
                );
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> anyhow::Result<Set> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), content)?;
        Set::read(&format!("en:{}", file.path().display()))
            .map_err(|why| anyhow!(why.to_string().replace(&*file.path().to_string_lossy(), "SET")))
    }

    #[test]
    fn a_set_may_begin_with_a_byte_order_mark_and_have_any_line_ends() {
        let set = read("\u{feff}1\tgood\r\n# a comment\r\n\r\n-1\tbad\r\n").unwrap();
        assert_eq!(set.rows, [(1, "good".to_owned()), (-1, "bad".to_owned())]);
    }

    #[test]
    fn a_line_without_label_or_text_is_refused_with_its_number() {
        for (content, refused) in [
            ("1\tgood\n0\t \n", "SET:2: expected a text after the label and the tab, found none"),
            ("good\n", "SET:1: expected a label, a tab and a text"),
            ("2\tgood\n", "SET:1: expected -1, 0 or 1 as label, found 2"),
            ("# only this\n", "SET: expected lines of a label, a tab and a text; found none"),
        ] {
            assert_eq!(read(content).unwrap_err().to_string(), refused);
        }
    }
}
