use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{IndexKey, LogPosition, Table};
use crate::codec;
use crate::config::limits;
use crate::event::{Customer, SlowLane, Time};
use crate::models::Lesson;
use crate::twin::{Decision, StageCounts};

/// A twin as last committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTwin {
    /// Its encoded state.
    pub state: Box<[u8]>,
    /// The encoded blocks of its timeline, by slot of the ring, ascending.
    pub timeline: Vec<(u16, Box<[u8]>)>,
}

/// A row of the journal: an input not from the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Its time.
    pub at: Time,
    /// Distinguishes the inputs of one twin and time.
    pub number: u32,
    /// The encoded input.
    pub encoded: Box<[u8]>,
}

/// The metadata of a partition; all zero before its first commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionMeta {
    /// The main-lane cursor: everything up to this stream sequence is processed.
    pub cursor: u64,
    /// The slow-lane cursor.
    pub slow_cursor: u64,
    /// The slow lane, as last committed.
    pub slow_lane: SlowLane,
    /// When the stream stored the event of `cursor`.
    pub stored: Option<Time>,
    /// The sequence of its next output.
    pub next_output: u64,
    /// The number of its next journalled input.
    pub next_input: u64,
    /// The latest time that it has seen.
    pub clock: Option<Time>,
    /// The model version used last.
    pub version: u64,
    /// How far its commit log is applied, if there is one.
    pub log: LogPosition,
}

/// The position of a scan over a partition's twins. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The purpose, beyond its key: the fingerprint of the broadcast, or the hash of the path.
    pub of: u64,
    /// The index rows that it visits, in this order; none: all twins.
    pub along: Vec<IndexKey>,
    /// How many of these rows are complete.
    pub passed: u32,
    /// The last visited twin, among all twins or in the current index row.
    pub after: Option<Customer>,
    /// The number of visited twins.
    pub visited: u64,
    /// How many of them matched.
    pub touched: u64,
    /// Whether it is complete.
    pub is_done: bool,
    /// Of a campaign: how many of them got an action,
    pub said: u64,
    /// and how many did not, by the stage that dropped the last candidate.
    pub silent: StageCounts,
}

/// The result of verifying every record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Records checked.
    pub records: u64,
    /// Their size in bytes, keys included.
    pub bytes: u64,
    /// The number of records of each table.
    pub tables: Vec<(Table, u64)>,
    /// The number of defective records.
    pub defects: u64,
    /// The defects of the first [`limits::DEFECTS`](crate::config::limits::DEFECTS) of these.
    pub described: Vec<String>,
}

/// A decision as stored: compressed, because its candidates are similar, and most decisions are never
/// read. Stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackedDecision(Bytes);

impl PackedDecision {
    /// Compresses a decision.
    ///
    /// # Errors
    /// If it is larger than a record may be.
    pub(crate) fn of(decision: &Decision) -> Result<PackedDecision, codec::Error> {
        let mut encoded = Vec::with_capacity(ROOM_FOR_A_DECISION);
        codec::encode(codec::RecordKind::Decision, decision, &mut encoded)?;
        Ok(PackedDecision(lz4_flex::block::compress_prepend_size(&encoded).into()))
    }

    /// Decompresses the decision.
    ///
    /// # Errors
    /// If it is invalid.
    pub(crate) fn open(&self) -> Result<Decision, codec::Error> {
        // If it cannot be decompressed it is no record; the checksum proves that it was written so.
        let encoded = lz4_flex::block::decompress_size_prepended(&self.0).unwrap_or_default();
        codec::decode(codec::RecordKind::Decision, &encoded)
    }
}

/// Which model versions can be rebuilt: all from the first milestone on. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeptLessons {
    /// Versions whose full weights are kept, ascending.
    pub milestones: Vec<Milestone>,
    /// The approximate number of bytes ever written.
    pub written_bytes: u64,
}

/// A version whose full weights are kept. Stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// The version.
    pub version: u64,
    /// The approximate number of bytes ever written before it.
    pub written_bytes: u64,
}

/// A stored part of a version's training history: observations, or weights at a milestone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLesson {
    /// The version.
    pub version: u64,
    /// Its number among the parts of the version: first observations, and from [`KeptLesson::LEVELS`] on
    /// weights.
    pub number: u32,
    /// The encoded part.
    pub encoded: Box<[u8]>,
}

impl KeptLesson {
    /// The number of the first level of a milestone.
    pub const LEVELS: u32 = 1 << 24;

    /// Decodes the part.
    ///
    /// # Errors
    /// If it is invalid.
    pub fn open(&self) -> Result<Lesson, codec::Error> {
        let encoded = match codec::decode(codec::RecordKind::Lesson, &self.encoded)? {
            // If it cannot be decompressed it is no record; the checksum proves that it was written so.
            LessonRow::Packed(packed) => {
                lz4_flex::block::decompress_size_prepended(&packed).unwrap_or_default()
            }
            LessonRow::Kept(_) => Vec::new(),
        };
        codec::decode(codec::RecordKind::Lesson, &encoded)
    }
}

/// A row of the table of lessons: compressed, because observations of one time are similar. Stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum LessonRow {
    Kept(KeptLessons),
    Packed(Bytes),
}

impl LessonRow {
    /// Compresses a lesson.
    ///
    /// # Errors
    /// If it is larger than a record may be.
    pub(crate) fn pack(lesson: &Lesson) -> Result<LessonRow, codec::Error> {
        let mut encoded = Vec::new();
        codec::encode(codec::RecordKind::Lesson, lesson, &mut encoded)?;
        Ok(LessonRow::Packed(lz4_flex::block::compress_prepend_size(&encoded).into()))
    }
}

/// A capacity that fits most decisions, in bytes.
const ROOM_FOR_A_DECISION: usize = 4 << 10;

impl Verified {
    /// Adds a defect.
    pub(crate) fn defect(&mut self, described: String) {
        self.defects += 1;
        if self.described.len() < limits::DEFECTS {
            self.described.push(described);
        }
    }
}
