use serde::Serialize;

use super::Scan;
use super::keys::{self, Field, IndexKey, ScanKey, Table, TimerKey};
use super::rows::{KeptLessons, LessonRow, PackedDecision};
use super::{ErasureProgress, Pseudonym, Tombstone};
use crate::codec;
#[cfg(doc)]
use crate::codec::RecordKind;
use crate::config::limits;
use crate::event::{
    Broadcast, Customer, ErasureId, LaneChange, Output, SlowLane, SlowedChannel, Time, WrittenLane,
};
use crate::models::{ArmResult, Exposure, Lesson, LevelWeights};
use crate::past::ModelMark;
use crate::twin::{Decision, WaitingEscalation};

/// A batch of changes, committed atomically: plain data, in order, in one buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    arena: Vec<u8>,
    changes: usize,
    newest_input: Option<Time>,
}

/// One change of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchOperation<'a> {
    /// The row of this key has this value.
    Put(Table, &'a [u8], &'a [u8]),
    /// There is no row of this key.
    Delete(Table, &'a [u8]),
    /// There is no row from the first key up to, and without, the second.
    DeleteRange(Table, &'a [u8], &'a [u8]),
}

impl<'a> BatchOperation<'a> {
    /// The one row that it is about, if it is about one.
    pub fn row(&self) -> Option<(Table, &'a [u8])> {
        match *self {
            BatchOperation::Put(table, key, _) | BatchOperation::Delete(table, key) => {
                Some((table, key))
            }
            BatchOperation::DeleteRange(..) => None,
        }
    }
}

/// The name of the floor among what the store knows as a whole.
pub(crate) const FLOOR: &str = "floor";

/// The name of the version of what was learned, likewise.
pub(crate) const MODEL: &str = "model";

/// The name of how many answers that was from, likewise.
pub(crate) const ANSWERS: &str = "answers";

const PUT: u8 = 0;
const DELETE: u8 = 1;
const DELETE_RANGE: u8 = 2;

/// In the arena, each change is a tag, a table, the lengths of its two parts, and the parts.
const HEAD_BYTES: usize = 10;

impl Batch {
    /// No change.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// No change, with room for `bytes` of them.
    pub fn with_capacity(bytes: usize) -> Batch {
        Batch { arena: Vec::with_capacity(bytes), ..Batch::default() }
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes
    }

    /// Whether there is no change.
    pub fn is_empty(&self) -> bool {
        self.changes == 0
    }

    /// About how many bytes the changes take.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Forgets every change and keeps the room for others.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.changes = 0;
        self.newest_input = None;
    }

    /// The changes of `later`, after those of this batch.
    pub fn append(&mut self, later: &Batch) {
        self.arena.extend_from_slice(&later.arena);
        self.changes += later.changes;
        self.newest_input = self.newest_input.max(later.newest_input);
    }

    /// The state of a twin, sealed as [`RecordKind::Twin`].
    pub fn put_twin(&mut self, partition: u16, customer: &Customer, encoded: &[u8]) {
        self.put(Table::Twins, |key| keys::twin(key, partition, customer), encoded);
    }

    /// A block of a twin's timeline, sealed as [`RecordKind::Block`], in place of what is in this slot
    /// of the ring.
    pub fn put_block(&mut self, partition: u16, customer: &Customer, slot: u16, encoded: &[u8]) {
        self.put(Table::Timeline, |key| keys::block(key, partition, customer, slot), encoded);
    }

    /// A decision of a twin, in place of the one that is [`limits::DECISIONS`] older.
    ///
    /// # Errors
    /// If it is larger than a record may be.
    pub fn put_decision(
        &mut self,
        partition: u16,
        customer: &Customer,
        decision: &Decision,
    ) -> Result<(), codec::Error> {
        // Fewer than 256.
        let slot = (decision.number % limits::DECISIONS as u32) as u8;
        let key = |key: &mut Vec<u8>| keys::decision(key, partition, customer, slot);
        self.encode(Table::Decisions, key, &PackedDecision::of(decision)?)
    }

    /// Nothing is left of a twin: state, timeline, decisions, journal and what waits for people. Its timers and outputs are rows of
    /// their own.
    pub fn delete_twin(&mut self, partition: u16, customer: &Customer) {
        self.delete(Table::Twins, |key| keys::twin(key, partition, customer));
        self.delete(Table::Waiting, |key| keys::twin(key, partition, customer));
        self.delete_past(partition, customer);
    }

    /// Nothing is left of what a twin lived through: timeline, decisions and journal.
    pub fn delete_past(&mut self, partition: u16, customer: &Customer) {
        let mut from = Vec::new();
        keys::twin(&mut from, partition, customer);
        let until = keys::behind(&from);
        for table in [Table::Timeline, Table::Decisions, Table::Journal] {
            let key = |key: &mut Vec<u8>| key.extend_from_slice(&from);
            self.change(DELETE_RANGE, table, key, |end| end.extend_from_slice(&until));
        }
    }

    /// A timer that wakes its twin. What it is for is known to the twin alone.
    pub fn put_timer(&mut self, partition: u16, key: &TimerKey) {
        self.encode_small(Table::Timers, |into| keys::timer(into, partition, key), &());
    }

    /// A timer goes, because it fired or was cancelled.
    pub fn delete_timer(&mut self, partition: u16, key: &TimerKey) {
        self.delete(Table::Timers, |into| keys::timer(into, partition, key));
    }

    /// An output to publish, under the partition's next sequence.
    ///
    /// # Errors
    /// If the output is larger than a record may be.
    pub fn put_output(
        &mut self,
        partition: u16,
        sequence: u64,
        output: &Output,
    ) -> Result<(), codec::Error> {
        self.encode(Table::Outbox, |key| keys::output(key, partition, sequence), output)
    }

    /// An output goes, because the broker has confirmed it.
    pub fn delete_output(&mut self, partition: u16, sequence: u64) {
        self.delete(Table::Outbox, |key| keys::output(key, partition, sequence));
    }

    /// An answer of this customer to learn from, and whether it was a response.
    ///
    /// # Errors
    /// If it is larger than a record may be.
    pub fn put_observation(
        &mut self,
        partition: u16,
        sequence: u64,
        customer: &Customer,
        exposure: &Exposure,
        response: bool,
    ) -> Result<(), codec::Error> {
        let key = |key: &mut Vec<u8>| keys::output(key, partition, sequence);
        self.encode(Table::Observations, key, &(exposure, response, customer))
    }

    /// An answer goes, because it was learned from.
    pub fn delete_observation(&mut self, partition: u16, sequence: u64) {
        self.delete(Table::Observations, |key| keys::output(key, partition, sequence));
    }

    /// What was learned of one level of arms.
    ///
    /// # Errors
    /// If it is larger than a record may be.
    pub fn put_weights(&mut self, level: u64, weights: &LevelWeights) -> Result<(), codec::Error> {
        self.encode(Table::Learned, |key| keys::level(key, level), weights)
    }

    /// The version of what was learned, and from how many answers in all.
    pub fn set_model(&mut self, version: u64, answers: u64) {
        self.set_store_wide(MODEL, version);
        self.set_store_wide(ANSWERS, answers);
    }

    /// A part of what a version was learned from, or of all that was known at it; numbers give the
    /// parts of one version their order.
    ///
    /// # Errors
    /// If it is larger than a record may be.
    pub fn put_lesson(
        &mut self,
        version: u64,
        number: u32,
        lesson: &Lesson,
    ) -> Result<(), codec::Error> {
        let row = LessonRow::pack(lesson)?;
        self.encode(Table::Lessons, |key| keys::lesson(key, version, number), &row)
    }

    /// Which versions can be learned once more.
    pub fn put_kept_lessons(&mut self, kept: &KeptLessons) {
        let row = LessonRow::Kept(kept.clone());
        self.encode_small(Table::Lessons, |key| keys::lesson(key, 0, 0), &row);
    }

    /// What was kept of versions goes, up to, and without, this part of this one.
    pub fn delete_lessons(&mut self, version: u64, number: u32) {
        let key = |key: &mut Vec<u8>| keys::lesson(key, 0, 1);
        self.change(DELETE_RANGE, Table::Lessons, key, |end| keys::lesson(end, version, number));
    }

    /// From here on a partition goes by another version of what was learned.
    pub fn put_mark(&mut self, partition: u16, mark: &ModelMark) {
        self.encode_small(Table::Marks, |key| keys::mark(key, partition, mark.version), mark);
        self.set(partition, Field::Version, mark.version);
    }

    /// The marks of a partition go, up to, and without, that of this version.
    pub fn delete_marks(&mut self, partition: u16, version: u64) {
        let key = |key: &mut Vec<u8>| keys::mark(key, partition, 0);
        self.change(DELETE_RANGE, Table::Marks, key, |end| keys::mark(end, partition, version));
    }

    /// An input that did not come from the stream, sealed as [`RecordKind::Input`]; `number` tells apart
    /// those of one twin and moment.
    pub fn put_input(
        &mut self,
        partition: u16,
        customer: &Customer,
        at: Time,
        number: u32,
        encoded: &[u8],
    ) {
        self.put(Table::Journal, |key| keys::input(key, partition, customer, at, number), encoded);
        self.newest_input = self.newest_input.max(Some(at));
    }

    /// A broadcast that lives, and when it was taken in; in place of the one of its scope.
    pub fn put_broadcast(&mut self, partition: u16, told: &Broadcast, at: Time) {
        let key = |key: &mut Vec<u8>| keys::broadcast(key, partition, &told.scope);
        self.encode_small(Table::Broadcasts, key, &(told, at));
    }

    /// A broadcast goes, because it ended.
    pub fn delete_broadcast(&mut self, partition: u16, scope: &str) {
        self.delete(Table::Broadcasts, |key| keys::broadcast(key, partition, scope));
    }

    /// How far a sweep is.
    pub fn put_sweep(&mut self, partition: u16, key: &ScanKey, sweep: &Scan) {
        self.encode_small(Table::Sweeps, |into| keys::sweep(into, partition, key), sweep);
    }

    /// A sweep goes, because what it was for is over.
    pub fn delete_sweep(&mut self, partition: u16, key: &ScanKey) {
        self.delete(Table::Sweeps, |into| keys::sweep(into, partition, key));
    }

    /// A twin has this value at this path.
    pub fn put_index(&mut self, partition: u16, key: IndexKey, customer: &Customer) {
        self.encode_small(Table::Index, |into| keys::index(into, partition, key, customer), &());
    }

    /// A twin has this value no longer.
    pub fn delete_index(&mut self, partition: u16, key: IndexKey, customer: &Customer) {
        self.delete(Table::Index, |into| keys::index(into, partition, key, customer));
    }

    /// Nothing is left of the index of the path with this hash.
    pub fn delete_index_of(&mut self, partition: u16, path: u64) {
        let mut from = Vec::new();
        keys::index_path(&mut from, partition, path);
        let until = keys::behind(&from);
        let key = |key: &mut Vec<u8>| key.extend_from_slice(&from);
        self.change(DELETE_RANGE, Table::Index, key, |end| end.extend_from_slice(&until));
    }

    /// The open escalations of a twin, in place of those before; none: there is no row.
    pub fn put_waiting(
        &mut self,
        partition: u16,
        customer: &Customer,
        waiting: &[WaitingEscalation],
    ) {
        let key = |key: &mut Vec<u8>| keys::twin(key, partition, customer);
        if waiting.is_empty() {
            self.delete(Table::Waiting, key);
        } else {
            self.encode_small(Table::Waiting, key, &waiting);
        }
    }

    /// What was counted in one arm of an experiment.
    pub fn put_result(&mut self, partition: u16, name: &str, arm: &str, result: &ArmResult) {
        self.encode_small(Table::Results, |key| keys::result(key, partition, name, arm), result);
    }

    /// A customer is erased.
    pub fn put_tombstone(&mut self, partition: u16, mark: Pseudonym, tombstone: &Tombstone) {
        self.encode_small(
            Table::Tombstones,
            |key| keys::tombstone(key, partition, mark),
            tombstone,
        );
    }

    /// A customer was erased so long ago, or says so, that they may come back.
    pub fn delete_tombstone(&mut self, partition: u16, mark: Pseudonym) {
        self.delete(Table::Tombstones, |key| keys::tombstone(key, partition, mark));
    }

    /// How far the erasure of an identifier is.
    pub fn put_erasing(&mut self, partition: u16, id: ErasureId, erasing: &ErasureProgress) {
        let key = |key: &mut Vec<u8>| keys::erasure(key, partition, id, erasing.mark);
        self.encode_small(Table::Erasures, key, &Some(erasing));
    }

    /// Nobody will ask any more how far the erasure of an identifier is.
    pub fn delete_erasing(&mut self, partition: u16, id: ErasureId, mark: Pseudonym) {
        self.delete(Table::Erasures, |key| keys::erasure(key, partition, id, mark));
    }

    /// The event of this sequence came late, and is to be taken out of the stream.
    pub fn put_late(&mut self, partition: u16, sequence: u64) {
        let key = |key: &mut Vec<u8>| keys::late(key, partition, sequence);
        self.encode_small(Table::Erasures, key, &None::<ErasureProgress>);
    }

    /// An event that came late is out of the stream.
    pub fn delete_late(&mut self, partition: u16, sequence: u64) {
        self.delete(Table::Erasures, |key| keys::late(key, partition, sequence));
    }

    /// The stream sequence up to which every partition has taken everything in, as far as is known:
    /// where an idle partition need not look again.
    pub fn set_floor(&mut self, sequence: u64) {
        self.set_store_wide(FLOOR, sequence);
    }

    /// The stream sequence up to which the partition has taken in everything of the main lane.
    pub fn set_cursor(&mut self, partition: u16, sequence: u64) {
        self.set(partition, Field::Cursor, sequence);
    }

    /// The stream sequence up to which the partition has taken in everything of the slow lane.
    pub fn set_slow_cursor(&mut self, partition: u16, sequence: u64) {
        self.set(partition, Field::SlowCursor, sequence);
    }

    /// What has changed of the slow lane since the partition wrote it down last.
    pub fn note_slow_lane(&mut self, partition: u16, lane: &SlowLane, written: &mut WrittenLane) {
        match written.next(lane) {
            Some(LaneChange::All) => self.set_slow_lane(partition, lane),
            Some(LaneChange::Floors) => self.set_slow_floors(partition, lane),
            None => {}
        }
    }

    /// What the slow lane is, as the partition knew it in this commit.
    pub fn set_slow_lane(&mut self, partition: u16, lane: &SlowLane) {
        let mut from = Vec::new();
        keys::field(&mut from, partition, Field::Slowed);
        let until = keys::behind(&from);
        let key = |key: &mut Vec<u8>| key.extend_from_slice(&from);
        self.change(DELETE_RANGE, Table::Meta, key, |end| end.extend_from_slice(&until));
        for SlowedChannel { channel, from, until } in &lane.channels {
            let key = |key: &mut Vec<u8>| keys::slowed(key, partition, *from, channel);
            self.encode_small(Table::Meta, key, &until.unwrap_or(0));
        }
        self.set(partition, Field::SlowVersion, lane.version);
        self.set_slow_floors(partition, lane);
    }

    /// How far both lanes are, as the partition knew it in this commit.
    fn set_slow_floors(&mut self, partition: u16, lane: &SlowLane) {
        self.set(partition, Field::SlowFloor, lane.floor);
        self.set(partition, Field::MainFloor, lane.main_floor);
    }

    /// When the stream stored the event up to which the partition has taken everything in; none: that
    /// is not known.
    pub fn set_stored(&mut self, partition: u16, stored: Option<Time>) {
        match stored {
            Some(stored) => self.set(partition, Field::Stored, stored.ms().cast_unsigned()),
            None => self.delete(Table::Meta, |key| keys::field(key, partition, Field::Stored)),
        }
    }

    /// The sequence of the partition's next output.
    pub fn set_next_output(&mut self, partition: u16, sequence: u64) {
        self.set(partition, Field::NextOutput, sequence);
    }

    /// The number of the partition's next journalled input.
    pub fn set_next_input(&mut self, partition: u16, number: u64) {
        self.set(partition, Field::NextInput, number);
    }

    /// The latest moment that the partition has seen.
    pub fn set_clock(&mut self, partition: u16, now: Time) {
        self.set(partition, Field::Clock, now.ms().cast_unsigned());
    }

    /// The changes, in their order.
    pub fn changes(&self) -> impl Iterator<Item = BatchOperation<'_>> {
        let mut rest = &self.arena[..];
        std::iter::from_fn(move || {
            let (head, parts) = rest.split_first_chunk::<HEAD_BYTES>()?;
            let [tag, table, k0, k1, k2, k3, v0, v1, v2, v3] = *head;
            let (key, parts) = parts.split_at(u32::from_le_bytes([k0, k1, k2, k3]) as usize);
            let (value, parts) = parts.split_at(u32::from_le_bytes([v0, v1, v2, v3]) as usize);
            rest = parts;
            let table = Table::ALL[usize::from(table)];
            Some(match tag {
                PUT => BatchOperation::Put(table, key, value),
                DELETE => BatchOperation::Delete(table, key),
                _ => BatchOperation::DeleteRange(table, key, value),
            })
        })
    }

    /// The time of the newest journalled input among the changes.
    pub fn newest_input(&self) -> Option<Time> {
        self.newest_input
    }

    pub(crate) fn set_store_wide(&mut self, name: &str, number: u64) {
        self.encode_small(Table::Meta, |key| keys::store_wide(key, name), &number);
    }

    /// Forgets what the store knows as a whole under this name.
    pub fn delete_store_wide(&mut self, name: &str) {
        self.delete(Table::Meta, |key| keys::store_wide(key, name));
    }

    fn set(&mut self, partition: u16, field: Field, number: u64) {
        self.encode_small(Table::Meta, |key| keys::field(key, partition, field), &number);
    }

    /// Deletes the row of this key.
    pub fn delete_row(&mut self, table: Table, key: &[u8]) {
        self.delete(table, |into| into.extend_from_slice(key));
    }

    fn put(&mut self, table: Table, key: impl FnOnce(&mut Vec<u8>), value: &[u8]) {
        self.change(PUT, table, key, |into| into.extend_from_slice(value));
    }

    fn delete(&mut self, table: Table, key: impl FnOnce(&mut Vec<u8>)) {
        self.change(DELETE, table, key, |_| ());
    }

    /// Seals a record straight into the arena; if it cannot be, the batch is as it was.
    fn encode<T: Serialize>(
        &mut self,
        table: Table,
        key: impl FnOnce(&mut Vec<u8>),
        record: &T,
    ) -> Result<(), codec::Error> {
        let start = self.arena.len();
        let encoded =
            self.change(PUT, table, key, |into| codec::encode(table.kind(), record, into));
        if encoded.is_err() {
            self.arena.truncate(start);
            self.changes -= 1;
        }
        encoded
    }

    #[expect(clippy::expect_used, reason = "the message names the invariant")]
    fn encode_small<T: Serialize>(
        &mut self,
        table: Table,
        key: impl FnOnce(&mut Vec<u8>),
        record: &T,
    ) {
        self.encode(table, key, record)
            .expect("a record that has the size of an event at most is within the limit");
    }

    fn change<R>(
        &mut self,
        tag: u8,
        table: Table,
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> R {
        let start = self.arena.len();
        let key_at = start + HEAD_BYTES;
        self.arena.extend_from_slice(&[tag, table as u8, 0, 0, 0, 0, 0, 0, 0, 0]);
        key(&mut self.arena);
        let value_at = self.arena.len();
        let result = value(&mut self.arena);
        let end = self.arena.len();
        self.arena[start + 2..start + 6].copy_from_slice(&length(value_at - key_at));
        self.arena[start + 6..key_at].copy_from_slice(&length(end - value_at));
        self.changes += 1;
        result
    }
}

#[expect(clippy::expect_used, reason = "the message names the invariant")]
fn length(part: usize) -> [u8; 4] {
    u32::try_from(part).expect("a key or a sealed record is far below 4 GiB").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Customer {
        Customer::new("ada").unwrap()
    }

    #[test]
    fn changes_come_out_in_the_order_in_which_they_went_in() {
        let mut batch = Batch::new();
        batch.put_twin(1, &ada(), b"state");
        batch.delete_output(1, 7);
        let mut later = Batch::new();
        later.put_input(1, &ada(), Time::from_ms(5), 0, b"input");
        batch.append(&later);

        let tables: Vec<_> = batch
            .changes()
            .map(|change| match change {
                BatchOperation::Put(table, _, value) => (table, Some(value)),
                BatchOperation::Delete(table, _) | BatchOperation::DeleteRange(table, ..) => {
                    (table, None)
                }
            })
            .collect();
        let expected = [
            (Table::Twins, Some(&b"state"[..])),
            (Table::Outbox, None),
            (Table::Journal, Some(&b"input"[..])),
        ];
        assert_eq!(tables, expected);
        assert_eq!((batch.len(), batch.newest_input()), (3, Some(Time::from_ms(5))));
        batch.clear();
        assert_eq!(batch, Batch::new());
    }

    #[test]
    fn an_output_that_cannot_be_written_leaves_the_batch_as_it_was() {
        let mut batch = Batch::new();
        batch.set_cursor(3, 9);
        let before = batch.clone();
        let output = Output {
            id: "a".into(),
            subject: "b".into(),
            headers: [].into(),
            payload: vec![0; crate::config::limits::RECORD_BYTES].into(),
        };
        assert!(batch.put_output(3, 1, &output).is_err());
        assert_eq!(batch, before);
    }
}
