use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::Language;
use super::analysed_text::{AnalysedText, WeightedSpans};
use super::learned_valence::{add_shares, lexical_features};
use super::parsed_message::ParsedMessage;
use super::valence_model::{CLASSES, ValenceSample};
use super::{urgency, valence};
use crate::config::limits;
use crate::event::cut;

/// The analysis of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The language of the analysis.
    pub language: Language,
    /// The writer's sentiment: −1 (bad) to 1 (good). Between −[`NEUTRAL_BAND`] and [`NEUTRAL_BAND`] it is
    /// neutral.
    pub valence: f32,
    /// The amount of evidence: 0 (nothing found, the valence is a guess) to 1.
    pub confidence: f32,
    /// The urgency: 0 to 1, independent of the valence.
    pub urgency: f32,
    /// The words that caused the valence, the largest contribution first; at most [`limits::CUES`].
    pub words: SmallVec<[Cue; 4]>,
    /// The words that caused the urgency, the largest contribution first; at most [`limits::CUES`].
    pub pressing: SmallVec<[Cue; 4]>,
}

/// Words of a message and their contribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cue {
    /// The words as written; cut at [`limits::NAME_BYTES`].
    pub text: Box<str>,
    /// Their contribution, after negation and emphasis: −1 to 1.
    pub weight: f32,
}

/// The three classes of valence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Below the neutral band.
    Negative,
    /// Within it.
    Neutral,
    /// Above it.
    Positive,
}

/// Half the width of the band around zero in which a valence counts as neutral. It was set once, for
/// messages of all kinds: a single mild word stays within it, a plain one does not.
pub const NEUTRAL_BAND: f32 = 0.15;

impl Tone {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Tone::Negative => "negative",
            Tone::Neutral => "neutral",
            Tone::Positive => "positive",
        }
    }
}

impl Reading {
    /// The class of its valence.
    pub fn tone(&self) -> Tone {
        if self.valence > NEUTRAL_BAND {
            Tone::Positive
        } else if self.valence < -NEUTRAL_BAND {
            Tone::Negative
        } else {
            Tone::Neutral
        }
    }
}

/// The sum of absolute weights at which the confidence is one half.
const ENOUGH: f32 = 0.5;

/// Rounds to three decimals: more would be noise for readers and storage. A zero has no sign.
fn rounded(number: f32) -> f32 {
    (number * 1000.0).round() / 1000.0 + 0.0
}

impl ParsedMessage<'_> {
    /// Its valence and urgency, by the lexicon of its language and the model that a company has trained on top of
    /// it.
    pub fn reading(&self) -> Reading {
        read(self)
    }

    /// What a model of valence is trained on.
    pub fn valence_sample(&self) -> ValenceSample {
        let parts = valence::parts(&self.analysed, self.lexicon);
        ValenceSample { lexical: lexical_features(&self.analysed, &parts), pieces: self.pieces() }
    }
}

fn read(message: &ParsedMessage<'_>) -> Reading {
    let ParsedMessage { lexicon, analysed, .. } = message;
    let mut parts = valence::parts(analysed, lexicon);
    let valence = if let Some(model) = &lexicon.valence {
        let lexical = lexical_features(analysed, &parts);
        let judgement = model.judge(lexical, message.hashed_pieces(), analysed.tokens.list.len());
        add_shares(&mut parts, &judgement.shares);
        likely_valence(judgement.odds)
    } else {
        valence::squash(parts.iter().map(|part| part.weight).sum())
    };
    let mass = parts.iter().map(|part| part.weight.abs()).sum::<f32>();
    let (pressure, mut pressing) = urgency::measure(analysed, lexicon);
    Reading {
        language: lexicon.language,
        valence: rounded(valence),
        confidence: rounded(mass / (mass + ENOUGH)),
        urgency: rounded(pressure),
        words: cues(analysed, &mut parts),
        pressing: cues(analysed, &mut pressing),
    }
}

/// The parts with the largest contributions, as written.
fn cues(analysed: &AnalysedText<'_>, parts: &mut WeightedSpans) -> SmallVec<[Cue; 4]> {
    parts.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()).then(a.start.cmp(&b.start)));
    parts
        .iter()
        .filter(|part| part.weight.abs() >= 0.01)
        .take(limits::CUES)
        .filter_map(|part| {
            let first = analysed.tokens.list.get(part.start)?.place.start as usize;
            let last = analysed.tokens.list.get(part.end.checked_sub(1)?)?.place.end as usize;
            let text = cut(analysed.text.get(first..last)?.trim_end(), limits::NAME_BYTES).into();
            Some(Cue { text, weight: rounded(part.weight.clamp(-1.0, 1.0)) })
        })
        .collect()
}

/// The valence for the log-odds of the classes: within the neutral band if neutral is the most likely, else beyond
/// it, by how much more likely the one side is than the next class.
fn likely_valence(odds: [f32; CLASSES]) -> f32 {
    let most = odds.into_iter().fold(f32::MIN, f32::max);
    let likelihoods = odds.map(|odds| f32::exp(odds - most));
    let sum: f32 = likelihoods.iter().sum();
    let [negative, neutral, positive] = likelihoods.map(|likelihood| likelihood / sum);
    let (side, other) = (positive.max(negative), positive.min(negative));
    let size = if neutral >= side {
        NEUTRAL_BAND * (side - other) / neutral
    } else {
        // One that is just as likely as the next class is just outside the band.
        NEUTRAL_BAND + f32::EPSILON + (1.0 - NEUTRAL_BAND) * (side - other.max(neutral))
    };
    size.min(1.0).copysign(positive - negative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valence_is_that_of_the_most_likely_class() {
        assert_eq!(likely_valence([0.0; CLASSES]), 0.0);
        assert!(likely_valence([0.0, 1.0, 0.9]) < NEUTRAL_BAND);
        assert!(likely_valence([0.0, 0.9, 1.0]) > NEUTRAL_BAND);
        assert!(likely_valence([3.0, 0.0, 0.0]) < -NEUTRAL_BAND);
        assert!(likely_valence([0.0, 0.0, 30.0]) > 0.999);
    }
}
