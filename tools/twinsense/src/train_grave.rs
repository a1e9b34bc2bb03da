//! Trains the model of grave topics of a language.

use anyhow::{anyhow, ensure};
use jumeau::language::{GraveTopic, JUDGEMENTS, Languages, MessagePieces};

use crate::fit::{Sample, digest, fit, sigmoid, written};
use crate::grave::GraveSet;
use crate::scaled_piece::{ScaledPiece, features_of, index, scaled};

/// The weight of one message beside the ridge penalty.
const COST: f32 = 2.0;

/// A piece is kept if one of its weights has at least so many units: a third of the pieces, and the same
/// precision and recall as with all.
const UNITS_MIN: f32 = 5.0;

/// Fits a logistic regression for each topic and for whether there is any, and returns the section
/// `[gravemodel]` of the language behind a comment that names the messages.
///
/// Pieces of many messages are scaled down before, by their inverse document frequency, so that the ridge
/// concerns them more. Fitted with AdaGrad (J. Duchi et al., 2011) over all messages at once, without
/// randomness.
pub(crate) fn train(sets: &[GraveSet], languages: &Languages) -> anyhow::Result<String> {
    let (samples, pieces) = samples(sets, languages)?;
    ensure!(!pieces.is_empty(), "expected messages that have words in common, found none");
    let (weights, bias) = fit(&samples, pieces.len(), sigmoid);
    let scaled = weights.iter().zip(&pieces);
    let scaled: Vec<_> =
        scaled.map(|(weights, piece)| weights.map(|weight| weight * piece.factor)).collect();
    let names: Vec<&str> = pieces.iter().map(|piece| &*piece.text).collect();
    let mut model = format!("{}\n\n[gravemodel]\n", heading(sets));
    model.push_str(&written(&bias, &scaled, &names, (JUDGEMENTS, UNITS_MIN)));
    Ok(model)
}

/// The comment before a model: how many messages it was trained on, and their digest, so that a test tells
/// whether a model is older than its messages.
fn heading(sets: &[GraveSet]) -> String {
    let lines = sets.iter().flat_map(|set| &set.rows).map(|(topics, text)| {
        let names: Vec<&str> = topics.iter().map(|topic| topic.name()).collect();
        format!("{}\t{text}", names.join(","))
    });
    let digest = digest(lines);
    let messages: usize = sets.iter().map(|set| set.rows.len()).sum();
    format!("# `twinsense train-grave` on {messages} messages with the digest {digest}.")
}

/// The messages, and their pieces in alphabetical order.
fn samples(
    sets: &[GraveSet],
    languages: &Languages,
) -> anyhow::Result<(Vec<Sample<JUDGEMENTS>>, Vec<ScaledPiece>)> {
    let rows = sets.iter().flat_map(|set| set.rows.iter().map(|row| (set.language, row)));
    let messages = rows.map(|(language, (topics, text))| {
        let parsed = languages.parse(text, language);
        let parsed =
            parsed.ok_or_else(|| anyhow!("expected a known language, found `{language}`"))?;
        Ok((&**topics, parsed.pieces()))
    });
    let messages: Vec<(&[GraveTopic], MessagePieces)> = messages.collect::<anyhow::Result<_>>()?;
    let pieces = scaled(messages.iter().map(|(_, pieces)| pieces));
    let index = index(&pieces);
    let samples = messages.iter().map(|(topics, found)| {
        let mut wanted = [0.0; JUDGEMENTS];
        wanted[0] = f32::from(u8::from(!topics.is_empty()));
        topics.iter().for_each(|topic| wanted[1 + *topic as usize] = 1.0);
        let features = features_of(found, &pieces, &index);
        Sample { wanted, weight: COST, features }
    });
    let samples = samples.collect();
    Ok((samples, pieces))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The sets on which the model of a language is trained, in the order of their names.
    fn training_sets(language: &str) -> Vec<GraveSet> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("grave");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let ending = format!("-{language}.tsv");
        let mut files: Vec<_> = files
            .filter(|file| file.to_str().is_some_and(|name| name.ends_with(&ending)))
            .collect();
        files.sort();
        files.iter().map(|file| GraveSet::read(language.parse().unwrap(), file).unwrap()).collect()
    }

    #[test]
    fn the_models_of_the_built_in_languages_were_trained_on_these_messages() {
        for (language, model) in [
            ("en", include_str!("../../../config/languages/en/grave-model.txt")),
            ("fr", include_str!("../../../config/languages/fr/grave-model.txt")),
            ("de", include_str!("../../../config/languages/de/grave-model.txt")),
        ] {
            let heading = heading(&training_sets(language));
            assert_eq!(model.lines().next(), Some(&*heading), "train {language} again");
        }
    }

    #[test]
    fn what_messages_with_a_topic_have_in_common_speaks_for_it() {
        let languages = Languages::new([("en/words.txt", "[words]\n0.5 good\n")]).unwrap();
        let rows = [
            (vec![GraveTopic::Bereavement], "her chair is empty"),
            (vec![GraveTopic::Bereavement], "his chair is empty now"),
            (vec![], "the sofa is red"),
            (vec![], "the sofa is too small now"),
        ];
        let rows = rows.map(|(topics, text)| (topics, text.to_owned()));
        let rows = rows.iter().cycle().take(200).cloned().collect();
        let sets = [GraveSet { path: "set.tsv".into(), language: "en".parse().unwrap(), rows }];
        let model = train(&sets, &languages).unwrap();
        let languages = Languages::new([("en/model.txt", &*model)]).unwrap();
        let topics = |text| {
            languages.grave(text, sets[0].language).iter().map(|one| one.topic).collect::<Vec<_>>()
        };
        assert_eq!(topics("my chair is empty"), [GraveTopic::Bereavement]);
        assert_eq!(topics("my sofa is red"), []);
    }
}
