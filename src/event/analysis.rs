use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{cut, json, nullable};
use crate::config::limits;

/// The external analyser's answer about a message, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// The writer's sentiment: −1 (bad) to 1 (good).
    pub valence: f32,
    /// The confidence in it: 0 to 1; 1 if absent.
    #[serde(default = "sure", deserialize_with = "how_sure")]
    #[schemars(with = "Option<f32>")]
    pub confidence: f32,
    /// The urgency: 0 to 1.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<f32>")]
    pub urgency: f32,
    /// Its language as a BCP 47 tag; if omitted, the twin detects it.
    #[serde(default)]
    pub language: Option<Box<str>>,
    /// The words that caused the valence, the largest contribution first.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Vec<AnalysedWords>>")]
    pub words: Vec<AnalysedWords>,
}

/// Words of a message and their contribution to the valence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnalysedWords {
    /// The words.
    pub text: Box<str>,
    /// Their contribution: −1 to 1.
    pub weight: f32,
}

fn sure() -> f32 {
    1.0
}

fn how_sure<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    nullable::or(from, sure)
}

impl Analysis {
    /// Parses an analyser's answer.
    ///
    /// # Errors
    /// A description of the mistake.
    pub fn parse(answer: &[u8]) -> Result<Analysis, String> {
        let mut read: Analysis = json::read_bytes(answer).map_err(|misread| {
            format!("expected {{\"valence\": -0.5, …}} as JSON, found: {misread}")
        })?;
        for (what, number, range) in [
            ("valence", read.valence, -1.0..=1.0),
            ("confidence", read.confidence, 0.0..=1.0),
            ("urgency", read.urgency, 0.0..=1.0),
        ] {
            if !range.contains(&number) {
                let (least, most) = (range.start(), range.end());
                return Err(format!("expected {what} from {least} to {most}, found {number}"));
            }
        }
        read.words.truncate(limits::CUES);
        for words in &mut read.words {
            words.text = cut(&words.text, limits::NAME_BYTES).into();
            words.weight = words.weight.clamp(-1.0, 1.0);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_needs_a_valence_and_nothing_else() {
        let read = Analysis::parse(br#"{"valence": -0.5}"#).unwrap();
        assert_eq!((read.valence, read.confidence, read.urgency), (-0.5, 1.0, 0.0));
    }

    #[test]
    fn an_answer_that_makes_no_sense_says_why() {
        let why = |answer: &str| Analysis::parse(answer.as_bytes()).unwrap_err();
        let refusals =
            [why(r#"{"valence": 7}"#), why(r#"{"valence": 0, "urgency": -1}"#), why("[]")];
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        expected valence from -1 to 1, found 7
        expected urgency from 0 to 1, found -1
        expected {"valence": -0.5, …} as JSON, found: invalid type: sequence, expected an object with names at line 1 column 2
        "#);
    }

    #[test]
    fn words_beyond_the_limit_are_left_out() {
        let words = [r#"{"text": "bad", "weight": -3.0}"#; limits::CUES + 1].join(", ");
        let answer = format!(r#"{{"valence": 0.5, "words": [{words}]}}"#);
        let read = Analysis::parse(answer.as_bytes()).unwrap();
        assert_eq!(read.words.len(), limits::CUES);
        assert_eq!(read.words[0].weight, -1.0);
    }
}
