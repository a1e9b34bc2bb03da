use std::fmt::Write as _;

use anyhow::anyhow;
use jumeau::language::{Languages, Reading, Tone};

use crate::set::Set;

/// The label of a text, and what was answered.
pub(crate) type Answer = (i8, i8);

/// A class of a set.
pub(crate) struct Class {
    name: &'static str,
    label: i8,
}

const THREE: [Class; 3] = [
    Class { name: "negative", label: -1 },
    Class { name: "neutral", label: 0 },
    Class { name: "positive", label: 1 },
];

const TWO: [Class; 2] =
    [Class { name: "negative", label: 0 }, Class { name: "positive", label: 1 }];

/// The classes of a set.
pub(crate) fn classes(has_neutral: bool) -> &'static [Class] {
    if has_neutral { &THREE } else { &TWO }
}

/// How well a class is told.
struct Score {
    precision: f64,
    recall: f64,
    f1: f64,
    texts: usize,
}

impl Class {
    fn score(&self, answers: &[Answer]) -> Score {
        let count = |which: &dyn Fn(&Answer) -> bool| answers.iter().filter(|a| which(a)).count();
        let texts = count(&|(label, _)| *label == self.label);
        let answered = count(&|(_, answer)| *answer == self.label);
        let right = count(&|(label, answer)| label == answer && *label == self.label);
        let share = |of: usize| if of > 0 { right as f64 / of as f64 } else { 0.0 };
        let (precision, recall) = (share(answered), share(texts));
        let f1 = if right > 0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
        Score { precision, recall, f1, texts }
    }
}

/// The mean of the classes' F1.
pub(crate) fn macro_f1(answers: &[Answer], classes: &[Class]) -> f64 {
    let all = classes.iter().map(|class| class.score(answers).f1);
    all.sum::<f64>() / classes.len() as f64
}

/// The shares of a class among the labels, and among the answers; 0 to 1.
pub(crate) fn shares(class: &Class, answers: &[Answer]) -> (f64, f64) {
    let share = |of: fn(&Answer) -> i8| {
        let count = answers.iter().filter(|answer| of(answer) == class.label).count();
        count as f64 / answers.len().max(1) as f64
    };
    (share(|(label, _)| *label), share(|(_, answer)| *answer))
}

/// A table of the set: each class, and macro-F1.
pub(crate) fn measure(set: &Set, languages: &Languages) -> anyhow::Result<String> {
    let answers = answers(set, languages)?;
    let mut table = format!("{} ({}, {} texts)\n", set.path.display(), set.language, answers.len());
    let classes = classes(set.has_neutral());
    for class in classes {
        let Score { precision, recall, f1, texts } = class.score(&answers);
        writeln!(
            table,
            "  {:<9} precision {precision:.3}  recall {recall:.3}  F1 {f1:.3}  {texts:>6} texts",
            class.name
        )?;
    }
    writeln!(table, "  macro-F1  {:.3}", macro_f1(&answers, classes))?;
    Ok(table)
}

/// What is read from the texts of a set.
fn answers(set: &Set, languages: &Languages) -> anyhow::Result<Vec<Answer>> {
    let answers = set.rows.iter().map(|(label, text)| {
        let reading = languages
            .read(&languages.own_words(text), set.language)
            .ok_or_else(|| anyhow!("expected a known language, found `{}`", set.language))?;
        Ok((*label, answer_of(&reading, set.has_neutral())))
    });
    answers.collect()
}

/// The label of a reading.
pub(crate) fn answer_of(reading: &Reading, has_neutral: bool) -> i8 {
    if !has_neutral {
        return i8::from(reading.valence > 0.0);
    }
    match reading.tone() {
        Tone::Negative => -1,
        Tone::Neutral => 0,
        Tone::Positive => 1,
    }
}

#[cfg(test)]
mod tests {
    use jumeau::language::Language;

    use super::*;

    fn table(rows: &[(i8, &str)]) -> String {
        let rows = rows.iter().map(|(label, text)| (*label, (*text).to_owned())).collect();
        let set = Set { path: "set.tsv".into(), language: Language::ENGLISH, rows };
        measure(&set, &Languages::embedded()).unwrap()
    }

    #[test]
    fn a_set_of_three_classes_has_a_line_for_each() {
        let table = table(&[
            (1, "excellent, thank you"),
            (-1, "terrible, an awful scam"),
            (0, "what time is it?"),
            (0, "this is horrible"),
        ]);
        insta::assert_snapshot!(table, @"
        set.tsv (en, 4 texts)
          negative  precision 0.500  recall 1.000  F1 0.667       1 texts
          neutral   precision 1.000  recall 0.500  F1 0.667       2 texts
          positive  precision 1.000  recall 1.000  F1 1.000       1 texts
          macro-F1  0.778
        ");
    }

    #[test]
    fn a_set_without_negative_labels_has_two_classes() {
        let table = table(&[(1, "excellent"), (0, "terrible"), (0, "what time is it?")]);
        assert!(!table.contains("neutral"), "{table}");
        assert!(table.contains("macro-F1  1.000"), "{table}");
    }
}
