//! Whether a model reads better than the lexicon and than chance, by more than the messages at hand vary.

use anyhow::ensure;

use crate::measure::{Answer, Class, classes, macro_f1, shares};

/// The number of standard errors by which a model must be better than the lexicon. A model that is as good as the
/// lexicon passes about once in forty times, and does no harm then.
const GAIN_ERRORS: f64 = 2.0;

/// The number of standard errors by which a model must be better than chance, more than any of 167 sets of random
/// labels was, because labels that say nothing must not pass. Labels that say something reach twice as many with 150
/// messages.
const CHANCE_ERRORS: f64 = 4.0;

/// The least distance of a model's macro-F1 from chance, however surely it is there: a model below helps nobody.
const ABOVE_CHANCE_MIN: f64 = 0.1;

/// The number of standard errors by which labels must be the opposite of what the lexicon reads to seem reversed.
const REVERSED_ERRORS: f64 = 3.0;

/// A message with its label, and how it was read by a model that was not trained on it, and by the lexicon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Compared {
    pub(crate) label: i8,
    pub(crate) model: i8,
    pub(crate) lexicon: i8,
}

/// A figure, and the error with which so few messages tell it.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    figure: f64,
    standard_error: f64,
}

impl Estimate {
    /// A figure of messages. Its standard error is that of the jackknife (J. Tukey, 1958; B. Efron and R.
    /// Tibshirani: An Introduction to the Bootstrap, 1993, chapter 11): with θᵢ the figure without message i and
    /// θ̄ the mean of all θᵢ, √((n − 1)/n · Σ(θᵢ − θ̄)²).
    fn of<T: Copy + Ord>(messages: &[T], figure: impl Fn(&[T]) -> f64) -> Estimate {
        let mut sorted = messages.to_vec();
        sorted.sort_unstable();
        let count = sorted.len() as f64;
        // Without one of equal messages the figure is the same, whichever it is: there are at most 27 kinds.
        let mut without: Vec<(f64, f64)> = Vec::new();
        let kinds: Vec<(T, usize)> =
            sorted.chunk_by(|a, b| a == b).map(|kind| (kind[0], kind.len())).collect();
        for (kind, equal) in kinds {
            let at = sorted.partition_point(|known| *known < kind);
            let one = sorted.remove(at);
            without.push((figure(&sorted), equal as f64));
            sorted.insert(at, one);
        }
        let mean = without.iter().map(|(figure, equal)| figure * equal).sum::<f64>() / count;
        let squares = without.iter().map(|(figure, equal)| equal * (figure - mean).powi(2));
        let standard_error = f64::sqrt((count - 1.0) / count * squares.sum::<f64>());
        Estimate { figure: figure(messages), standard_error }
    }

    /// Whether it is above zero by more than so many standard errors.
    fn is_above(self, errors: f64) -> bool {
        self.figure > errors * self.standard_error
    }
}

/// How well a model and the lexicon read the same messages.
#[derive(Debug)]
pub(crate) struct Evidence {
    model: f64,
    lexicon: f64,
    chance: f64,
    /// The macro-F1 of the model less that of chance.
    above_chance: Estimate,
    /// The macro-F1 of the model less that of the lexicon.
    gain: Estimate,
}

impl Evidence {
    pub(crate) fn new(messages: &[Compared], classes: &[Class]) -> Evidence {
        let learned = |messages: &[Compared]| answers(messages, |message| message.model);
        let known = |messages: &[Compared]| answers(messages, |message| message.lexicon);
        let model = |messages: &[Compared]| macro_f1(&learned(messages), classes);
        let lexicon = |messages: &[Compared]| macro_f1(&known(messages), classes);
        let chance = |messages: &[Compared]| chance(&learned(messages), classes);
        Evidence {
            model: model(messages),
            lexicon: lexicon(messages),
            chance: chance(messages),
            above_chance: Estimate::of(messages, |some| model(some) - chance(some)),
            gain: Estimate::of(messages, |some| model(some) - lexicon(some)),
        }
    }

    /// The figures, for people; behind `±` is the standard error.
    pub(crate) fn text(&self) -> String {
        let Evidence { model, lexicon, chance, above_chance, gain } = self;
        format!(
            "macro-F1 {model:.3}, {:.3} ± {:.3} above the lexicon's {lexicon:.3}, {:.3} ± {:.3} above chance, \
             {chance:.3}",
            gain.figure, gain.standard_error, above_chance.figure, above_chance.standard_error
        )
    }

    /// Checks that the model is better than chance by at least [`ABOVE_CHANCE_MIN`] and by more than
    /// [`CHANCE_ERRORS`], and better than the lexicon by more than [`GAIN_ERRORS`].
    ///
    /// # Errors
    /// If it is not, with the figures.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let figures = self.text();
        ensure!(
            self.above_chance.figure >= ABOVE_CHANCE_MIN
                && self.above_chance.is_above(CHANCE_ERRORS),
            "expected labels that can be learned from the texts: a model above chance by {ABOVE_CHANCE_MIN} and by \
             {CHANCE_ERRORS} standard errors; found {figures}: it is not written. Check that each label stands \
             beside its own text"
        );
        ensure!(
            self.gain.is_above(GAIN_ERRORS),
            "expected a model that reads better than the lexicon by {GAIN_ERRORS} standard errors; found {figures}: \
             it is not written. More labelled messages may help, or labels that say how the writer feels"
        );
        Ok(())
    }
}

/// Checks that a model tells good from bad, apart from neutral: where only the neutral labels are right, the figures
/// over all classes are above chance, too.
///
/// `answers` are those about messages that are labelled good or bad, 1 for good and 0 for bad, whichever of both the
/// model finds likelier.
///
/// # Errors
/// If it is not above chance by [`ABOVE_CHANCE_MIN`] and by more than [`CHANCE_ERRORS`].
pub(crate) fn check_sides(answers: &[Answer]) -> anyhow::Result<()> {
    let classes = classes(false);
    let above_chance =
        Estimate::of(answers, |some| macro_f1(some, classes) - chance(some, classes));
    ensure!(
        above_chance.figure >= ABOVE_CHANCE_MIN && above_chance.is_above(CHANCE_ERRORS),
        "expected labels by which good is told from bad: of {} messages that are labelled so, above chance by \
         {ABOVE_CHANCE_MIN} and by {CHANCE_ERRORS} standard errors; found {:.3} ± {:.3}: the model is not written. \
         Check the labels of good and bad messages",
        answers.len(),
        above_chance.figure,
        above_chance.standard_error
    );
    Ok(())
}

fn answers(messages: &[Compared], of: impl Fn(&Compared) -> i8) -> Vec<Answer> {
    messages.iter().map(|message| (message.label, of(message))).collect()
}

/// The macro-F1 that answers of these classes would have if they had nothing to do with the labels: a class with
/// the share p of the labels and q of the answers has pq right ones, so that its F1 is 2pq/(p + q).
fn chance(answers: &[Answer], classes: &[Class]) -> f64 {
    let of_class = classes.iter().map(|class| {
        let (labelled, answered) = shares(class, answers);
        if labelled + answered > 0.0 {
            2.0 * labelled * answered / (labelled + answered)
        } else {
            0.0
        }
    });
    of_class.sum::<f64>() / classes.len() as f64
}

/// Checks that labels have the sign that the lexicon reads rather than the opposite one.
///
/// `signs` has the signs of label and valence of each message of which both are good or bad. If they had nothing to
/// do with each other, the number of opposite ones would be binomial, with the standard error ½√n.
///
/// # Errors
/// If more than half of them are opposite by more than [`REVERSED_ERRORS`].
pub(crate) fn check_signs(signs: &[(bool, bool)]) -> anyhow::Result<()> {
    let (all, opposite) = (signs.len(), signs.iter().filter(|(label, read)| label != read).count());
    let count = all as f64;
    ensure!(
        opposite as f64 - count / 2.0 <= REVERSED_ERRORS * f64::sqrt(count) / 2.0,
        "the labels seem reversed: of {all} messages that are labelled good or bad and that the lexicon reads as \
         good or bad, it reads {opposite} the other way round. Expected 1 for good and -1 (or 0 in a set of two \
         classes) for bad"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many messages of both labels each; the model and the lexicon are wrong about each so-manieth.
    fn evidence(each: usize, model_wrong: usize, lexicon_wrong: usize) -> Evidence {
        let messages = (0..2 * each).map(|at| {
            let label = i8::from(at < each);
            let unless = |wrong: usize| if at % wrong == 0 { 1 - label } else { label };
            Compared { label, model: unless(model_wrong), lexicon: unless(lexicon_wrong) }
        });
        Evidence::new(&messages.collect::<Vec<_>>(), classes(false))
    }

    #[test]
    fn the_standard_error_of_a_share_is_the_known_one() {
        let mut messages = vec![Compared { label: 1, model: 1, lexicon: 0 }; 75];
        messages.extend([Compared { label: 1, model: 0, lexicon: 0 }; 25]);
        let share = |some: &[Compared]| {
            some.iter().filter(|one| one.model == 1).count() as f64 / some.len() as f64
        };
        let Estimate { figure, standard_error } = Estimate::of(&messages, share);
        // √(p(1 − p)/(n − 1))
        let known = f64::sqrt(0.75 * 0.25 / 99.0);
        assert!(figure == 0.75 && (standard_error - known).abs() < 1e-12, "{standard_error}");
    }

    #[test]
    fn answers_that_have_nothing_to_do_with_the_labels_have_the_macro_f1_of_chance() {
        // A third of the labels is 1, and one answer of four, whatever the label.
        let answers: Vec<Answer> =
            (0..1200).map(|at| (i8::from(at % 3 == 0), i8::from(at % 4 == 0))).collect();
        let (found, expected) =
            (macro_f1(&answers, classes(false)), chance(&answers, classes(false)));
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn a_model_must_be_clearly_better_than_the_lexicon() {
        assert!(evidence(300, 10, 5).check().is_ok());
        let same = evidence(300, 5, 5).check().unwrap_err().to_string();
        insta::assert_snapshot!(same, @"expected a model that reads better than the lexicon by 2 standard errors; found macro-F1 0.800, 0.000 ± 0.000 above the lexicon's 0.800, 0.300 ± 0.016 above chance, 0.500: it is not written. More labelled messages may help, or labels that say how the writer feels");
        let unsure = evidence(30, 10, 7).check().unwrap_err().to_string();
        assert!(unsure.contains("better than the lexicon"), "{unsure}");
    }

    #[test]
    fn a_model_must_be_clearly_better_than_chance() {
        let random = evidence(300, 2, 1).check().unwrap_err().to_string();
        insta::assert_snapshot!(random, @"expected labels that can be learned from the texts: a model above chance by 0.1 and by 4 standard errors; found macro-F1 0.500, 0.500 ± 0.020 above the lexicon's 0.000, 0.000 ± 0.020 above chance, 0.500: it is not written. Check that each label stands beside its own text");
        // A third wrong of few could be chance; of many, it is not.
        let few = evidence(25, 3, 1).check().unwrap_err().to_string();
        assert!(few.contains("above chance"), "{few}");
        assert!(evidence(300, 3, 1).check().is_ok());
    }

    #[test]
    fn labels_that_are_the_opposite_of_what_is_read_seem_reversed() {
        let signs = |opposite: usize, all: usize| -> Vec<(bool, bool)> {
            (0..all).map(|at| (at % 2 == 0, (at % 2 == 0) != (at < opposite))).collect()
        };
        check_signs(&signs(5, 200)).unwrap();
        check_signs(&signs(100, 200)).unwrap();
        check_signs(&signs(5, 5)).unwrap();
        check_signs(&[]).unwrap();
        insta::assert_snapshot!(check_signs(&signs(180, 200)).unwrap_err(), @"the labels seem reversed: of 200 messages that are labelled good or bad and that the lexicon reads as good or bad, it reads 180 the other way round. Expected 1 for good and -1 (or 0 in a set of two classes) for bad");
    }
}
