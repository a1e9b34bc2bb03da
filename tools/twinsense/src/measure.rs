use std::fmt::Write as _;

use anyhow::anyhow;
use jumeau::language::{Languages, Reading, Tone};

use crate::set::Set;

/// The result of one class of a set.
struct Class {
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

/// A table of the set: each class, and macro-F1.
pub(crate) fn measure(set: &Set, languages: &Languages) -> anyhow::Result<String> {
    let classes = if set.has_neutral() { &THREE[..] } else { &TWO[..] };
    let mut answers = Vec::with_capacity(set.rows.len());
    for (label, text) in &set.rows {
        let reading = languages
            .read(&languages.own_words(text), set.language)
            .ok_or_else(|| anyhow!("expected a known language, found `{}`", set.language))?;
        answers.push((*label, answer(&reading, set.has_neutral())));
    }
    let mut table = format!("{} ({}, {} texts)\n", set.path.display(), set.language, answers.len());
    let mut sum = 0.0;
    for class in classes {
        let of = |which: fn(&(i8, i8)) -> i8| {
            answers.iter().filter(|answer| which(answer) == class.label).count() as f64
        };
        let right =
            answers.iter().filter(|(is, predicted)| is == predicted && *is == class.label).count()
                as f64;
        let (is, predicted) = (of(|(is, _)| *is), of(|(_, predicted)| *predicted));
        let precision = if predicted > 0.0 { right / predicted } else { 0.0 };
        let recall = if is > 0.0 { right / is } else { 0.0 };
        let f1 = if right > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
        sum += f1;
        writeln!(
            table,
            "  {:<9} precision {precision:.3}  recall {recall:.3}  F1 {f1:.3}  {is:>6} texts",
            class.name
        )?;
    }
    writeln!(table, "  macro-F1  {:.3}", sum / classes.len() as f64)?;
    Ok(table)
}

/// The label of a reading.
fn answer(reading: &Reading, has_neutral: bool) -> i8 {
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
