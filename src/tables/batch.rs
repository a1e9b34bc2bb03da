use serde::Serialize;

use super::keys::{self, Field, IndexKey, ScanKey, TimerKey};
use super::rows::{KeptLessons, LessonRow, PackedDecision};
use super::{Chain, LogPosition, Scan, Table};
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
    /// Sets the value of a row.
    Put(Table, &'a [u8], &'a [u8]),
    /// Deletes a row.
    Delete(Table, &'a [u8]),
    /// Deletes the rows from the first key up to, but excluding, the second.
    DeleteRange(Table, &'a [u8], &'a [u8]),
}

impl<'a> BatchOperation<'a> {
    /// The table and key of the row, unless it is a range.
    pub fn row(&self) -> Option<(Table, &'a [u8])> {
        match *self {
            BatchOperation::Put(table, key, _) | BatchOperation::Delete(table, key) => {
                Some((table, key))
            }
            BatchOperation::DeleteRange(..) => None,
        }
    }

    fn table(&self) -> Table {
        match *self {
            BatchOperation::Put(table, ..)
            | BatchOperation::Delete(table, _)
            | BatchOperation::DeleteRange(table, ..) => table,
        }
    }

    /// The key, of a range the first.
    fn key(&self) -> &'a [u8] {
        match *self {
            BatchOperation::Put(_, key, _)
            | BatchOperation::Delete(_, key)
            | BatchOperation::DeleteRange(_, key, _) => key,
        }
    }
}

/// The name of the store-wide row of the model version.
pub(crate) const MODEL: &str = "model";

/// The name of the store-wide row of the number of observations trained on.
pub(crate) const ANSWERS: &str = "answers";

/// The names of the store-wide rows of how far the learner's commit log is applied.
pub(super) const LEARNER_SEQUENCE: &str = "learner-log-sequence";
pub(super) const LEARNER_EPOCH: &str = "learner-log-epoch";

/// The name of the store-wide row of the first observation of a partition that was not trained on.
pub(super) fn trained(partition: u16) -> String {
    format!("trained-{partition}")
}

const PUT: u8 = 0;
const DELETE: u8 = 1;
const DELETE_RANGE: u8 = 2;

/// In the arena, each change is a tag, a table, the lengths of its two parts, and the parts.
const HEAD_BYTES: usize = 10;

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// An empty batch with capacity for `bytes`.
    pub fn with_capacity(bytes: usize) -> Batch {
        Batch { arena: Vec::with_capacity(bytes), ..Batch::default() }
    }

    /// The number of changes.
    pub fn len(&self) -> usize {
        self.changes
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.changes == 0
    }

    /// The approximate size of the changes in bytes.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Removes all changes and keeps the capacity.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.changes = 0;
        self.newest_input = None;
    }

    /// Appends the changes of `later`.
    pub fn append(&mut self, later: &Batch) {
        self.arena.extend_from_slice(&later.arena);
        self.changes += later.changes;
        self.newest_input = self.newest_input.max(later.newest_input);
    }

    /// Puts the state of a twin, encoded as [`RecordKind::Twin`].
    pub fn put_twin(&mut self, partition: u16, customer: &Customer, encoded: &[u8]) {
        self.put(Table::Twins, |key| keys::twin(key, partition, customer), encoded);
    }

    /// Puts a block of a twin's timeline, encoded as [`RecordKind::Block`], replacing that in this slot
    /// of the ring.
    pub fn put_block(&mut self, partition: u16, customer: &Customer, slot: u16, encoded: &[u8]) {
        self.put(Table::Timeline, |key| keys::block(key, partition, customer, slot), encoded);
    }

    /// Puts a decision of a twin, replacing the one that is [`limits::DECISIONS`] older.
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

    /// Deletes a twin: state, timeline, decisions, journal and open escalations. Its timers and outputs
    /// are separate rows.
    pub fn delete_twin(&mut self, partition: u16, customer: &Customer) {
        self.delete(Table::Twins, |key| keys::twin(key, partition, customer));
        self.delete(Table::Waiting, |key| keys::twin(key, partition, customer));
        self.delete_past(partition, customer);
    }

    /// Deletes the history of a twin: timeline, decisions and journal.
    pub fn delete_past(&mut self, partition: u16, customer: &Customer) {
        let mut from = Vec::new();
        keys::twin(&mut from, partition, customer);
        let until = keys::behind(&from);
        for table in [Table::Timeline, Table::Decisions, Table::Journal] {
            let key = |key: &mut Vec<u8>| key.extend_from_slice(&from);
            self.change(DELETE_RANGE, table, key, |end| end.extend_from_slice(&until));
        }
    }

    /// Puts a timer of a twin. Only the twin knows its purpose.
    pub fn put_timer(&mut self, partition: u16, key: &TimerKey) {
        self.encode_small(Table::Timers, |into| keys::timer(into, partition, key), &());
    }

    /// Deletes a timer that fired or was cancelled.
    pub fn delete_timer(&mut self, partition: u16, key: &TimerKey) {
        self.delete(Table::Timers, |into| keys::timer(into, partition, key));
    }

    /// Puts an output to publish, under the partition's next sequence.
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

    /// Deletes an output that the broker has confirmed.
    pub fn delete_output(&mut self, partition: u16, sequence: u64) {
        self.delete(Table::Outbox, |key| keys::output(key, partition, sequence));
    }

    /// Puts an observation of this customer for training, and whether it was a response.
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

    /// Deletes the observation of somebody who is erased.
    pub fn delete_observation(&mut self, partition: u16, sequence: u64) {
        self.delete(Table::Observations, |key| keys::output(key, partition, sequence));
    }

    /// Deletes the observations of a partition up to, but excluding, this sequence: they were trained on.
    pub fn delete_trained(&mut self, partition: u16, next: u64) {
        let key = |key: &mut Vec<u8>| keys::output(key, partition, 0);
        self.change(DELETE_RANGE, Table::Observations, key, |end| {
            keys::output(end, partition, next);
        });
    }

    /// Sets the sequence of the first observation of a partition that the model was not trained on.
    pub fn set_trained(&mut self, partition: u16, next: u64) {
        self.set_store_wide(&trained(partition), next);
    }

    /// Puts the weights of one level of arms.
    ///
    /// # Errors
    /// If it is larger than a record may be.
    pub fn put_weights(&mut self, level: u64, weights: &LevelWeights) -> Result<(), codec::Error> {
        self.encode(Table::Learned, |key| keys::level(key, level), weights)
    }

    /// Sets the model version, and the number of observations trained on in all.
    pub fn set_model(&mut self, version: u64, answers: u64) {
        self.set_store_wide(MODEL, version);
        self.set_store_wide(ANSWERS, answers);
    }

    /// Puts a part of a version's training history: observations, or weights at a milestone. Numbers
    /// order the parts of one version.
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

    /// Sets which model versions can be rebuilt.
    pub fn put_kept_lessons(&mut self, kept: &KeptLessons) {
        let row = LessonRow::Kept(kept.clone());
        self.encode_small(Table::Lessons, |key| keys::lesson(key, 0, 0), &row);
    }

    /// Deletes training history up to, but excluding, this part of this version.
    pub fn delete_lessons(&mut self, version: u64, number: u32) {
        let key = |key: &mut Vec<u8>| keys::lesson(key, 0, 1);
        self.change(DELETE_RANGE, Table::Lessons, key, |end| keys::lesson(end, version, number));
    }

    /// Puts a mark: from here on a partition uses another model version.
    pub fn put_mark(&mut self, partition: u16, mark: &ModelMark) {
        self.encode_small(Table::Marks, |key| keys::mark(key, partition, mark.version), mark);
        self.set(partition, Field::Version, mark.version);
    }

    /// Deletes the marks of a partition up to, but excluding, that of this version.
    pub fn delete_marks(&mut self, partition: u16, version: u64) {
        let key = |key: &mut Vec<u8>| keys::mark(key, partition, 0);
        self.change(DELETE_RANGE, Table::Marks, key, |end| keys::mark(end, partition, version));
    }

    /// Puts an input that did not come from the stream, encoded as [`RecordKind::Input`]; `number`
    /// distinguishes those of one twin and time.
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

    /// Puts an active broadcast and when it was processed, replacing the one of its scope.
    pub fn put_broadcast(&mut self, partition: u16, broadcast: &Broadcast, at: Time) {
        let key = |key: &mut Vec<u8>| keys::broadcast(key, partition, &broadcast.scope);
        self.encode_small(Table::Broadcasts, key, &(broadcast, at));
    }

    /// Deletes a broadcast that ended.
    pub fn delete_broadcast(&mut self, partition: u16, scope: &str) {
        self.delete(Table::Broadcasts, |key| keys::broadcast(key, partition, scope));
    }

    /// Puts the position of a scan.
    pub fn put_scan(&mut self, partition: u16, key: &ScanKey, scan: &Scan) {
        self.encode_small(Table::Scans, |into| keys::scan(into, partition, key), scan);
    }

    /// Deletes a scan whose purpose has ended.
    pub fn delete_scan(&mut self, partition: u16, key: &ScanKey) {
        self.delete(Table::Scans, |into| keys::scan(into, partition, key));
    }

    /// Puts an index row: a twin has this value at this path.
    pub fn put_index(&mut self, partition: u16, key: IndexKey, customer: &Customer) {
        self.encode_small(Table::Index, |into| keys::index(into, partition, key, customer), &());
    }

    /// Deletes an index row: a twin no longer has this value.
    pub fn delete_index(&mut self, partition: u16, key: IndexKey, customer: &Customer) {
        self.delete(Table::Index, |into| keys::index(into, partition, key, customer));
    }

    /// Deletes the whole index of the path with this hash.
    pub fn delete_index_of(&mut self, partition: u16, path: u64) {
        let mut from = Vec::new();
        keys::index_path(&mut from, partition, path);
        let until = keys::behind(&from);
        let key = |key: &mut Vec<u8>| key.extend_from_slice(&from);
        self.change(DELETE_RANGE, Table::Index, key, |end| end.extend_from_slice(&until));
    }

    /// Puts the open escalations of a twin, replacing the previous ones; without any, deletes the row.
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

    /// Puts the counts of one arm of an experiment.
    pub fn put_result(&mut self, partition: u16, name: &str, arm: &str, result: &ArmResult) {
        self.encode_small(Table::Results, |key| keys::result(key, partition, name, arm), result);
    }

    /// Puts the tombstone of an erased customer.
    pub fn put_tombstone(&mut self, partition: u16, mark: Pseudonym, tombstone: &Tombstone) {
        self.encode_small(
            Table::Tombstones,
            |key| keys::tombstone(key, partition, mark),
            tombstone,
        );
    }

    /// Deletes the tombstone of a customer, which has expired or been dropped.
    pub fn delete_tombstone(&mut self, partition: u16, mark: Pseudonym) {
        self.delete(Table::Tombstones, |key| keys::tombstone(key, partition, mark));
    }

    /// Puts the progress of erasing an identifier.
    pub fn put_erasing(&mut self, partition: u16, id: ErasureId, erasing: &ErasureProgress) {
        let key = |key: &mut Vec<u8>| keys::erasure(key, partition, id, erasing.mark);
        self.encode_small(Table::Erasures, key, &Some(erasing));
    }

    /// Deletes the expired progress of erasing an identifier.
    pub fn delete_erasing(&mut self, partition: u16, id: ErasureId, mark: Pseudonym) {
        self.delete(Table::Erasures, |key| keys::erasure(key, partition, id, mark));
    }

    /// Puts the sequence of an event of an erased customer that is to be deleted from the stream.
    pub fn put_event_of_erased(&mut self, partition: u16, sequence: u64) {
        let key = |key: &mut Vec<u8>| keys::event_of_erased(key, partition, sequence);
        self.encode_small(Table::Erasures, key, &None::<ErasureProgress>);
    }

    /// Deletes the row of such an event, which was deleted from the stream.
    pub fn delete_event_of_erased(&mut self, partition: u16, sequence: u64) {
        self.delete(Table::Erasures, |key| keys::event_of_erased(key, partition, sequence));
    }

    /// Sets the main-lane cursor of a partition.
    pub fn set_cursor(&mut self, partition: u16, sequence: u64) {
        self.set(partition, Field::Cursor, sequence);
    }

    /// Sets the slow-lane cursor of a partition.
    pub fn set_slow_cursor(&mut self, partition: u16, sequence: u64) {
        self.set(partition, Field::SlowCursor, sequence);
    }

    /// Writes the changes of the slow lane, and of the floors of both, since the partition last wrote them.
    pub fn note_slow_lane(&mut self, partition: u16, lane: &SlowLane, written: &mut WrittenLane) {
        match written.next(lane) {
            Some(LaneChange::All) => self.set_slow_lane(partition, lane),
            Some(LaneChange::Floors) => self.set_slow_floors(partition, lane),
            Some(LaneChange::MainFloor) => self.set_main_floor(partition, lane.main_floor),
            None => {}
        }
    }

    /// Sets the slow lane, as the partition knew it in this commit.
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

    /// Sets the floors of both lanes, as the partition knew them in this commit.
    fn set_slow_floors(&mut self, partition: u16, lane: &SlowLane) {
        self.set(partition, Field::SlowFloor, lane.floor);
        self.set_main_floor(partition, lane.main_floor);
    }

    /// Sets the stream sequence up to which every partition has processed everything in the main lane, as far as this
    /// one knows: an idle partition need not read up to there again.
    pub(crate) fn set_main_floor(&mut self, partition: u16, sequence: u64) {
        self.set(partition, Field::MainFloor, sequence);
    }

    /// Sets when the stream stored the event of the partition's cursor; none: unknown.
    pub fn set_stored(&mut self, partition: u16, stored: Option<Time>) {
        match stored {
            Some(stored) => self.set(partition, Field::Stored, stored.ms().cast_unsigned()),
            None => self.delete(Table::Meta, |key| keys::field(key, partition, Field::Stored)),
        }
    }

    /// Sets the sequence of the partition's next output.
    pub fn set_next_output(&mut self, partition: u16, sequence: u64) {
        self.set(partition, Field::NextOutput, sequence);
    }

    /// Sets the number of the partition's next journalled input.
    pub fn set_next_input(&mut self, partition: u16, number: u64) {
        self.set(partition, Field::NextInput, number);
    }

    /// Sets the latest time that the partition has seen.
    pub fn set_clock(&mut self, partition: u16, now: Time) {
        self.set(partition, Field::Clock, now.ms().cast_unsigned());
    }

    /// Sets how far the commit log of a chain is applied.
    pub fn set_log_position(&mut self, chain: Chain, position: LogPosition) {
        match chain {
            Chain::Partition(partition) => {
                self.set(partition, Field::LogSequence, position.sequence);
                self.set(partition, Field::LogEpoch, position.epoch);
            }
            Chain::Learner => {
                self.set_store_wide(LEARNER_SEQUENCE, position.sequence);
                self.set_store_wide(LEARNER_EPOCH, position.epoch);
            }
        }
    }

    /// Deletes how far the commit log of a chain is applied: it has none any more.
    pub fn delete_log_position(&mut self, chain: Chain) {
        match chain {
            Chain::Partition(partition) => {
                for field in [Field::LogSequence, Field::LogEpoch] {
                    self.delete(Table::Meta, |key| keys::field(key, partition, field));
                }
            }
            Chain::Learner => {
                [LEARNER_SEQUENCE, LEARNER_EPOCH]
                    .iter()
                    .for_each(|name| self.delete_store_wide(name));
            }
        }
    }

    /// The changes, in order.
    pub fn changes(&self) -> impl Iterator<Item = BatchOperation<'_>> {
        let mut rest = &self.arena[..];
        std::iter::from_fn(move || {
            let (change, behind) = split_change(rest)?;
            rest = behind;
            Some(change)
        })
    }

    /// The chain that every change belongs to; none if there are no changes, or they belong to several.
    pub fn chain(&self) -> Option<Chain> {
        let mut chains = self.changes().map(|change| Chain::of(change.table(), change.key()));
        let first = chains.next()?;
        chains.all(|chain| chain == first).then_some(first)
    }

    /// The changes as bytes, in the form that [`from_bytes`](Batch::from_bytes) reads.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.arena
    }

    /// The batch of these changes; none if they are not the bytes of one.
    pub(crate) fn from_bytes(arena: Vec<u8>, newest_input: Option<Time>) -> Option<Batch> {
        let mut changes = 0;
        let mut rest = &arena[..];
        while !rest.is_empty() {
            (_, rest) = split_change(rest)?;
            changes += 1;
        }
        Some(Batch { arena, changes, newest_input })
    }

    /// The time of the newest journalled input among the changes.
    pub fn newest_input(&self) -> Option<Time> {
        self.newest_input
    }

    pub(crate) fn set_store_wide(&mut self, name: &str, number: u64) {
        self.encode_small(Table::Meta, |key| keys::store_wide(key, name), &number);
    }

    /// Deletes the store-wide row of this name.
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

    /// Encodes a record directly into the arena; on an error the batch is unchanged.
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

/// The first change in these bytes, and the bytes behind it; none if they do not begin with one.
fn split_change(bytes: &[u8]) -> Option<(BatchOperation<'_>, &[u8])> {
    let (head, parts) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let [tag, table, k0, k1, k2, k3, v0, v1, v2, v3] = *head;
    let (key, parts) = parts.split_at_checked(u32::from_le_bytes([k0, k1, k2, k3]) as usize)?;
    let (value, behind) = parts.split_at_checked(u32::from_le_bytes([v0, v1, v2, v3]) as usize)?;
    let table = *Table::ALL.get(usize::from(table))?;
    let change = match tag {
        PUT => BatchOperation::Put(table, key, value),
        DELETE => BatchOperation::Delete(table, key),
        DELETE_RANGE => BatchOperation::DeleteRange(table, key, value),
        _ => return None,
    };
    Some((change, behind))
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
    fn changes_are_applied_in_the_order_in_which_they_were_added() {
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
    fn every_row_belongs_to_the_chain_of_its_partition_or_to_that_of_the_learner() {
        type Change = fn(&mut Batch);
        let of_partition: [Change; 12] = [
            |batch| batch.put_twin(300, &ada(), b"state"),
            |batch| batch.delete_past(300, &ada()),
            |batch| batch.delete_output(300, 1),
            |batch| batch.delete_trained(300, 9),
            |batch| batch.delete_marks(300, 9),
            |batch| batch.set_cursor(300, 1),
            |batch| batch.set_slow_lane(300, &SlowLane::default()),
            |batch| batch.delete_broadcast(300, "scope"),
            |batch| batch.delete_index_of(300, 1),
            |batch| batch.put_input(300, &ada(), Time::from_ms(1), 0, b"input"),
            |batch| batch.delete_tombstone(300, Pseudonym([0; 16])),
            |batch| batch.put_event_of_erased(300, 1),
        ];
        let of_learner: [Change; 5] = [
            |batch| batch.set_trained(300, 1),
            |batch| batch.set_model(1, 1),
            |batch| batch.delete_lessons(1, 1),
            |batch| batch.put_kept_lessons(&KeptLessons::default()),
            |batch| batch.put_weights(u64::MAX, &LevelWeights::default()).unwrap(),
        ];
        let chain = |changes: &[Change]| {
            let mut batch = Batch::new();
            changes.iter().for_each(|change| change(&mut batch));
            batch.chain()
        };
        assert_eq!(chain(&of_partition), Some(Chain::Partition(300)));
        assert_eq!(chain(&of_learner), Some(Chain::Learner));
        assert_eq!(chain(&[]), None);
        assert_eq!(chain(&[of_partition[0], of_learner[0]]), None, "it is of two");
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
