use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::anyhow;
use jumeau::language::{Languages, NEUTRAL_BAND};

use crate::set::Set;

/// The slope of the log-odds of a class over the sum of weights.
const STEEPNESS: f64 = 4.0;

/// The sum of weights at which a text is neutral with probability one half; slightly outside the band.
const CUT: f64 = NEUTRAL_BAND as f64 + 0.1;

/// The ridge penalty per text.
const RIDGE: f64 = 0.05;

/// The number of iterations; the weights have converged long before.
const STEPS: usize = 400;

/// Smaller weights are omitted.
const LEAST: f64 = 0.02;

/// One text: its label, the lexicon's score, and its grams by index.
struct Row {
    label: i8,
    lexical: f64,
    grams: BTreeSet<usize>,
}

/// Fits the weights of words, stems and pairs on top of the lexicon, and prints them.
///
/// The model is an ordinal logistic regression with two cuts at equal distance around zero (P. McCullagh:
/// Regression Models for Ordinal Data, 1980) and a ridge; it is fitted with AdaGrad (J. Duchi et al.,
/// 2011) over all texts at once, without randomness.
pub(crate) fn train(set: &Set, languages: &Languages) -> anyhow::Result<String> {
    let (rows, names) = rows(set, languages)?;
    let weights = fit(&rows, names.len());
    let mut model = String::from("[model]\n");
    for (name, index) in &names {
        if weights[*index].abs() >= LEAST {
            writeln!(model, "{:.2} {name}", weights[*index])?;
        }
    }
    Ok(model)
}

/// The texts, and the index of each gram in alphabetical order.
fn rows(set: &Set, languages: &Languages) -> anyhow::Result<(Vec<Row>, BTreeMap<String, usize>)> {
    let mut samples = Vec::with_capacity(set.rows.len());
    let mut names = BTreeMap::new();
    for (label, text) in &set.rows {
        let sample = languages
            .sample(text, set.language)
            .ok_or_else(|| anyhow!("expected a known language, found `{}`", set.language))?;
        names.extend(sample.grams.iter().map(|gram| (gram.clone(), 0)));
        samples.push((*label, sample));
    }
    for (index, place) in names.values_mut().enumerate() {
        *place = index;
    }
    let rows = samples
        .into_iter()
        .map(|(label, sample)| Row {
            label,
            lexical: f64::from(sample.lexical),
            grams: sample.grams.iter().filter_map(|gram| names.get(gram).copied()).collect(),
        })
        .collect();
    Ok((rows, names))
}

fn fit(rows: &[Row], count: usize) -> Vec<f64> {
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut weights = vec![0.0; count];
    let mut speeds = vec![1e-8; count];
    let ridge = RIDGE * rows.len() as f64;
    for _ in 0..STEPS {
        let mut slopes: Vec<f64> = weights.iter().map(|weight| ridge * weight).collect();
        for row in rows {
            let raw = row.lexical + row.grams.iter().map(|gram| weights[*gram]).sum::<f64>();
            let good = logistic(STEEPNESS * (raw - CUT)) - f64::from(u8::from(row.label > 0));
            let not_bad = logistic(STEEPNESS * (raw + CUT)) - f64::from(u8::from(row.label >= 0));
            let slope = STEEPNESS * (good + not_bad);
            for gram in &row.grams {
                slopes[*gram] += slope;
            }
        }
        for ((weight, speed), slope) in weights.iter_mut().zip(&mut speeds).zip(&slopes) {
            *speed += slope * slope;
            *weight -= 0.1 * slope / f64::sqrt(*speed);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use jumeau::language::Language;

    use super::*;

    #[test]
    fn a_model_learns_what_the_lexicon_does_not_know() {
        let rows =
            [(-1, "the gribble is zorky"), (0, "the table is brown"), (1, "a plonk gribble")];
        let rows = rows.iter().cycle().take(60);
        let rows = rows.map(|(label, text)| (*label, (*text).to_owned())).collect();
        let set = Set { path: "set.tsv".into(), language: Language::ENGLISH, rows };
        let model = train(&set, &Languages::embedded()).unwrap();
        let weight = |word: &str| {
            let line = model.lines().find(|line| line.ends_with(&format!(" {word}")));
            line.and_then(|line| line.split(' ').next()?.parse::<f64>().ok()).unwrap_or_default()
        };
        assert!(weight("zorky") < 0.0, "{model}");
        assert!(weight("plonk") > 0.0, "{model}");
        let again = train(&set, &Languages::embedded()).unwrap();
        assert_eq!(model, again, "training has no chance in it");
    }
}
