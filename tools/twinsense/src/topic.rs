use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use jumeau::language::{Languages, Phrases, Topics};

use crate::set::Set;

/// Checks that a language has this topic.
///
/// # Errors
/// The topics that there are, if none has it.
pub(crate) fn check(topic: &str, languages: &Languages) -> anyhow::Result<()> {
    let phrases = languages.topics().map(|(name, _, _)| name);
    let known: BTreeSet<&str> = phrases.chain(languages.wishes()).collect();
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    anyhow::ensure!(
        known.contains(topic),
        "expected a topic of the languages ({}), found `{topic}`",
        names.join(", ")
    );
    Ok(())
}

/// Precision and recall of a topic on a set and, if wanted, the misclassified texts.
pub(crate) fn measure(
    topic: &str,
    set: &Set,
    misses: bool,
    languages: &Arc<Languages>,
) -> anyhow::Result<String> {
    let known = languages.topics().map(|(name, language, phrase)| (name, Some(language), phrase));
    let topics = Topics::new(Phrases::new(known)?, languages.wishes(), languages.clone());
    let (mut right, mut missed, mut wrong) = (0, Vec::new(), Vec::new());
    for (label, text) in &set.rows {
        let found = topics.find(text, set.language);
        match (*label > 0, found.iter().find(|found| found.name == topic)) {
            (true, Some(_)) => right += 1,
            (true, None) => missed.push(text),
            (false, Some(found)) => wrong.push((text, found.words.clone())),
            (false, None) => {}
        }
    }
    let share = |of: usize| if of == 0 { 1.0 } else { right as f64 / of as f64 };
    let mut table = format!(
        "{} ({}, {} texts)  {topic}: precision {:.3}  recall {:.3}  ({} right, {} wrong, {} missed)\n",
        set.path.display(),
        set.language,
        set.rows.len(),
        share(right + wrong.len()),
        share(right + missed.len()),
        right,
        wrong.len(),
        missed.len(),
    );
    if misses {
        for text in missed {
            writeln!(table, "  missed  {text}")?;
        }
        for (text, words) in wrong {
            writeln!(table, "  wrong   {text}  [{words}]")?;
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use jumeau::language::Language;

    use super::*;

    #[test]
    fn a_topic_that_no_language_has_is_refused_with_those_that_there_are() {
        let languages = Languages::embedded();
        check("person", &languages).unwrap();
        let refused = check("foo", &languages).unwrap_err().to_string();
        assert!(refused.contains("`person`") && refused.ends_with("found `foo`"), "{refused}");
    }

    #[test]
    fn missed_and_wrong_topics_are_counted_and_shown() {
        let rows = [(1, "talk to a person"), (1, "xyz"), (0, "thanks")];
        let rows = rows.map(|(label, text)| (label, text.to_owned())).into();
        let set = Set { path: "set.tsv".into(), language: Language::ENGLISH, rows };
        let table = measure("person", &set, true, &Languages::embedded()).unwrap();
        insta::assert_snapshot!(table, @r"
        set.tsv (en, 3 texts)  person: precision 1.000  recall 0.500  (1 right, 0 wrong, 1 missed)
          missed  xyz
        ");
    }
}
