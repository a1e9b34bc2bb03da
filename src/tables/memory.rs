use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use parking_lot::Mutex;

use super::batch::BatchOperation;
use super::reads::{Commit, EachRowVisitor, Read, RowValue, RowVisitor};
use super::{Batch, Error, Table, keys};

type Rows = BTreeMap<Vec<u8>, Box<[u8]>>;

/// An in-memory store with fault injection, for simulation: the same changes and the same reads.
///
/// Written data can be read at once and is lost in a crash until it is synced, as on a disk.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

/// A fault of a simulated store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next commit fails before anything of it is written.
    Write,
    /// The next commit is written and its sync fails: a crash may keep it or lose it.
    Sync,
}

#[derive(Debug, Default)]
struct State {
    written: [Rows; Table::ALL.len()],
    synced: [Rows; Table::ALL.len()],
    /// Commits that are written and not synced.
    unsynced: VecDeque<Vec<Batch>>,
    fault: Option<Fault>,
    poisoned: bool,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Writes the changes of these batches atomically, without a sync.
    ///
    /// # Errors
    /// As [`Commit::commit`].
    pub fn write(&self, batches: &[Batch]) -> Result<(), Error> {
        self.state.lock().write(batches)
    }

    /// Makes all written data durable.
    ///
    /// # Errors
    /// As [`Commit::commit`].
    pub fn sync(&self) -> Result<(), Error> {
        self.state.lock().sync()
    }

    /// Injects a fault into the next commit.
    pub fn inject(&self, fault: Fault) {
        self.state.lock().fault = Some(fault);
    }

    /// Simulates a crash and a restart: synced data is there, and of the data only written, the first
    /// `kept` commits, as a log on a disk would have it. A failed write is forgotten.
    pub fn crash(&self, kept: usize) {
        self.state.lock().crash(kept);
    }

    /// The number of commits that are written and not synced.
    pub fn unsynced(&self) -> usize {
        self.state.lock().unsynced.len()
    }
}

impl State {
    fn write(&mut self, batches: &[Batch]) -> Result<(), Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        if self.fault.take_if(|fault| *fault == Fault::Write).is_some() {
            return self.fail("an injected failure of the write");
        }
        apply(&mut self.written, batches);
        self.unsynced.push_back(batches.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        if self.fault.take_if(|fault| *fault == Fault::Sync).is_some() {
            return self.fail("an injected failure of the sync");
        }
        for batches in self.unsynced.drain(..) {
            apply(&mut self.synced, &batches);
        }
        Ok(())
    }

    fn crash(&mut self, kept: usize) {
        for batches in self.unsynced.drain(..).take(kept) {
            apply(&mut self.synced, &batches);
        }
        self.written = self.synced.clone();
        self.fault = None;
        self.poisoned = false;
    }

    fn fail(&mut self, detail: &str) -> Result<(), Error> {
        self.poisoned = true;
        Err(Error::Write { detail: detail.to_owned() })
    }
}

fn apply(tables: &mut [Rows], batches: &[Batch]) {
    for change in batches.iter().flat_map(Batch::changes) {
        match change {
            BatchOperation::Put(table, key, value) => {
                tables[table as usize].insert(key.to_vec(), value.into());
            }
            BatchOperation::Delete(table, key) => {
                tables[table as usize].remove(key);
            }
            BatchOperation::DeleteRange(table, from, until) => {
                tables[table as usize].retain(|key, _| &key[..] < from || &key[..] >= until);
            }
        }
    }
}

impl Commit for MemoryStore {
    fn commit(&self, batches: &[Batch]) -> Result<(), Error> {
        let mut state = self.state.lock();
        state.write(batches)?;
        state.sync()
    }
}

impl Read for MemoryStore {
    fn get(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<RowValue>, Error> {
        let state = self.state.lock();
        let rows = &state.written[table as usize];
        Ok(keys.iter().map(|key| rows.get(key).cloned()).collect())
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        until: &[u8],
        visit: RowVisitor<'_>,
    ) -> Result<(), Error> {
        let state = self.state.lock();
        let range = (Bound::Included(from), Bound::Excluded(until));
        for (key, value) in state.written[table as usize].range::<[u8], _>(range) {
            if !visit(key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn scan_each(
        &self,
        table: Table,
        prefixes: &[Vec<u8>],
        visit: EachRowVisitor<'_>,
    ) -> Result<(), Error> {
        for (position, prefix) in prefixes.iter().enumerate() {
            self.scan(table, prefix, &keys::behind(prefix), &mut |key, value| {
                visit(position, key, value).map(|()| true)
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(sequence: u64) -> [Batch; 1] {
        let mut batch = Batch::new();
        batch.set_cursor(0, sequence);
        [batch]
    }

    #[test]
    fn a_crash_loses_what_was_not_synced() {
        let store = MemoryStore::new();
        store.commit(&cursor(1)).unwrap();
        for sequence in 2..=4 {
            store.write(&cursor(sequence)).unwrap();
        }
        assert_eq!((store.meta(0).unwrap().cursor, store.unsynced()), (4, 3));
        store.crash(1);
        assert_eq!((store.meta(0).unwrap().cursor, store.unsynced()), (2, 0));
        store.crash(0);
        assert_eq!(store.meta(0).unwrap().cursor, 2);
    }

    #[test]
    fn after_a_failed_write_nothing_is_written() {
        let store = MemoryStore::new();
        store.inject(Fault::Write);
        assert!(matches!(store.commit(&cursor(1)), Err(Error::Write { .. })));
        assert!(matches!(store.commit(&cursor(2)), Err(Error::Poisoned)));
        assert_eq!(store.meta(0).unwrap().cursor, 0);
        store.crash(0);
        store.commit(&cursor(3)).unwrap();
        assert_eq!(store.meta(0).unwrap().cursor, 3);
    }

    #[test]
    fn after_a_failed_sync_a_crash_may_keep_the_write_or_lose_it() {
        for (kept, cursor_found) in [(0, 1), (1, 2)] {
            let store = MemoryStore::new();
            store.commit(&cursor(1)).unwrap();
            store.inject(Fault::Sync);
            assert!(matches!(store.commit(&cursor(2)), Err(Error::Write { .. })));
            assert!(matches!(store.commit(&cursor(3)), Err(Error::Poisoned)));
            store.crash(kept);
            assert_eq!(store.meta(0).unwrap().cursor, cursor_found);
        }
    }
}
