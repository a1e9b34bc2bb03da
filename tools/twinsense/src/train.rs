//! Trains a model of valence on labelled messages.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{anyhow, ensure};
use jumeau::language::{CLASSES, LEXICAL_FEATURES, Languages, ValenceSample};
use twox_hash::XxHash3_64;

use crate::fit::{Sample, digest, fit, softmax, written};
use crate::measure::{Answer, Class, answers, classes, macro_f1};
use crate::scaled_piece::{ScaledPiece, features_of, index, scaled};
use crate::set::Set;

/// The weights of one message beside the ridge penalty that are tried.
const COSTS: [f32; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];

/// The temperatures that are tried.
const TEMPERATURES: [f32; 8] = [0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2, 3.0];

/// The parts of the messages; a weight is judged on each of them, trained on the others.
const FOLDS: u64 = 4;

/// One message of so many is held out, so that the model can be compared with the lexicon.
const HELD_OUT: u64 = 5;

/// A piece is kept if one of its weights has at least so many units.
const UNITS_MIN: f32 = 3.0;

/// The fewest messages of a class from which anything is learned.
const CLASS_MIN: usize = 20;

/// The groups of answers by which calibration is judged.
const BINS: usize = 10;

/// A labelled message.
struct Message {
    label: i8,
    class: usize,
    sample: ValenceSample,
    /// Decides, by the text alone, of which part it is: equal texts are in the same part.
    hash: u64,
}

impl Message {
    fn is_held_out(&self) -> bool {
        self.hash.is_multiple_of(HELD_OUT)
    }

    fn fold(&self) -> u64 {
        self.hash / HELD_OUT % FOLDS
    }
}

/// Fits a softmax regression of the class on what the lexicon says and on the pieces of messages, each class with
/// the same weight, and returns the section `[valencemodel]` of the language behind comments that say how well
/// it reads.
///
/// The weight of the messages beside the ridge penalty is chosen by cross validation ([`Fit::best`]). A fifth of the
/// messages is held out from this, and compares the model with the lexicon.
///
/// # Errors
/// If there are too few messages of a class, and if the model reads those that were held out no better than the
/// lexicon.
pub(crate) fn train(set: &Set, languages: &Languages) -> anyhow::Result<String> {
    let messages = messages(set, languages)?;
    let (held_out, rest): (Vec<&Message>, Vec<&Message>) =
        messages.iter().partition(|message| message.is_held_out());
    check_classes(&rest)?;
    let classes = classes(set.has_neutral());
    let best = Fit::best(&rest, classes);
    let rows = set.rows.iter().zip(&messages).filter(|(_, message)| message.is_held_out());
    let lexicon = answers(rows.map(|(row, _)| row), set, languages)?;
    let model = Model::fit(&rest, best);
    let learned: Vec<Answer> = held_out
        .iter()
        .map(|message| (message.label, answer(model.odds(message), set.has_neutral())))
        .collect();
    let [learned, lexicon] = [learned, lexicon].map(|answers| macro_f1(&answers, classes));
    ensure!(
        learned > lexicon,
        "expected a model that reads better than the lexicon; on the {} messages that were held out it has a \
         macro-F1 of {learned:.3}, the lexicon of {lexicon:.3}: it is not printed. More labelled messages may \
         help, or labels that say how the writer feels",
        held_out.len()
    );
    let digest = digest(set.rows.iter().map(|(label, text)| format!("{label}\t{text}")));
    Ok(format!(
        "# `twinsense train` on {} messages with the digest {digest}, of the weight {}.\n\
         # On {} of them that were held out: macro-F1 {learned:.3}, the lexicon {lexicon:.3}; calibration error \
         {:.3}.\n\n[valencemodel]\n{}",
        set.rows.len(),
        best.cost,
        held_out.len(),
        calibration_error(&model, &held_out),
        Model::fit(&messages.iter().collect::<Vec<_>>(), best).text()
    ))
}

/// The messages of a set, with what a model sees of them.
fn messages(set: &Set, languages: &Languages) -> anyhow::Result<Vec<Message>> {
    let least = if set.has_neutral() { -1 } else { 0 };
    let messages = set.rows.iter().map(|(label, text)| {
        let own = languages.own_words(text);
        let parsed = languages.parse(&own, set.language);
        let parsed =
            parsed.ok_or_else(|| anyhow!("expected a known language, found `{}`", set.language))?;
        let sample = parsed.valence_sample();
        // A set of two classes has no neutral one.
        let class = if least == 0 && *label == 1 { 2 } else { usize::from(label.abs_diff(least)) };
        let hash = XxHash3_64::oneshot(text.as_bytes());
        Ok(Message { label: *label, class, sample, hash })
    });
    messages.collect()
}

fn check_classes(messages: &[&Message]) -> anyhow::Result<()> {
    let counts = counts(messages);
    let enough = counts.iter().filter(|count| **count >= CLASS_MIN).count();
    let known = counts.iter().filter(|count| **count > 0).count();
    ensure!(
        known >= 2 && enough == known,
        "expected at least {CLASS_MIN} messages of each class beside those that are held out; found {} negative, \
         {} neutral, {} positive ones",
        counts[0],
        counts[1],
        counts[2]
    );
    Ok(())
}

fn counts(messages: &[&Message]) -> [usize; CLASSES] {
    let mut counts = [0; CLASSES];
    messages.iter().for_each(|message| counts[message.class] += 1);
    counts
}

/// The weight of each class, so that all of them weigh the same, and all messages as much as there are.
fn class_weights(messages: &[&Message]) -> [f32; CLASSES] {
    let counts = counts(messages);
    let known = counts.iter().filter(|count| **count > 0).count();
    counts.map(|count| messages.len() as f32 / (known * count.max(1)) as f32)
}

/// How a model is fitted.
#[derive(Debug, Clone, Copy)]
struct Fit {
    /// The weight of a message beside the ridge penalty.
    cost: f32,
    /// By what all log-odds are divided, so that the probabilities are not too certain (C. Guo et al.: On
    /// Calibration of Modern Neural Networks, 2017, section 4.2).
    temperature: f32,
}

impl Fit {
    /// The weight with the best macro-F1 on folds that were not trained on, and the temperature with the best cross
    /// entropy there.
    fn best(messages: &[&Message], classes: &[Class]) -> Fit {
        let weights = class_weights(messages);
        let mut best = (f64::MIN, Fit { cost: COSTS[0], temperature: 1.0 });
        for cost in COSTS {
            let mut answered: Vec<(&Message, [f32; CLASSES])> = Vec::with_capacity(messages.len());
            for fold in 0..FOLDS {
                let (tested, trained): (Vec<&Message>, Vec<&Message>) =
                    messages.iter().partition(|message| message.fold() == fold);
                let model = Model::fit(&trained, Fit { cost, temperature: 1.0 });
                answered.extend(tested.iter().map(|message| (*message, model.odds(message))));
            }
            let answers: Vec<Answer> = answered
                .iter()
                .map(|(message, odds)| (message.label, answer(*odds, classes.len() == CLASSES)))
                .collect();
            let f1 = macro_f1(&answers, classes);
            if f1 > best.0 {
                let loss = |temperature: f32| {
                    let losses = answered.iter().map(|(message, odds)| {
                        let mut odds = odds.map(|odds| odds / temperature);
                        softmax(&mut odds);
                        -weights[message.class] * odds[message.class].max(f32::MIN_POSITIVE).ln()
                    });
                    losses.sum::<f32>()
                };
                let temperature = TEMPERATURES
                    .into_iter()
                    .min_by(|one, other| loss(*one).total_cmp(&loss(*other)))
                    .unwrap_or(1.0);
                best = (f1, Fit { cost, temperature });
            }
        }
        best.1
    }
}

/// A fitted model.
struct Model {
    bias: [f32; CLASSES],
    /// The weights of what the lexicon says, and then of the pieces.
    weights: Vec<[f32; CLASSES]>,
    pieces: Vec<ScaledPiece>,
    /// The places of the pieces.
    index: HashMap<String, u32>,
}

impl Model {
    fn fit(messages: &[&Message], Fit { cost, temperature }: Fit) -> Model {
        let pieces = scaled(messages.iter().map(|message| &message.sample.pieces));
        let index = index(&pieces);
        let mut model = Model { bias: [0.0; CLASSES], weights: Vec::new(), pieces, index };
        let weights = class_weights(messages);
        let samples = messages.iter().map(|message| {
            let mut wanted = [0.0; CLASSES];
            wanted[message.class] = 1.0;
            Sample {
                wanted,
                weight: cost * weights[message.class],
                features: model.features(&message.sample),
            }
        });
        let samples: Vec<Sample<CLASSES>> = samples.collect();
        let count = LEXICAL_FEATURES.len() + model.pieces.len();
        let (weights, bias) = fit(&samples, count, softmax);
        let cooled = |odds: [f32; CLASSES]| odds.map(|odds| odds / temperature);
        model.weights = weights.into_iter().map(cooled).collect();
        model.bias = cooled(bias);
        model
    }

    fn features(&self, sample: &ValenceSample) -> Vec<(u32, f32)> {
        let mut features: Vec<(u32, f32)> = (0..).zip(sample.lexical).collect();
        let first = LEXICAL_FEATURES.len() as u32;
        let pieces = features_of(&sample.pieces, &self.pieces, &self.index);
        features.extend(pieces.into_iter().map(|(at, value)| (first + at, value)));
        features
    }

    fn odds(&self, message: &Message) -> [f32; CLASSES] {
        let mut odds = self.bias;
        for (at, value) in self.features(&message.sample) {
            let weights = &self.weights[at as usize];
            odds.iter_mut().zip(weights).for_each(|(odds, weight)| *odds += value * weight);
        }
        odds
    }

    /// The lines of the section `[valencemodel]`.
    fn text(&self) -> String {
        let mut text = String::new();
        let (lexical, pieces) = self.weights.split_at(LEXICAL_FEATURES.len());
        for (name, [negative, neutral, positive]) in LEXICAL_FEATURES.iter().zip(lexical) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "lexical {name} {negative:.3} {neutral:.3} {positive:.3}");
        }
        let scaled = pieces.iter().zip(&self.pieces);
        let scaled: Vec<_> =
            scaled.map(|(weights, piece)| weights.map(|weight| weight * piece.factor)).collect();
        let names: Vec<&str> = self.pieces.iter().map(|piece| &*piece.text).collect();
        text + &written(&self.bias, &scaled, &names, (CLASSES, UNITS_MIN))
    }
}

/// The label of the most likely class, from its log-odds.
fn answer([negative, neutral, positive]: [f32; CLASSES], has_neutral: bool) -> i8 {
    match has_neutral {
        true if neutral >= negative.max(positive) => 0,
        true if positive > negative => 1,
        true => -1,
        false => i8::from(positive > negative),
    }
}

/// The mean distance between how likely the answers are said to be and how often they are right, in [`BINS`] groups
/// of answers with like probabilities (C. Guo et al.: On Calibration of Modern Neural Networks, 2017, section 2),
/// each class with the same weight, as the model is trained.
fn calibration_error(model: &Model, messages: &[&Message]) -> f32 {
    let weights = class_weights(messages);
    let mut bins = [(0.0_f32, 0.0_f32); BINS];
    for message in messages {
        let mut odds = model.odds(message);
        softmax(&mut odds);
        let best = (0..CLASSES).max_by(|a, b| odds[*a].total_cmp(&odds[*b])).unwrap_or_default();
        let bin = ((odds[best] * BINS as f32) as usize).min(BINS - 1);
        bins[bin].0 += weights[message.class] * odds[best];
        bins[bin].1 += weights[message.class] * f32::from(u8::from(best == message.class));
    }
    let distances = bins.iter().map(|(said, right)| (said - right).abs());
    distances.sum::<f32>() / messages.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rows: impl Iterator<Item = (i8, String)>) -> Set {
        Set { path: "set.tsv".into(), language: "en".parse().unwrap(), rows: rows.collect() }
    }

    /// Messages whose words the lexicon does not know.
    fn messages_of_two_kinds() -> Set {
        set((0..400).map(|number| match number % 3 {
            0 => (-1, format!("the gribble {number} is zorky")),
            1 => (0, format!("the gribble {number} is brown")),
            _ => (1, format!("the gribble {number} is plonk")),
        }))
    }

    #[test]
    fn a_model_learns_what_the_lexicon_does_not_know() {
        let set = messages_of_two_kinds();
        let model = train(&set, &Languages::embedded()).unwrap();
        let trained = Languages::with_models([], [("en.txt".to_owned(), model.clone())]).unwrap();
        let read = |text: &str| trained.read(text, set.language).unwrap();
        assert!(read("a zorky gribble").valence < -0.15, "{model}");
        assert!(read("a plonk gribble").valence > 0.15, "{model}");
        assert!(read("a brown gribble").valence.abs() < 0.15, "{model}");
        assert_eq!(&*read("a zorky gribble").words[0].text, "zorky", "it says what moved it");
        assert_eq!(
            model,
            train(&set, &Languages::embedded()).unwrap(),
            "training has no chance in it"
        );
        let head: Vec<&str> = model.lines().take(2).collect();
        insta::assert_snapshot!(head.join("\n"), @"
        # `twinsense train` on 400 messages with the digest 2118d91fe3c204cc, of the weight 0.5.
        # On 83 of them that were held out: macro-F1 1.000, the lexicon 0.186; calibration error 0.214.
        ");
    }

    #[test]
    fn a_set_of_two_classes_teaches_two_classes() {
        let rows = messages_of_two_kinds().rows.into_iter().filter(|(label, _)| *label != 0);
        let set = set(rows.map(|(label, text)| (i8::from(label > 0), text)));
        let model = train(&set, &Languages::embedded()).unwrap();
        let trained = Languages::with_models([], [("en.txt".to_owned(), model)]).unwrap();
        let valence = |text: &str| trained.read(text, set.language).unwrap().valence;
        assert!(valence("a zorky gribble") < 0.0 && valence("a plonk gribble") > 0.0);
    }

    #[test]
    fn what_teaches_nothing_is_refused_with_the_reason() {
        let refused = |set: &Set| train(set, &Languages::embedded()).unwrap_err().to_string();
        let few = set(messages_of_two_kinds().rows.into_iter().take(30));
        insta::assert_snapshot!(refused(&few), @"expected at least 20 messages of each class beside those that are held out; found 10 negative, 9 neutral, 7 positive ones");
        let words = ["terrible", "brown", "great"];
        let known = set((0..300).map(|number: usize| {
            ((number % 3) as i8 - 1, format!("the {} box {}", words[number % 3], number / 3))
        }));
        let why = refused(&known);
        assert!(why.starts_with("expected a model that reads better than the lexicon"), "{why}");
    }
}
