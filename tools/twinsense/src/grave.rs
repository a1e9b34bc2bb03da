//! Precision and recall of grave topics.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use jumeau::language::{GraveTopic, Language, Languages};

/// Texts of one language with their grave topics.
#[derive(Debug)]
pub(crate) struct GraveSet {
    pub(crate) path: PathBuf,
    pub(crate) language: Language,
    pub(crate) rows: Vec<(Vec<GraveTopic>, String)>,
}

impl GraveSet {
    /// Reads `language:path`.
    pub(crate) fn named(name: &str) -> anyhow::Result<GraveSet> {
        let (language, path) = name.split_once(':').ok_or_else(|| {
            anyhow!("expected a language and a file such as `en:grave.tsv`, found `{name}`")
        })?;
        GraveSet::read(language.parse()?, Path::new(path))
    }

    /// Reads a file.
    pub(crate) fn read(language: Language, file: &Path) -> anyhow::Result<GraveSet> {
        let path = file.display();
        let content =
            fs::read_to_string(file).with_context(|| format!("cannot read the set {path}"))?;
        let mut rows = Vec::new();
        for (number, line) in (1..).zip(content.lines()) {
            if line.trim().is_empty() || line.starts_with("# ") {
                continue;
            }
            let mut columns = line.splitn(3, '\t');
            let (Some(topics), Some(_), Some(text)) =
                (columns.next(), columns.next(), columns.next())
            else {
                bail!(
                    "{path}:{number}: expected topics, what it resembles, and a text, with tabs between"
                );
            };
            let named = topics.split(',').filter(|topic| *topic != "-");
            let topics = named.map(|topic| {
                topic.parse::<GraveTopic>().map_err(|_| {
                    anyhow!("{path}:{number}: expected grave topics or `-`, found `{topic}`")
                })
            });
            rows.push((topics.collect::<anyhow::Result<_>>()?, text.to_owned()));
        }
        Ok(GraveSet { path: file.into(), language, rows })
    }
}

/// How often a topic was found rightly, wrongly and not.
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Found {
    fn add(&mut self, is_there: bool, is_found: bool) {
        match (is_there, is_found) {
            (true, true) => self.right += 1,
            (false, true) => self.wrong += 1,
            (true, false) => self.missed += 1,
            (false, false) => {}
        }
    }

    fn line(&self, name: &str) -> String {
        let share = |of: usize| if of == 0 { 1.0 } else { self.right as f64 / of as f64 };
        format!(
            "  {name:<12} {:>5} {:>10.3} {:>7.3}\n",
            self.right + self.missed,
            share(self.right + self.wrong),
            share(self.right + self.missed),
        )
    }
}

/// A row for each topic, and one for whether there is any; if wanted, the texts that were misread.
pub(crate) fn measure(
    set: &GraveSet,
    misses: bool,
    languages: &Languages,
) -> anyhow::Result<String> {
    let mut each = vec![Found::default(); GraveTopic::ALL.len()];
    let (mut any, mut certain, mut misread) = (Found::default(), Found::default(), String::new());
    for (topics, text) in &set.rows {
        let found = languages.grave(text, set.language);
        any.add(!topics.is_empty(), !found.is_empty());
        certain.add(!topics.is_empty(), found.iter().any(|known| known.is_certain()));
        for (topic, counts) in GraveTopic::ALL.iter().zip(&mut each) {
            let known = found.iter().find(|known| known.topic == *topic);
            counts.add(topics.contains(topic), known.is_some());
            match known {
                None if topics.contains(topic) => {
                    writeln!(misread, "  missed {:<12} {text}", topic.name())?;
                }
                Some(known) if !topics.contains(topic) => {
                    let (name, words) = (topic.name(), &known.words);
                    let mark = if known.is_certain() { "!" } else { "" };
                    writeln!(misread, "  wrong  {name:<12} {text}  [{words}]{mark}")?;
                }
                _ => {}
            }
        }
    }
    let mut table = format!(
        "{} ({}, {} texts)\n  topic        texts  precision  recall\n",
        set.path.display(),
        set.language,
        set.rows.len()
    );
    for (topic, counts) in GraveTopic::ALL.iter().zip(&each) {
        table.push_str(&counts.line(topic.name()));
    }
    table.push_str(&any.line("any"));
    table.push_str(&certain.line("any, certain"));
    let without = set.rows.iter().filter(|(topics, _)| topics.is_empty()).count();
    let share = |counts: &Found| counts.wrong as f64 / without.max(1) as f64 * 100.0;
    let (found, sure) = (share(&any), share(&certain));
    writeln!(
        table,
        "  of {without} texts without a topic one is found in {found:.1} %, certainly in {sure:.1} %"
    )?;
    if misses {
        table.push_str(&misread);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_and_wrong_topics_are_counted_and_shown() {
        let files = [(
            "en/grave.txt",
            "[grave]\nbereavement 0.9: passed away | funeral\nfraud 0.9: stolen\n",
        )];
        let languages = Languages::new(files).unwrap();
        let rows = [
            (vec![GraveTopic::Bereavement], "my father passed away"),
            (
                vec![GraveTopic::Bereavement, GraveTopic::Fraud],
                "he is gone, and his card is stolen",
            ),
            (vec![], "do you cover a funeral"),
        ];
        let rows = rows.map(|(topics, text)| (topics, text.to_owned())).into();
        let set = GraveSet { path: "set.tsv".into(), language: Language::ENGLISH, rows };
        insta::assert_snapshot!(measure(&set, true, &languages).unwrap(), @r"
        set.tsv (en, 3 texts)
          topic        texts  precision  recall
          danger           0      1.000   1.000
          bereavement      2      0.500   0.500
          illness          0      1.000   1.000
          fraud            1      1.000   1.000
          accident         0      1.000   1.000
          violence         0      1.000   1.000
          legal            0      1.000   1.000
          hardship         0      1.000   1.000
          vulnerable       0      1.000   1.000
          any              2      0.667   1.000
          any, certain     2      0.667   1.000
          of 1 texts without a topic one is found in 100.0 %, certainly in 100.0 %
          missed bereavement  he is gone, and his card is stolen
          wrong  bereavement  do you cover a funeral  [funeral]!
        ");
    }
}
