//! Trains a model of valence on labelled messages.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::panic::resume_unwind;

use anyhow::{anyhow, ensure};
use jumeau::language::{
    CLASSES, LEXICAL_FEATURES, Languages, Reading, Tone, ValenceSample, with_model_end,
};
use twox_hash::XxHash3_64;

use crate::evidence::{Compared, Evidence, check_sides, check_signs};
use crate::fit::{Sample, digest, fit, softmax, written};
use crate::groups::DistinctMessages;
use crate::measure::{Answer, Class, answer_of, classes, macro_f1};
use crate::scaled_piece::{ScaledPiece, features_of, index, scaled};
use crate::set::Set;

/// The weights of one message beside the ridge penalty that are tried.
const COSTS: [f32; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];

/// The temperatures that are tried.
const TEMPERATURES: [f32; 8] = [0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2, 3.0];

/// The parts of the messages; each is read by a model that was trained on the others.
const FOLDS: usize = 5;

/// A piece is kept if one of its weights has at least so many units.
const UNITS_MIN: f32 = 3.0;

/// The fewest messages of a class from which anything is learned.
const CLASS_MIN: usize = 25;

/// The groups of answers by which calibration is judged.
const BINS: usize = 10;

/// A labelled message.
struct Message {
    label: i8,
    class: usize,
    sample: ValenceSample,
    /// What the lexicon says.
    reading: Reading,
    /// The part to which it belongs.
    fold: usize,
}

/// Fits a softmax regression of the class on what the lexicon says and on the pieces of messages, each class with
/// the same weight, and returns the file of the model: comments that say how well it reads, and the section
/// `[valencemodel]`.
///
/// Messages that are alike count once ([`DistinctMessages`]). Every message is read once by a model that was trained
/// on the other [parts](FOLDS); by these answers the weight of the messages beside the ridge penalty is chosen, and
/// the model is compared with the lexicon and with chance ([`Evidence`]).
///
/// # Errors
/// If there are too few messages of a class; if too many labels contradict each other, or are the opposite of what
/// the lexicon reads; and if the model is not clearly better than the lexicon and than chance.
pub(crate) fn train(set: &Set, languages: &Languages) -> anyhow::Result<String> {
    ensure!(
        languages.models().all(|(language, _)| language != set.language),
        "expected the lexicon alone to compare with, found a model of `{}`, too: leave out `--models`",
        set.language
    );
    let distinct = DistinctMessages::new(set, languages)?;
    let messages = messages(&distinct, set, languages)?;
    check_classes(&messages)?;
    check_signs(&signs(&messages, set.has_neutral()))?;
    let classes = classes(set.has_neutral());
    let trial = Trial::best(&messages, classes);
    let evidence = Evidence::new(&trial.compared(set.has_neutral()), classes);
    evidence.check()?;
    if set.has_neutral() {
        check_sides(&trial.sides())?;
    }
    let all: Vec<&Message> = messages.iter().collect();
    let fit = trial.fit;
    let mut lines: Vec<String> =
        set.rows.iter().map(|(label, text)| format!("{label}\t{text}")).collect();
    // The same messages are the same set in any order.
    lines.sort_unstable();
    let left_out = match distinct.left_out() {
        nothing if nothing.is_empty() => String::new(),
        some => format!("# Left out: {some}.\n"),
    };
    Ok(with_model_end(&format!(
        "# `twinsense train` on {} messages with the digest {}, of the weight {}.\n\
         # Each read by a model without it: {}; calibration error {:.3}.\n{left_out}\n[valencemodel]\n{}",
        set.rows.len(),
        digest(lines.into_iter()),
        fit.cost,
        evidence.text(),
        trial.calibration_error(),
        Weights::of(&Features::new(&all), fit).text()
    )))
}

/// The messages from which a model learns, with what it sees of them.
fn messages(
    distinct: &DistinctMessages,
    set: &Set,
    languages: &Languages,
) -> anyhow::Result<Vec<Message>> {
    let least = if set.has_neutral() { -1 } else { 0 };
    let mut rows: Vec<&(i8, String)> = distinct.rows.iter().collect();
    // Each part has the same number of messages of each class, which the digests of their texts assign to it.
    rows.sort_by_key(|(label, text)| (*label, XxHash3_64::oneshot(text.as_bytes())));
    let messages = rows.iter().enumerate().map(|(at, (label, text))| {
        let parsed = languages.parse(text, set.language);
        let parsed =
            parsed.ok_or_else(|| anyhow!("expected a known language, found `{}`", set.language))?;
        // A set of two classes has no neutral one.
        let class = if least == 0 && *label == 1 { 2 } else { usize::from(label.abs_diff(least)) };
        let (sample, reading) = (parsed.valence_sample(), parsed.reading());
        Ok(Message { label: *label, class, sample, reading, fold: at % FOLDS })
    });
    messages.collect()
}

/// The signs of label and valence of the messages of which both are good or bad.
fn signs(messages: &[Message], has_neutral: bool) -> Vec<(bool, bool)> {
    let sides = messages.iter().filter_map(|message| {
        let label = match message.label {
            0 if has_neutral => return None,
            label => label > 0,
        };
        match message.reading.tone() {
            Tone::Neutral => None,
            tone => Some((label, tone == Tone::Positive)),
        }
    });
    sides.collect()
}

fn check_classes(messages: &[Message]) -> anyhow::Result<()> {
    let counts = counts(messages.iter());
    let enough = counts.iter().filter(|count| **count >= CLASS_MIN).count();
    let known = counts.iter().filter(|count| **count > 0).count();
    ensure!(
        known >= 2 && enough == known,
        "expected at least {CLASS_MIN} messages of each class, those that are alike counted once; found {} negative, \
         {} neutral, {} positive ones",
        counts[0],
        counts[1],
        counts[2]
    );
    Ok(())
}

fn counts<'a>(messages: impl Iterator<Item = &'a Message>) -> [usize; CLASSES] {
    let mut counts = [0; CLASSES];
    messages.for_each(|message| counts[message.class] += 1);
    counts
}

/// The weight of each class, so that all of them weigh the same, and all messages as much as there are.
fn class_weights<'a>(messages: impl Iterator<Item = &'a Message>) -> [f32; CLASSES] {
    let counts = counts(messages);
    let known = counts.iter().filter(|count| **count > 0).count();
    let all: usize = counts.iter().sum();
    counts.map(|count| all as f32 / (known * count.max(1)) as f32)
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

/// A way to fit a model, and the log-odds of each message by a model that was so trained on the other parts.
struct Trial<'a> {
    fit: Fit,
    answered: Vec<(&'a Message, [f32; CLASSES])>,
}

impl<'a> Trial<'a> {
    /// The trial of the weight with the best macro-F1, with the temperature of the best cross entropy.
    fn best(messages: &'a [Message], classes: &[Class]) -> Trial<'a> {
        let has_neutral = classes.len() == CLASSES;
        let trials = COSTS.into_iter().zip(answered_by_cost(messages));
        let mut best =
            Trial { fit: Fit { cost: COSTS[0], temperature: 1.0 }, answered: Vec::new() };
        let mut most = f64::MIN;
        for (cost, answered) in trials {
            let answers = answered.iter();
            let answers: Vec<Answer> = answers
                .map(|(message, odds)| (message.label, answer(*odds, has_neutral)))
                .collect();
            let f1 = macro_f1(&answers, classes);
            if f1 > most {
                (most, best) = (f1, Trial { fit: Fit { cost, temperature: 1.0 }, answered });
            }
        }
        best.cool(&class_weights(messages.iter()));
        best
    }

    /// Divides the log-odds by the temperature with the best cross entropy.
    fn cool(&mut self, weights: &[f32; CLASSES]) {
        let loss = |temperature: f32| {
            let losses = self.answered.iter().map(|(message, odds)| {
                let mut odds = odds.map(|odds| odds / temperature);
                softmax(&mut odds);
                -weights[message.class] * odds[message.class].max(f32::MIN_POSITIVE).ln()
            });
            losses.sum::<f32>()
        };
        let best =
            TEMPERATURES.into_iter().min_by(|one, other| loss(*one).total_cmp(&loss(*other)));
        let temperature = best.unwrap_or(1.0);
        self.fit.temperature = temperature;
        for (_, odds) in &mut self.answered {
            *odds = odds.map(|odds| odds / temperature);
        }
    }

    /// The answers beside those of the lexicon.
    fn compared(&self, has_neutral: bool) -> Vec<Compared> {
        let compared = self.answered.iter().map(|(message, odds)| Compared {
            label: message.label,
            model: answer(*odds, has_neutral),
            lexicon: answer_of(&message.reading, has_neutral),
        });
        compared.collect()
    }

    /// The answers about messages that are labelled good or bad, without neutral: 1 for good, 0 for bad.
    fn sides(&self) -> Vec<Answer> {
        let sided = self.answered.iter().filter(|(message, _)| message.label != 0);
        sided.map(|(message, odds)| (i8::from(message.label > 0), answer(*odds, false))).collect()
    }

    /// The mean distance between how likely the answers are said to be and how often they are right, in [`BINS`]
    /// groups of answers with like probabilities (C. Guo et al.: On Calibration of Modern Neural Networks, 2017,
    /// section 2), each class with the same weight, as the model is trained.
    fn calibration_error(&self) -> f32 {
        let weights = class_weights(self.answered.iter().map(|(message, _)| *message));
        let mut bins = [(0.0_f32, 0.0_f32); BINS];
        for (message, odds) in &self.answered {
            let mut odds = *odds;
            softmax(&mut odds);
            let best =
                (0..CLASSES).max_by(|a, b| odds[*a].total_cmp(&odds[*b])).unwrap_or_default();
            let bin = ((odds[best] * BINS as f32) as usize).min(BINS - 1);
            bins[bin].0 += weights[message.class] * odds[best];
            bins[bin].1 += weights[message.class] * f32::from(u8::from(best == message.class));
        }
        let distances = bins.iter().map(|(said, right)| (said - right).abs());
        distances.sum::<f32>() / self.answered.len().max(1) as f32
    }
}

/// For each of [`COSTS`] the log-odds of each message by a model that was so trained on the other parts.
fn answered_by_cost(messages: &[Message]) -> Vec<Vec<(&Message, [f32; CLASSES])>> {
    let of_fold = |fold: usize| {
        let (tested, trained): (Vec<&Message>, Vec<&Message>) =
            messages.iter().partition(|message| message.fold == fold);
        let features = Features::new(&trained);
        COSTS.map(|cost| {
            let weights = Weights::of(&features, Fit { cost, temperature: 1.0 });
            let answered = tested.iter().map(|message| (*message, weights.odds(message)));
            answered.collect::<Vec<_>>()
        })
    };
    // The parts do not wait for each other, and each is computed the same on any number of cores.
    let by_fold: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..FOLDS).map(|fold| scope.spawn(move || of_fold(fold))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    let mut by_cost = vec![Vec::with_capacity(messages.len()); COSTS.len()];
    for fold in by_fold {
        by_cost.iter_mut().zip(fold).for_each(|(all, some)| all.extend(some));
    }
    by_cost
}

/// What a model is fitted on: messages as features.
struct Features<'a> {
    messages: Vec<(&'a Message, Vec<(u32, f32)>)>,
    pieces: Vec<ScaledPiece>,
    index: HashMap<String, u32>,
}

impl<'a> Features<'a> {
    fn new(messages: &[&'a Message]) -> Features<'a> {
        let pieces = scaled(messages.iter().map(|message| &message.sample.pieces));
        let index = index(&pieces);
        let mut features = Features { messages: Vec::new(), pieces, index };
        features.messages =
            messages.iter().map(|message| (*message, features.of(&message.sample))).collect();
        features
    }

    /// The features of a message by their places: what the lexicon says, then the pieces.
    fn of(&self, sample: &ValenceSample) -> Vec<(u32, f32)> {
        let mut features: Vec<(u32, f32)> = (0..).zip(sample.lexical).collect();
        let first = LEXICAL_FEATURES.len() as u32;
        let pieces = features_of(&sample.pieces, &self.pieces, &self.index);
        features.extend(pieces.into_iter().map(|(at, value)| (first + at, value)));
        features
    }
}

/// A fitted model.
struct Weights<'a> {
    features: &'a Features<'a>,
    bias: [f32; CLASSES],
    /// The weights of what the lexicon says, and then of the pieces.
    weights: Vec<[f32; CLASSES]>,
}

impl Weights<'_> {
    fn of<'a>(features: &'a Features<'a>, Fit { cost, temperature }: Fit) -> Weights<'a> {
        let weights = class_weights(features.messages.iter().map(|(message, _)| *message));
        let samples = features.messages.iter().map(|(message, features)| {
            let mut wanted = [0.0; CLASSES];
            wanted[message.class] = 1.0;
            Sample { wanted, weight: cost * weights[message.class], features: features.clone() }
        });
        let samples: Vec<Sample<CLASSES>> = samples.collect();
        let count = LEXICAL_FEATURES.len() + features.pieces.len();
        let (weights, bias) = fit(&samples, count, softmax);
        let cooled = |odds: [f32; CLASSES]| odds.map(|odds| odds / temperature);
        Weights { features, bias: cooled(bias), weights: weights.into_iter().map(cooled).collect() }
    }

    fn odds(&self, message: &Message) -> [f32; CLASSES] {
        let mut odds = self.bias;
        for (at, value) in self.features.of(&message.sample) {
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
        let known = &self.features.pieces;
        let scaled = pieces.iter().zip(known);
        let scaled: Vec<_> =
            scaled.map(|(weights, piece)| weights.map(|weight| weight * piece.factor)).collect();
        let names: Vec<&str> = known.iter().map(|piece| &*piece.text).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: [&str; 12] = [
        "ada", "bela", "cora", "dora", "edda", "fina", "gina", "hanna", "ida", "jana", "kara",
        "lena",
    ];

    fn set(rows: impl Iterator<Item = (i8, String)>) -> Set {
        Set { path: "set.tsv".into(), language: "en".parse().unwrap(), rows: rows.collect() }
    }

    /// A text that is like none of another number below 1728.
    fn about(number: usize, what: &str) -> String {
        let name = |at: usize| FIRST[at % FIRST.len()];
        let (one, two, three) = (name(number), name(number / 12), name(number / 144));
        format!("the gribble {one} {two} {three} is {what}")
    }

    /// Messages whose words the lexicon does not know.
    fn messages_of_two_kinds() -> Set {
        set((0..400).map(|number| match number % 3 {
            0 => (-1, about(number, "zorky")),
            1 => (0, about(number, "brown")),
            _ => (1, about(number, "plonk")),
        }))
    }

    fn trained(set: &Set) -> anyhow::Result<String> {
        train(set, &Languages::embedded())
    }

    fn refused(set: &Set) -> String {
        trained(set).unwrap_err().to_string()
    }

    /// The messages that the repository has, in English.
    fn true_messages() -> Set {
        let path = concat!("en:", env!("CARGO_MANIFEST_DIR"), "/sentences/en.tsv");
        Set::read(path).unwrap()
    }

    #[test]
    fn a_model_learns_what_the_lexicon_does_not_know() {
        let set = messages_of_two_kinds();
        let model = trained(&set).unwrap();
        let trained = Languages::with_models([], [("en.txt".to_owned(), model.clone())]).unwrap();
        let read = |text: &str| trained.read(text, set.language).unwrap();
        assert!(read("a zorky gribble").valence < -0.15, "{model}");
        assert!(read("a plonk gribble").valence > 0.15, "{model}");
        assert!(read("a brown gribble").valence.abs() < 0.15, "{model}");
        assert_eq!(&*read("a zorky gribble").words[0].text, "zorky", "it says what moved it");
        let head: Vec<&str> = model.lines().take(2).collect();
        insta::assert_snapshot!(head.join("\n"), @"
        # `twinsense train` on 400 messages with the digest a077b78a9a3e30df, of the weight 0.5.
        # Each read by a model without it: macro-F1 1.000, 0.834 ± 0.009 above the lexicon's 0.166, 0.667 ± 0.000 above chance, 0.333; calibration error 0.223.
        ");
        let again = train(&set, &trained).unwrap_err().to_string();
        insta::assert_snapshot!(again, @"expected the lexicon alone to compare with, found a model of `en`, too: leave out `--models`");
    }

    #[test]
    fn the_order_of_the_messages_does_not_change_the_model() {
        let mut set = messages_of_two_kinds();
        set.rows.push((1, "THE GRIBBLE ADA ADA ADA IS PLONK".to_owned()));
        set.rows.push((1, "the gribble ada ada ada is plonk 2".to_owned()));
        let model = trained(&set).unwrap();
        assert!(model.contains("\n# Left out: 1 like another one.\n"), "{model}");
        set.rows.reverse();
        assert_eq!(model, trained(&set).unwrap());
    }

    #[test]
    fn a_set_of_two_classes_teaches_two_classes() {
        let rows = messages_of_two_kinds().rows.into_iter().filter(|(label, _)| *label != 0);
        let set = set(rows.map(|(label, text)| (i8::from(label > 0), text)));
        let model = trained(&set).unwrap();
        let trained = Languages::with_models([], [("en.txt".to_owned(), model)]).unwrap();
        let valence = |text: &str| trained.read(text, set.language).unwrap().valence;
        assert!(valence("a zorky gribble") < 0.0 && valence("a plonk gribble") > 0.0);
    }

    #[test]
    fn what_teaches_nothing_is_refused_with_the_reason() {
        let few = set(messages_of_two_kinds().rows.into_iter().take(30));
        insta::assert_snapshot!(refused(&few), @"expected at least 25 messages of each class, those that are alike counted once; found 10 negative, 10 neutral, 10 positive ones");
        let words = ["terrible", "brown", "great"];
        let known =
            set((0..300).map(|number| ((number % 3) as i8 - 1, about(number, words[number % 3]))));
        let why = refused(&known);
        assert!(why.starts_with("expected a model that reads better than the lexicon"), "{why}");
    }

    #[test]
    fn random_labels_are_refused() {
        for seed in 0..4_u64 {
            let mut set = true_messages();
            set.rows.truncate(300);
            for (label, text) in &mut set.rows {
                *label = (XxHash3_64::oneshot_with_seed(seed, text.as_bytes()) % 3) as i8 - 1;
            }
            let why = refused(&set);
            assert!(why.contains("can be learned") || why.contains("reversed"), "{seed}: {why}");
        }
    }

    #[test]
    fn labels_of_which_only_the_neutral_ones_are_right_are_refused() {
        for seed in 0..4_u64 {
            let rows = messages_of_two_kinds().rows.into_iter().map(|(label, text)| {
                let is_good =
                    XxHash3_64::oneshot_with_seed(seed, text.as_bytes()).is_multiple_of(2);
                (if label == 0 { 0 } else { i8::from(is_good) * 2 - 1 }, text)
            });
            let why = refused(&set(rows));
            assert!(why.starts_with("expected labels by which good is told"), "{seed}: {why}");
        }
    }

    #[test]
    fn random_labels_of_messages_that_differ_in_a_number_are_refused() {
        let texts = ["order # is here", "where is order #?", "my number is #"];
        let rows = (0..600_u64).map(|number| {
            let text = texts[number as usize % 3].replace('#', &number.to_string());
            ((XxHash3_64::oneshot(text.as_bytes()) % 3) as i8 - 1, text)
        });
        let why = refused(&set(rows));
        assert!(why.starts_with("expected labels that agree"), "{why}");
    }

    #[test]
    fn reversed_labels_are_refused() {
        let mut set = true_messages();
        set.rows.iter_mut().for_each(|(label, _)| *label = -*label);
        assert!(refused(&set).starts_with("the labels seem reversed"), "{}", refused(&set));
    }

    #[test]
    fn texts_with_every_label_are_refused() {
        let rows = true_messages().rows.into_iter();
        let set = set(rows.flat_map(|(_, text)| [-1, 0, 1].map(|label| (label, text.clone()))));
        assert!(refused(&set).starts_with("expected labels that agree"), "{}", refused(&set));
    }
}
