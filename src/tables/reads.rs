use serde::de::DeserializeOwned;

use super::batch::{self, ANSWERS, LEARNER_EPOCH, LEARNER_SEQUENCE, MODEL};
use super::keys::{self, ErasureKey, Field, IndexKey, ScanKey, TimerKey};
use super::rows::{
    JournalRow, KeptLesson, KeptLessons, LessonRow, PackedDecision, PartitionMeta, Scan,
    StoredTwin, Verified,
};
use super::{
    Batch, Chain, ErasureProgress, Error, LogPosition, Pseudonym, Table, Tombstone, Traces,
};
use crate::codec;
use crate::event::{Broadcast, Customer, ErasureId, Output, SlowedChannel, Time};
use crate::models::{ArmCounts, Exposure, Snapshot};
use crate::past::ModelMark;
use crate::twin::{Decision, WaitingEscalation};

/// The value of a row, if the row exists.
pub type RowValue = Option<Box<[u8]>>;

/// A customer and the encoded state of the twin.
pub type EncodedTwin = (Customer, Box<[u8]>);

/// Visits a row; returns whether to continue.
pub type RowVisitor<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool, Error>;

/// Visits a row, with the index of its prefix; returns whether to continue.
pub type EachRowVisitor<'a> = &'a mut dyn FnMut(usize, &[u8], &[u8]) -> Result<(), Error>;

/// Reads committed data. Every call may wait for the disk: never call it on a twin's thread.
///
/// A store provides the first three methods; the rest is the same for all.
pub trait Read: Send + Sync {
    /// The rows of these keys.
    ///
    /// # Errors
    /// [`Error::Read`].
    fn get(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<RowValue>, Error>;

    /// Visits the rows from `from` up to, but excluding, `until`, ascending.
    ///
    /// # Errors
    /// [`Error::Read`], or what `visit` returns.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        until: &[u8],
        visit: RowVisitor<'_>,
    ) -> Result<(), Error>;

    /// Visits the rows that begin with each of these prefixes, with the prefix's index; the rows of one
    /// prefix ascend, the prefixes come in any order.
    ///
    /// # Errors
    /// [`Error::Read`], or what `visit` returns.
    fn scan_each(
        &self,
        table: Table,
        prefixes: &[Vec<u8>],
        visit: EachRowVisitor<'_>,
    ) -> Result<(), Error>;

    /// The twins of these customers, in their order; none where there is no such twin.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Key`].
    fn load(
        &self,
        partition: u16,
        customers: &[Customer],
    ) -> Result<Vec<Option<StoredTwin>>, Error> {
        let twins: Vec<Vec<u8>> =
            customers.iter().map(|id| key(|to| keys::twin(to, partition, id))).collect();
        let states = self.get(Table::Twins, &twins)?;
        let mut found: Vec<Option<StoredTwin>> = states
            .into_iter()
            .map(|state| Some(StoredTwin { state: state?, timeline: Vec::new() }))
            .collect();
        // A twin that does not exist has no timeline either, so none is read.
        let (positions, prefixes): (Vec<usize>, Vec<Vec<u8>>) = twins
            .into_iter()
            .enumerate()
            .filter(|(position, _)| found[*position].is_some())
            .unzip();
        self.scan_each(Table::Timeline, &prefixes, &mut |prefix, key, value| {
            let slot = keys::read_block(key).ok_or_else(|| Error::key(Table::Timeline, key))?;
            if let Some(loaded) = &mut found[positions[prefix]] {
                loaded.timeline.push((slot, value.into()));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The encoded states of the partition's next twins after `after`, at most `limit`, in the order of
    /// their keys.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Key`].
    fn twins(
        &self,
        partition: u16,
        after: Option<&Customer>,
        limit: usize,
    ) -> Result<Vec<EncodedTwin>, Error> {
        let from = key(|to| match after {
            Some(after) => {
                keys::twin(to, partition, after);
                to.push(0);
            }
            None => keys::partition(to, partition),
        });
        rows(self, Table::Twins, partition, &from, limit, |key, value| {
            Ok(keys::read_twin(key).map(|(customer, _)| (customer, value.into())))
        })
    }

    /// The partition's next customers after `after`, at most `limit`, in the order of their keys: all who
    /// have a twin, or those in one row of an index.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Key`].
    fn customers(
        &self,
        partition: u16,
        row: Option<IndexKey>,
        after: Option<&Customer>,
        limit: usize,
    ) -> Result<Vec<Customer>, Error> {
        let start = |to: &mut Vec<u8>| match row {
            Some(row) => keys::index_value(to, partition, row),
            None => keys::partition(to, partition),
        };
        let until = keys::behind(&key(start));
        let from = key(|to| match (row, after) {
            (_, None) => start(to),
            (Some(row), Some(after)) => {
                keys::index(to, partition, row, after);
                to.push(0);
            }
            (None, Some(after)) => {
                keys::twin(to, partition, after);
                to.push(0);
            }
        });
        let table = if row.is_some() { Table::Index } else { Table::Twins };
        let mut found = Vec::new();
        self.scan(table, &from, &until, &mut |key, _| {
            if found.len() == limit {
                return Ok(false);
            }
            let customer = match table {
                Table::Index => keys::read_index(key).map(|(_, customer)| customer),
                _ => keys::read_twin(key).map(|(customer, _)| customer),
            };
            found.push(customer.ok_or_else(|| Error::key(table, key))?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// The partition's active broadcasts, in the order of their scopes, and when each was processed.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn broadcasts(&self, partition: u16) -> Result<Vec<(Broadcast, Time)>, Error> {
        let from = key(|to| keys::partition(to, partition));
        rows(self, Table::Broadcasts, partition, &from, usize::MAX, |key, value| {
            Ok(Some(open(Table::Broadcasts, key, value)?))
        })
    }

    /// The positions of the partition's scans.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn scans(&self, partition: u16) -> Result<Vec<(ScanKey, Scan)>, Error> {
        let from = key(|to| keys::partition(to, partition));
        rows(self, Table::Scans, partition, &from, usize::MAX, |key, value| {
            let scan = open(Table::Scans, key, value)?;
            Ok(keys::read_scan(key).map(|key| (key, scan)))
        })
    }

    /// The counts of experiment arms in the partition, by experiment and arm.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn results(&self, partition: u16) -> Result<Vec<ArmCounts>, Error> {
        let from = key(|to| keys::partition(to, partition));
        rows(self, Table::Results, partition, &from, usize::MAX, |key, value| {
            let result = open(Table::Results, key, value)?;
            Ok(keys::read_result(key).map(|(name, arm)| (name, arm, result)))
        })
    }

    /// Visits the open escalations of all twins of the partition, in the order of their keys.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn waiting(
        &self,
        partition: u16,
        visit: &mut dyn FnMut(Customer, Vec<WaitingEscalation>),
    ) -> Result<(), Error> {
        let from = key(|to| keys::partition(to, partition));
        self.scan(Table::Waiting, &from, &keys::behind(&from), &mut |key, value| {
            let (customer, _) =
                keys::read_twin(key).ok_or_else(|| Error::key(Table::Waiting, key))?;
            visit(customer, open(Table::Waiting, key, value)?);
            Ok(true)
        })
    }

    /// The partition's next timers after `after`, at most `limit`, in due order.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn timers(
        &self,
        partition: u16,
        after: Option<&TimerKey>,
        limit: usize,
    ) -> Result<Vec<TimerKey>, Error> {
        let from = key(|to| match after {
            Some(after) => {
                keys::timer(to, partition, after);
                to.push(0);
            }
            None => keys::partition(to, partition),
        });
        rows(self, Table::Timers, partition, &from, limit, |key, value| {
            let () = open(Table::Timers, key, value)?;
            Ok(keys::read_timer(key))
        })
    }

    /// The partition's outputs from this sequence on, at most `limit`, ascending.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn outbox(&self, partition: u16, from: u64, limit: usize) -> Result<Vec<(u64, Output)>, Error> {
        let from = key(|to| keys::output(to, partition, from));
        rows(self, Table::Outbox, partition, &from, limit, |key, value| {
            let output = open(Table::Outbox, key, value)?;
            Ok(keys::read_output(key).map(|sequence| (sequence, output)))
        })
    }

    /// The number of unconfirmed outputs of the partition.
    ///
    /// # Errors
    /// [`Error::Read`].
    fn outbox_len(&self, partition: u16) -> Result<u64, Error> {
        let from = key(|to| keys::partition(to, partition));
        let mut count = 0;
        self.scan(Table::Outbox, &from, &keys::behind(&from), &mut |_, _| {
            count += 1;
            Ok(true)
        })?;
        Ok(count)
    }

    /// The partition's observations that are not trained on yet, from this sequence on, at most `limit`,
    /// ascending, and whether each was a response.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn observations(
        &self,
        partition: u16,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Exposure, bool)>, Error> {
        let from = key(|to| keys::output(to, partition, from));
        rows(self, Table::Observations, partition, &from, limit, |key, value| {
            let (exposure, response, _): (_, _, Customer) = open(Table::Observations, key, value)?;
            Ok(keys::read_output(key).map(|sequence| (sequence, exposure, response)))
        })
    }

    /// What the store holds of a customer besides the twin.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn traces(&self, partition: u16, customer: &Customer) -> Result<Traces, Error> {
        let own = key(|to| keys::twin(to, partition, customer));
        let count = |table| {
            let mut count = 0;
            self.scan(table, &own, &keys::behind(&own), &mut |_, _| {
                count += 1;
                Ok(true)
            })?;
            Ok(count)
        };
        let outputs = self.outbox(partition, 0, usize::MAX)?.into_iter();
        // Messages that other twins forward to this one are rejected by the twin when they arrive.
        let is_own =
            |output: &Output| output.about().as_ref() == Some(customer) && !output.is_forwarded();
        let from = key(|to| keys::partition(to, partition));
        let observed =
            rows(self, Table::Observations, partition, &from, usize::MAX, |key, value| {
                let (_, _, whose): (Exposure, bool, Customer) =
                    open(Table::Observations, key, value)?;
                Ok(keys::read_output(key).map(|sequence| (sequence, whose)))
            })?;
        let observed = observed.into_iter().filter(|(_, whose)| whose == customer);
        Ok(Traces {
            outputs: outputs.filter(|(_, one)| is_own(one)).map(|(at, _)| at).collect(),
            observations: observed.map(|(sequence, _)| sequence).collect(),
            blocks: count(Table::Timeline)?,
            decisions: count(Table::Decisions)?,
            journal: count(Table::Journal)?,
        })
    }

    /// The partition's tombstones.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn tombstones(&self, partition: u16) -> Result<Vec<(Pseudonym, Tombstone)>, Error> {
        let from = key(|to| keys::partition(to, partition));
        rows(self, Table::Tombstones, partition, &from, usize::MAX, |key, value| {
            let tombstone = open(Table::Tombstones, key, value)?;
            Ok(keys::read_tombstone(key).map(|mark| (mark, tombstone)))
        })
    }

    /// The partition's erasures, complete or not.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn erasing(&self, partition: u16) -> Result<Vec<(ErasureId, ErasureProgress)>, Error> {
        let from = key(|to| keys::partition(to, partition));
        let found = rows(self, Table::Erasures, partition, &from, usize::MAX, |key, value| {
            let erasing: Option<ErasureProgress> = open(Table::Erasures, key, value)?;
            Ok(match (keys::read_erasure(key), erasing) {
                (Some(ErasureKey::Identifier(id, _)), Some(erasing)) => Some(Some((id, erasing))),
                (Some(ErasureKey::Event(_)), None) => Some(None),
                _ => None,
            })
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Sequences of the partition's events of erased customers that are to be deleted from the stream.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Key`].
    fn events_of_erased(&self, partition: u16) -> Result<Vec<u64>, Error> {
        let from = key(|to| keys::event_of_erased(to, partition, 0));
        rows(self, Table::Erasures, partition, &from, usize::MAX, |key, _| {
            Ok(match keys::read_erasure(key) {
                Some(ErasureKey::Event(sequence)) => Some(sequence),
                _ => None,
            })
        })
    }

    /// The number in the store-wide row of this name, if there is one.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Record`].
    fn store_wide(&self, name: &str) -> Result<Option<u64>, Error> {
        let name = key(|to| keys::store_wide(to, name));
        let found = self.get(Table::Meta, std::slice::from_ref(&name))?.pop().flatten();
        found.map(|value| open(Table::Meta, &name, &value)).transpose()
    }

    /// The current model, and the number of observations trained on in all.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn model(&self) -> Result<(Snapshot, u64), Error> {
        let version = self.store_wide(MODEL)?.unwrap_or(0);
        if version == 0 {
            return Ok((Snapshot::nothing(), 0));
        }
        let from = key(|to| keys::partition(to, 0));
        let levels = rows(self, Table::Learned, 0, &from, usize::MAX, |key, value| {
            let weights = open(Table::Learned, key, value)?;
            Ok(keys::read_level(key).map(|level| (level, weights)))
        })?;
        Ok((Snapshot::restore(version, levels), self.store_wide(ANSWERS)?.unwrap_or(0)))
    }

    /// The sequence of the partition's first observation that the model was not trained on. Those before it may still
    /// have rows.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Record`].
    fn trained(&self, partition: u16) -> Result<u64, Error> {
        Ok(self.store_wide(&batch::trained(partition))?.unwrap_or(0))
    }

    /// Which model versions can be rebuilt; none before any was trained.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Record`].
    fn kept_lessons(&self) -> Result<Option<KeptLessons>, Error> {
        let key = key(|to| keys::lesson(to, 0, 0));
        let found = self.get(Table::Lessons, std::slice::from_ref(&key))?.pop().flatten();
        let Some(found) = found else { return Ok(None) };
        match open(Table::Lessons, &key, &found)? {
            LessonRow::Kept(kept) => Ok(Some(kept)),
            LessonRow::Packed(_) => Err(Error::key(Table::Lessons, &key)),
        }
    }

    /// Training history from this part of this version on: approximately this many bytes, and at least
    /// one part unless there is none. Weights of milestones are included only if wanted.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Key`].
    fn lessons(
        &self,
        from: (u64, u32),
        with_levels: bool,
        bytes: usize,
    ) -> Result<Vec<KeptLesson>, Error> {
        let (version, number) = from.max((0, 1));
        let from = key(|to| keys::lesson(to, version, number));
        let until = keys::behind(&key(|to| keys::partition(to, 0)));
        let mut found = Vec::new();
        let mut found_bytes = 0;
        self.scan(Table::Lessons, &from, &until, &mut |key, value| {
            let (version, number) =
                keys::read_lesson(key).ok_or_else(|| Error::key(Table::Lessons, key))?;
            if with_levels || number < KeptLesson::LEVELS {
                found_bytes += value.len();
                found.push(KeptLesson { version, number, encoded: value.into() });
            }
            Ok(found_bytes < bytes)
        })?;
        Ok(found)
    }

    /// The positions from which the partition used each model version, in order.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    fn marks(&self, partition: u16) -> Result<Vec<ModelMark>, Error> {
        let from = key(|to| keys::partition(to, partition));
        rows(self, Table::Marks, partition, &from, usize::MAX, |key, value| {
            Ok(Some(open(Table::Marks, key, value)?))
        })
    }

    /// The journalled inputs of a twin from this time on, at most `limit`, ascending. Those older than
    /// the store's retention may be gone.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Key`].
    fn inputs(
        &self,
        partition: u16,
        customer: &Customer,
        from: Time,
        limit: usize,
    ) -> Result<Vec<JournalRow>, Error> {
        let until = keys::behind(&key(|to| keys::twin(to, partition, customer)));
        let from = key(|to| keys::input(to, partition, customer, from, 0));
        let mut found = Vec::new();
        self.scan(Table::Journal, &from, &until, &mut |key, value| {
            if found.len() == limit {
                return Ok(false);
            }
            let (at, number) =
                keys::read_input(key).ok_or_else(|| Error::key(Table::Journal, key))?;
            found.push(JournalRow { at, number, encoded: value.into() });
            Ok(true)
        })?;
        Ok(found)
    }

    /// The last decisions of a twin, newest first.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Record`].
    fn decisions(&self, partition: u16, customer: &Customer) -> Result<Vec<Decision>, Error> {
        let from = key(|to| keys::twin(to, partition, customer));
        let mut found: Vec<Decision> = Vec::new();
        self.scan(Table::Decisions, &from, &keys::behind(&from), &mut |key, value| {
            let packed: PackedDecision = open(Table::Decisions, key, value)?;
            let decision = packed.open();
            found.push(decision.map_err(|source| Error::record(Table::Decisions, key, source))?);
            Ok(true)
        })?;
        found.sort_unstable_by_key(|decision| std::cmp::Reverse(decision.number));
        Ok(found)
    }

    /// The metadata of a partition.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Record`].
    fn meta(&self, partition: u16) -> Result<PartitionMeta, Error> {
        let from = key(|to| keys::fields(to, partition));
        let mut meta = PartitionMeta::default();
        self.scan(Table::Meta, &from, &keys::behind(&from), &mut |key, value| {
            let number: u64 = open(Table::Meta, key, value)?;
            let Some((field, rest)) = keys::read_field(key) else { return Ok(true) };
            let lane = &mut meta.slow_lane;
            match field {
                Field::Cursor => meta.cursor = number,
                Field::Stored => meta.stored = Some(Time::from_ms(number.cast_signed())),
                Field::NextOutput => meta.next_output = number,
                Field::NextInput => meta.next_input = number,
                Field::Clock => meta.clock = Some(Time::from_ms(number.cast_signed())),
                Field::Version => meta.version = number,
                Field::SlowCursor => meta.slow_cursor = number,
                Field::SlowVersion => lane.version = number,
                Field::SlowFloor => lane.floor = number,
                Field::MainFloor => lane.main_floor = number,
                Field::LogSequence => meta.log.sequence = number,
                Field::LogEpoch => meta.log.epoch = number,
                Field::Slowed => {
                    let read = keys::read_slowed(rest);
                    let (from, channel) = read.ok_or_else(|| Error::key(Table::Meta, key))?;
                    let until = Some(number).filter(|until| *until > 0);
                    lane.channels.push(SlowedChannel { channel: channel.into(), from, until });
                }
            }
            Ok(true)
        })?;
        Ok(meta)
    }

    /// How far the commit log of a chain is applied.
    ///
    /// # Errors
    /// As [`meta`](Read::meta).
    fn log_position(&self, chain: Chain) -> Result<LogPosition, Error> {
        match chain {
            Chain::Partition(partition) => Ok(self.meta(partition)?.log),
            Chain::Learner => Ok(LogPosition {
                sequence: self.store_wide(LEARNER_SEQUENCE)?.unwrap_or(0),
                epoch: self.store_wide(LEARNER_EPOCH)?.unwrap_or(0),
            }),
        }
    }

    /// Reads every record once, and verifies its checksum. The payloads are not decoded.
    ///
    /// # Errors
    /// [`Error::Read`]; a damaged record is not an error but part of the result.
    fn verify(&self) -> Result<Verified, Error> {
        let mut found = Verified::default();
        for &table in Table::ALL {
            let mut rows = 0;
            // No key begins with 0xFFFF: there are not that many partitions.
            self.scan(table, &[], &[u8::MAX; 2], &mut |key, value| {
                found.records += 1;
                found.bytes += (key.len() + value.len()) as u64;
                let defect = if table.understands(key) {
                    codec::check(table.kind(), value)
                        .err()
                        .map(|source| Error::record(table, key, source))
                } else {
                    Some(Error::key(table, key))
                };
                if let Some(defect) = defect {
                    found.defect(defect.to_string());
                }
                rows += 1;
                Ok(true)
            })?;
            found.tables.push((table, rows));
        }
        Ok(found)
    }
}

/// Writes changes durably and atomically.
pub trait Commit: Send + Sync {
    /// Makes the changes of these batches durable, in their order, atomically.
    ///
    /// # Errors
    /// [`Error::Write`] if it fails: it is unknown then how much of it is on disk. From then on every
    /// call fails with [`Error::Poisoned`].
    fn commit(&self, batches: &[Batch]) -> Result<(), Error>;
}

/// At most `limit` rows of one partition from a key on; a key of another layout is an error.
fn rows<S: Read + ?Sized, T>(
    store: &S,
    table: Table,
    partition: u16,
    from: &[u8],
    limit: usize,
    read: impl Fn(&[u8], &[u8]) -> Result<Option<T>, Error>,
) -> Result<Vec<T>, Error> {
    let until = keys::behind(&key(|to| keys::partition(to, partition)));
    let mut found = Vec::new();
    store.scan(table, from, &until, &mut |key, value| {
        if found.len() == limit {
            return Ok(false);
        }
        found.push(read(key, value)?.ok_or_else(|| Error::key(table, key))?);
        Ok(true)
    })?;
    Ok(found)
}

fn key(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut key = Vec::new();
    write(&mut key);
    key
}

fn open<T: DeserializeOwned>(table: Table, key: &[u8], value: &[u8]) -> Result<T, Error> {
    codec::decode(table.kind(), value).map_err(|source| Error::record(table, key, source))
}
