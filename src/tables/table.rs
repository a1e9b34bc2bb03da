use strum::VariantArray;

use super::keys;
use crate::codec::RecordKind;

/// A table of the store. Its number is in the records of the commit log, its name in the database: neither must
/// ever be changed, and a further table comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, VariantArray)]
#[repr(u8)]
pub enum Table {
    /// The state of every twin.
    Twins,
    /// The last inputs of every twin: a ring, written in place.
    Timeline,
    /// The timers of every twin, in due order.
    Timers,
    /// Unconfirmed outputs, in the order in which they were decided.
    Outbox,
    /// Inputs that did not come from the stream.
    Journal,
    /// Active broadcasts.
    Broadcasts,
    /// Scan positions of partitions.
    Scans,
    /// The index of twins by indexed paths.
    Index,
    /// The last decisions of every twin: a ring, written in place.
    Decisions,
    /// Observations that are not trained on yet, in their order.
    Observations,
    /// The weights of each level of arms.
    Learned,
    /// Training history, to rebuild model versions.
    Lessons,
    /// Which model version partitions used from which position on.
    Marks,
    /// The counts of experiment arms.
    Results,
    /// Tombstones of erased customers, by pseudonym.
    Tombstones,
    /// The progress of erasures, and events of erased customers to delete.
    Erasures,
    /// The open escalations of every twin that has any.
    Waiting,
    /// Metadata of the store and its partitions.
    Meta,
}

impl Table {
    /// Every table.
    pub const ALL: &'static [Table] = Table::VARIANTS;

    /// The table's name in the database, which must never be changed.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Twins => "twins",
            Table::Timeline => "timeline",
            Table::Timers => "timers",
            Table::Outbox => "outbox",
            Table::Journal => "journal",
            Table::Broadcasts => "broadcasts",
            Table::Scans => "sweeps",
            Table::Index => "index",
            Table::Decisions => "decisions",
            Table::Observations => "observations",
            Table::Learned => "learned",
            Table::Lessons => "lessons",
            Table::Marks => "marks",
            Table::Results => "results",
            Table::Tombstones => "tombstones",
            Table::Erasures => "erasures",
            Table::Waiting => "waiting",
            Table::Meta => "meta",
        }
    }

    /// The kind of the table's records.
    pub const fn kind(self) -> RecordKind {
        match self {
            Table::Twins => RecordKind::Twin,
            Table::Timeline => RecordKind::Block,
            Table::Timers => RecordKind::Timer,
            Table::Outbox => RecordKind::Output,
            Table::Journal => RecordKind::Input,
            Table::Broadcasts => RecordKind::Broadcast,
            Table::Scans => RecordKind::Scan,
            Table::Index => RecordKind::Index,
            Table::Decisions => RecordKind::Decision,
            Table::Observations => RecordKind::Observation,
            Table::Learned => RecordKind::Weights,
            Table::Lessons => RecordKind::Lesson,
            Table::Marks => RecordKind::Mark,
            Table::Results => RecordKind::Result,
            Table::Tombstones => RecordKind::Tombstone,
            Table::Erasures => RecordKind::Erasure,
            Table::Waiting => RecordKind::Waiting,
            Table::Meta => RecordKind::Number,
        }
    }

    /// Whether `key` has the layout of this table's keys.
    pub(crate) fn understands(self, key: &[u8]) -> bool {
        match self {
            Table::Twins | Table::Waiting => {
                keys::read_twin(key).is_some_and(|(_, rest)| rest.is_empty())
            }
            Table::Timeline => keys::read_block(key).is_some(),
            Table::Timers => keys::read_timer(key).is_some(),
            Table::Outbox => keys::read_output(key).is_some(),
            Table::Journal => keys::read_input(key).is_some(),
            Table::Broadcasts => keys::read_broadcast(key).is_some(),
            Table::Scans => keys::read_scan(key).is_some(),
            Table::Index => keys::read_index(key).is_some(),
            Table::Decisions => keys::read_decision(key).is_some(),
            Table::Observations => keys::read_output(key).is_some(),
            Table::Learned => keys::read_level(key).is_some(),
            Table::Lessons => keys::read_lesson(key).is_some(),
            Table::Marks => keys::read_output(key).is_some(),
            Table::Results => keys::read_result(key).is_some(),
            Table::Tombstones => keys::read_tombstone(key).is_some(),
            Table::Erasures => keys::read_erasure(key).is_some(),
            Table::Meta => keys::is_meta(key),
        }
    }
}
