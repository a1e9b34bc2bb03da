//! Trains the model that tells languages apart.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, bail, ensure};
use jumeau::language::{Language, Languages};

use crate::fit::{Sample, digest, fit, softmax, written};

/// The number of languages that a model can tell apart.
const LANGUAGES: usize = 32;

/// The weight of all texts of a language beside the ridge penalty, per text of the average language.
const COST: f32 = 3.0;

/// A piece that fewer texts have teaches nothing.
const TEXTS_MIN: usize = 3;

/// A piece is kept if one of its weights has at least so many units.
const UNITS_MIN: f32 = 5.0;

/// The numbers of words of the parts of a text that are texts to learn from, too: people write short ones.
const PARTS: [usize; 3] = [1, 2, 4];

/// The code of a text that is as good in one language as in another, such as a name.
const ANY_LANGUAGE: &str = "mul";

/// Texts with their languages.
pub(crate) struct LanguageSet {
    pub(crate) rows: Vec<(Language, String)>,
}

impl LanguageSet {
    /// Reads a file of lines `language TAB text`; or, by `language:path`, one of texts in one language, each the
    /// last column of its line.
    pub(crate) fn read(name: &str) -> anyhow::Result<LanguageSet> {
        let named = name.split_once(':').and_then(|(code, path)| Some((code.parse().ok()?, path)));
        let (language, path) = match named {
            Some((language, path)) => (Some(language), path),
            None => (None, name),
        };
        let content =
            fs::read_to_string(path).with_context(|| format!("cannot read the set {path}"))?;
        let lines = (1..).zip(content.lines());
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with("# "));
        let rows = lines.map(|(number, line)| {
            let Some((first, text)) = line.split_once('\t') else {
                bail!("{path}:{number}: expected a language and a text, with a tab between");
            };
            match language {
                Some(language) => {
                    Ok((language, text.rsplit('\t').next().unwrap_or(text).to_owned()))
                }
                None => Ok((
                    first.parse().with_context(|| format!("{path}:{number}"))?,
                    text.to_owned(),
                )),
            }
        });
        Ok(LanguageSet { rows: rows.collect::<anyhow::Result<_>>()? })
    }
}

/// Fits a softmax regression of the language on the pieces of texts and of their parts, each language with the
/// same weight, and returns the model.
pub(crate) fn train(sets: &[LanguageSet]) -> anyhow::Result<String> {
    let rows: Vec<&(Language, String)> = sets.iter().flat_map(|set| &set.rows).collect();
    let mut counts: BTreeMap<Language, usize> = BTreeMap::new();
    rows.iter().for_each(|(language, _)| *counts.entry(*language).or_default() += 1);
    let languages: Vec<Language> =
        counts.keys().copied().filter(|language| language.as_str() != ANY_LANGUAGE).collect();
    ensure!(
        (2..=LANGUAGES).contains(&languages.len()),
        "expected texts in 2 to {LANGUAGES} languages, found {}",
        languages.len()
    );
    let texts = rows.iter().flat_map(|(language, text)| {
        parts(text).into_iter().map(move |part| (*language, Languages::detection_pieces(part)))
    });
    let texts: Vec<(Language, Vec<String>)> = texts.collect();
    let pieces = pieces(&texts);
    let index: BTreeMap<&str, u32> = (0..).zip(&pieces).map(|(at, piece)| (*piece, at)).collect();
    let average = rows.len() as f32 / languages.len() as f32;
    let samples = texts.iter().map(|(language, found)| {
        let mut wanted = [0.0; LANGUAGES];
        match languages.iter().position(|known| known == language) {
            Some(at) => wanted[at] = 1.0,
            None => wanted[..languages.len()].fill(1.0 / languages.len() as f32),
        }
        let scale = 1.0 / f32::sqrt(found.len().max(1) as f32);
        let mut features: BTreeMap<u32, f32> = BTreeMap::new();
        for at in found.iter().filter_map(|piece| index.get(&**piece)) {
            *features.entry(*at).or_default() += scale;
        }
        let weight = COST * average / counts[language] as f32;
        Sample { wanted, weight, features: features.into_iter().collect() }
    });
    let samples: Vec<Sample<LANGUAGES>> = samples.collect();
    let (weights, bias) = fit(&samples, pieces.len(), softmax);
    let model = written(&bias, &weights, &pieces, (languages.len(), UNITS_MIN));
    let codes: Vec<&str> = languages.iter().map(Language::as_str).collect();
    Ok(format!("{}\nlanguages {}\n{model}", heading(sets), codes.join(" ")))
}

/// The comment before a model: on how many texts it was trained, and their digest.
fn heading(sets: &[LanguageSet]) -> String {
    let rows = sets.iter().flat_map(|set| &set.rows);
    let count = rows.clone().count();
    let digest = digest(rows.map(|(language, text)| format!("{language}\t{text}")));
    format!("# `twinsense train-detection` on {count} texts with the digest {digest}.")
}

/// A text, and parts of it, as far as it has more words than they.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = vec![text];
    let starts: Vec<usize> = text
        .char_indices()
        .filter(|(at, letter)| {
            !letter.is_whitespace() && (*at == 0 || text[..*at].ends_with(char::is_whitespace))
        })
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    let words = starts.len() - 1;
    for length in PARTS.into_iter().filter(|length| *length < words) {
        // Where a part begins must not always be the same.
        let first = text.len() % (words - length + 1);
        parts.push(text[starts[first]..starts[first + length]].trim_end());
    }
    parts
}

/// The pieces that enough texts have, in alphabetical order.
fn pieces(texts: &[(Language, Vec<String>)]) -> Vec<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, found) in texts {
        found.iter().for_each(|piece| *counts.entry(piece).or_default() += 1);
    }
    counts.retain(|_, count| *count >= TEXTS_MIN);
    counts.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The sets on which the model that comes along is trained, in the order of their names.
    fn training_sets() -> Vec<LanguageSet> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = fs::read_dir(folder.join("languages")).unwrap();
        let mut names: Vec<String> =
            files.map(|file| file.unwrap().path().display().to_string()).collect();
        names.sort();
        for code in ["en", "fr", "de"] {
            for set in
                ["grave/messages-", "grave/ordinary-", "grave/plain-", "sentences/", "wishes/"]
            {
                names.push(format!("{code}:{}/{set}{code}.tsv", folder.display()));
            }
        }
        names.iter().map(|name| LanguageSet::read(name).unwrap()).collect()
    }

    #[test]
    fn the_model_that_comes_along_was_trained_on_these_texts() {
        let model = include_str!("../../../config/languages/any/detection.txt");
        assert_eq!(model.lines().next(), Some(&*heading(&training_sets())), "train it again");
    }

    #[test]
    fn a_text_teaches_with_parts_of_it_too() {
        assert_eq!(parts("ok"), ["ok"]);
        assert_eq!(parts("where is it"), ["where is it", "it", "is it"]);
    }

    #[test]
    fn languages_are_told_by_their_letters_and_words() {
        let rows = [("en", "where is the parcel"), ("de", "wo ist das Paket"), ("mul", "ok")];
        let rows = rows.iter().cycle().take(60);
        let rows = rows.map(|(code, text)| (code.parse().unwrap(), (*text).to_owned())).collect();
        let model = train(&[LanguageSet { rows }]).unwrap();
        let languages = Languages::new([("any/detection.txt", &*model)]).unwrap();
        let (en, de): (Language, Language) = ("en".parse().unwrap(), "de".parse().unwrap());
        let told = |text| {
            let prior = jumeau::language::LanguagePrior::Likely(de);
            languages.detect(text, &[en, de], prior).language
        };
        assert_eq!(
            [told("the parcel"), told("das ist"), told("ok")],
            [Some(en), Some(de), Some(de)]
        );
    }
}
