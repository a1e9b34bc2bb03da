use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{IndexKey, Table};
use crate::codec;
use crate::config::limits;
use crate::event::{Customer, SlowLane, Time};
use crate::models::Lesson;
use crate::twin::{Decision, Stage};

/// A twin as it was last committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTwin {
    /// Its state, sealed.
    pub state: Box<[u8]>,
    /// The blocks of its timeline, sealed, by slot of the ring, ascending.
    pub timeline: Vec<(u16, Box<[u8]>)>,
}

/// A row of the journal: an input not from the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Its time.
    pub at: Time,
    /// Tells apart the inputs of one twin and moment.
    pub number: u32,
    /// The input, sealed.
    pub encoded: Box<[u8]>,
}

/// What a partition knows about itself; all zero before its first commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionMeta {
    /// The main-lane cursor: everything up to this stream sequence is processed.
    pub cursor: u64,
    /// The same of the slow lane.
    pub slow_cursor: u64,
    /// The slow lane, as it knew it.
    pub slow_lane: SlowLane,
    /// When the stream stored the event of `cursor`.
    pub stored: Option<Time>,
    /// The sequence of its next output.
    pub next_output: u64,
    /// The number of its next journalled input.
    pub next_input: u64,
    /// The latest moment that it has seen.
    pub clock: Option<Time>,
    /// The model version used last.
    pub version: u64,
}

/// The position of a scan over a partition's twins. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// What it is for, beyond its key: the fingerprint of the broadcast, or the hash of the path.
    pub of: u64,
    /// The rows of an index that it goes through, in this order; none: all twins.
    pub along: Vec<IndexKey>,
    /// How many of these it has come to the end of.
    pub passed: u32,
    /// The last visited twin, among all twins or in the current index row.
    pub after: Option<Customer>,
    /// The number of visited twins.
    pub looked_at: u64,
    /// How many of them it concerned.
    pub touched: u64,
    /// Whether it came to the end.
    pub is_done: bool,
    /// Of a campaign: how many of them were told something,
    pub said: u64,
    /// and how many nothing, by the stage that dropped the last candidate.
    pub silent: [u64; Stage::ALL.len()],
}

/// What a check of every record found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Records checked.
    pub records: u64,
    /// Their bytes, keys included.
    pub bytes: u64,
    /// How many of them each table has.
    pub tables: Vec<(Table, u64)>,
    /// How many of them are no good.
    pub defects: u64,
    /// What is wrong with the first [`limits::DEFECTS`](crate::config::limits::DEFECTS) of these.
    pub described: Vec<String>,
}

/// A decision as it is stored: compressed, because its candidates say much the same, and most
/// decisions are never looked at. Stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackedDecision(Bytes);

impl PackedDecision {
    /// A decision, packed.
    ///
    /// # Errors
    /// If it is larger than a record may be.
    pub(crate) fn of(decision: &Decision) -> Result<PackedDecision, codec::Error> {
        let mut encoded = Vec::with_capacity(ROOM_FOR_A_DECISION);
        codec::encode(codec::RecordKind::Decision, decision, &mut encoded)?;
        Ok(PackedDecision(lz4_flex::block::compress_prepend_size(&encoded).into()))
    }

    /// The decision.
    ///
    /// # Errors
    /// If it is not what was written.
    pub(crate) fn open(&self) -> Result<Decision, codec::Error> {
        // What cannot be unpacked is no record; its checksum says that it was written so.
        let encoded = lz4_flex::block::decompress_size_prepended(&self.0).unwrap_or_default();
        codec::decode(codec::RecordKind::Decision, &encoded)
    }
}

/// Which model versions can be rebuilt: all from the first milestone on. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeptLessons {
    /// Versions whose full weights are kept, ascending.
    pub milestones: Vec<Milestone>,
    /// About how many bytes were ever kept.
    pub written_bytes: u64,
}

/// A version whose full weights are kept. Stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// The version.
    pub version: u64,
    /// About how many bytes were ever kept before it.
    pub written_bytes: u64,
}

/// A part of what a version was learned from, or of all that was known at it, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLesson {
    /// The version.
    pub version: u64,
    /// Its place among the parts of the version: first answers, and from [`KeptLesson::LEVELS`] on
    /// what was known.
    pub number: u32,
    /// The part, sealed.
    pub encoded: Box<[u8]>,
}

impl KeptLesson {
    /// The place of the first level of a milestone.
    pub const LEVELS: u32 = 1 << 24;

    /// The part.
    ///
    /// # Errors
    /// If it is not what was written.
    pub fn open(&self) -> Result<Lesson, codec::Error> {
        let encoded = match codec::decode(codec::RecordKind::Lesson, &self.encoded)? {
            // What cannot be unpacked is no record; its checksum says that it was written so.
            LessonRow::Packed(packed) => {
                lz4_flex::block::decompress_size_prepended(&packed).unwrap_or_default()
            }
            LessonRow::Kept(_) => Vec::new(),
        };
        codec::decode(codec::RecordKind::Lesson, &encoded)
    }
}

/// A row of the table of lessons: answers of one time say much the same. Stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum LessonRow {
    Kept(KeptLessons),
    Packed(Bytes),
}

impl LessonRow {
    /// A lesson, packed.
    ///
    /// # Errors
    /// If it is larger than a record may be.
    pub(crate) fn pack(lesson: &Lesson) -> Result<LessonRow, codec::Error> {
        let mut encoded = Vec::new();
        codec::encode(codec::RecordKind::Lesson, lesson, &mut encoded)?;
        Ok(LessonRow::Packed(lz4_flex::block::compress_prepend_size(&encoded).into()))
    }
}

/// Bytes of most decisions.
const ROOM_FOR_A_DECISION: usize = 4 << 10;

impl Verified {
    /// Adds something that is wrong.
    pub(crate) fn defect(&mut self, described: String) {
        self.defects += 1;
        if self.described.len() < limits::DEFECTS {
            self.described.push(described);
        }
    }
}
