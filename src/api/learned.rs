//! Training data of model versions, for replaying decisions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Time, nullable};
use crate::past::ModelMark;
use crate::tables::{KeptLesson, KeptLessons};

/// The reply to [`verb::MARKS`](super::verb::MARKS).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MarksReply {
    /// Which model version the customer's partition used from which position on, in order.
    pub marks: Vec<VersionMark>,
}

/// The position from which a partition used a model version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionMark {
    /// The version.
    pub version: u64,
    /// The sequence of the last event that used an earlier version.
    pub after: u64,
    /// The number of the first journalled input that used it.
    pub input: u32,
    /// The partition's clock then.
    pub at: Time,
}

impl From<ModelMark> for VersionMark {
    fn from(ModelMark { version, after, input, at }: ModelMark) -> VersionMark {
        VersionMark { version, after, input, at }
    }
}

impl From<VersionMark> for ModelMark {
    fn from(VersionMark { version, after, input, at }: VersionMark) -> ModelMark {
        ModelMark { version, after, input, at }
    }
}

/// The payload of [`verb::LESSONS`](super::verb::LESSONS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LessonsRequest {
    /// Only from this version on.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<u64>")]
    pub version: u64,
    /// And from this part of it on.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<u32>")]
    pub number: u32,
    /// Whether to include levels: the weights of milestones.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<bool>")]
    pub levels: bool,
}

/// The reply to [`verb::LESSONS`](super::verb::LESSONS).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LessonsReply {
    /// The milestones: versions whose full weights are kept. Versions before the first cannot be rebuilt.
    pub milestones: Vec<u64>,
    /// The parts, in order; none if there are no more.
    pub lessons: Vec<LessonPart>,
}

/// A part of a version's training history: observations, or weights at a milestone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LessonPart {
    /// The version.
    pub version: u64,
    /// Its number among the parts of the version.
    pub number: u32,
    /// The stored record, in base64.
    pub record: String,
}

impl LessonsReply {
    /// The reply for stored parts.
    pub fn of(kept: &KeptLessons, parts: Vec<KeptLesson>) -> LessonsReply {
        let part = |part: KeptLesson| LessonPart {
            version: part.version,
            number: part.number,
            record: STANDARD.encode(part.encoded),
        };
        LessonsReply {
            milestones: kept.milestones.iter().map(|one| one.version).collect(),
            lessons: parts.into_iter().map(part).collect(),
        }
    }
}

impl LessonPart {
    /// The part as stored; none if the text is invalid base64.
    pub fn decode(&self) -> Option<KeptLesson> {
        let encoded = STANDARD.decode(&self.record).ok()?.into();
        Some(KeptLesson { version: self.version, number: self.number, encoded })
    }
}
