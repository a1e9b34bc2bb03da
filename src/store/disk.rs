use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use rocksdb::{
    ColumnFamily, DB, ErrorKind, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
    properties,
};

use super::tuning::{self, Horizon};
use super::vault::{Access, KeyVault};
use crate::config::settings;
use crate::event::{SlowLane, Time};
use crate::files::close_folder;
use crate::tables::{
    Batch, BatchOperation, Commit, EachRowVisitor, Error, Read, RowValue, RowVisitor, Table,
    Tombstone, keys,
};

/// The format of the database as a whole: its tables and keys.
///
/// 2: the slow lane is among the fields of a partition. 3: so is the floor of the main lane, always. 4: the store may
/// follow a commit log.
pub(super) const FORMAT: u64 = 4;

/// The store-wide row of the floor of the main lane, up to format 2.
const OLD_FLOOR: &str = "floor";

/// The store-wide row with the time at which the event stream was created.
const STREAM: &str = "stream";

/// The store-wide row with the number of the last start that served.
const OWNER: &str = "owner";

/// The store-wide row that says whether rows of customers are sealed; it exists only if they are.
const SEALED: &str = "sealed";

/// The store-wide row with the last change of customers' keys that the store has.
const KEYS: &str = "keys";

/// The store on a disk.
pub struct Store {
    pub(super) db: DB,
    pub(super) path: PathBuf,
    pub(super) settings: settings::StoreSettings,
    pub(super) memory: tuning::MemoryPool,
    pub(super) horizon: Horizon,
    pub(super) poisoned: AtomicBool,
    /// The keys that seal rows of customers, if the store is sealed.
    pub(super) vault: Option<KeyVault>,
}

/// The resources that the store uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Blocks, indexes and filters in memory, in bytes.
    pub cache_bytes: u64,
    /// Changes in memory that are not in a table file yet, in bytes.
    pub write_buffer_bytes: u64,
    /// The approximate number of rows of each table, and their bytes on disk.
    pub tables: Vec<(Table, u64, u64)>,
}

impl Store {
    /// Opens or creates the configured database, for this many partitions.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::NotJumeau`], [`Error::Newer`], [`Error::Partitions`],
    /// [`Error::Damaged`], [`Error::MasterKey`], [`Error::Keys`], or [`Error::Open`]. Nothing was changed
    /// then.
    pub fn open(settings: &settings::StoreSettings, partitions: u16) -> Result<Store, Error> {
        Store::open_with(settings, partitions, &KeyVault::folder(&settings.path))
    }

    /// The same, with the customers' keys in this folder, if rows are sealed.
    pub(super) fn open_with(
        settings: &settings::StoreSettings,
        partitions: u16,
        keys: &Path,
    ) -> Result<Store, Error> {
        let path = settings.path.clone();
        let opening = OpenCheck { path: &path };
        if opening.existing()? {
            opening.check_tables()?;
        }
        close_folder(&path)
            .map_err(|error| Error::Open { path: path.clone(), detail: error.to_string() })?;
        let memory = tuning::MemoryPool::new(settings);
        let horizon: Horizon = Arc::new(AtomicI64::new(i64::MIN));
        let tables = tuning::tables(settings, &memory, &horizon);
        let db = DB::open_cf_descriptors(&tuning::database(settings, &memory), &path, tables)
            .map_err(|error| opening.error(&error))?;
        let mut store = Store {
            db,
            memory,
            horizon,
            settings: settings.clone(),
            poisoned: AtomicBool::new(false),
            path: path.clone(),
            vault: None,
        };
        if store.is_new(partitions)? {
            // The keys exist before the row that says so.
            let master = settings.master_key.as_deref();
            let vault =
                master.map(|master| KeyVault::open(keys, master, Access::Make)).transpose()?;
            store.vault = vault;
            store.found(partitions)?;
        } else {
            store.vault = store.find_vault(keys, |upto| Access::Change { upto })?;
            store.raise_format()?;
        }
        Ok(store)
    }

    /// Makes everything durable that was committed, also where commits are not synced.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn sync(&self) -> Result<(), Error> {
        self.db.flush_wal(true).map_err(|error| self.poison(error))
    }

    /// The stream sequence up to which every partition has processed everything, the highest that any of them
    /// knows; it may lag behind.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    pub fn floor(&self) -> Result<u64, Error> {
        let old = self.store_wide(OLD_FLOOR)?.unwrap_or(0);
        let partitions = self.store_wide("partitions")?.unwrap_or(0);
        (0..partitions).try_fold(old, |floor, partition| {
            // A store has at most `limits::PARTITIONS`.
            Ok(floor.max(self.meta(partition as u16)?.slow_lane.main_floor))
        })
    }

    /// The stream that the cursors belong to, as its creation time in milliseconds; none if that is not
    /// known yet.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Record`].
    pub fn stream(&self) -> Result<Option<u64>, Error> {
        self.store_wide(STREAM)
    }

    /// Binds the cursors to this stream.
    ///
    /// # Errors
    /// [`Error::Write`], or [`Error::Poisoned`].
    pub fn set_stream(&self, made_ms: u64) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.set_store_wide(STREAM, made_ms);
        self.commit(&[batch])
    }

    /// The number of the last start that served with this store; none if it never did, or was restored
    /// since.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Record`].
    pub fn owner(&self) -> Result<Option<u64>, Error> {
        Ok(self.store_wide(OWNER)?.filter(|number| *number > 0))
    }

    /// Records the owner number of the starting service (0: none yet). Written durably.
    ///
    /// # Errors
    /// [`Error::Write`], or [`Error::Poisoned`].
    pub fn set_owner(&self, number: u64) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.set_store_wide(OWNER, number);
        self.commit(&[batch])?;
        self.sync()
    }

    /// Binds the cursors to the stream created at this time (none: to one not created yet), and sets each
    /// partition's cursor and the timestamp of its event. `is_same` means that the stream still has the
    /// same content, so the slow lane and its positions remain valid. Written durably.
    ///
    /// # Errors
    /// [`Error::Write`], or [`Error::Poisoned`]; [`Error::Read`], [`Error::Key`] or [`Error::Record`].
    pub fn adopt(
        &self,
        made_ms: Option<u64>,
        cursors: &[(u16, u64, Option<Time>)],
        is_same: bool,
    ) -> Result<(), Error> {
        let mut batch = Batch::new();
        for (partition, cursor, stored) in cursors {
            batch.set_cursor(*partition, *cursor);
            batch.set_stored(*partition, *stored);
            // The stream may be shorter now.
            batch.set_main_floor(*partition, 0);
            if !is_same {
                batch.set_slow_cursor(*partition, 0);
                batch.set_slow_lane(*partition, &SlowLane::default());
                // Sequences of the previous stream mean nothing in this one.
                for (mark, tombstone) in self.tombstones(*partition)? {
                    let tombstone = Tombstone { sequence: 0, ..tombstone };
                    batch.put_tombstone(*partition, mark, &tombstone);
                }
            }
        }
        match made_ms {
            Some(made_ms) => batch.set_store_wide(STREAM, made_ms),
            None => batch.delete_store_wide(STREAM),
        }
        self.commit(&[batch])?;
        self.sync()
    }

    /// The approximate number of rows of a table.
    pub fn estimate(&self, table: Table) -> u64 {
        self.property(table, properties::ESTIMATE_NUM_KEYS)
    }

    /// The resources that the store uses.
    pub fn usage(&self) -> Usage {
        let tables = Table::ALL.iter().map(|&table| {
            (table, self.estimate(table), self.property(table, properties::TOTAL_SST_FILES_SIZE))
        });
        Usage {
            cache_bytes: self.memory.cache.get_usage() as u64,
            write_buffer_bytes: self.memory.buffers.get_usage() as u64,
            tables: tables.collect(),
        }
    }

    /// Compacts everything. Slow, and delays commits; for measurements.
    pub fn compact(&self) {
        for &table in Table::ALL {
            self.db.compact_range_cf(self.table(table), None::<&[u8]>, None::<&[u8]>);
        }
    }

    /// Whether the database is empty.
    fn is_new(&self, partitions: u16) -> Result<bool, Error> {
        let Some(format) = self.store_wide("format")? else {
            for &table in Table::ALL {
                self.scan(table, &[], &[u8::MAX; 2], &mut |_, _| {
                    Err(Error::NotJumeau {
                        path: self.path.clone(),
                        found: format!("a table `{}` without a format", table.name()),
                    })
                })?;
            }
            return Ok(true);
        };
        if format > FORMAT {
            let found = format!("format {format}");
            return Err(Error::Newer { path: self.path.clone(), known: FORMAT, found });
        }
        match self.store_wide("partitions")? {
            Some(found) if found == u64::from(partitions) => Ok(false),
            found => Err(Error::Partitions {
                path: self.path.clone(),
                expected: partitions,
                found: found.unwrap_or(0),
            }),
        }
    }

    /// Raises the format, so that no older version opens the database: it would ignore rows that this one
    /// writes.
    fn raise_format(&self) -> Result<(), Error> {
        if self.store_wide("format")? == Some(FORMAT) {
            return Ok(());
        }
        let mut batch = Batch::new();
        if let Some(floor) = self.store_wide(OLD_FLOOR)? {
            // Of the floors that partitions know, the highest counts.
            batch.set_main_floor(0, floor.max(self.meta(0)?.slow_lane.main_floor));
            batch.delete_store_wide(OLD_FLOOR);
        }
        batch.set_store_wide("format", FORMAT);
        self.commit(&[batch])?;
        self.sync()
    }

    /// Initialises an empty database.
    fn found(&self, partitions: u16) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.set_store_wide("format", FORMAT);
        batch.set_store_wide("partitions", u64::from(partitions));
        if self.vault.is_some() {
            batch.set_store_wide(SEALED, 1);
        }
        self.commit(&[batch])?;
        self.sync()
    }

    /// Opens the keys of an existing store, if it is sealed: that was chosen when it was created.
    ///
    /// # Errors
    /// [`Error::MasterKey`] or [`Error::InClear`] if the settings contradict it, and as
    /// [`KeyVault::open`].
    pub(super) fn find_vault(
        &self,
        keys: &Path,
        access: impl FnOnce(u64) -> Access,
    ) -> Result<Option<KeyVault>, Error> {
        let is_sealed = self.store_wide(SEALED)?.is_some();
        match (is_sealed, &self.settings.master_key) {
            (false, None) => Ok(None),
            (true, None) => Err(Error::MasterKey { found: "none".into() }),
            (false, Some(_)) => Err(Error::InClear { path: self.path.clone() }),
            (true, Some(master)) => {
                KeyVault::open(keys, master, access(self.keys_upto()?)).map(Some)
            }
        }
    }

    /// The last change of customers' keys that the store has.
    pub(super) fn keys_upto(&self) -> Result<u64, Error> {
        Ok(self.store_wide(KEYS)?.unwrap_or(0))
    }

    pub(super) fn poison(&self, error: rocksdb::Error) -> Error {
        self.poisoned.store(true, Ordering::Release);
        Error::Write { detail: error.into_string() }
    }

    fn property(&self, table: Table, name: &properties::PropName) -> u64 {
        self.db.property_int_value_cf(self.table(table), name).ok().flatten().unwrap_or(0)
    }

    #[expect(clippy::expect_used, reason = "the message names the invariant")]
    pub(super) fn table(&self, table: Table) -> &ColumnFamily {
        self.db.cf_handle(table.name()).expect("every table is opened with the database")
    }

    fn write(&self, batches: &[Batch], options: &WriteOptions) -> Result<(), Error> {
        let tables: Vec<_> = Table::ALL.iter().map(|table| self.table(*table)).collect();
        let bytes: usize = batches.iter().map(Batch::bytes).sum();
        let mut write = WriteBatch::with_capacity_bytes(bytes + HEADER_BYTES);
        let mut sealing = match &self.vault {
            Some(vault) => Some((vault, vault.change()?, Vec::new())),
            None => None,
        };
        // The deletion of a twin contains ranges, and the order is kept.
        for change in in_key_order(batches) {
            match change {
                BatchOperation::Put(table, key, value) => {
                    let mut value = value;
                    if let Some((vault, keys, sealed)) = &mut sealing {
                        sealed.clear();
                        if keys.seal(vault, (table, key, value), sealed)? {
                            value = sealed;
                        }
                    }
                    write.put_cf(tables[table as usize], key, value);
                }
                BatchOperation::Delete(table, key) => {
                    if table == Table::Twins
                        && let Some((vault, keys, _)) = &mut sealing
                        && let Some((customer, _)) = keys::read_twin(key)
                    {
                        keys.retire(&vault.name(customer.as_str()))?;
                    }
                    write.delete_cf(tables[table as usize], key);
                }
                BatchOperation::DeleteRange(table, from, until) => {
                    write.delete_range_cf(tables[table as usize], from, until);
                }
            }
        }
        if let Some((_, keys, _)) = &mut sealing
            && let Some(number) = keys.keep()?
        {
            let mut batch = Batch::new();
            batch.set_store_wide(KEYS, number);
            for change in batch.changes() {
                if let BatchOperation::Put(table, key, value) = change {
                    write.put_cf(tables[table as usize], key, value);
                }
            }
        }
        self.db
            .write_opt(write, options)
            .map_err(|error| Error::Write { detail: error.into_string() })
    }

    /// Commits batches; after a failed write nothing is committed any more.
    pub(super) fn commit_with(
        &self,
        batches: &[Batch],
        options: &WriteOptions,
    ) -> Result<(), Error> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(Error::Poisoned);
        }
        self.write(batches, options)
            .inspect_err(|_| self.poisoned.store(true, Ordering::Release))?;
        if let Some(newest) = batches.iter().filter_map(Batch::newest_input).max() {
            let horizon = tuning::horizon(&self.settings, newest);
            self.horizon.fetch_max(horizon.ms(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// A value in clear; none if its row is unreadable.
    fn plain<'a>(
        &self,
        table: Table,
        key: &[u8],
        value: &'a [u8],
    ) -> Result<Option<Cow<'a, [u8]>>, Error> {
        match &self.vault {
            None => Ok(Some(Cow::Borrowed(value))),
            Some(vault) => vault.open_row(table, key, value),
        }
    }
}

/// The header that RocksDB puts before the changes of a batch.
const HEADER_BYTES: usize = 12;

impl Commit for Store {
    fn commit(&self, batches: &[Batch]) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.set_sync(self.settings.sync == settings::SyncMode::Always);
        self.commit_with(batches, &options)
    }
}

impl Read for Store {
    fn get(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<RowValue>, Error> {
        self.db
            .batched_multi_get_cf(self.table(table), keys, false)
            .into_iter()
            .zip(keys)
            .map(|(found, key)| {
                let Some(value) = found.map_err(|error| read_error(&error))? else {
                    return Ok(None);
                };
                Ok(self.plain(table, key, &value)?.map(|value| value.into_owned().into()))
            })
            .collect()
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        until: &[u8],
        visit: RowVisitor<'_>,
    ) -> Result<(), Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(from..until);
        let mut rows = self.db.raw_iterator_cf_opt(self.table(table), options);
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            if let Some(value) = self.plain(table, key, value)?
                && !visit(key, &value)?
            {
                return Ok(());
            }
            rows.next();
        }
        rows.status().map_err(|error| read_error(&error))
    }

    /// One iterator for all of them, in the order of the keys: creating one costs more than moving it.
    fn scan_each(
        &self,
        table: Table,
        prefixes: &[Vec<u8>],
        visit: EachRowVisitor<'_>,
    ) -> Result<(), Error> {
        let mut order: Vec<usize> = (0..prefixes.len()).collect();
        order.sort_unstable_by_key(|position| &prefixes[*position]);
        let mut rows = self.db.raw_iterator_cf(self.table(table));
        for position in order {
            let prefix = &prefixes[position];
            rows.seek(prefix);
            while let Some((key, value)) = rows.item()
                && key.starts_with(prefix)
            {
                if let Some(value) = self.plain(table, key, value)? {
                    visit(position, key, &value)?;
                }
                rows.next();
            }
            rows.status().map_err(|error| read_error(&error))?;
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Nothing can be written any more, so nothing is to be synced.
        if self.poisoned.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.sync() {
            tracing::error!(%error, "the store could not be synced when it was closed");
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The changes sorted by table and key, of each key the last: neighbouring keys are found faster. With
/// ranges among them the order matters and is kept.
fn in_key_order(batches: &[Batch]) -> Vec<BatchOperation<'_>> {
    let mut changes: Vec<BatchOperation<'_>> = batches.iter().flat_map(Batch::changes).collect();
    if changes.iter().all(|change| change.row().is_some()) {
        // The sort is stable: reversing makes the last change of a key the first.
        changes.reverse();
        changes.sort_by(|left, right| left.row().cmp(&right.row()));
        changes.dedup_by(|later, first| later.row() == first.row());
    }
    changes
}

/// Checks what is at the path before anything is changed there.
pub(super) struct OpenCheck<'a> {
    pub(super) path: &'a Path,
}

impl OpenCheck<'_> {
    /// Whether a database exists. A folder of other files is refused: the database would be created among
    /// them.
    pub(super) fn existing(&self) -> Result<bool, Error> {
        let open = |error: std::io::Error| Error::Open {
            path: self.path.to_owned(),
            detail: error.to_string(),
        };
        if !self.path.try_exists().map_err(open)? {
            return Ok(false);
        }
        if !self.path.is_dir() {
            return Err(self.not_jumeau("a file"));
        }
        let mut names = Vec::new();
        for entry in self.path.read_dir().map_err(open)? {
            names.push(entry.map_err(open)?.file_name().to_string_lossy().into_owned());
        }
        if let Some(other) = names.iter().find(|name| !may_be_engines(name)) {
            return Err(self.not_jumeau(&format!("a folder with `{other}`")));
        }
        let existing = names.iter().any(|name| name == "CURRENT");
        // `CURRENT` is created before any row is written: without it, this is a database that was never
        // completed, unless there are rows.
        let has_rows = |name: &String| name.ends_with(".sst") || name.ends_with(".log");
        if !existing && names.iter().any(has_rows) {
            let detail = "its file CURRENT is missing".to_owned();
            return Err(Error::Damaged { path: self.path.to_owned(), detail });
        }
        Ok(existing)
    }

    /// Checks that the tables are ours. Nothing is opened for writing before that.
    pub(super) fn check_tables(&self) -> Result<(), Error> {
        let options = Options::default();
        let tables = DB::list_cf(&options, self.path).map_err(|error| self.error(&error))?;
        let known = |name: &str| Table::ALL.iter().any(|table| table.name() == name);
        let unknown = tables.iter().find(|name| *name != tuning::UNUSED && !known(name));
        let has_meta = tables.iter().any(|name| name == Table::Meta.name());
        match unknown {
            Some(name) if has_meta => Err(Error::Newer {
                path: self.path.to_owned(),
                known: FORMAT,
                found: format!("a table `{name}`"),
            }),
            Some(name) => Err(self.not_jumeau(&format!("a database with a table `{name}`"))),
            None if has_meta => Ok(()),
            None => self.check_unfinished(&options, &tables),
        }
    }

    /// Checks a database without the table `meta`, which is created last: it was never completed, or is
    /// not ours.
    fn check_unfinished(&self, options: &Options, tables: &[String]) -> Result<(), Error> {
        let db = DB::open_cf_for_read_only(options, self.path, tables, false)
            .map_err(|error| self.error(&error))?;
        let has_rows = |name: &String| {
            db.cf_handle(name)
                .is_some_and(|table| db.iterator_cf(table, IteratorMode::Start).next().is_some())
        };
        match tables.iter().find(|name| has_rows(name)) {
            None => Ok(()),
            Some(_) => Err(self.not_jumeau("a database of another program")),
        }
    }

    pub(super) fn not_jumeau(&self, found: &str) -> Error {
        Error::NotJumeau { path: self.path.to_owned(), found: found.to_owned() }
    }

    pub(super) fn error(&self, error: &rocksdb::Error) -> Error {
        let path = self.path.to_owned();
        let detail = error.to_string();
        match error.kind() {
            ErrorKind::Corruption => Error::Damaged { path, detail },
            ErrorKind::IOError if detail.to_ascii_lowercase().contains("lock ") => {
                Error::InUse { path }
            }
            _ => Error::Open { path, detail },
        }
    }
}

/// Whether RocksDB may have created a file of this name.
fn may_be_engines(name: &str) -> bool {
    const NAMES: [&str; 5] = ["CURRENT", "LOCK", "LOG", "IDENTITY", "lost+found"];
    const BEGINNINGS: [&str; 3] = ["LOG.old.", "MANIFEST-", "OPTIONS-"];
    const ENDS: [&str; 4] = [".log", ".sst", ".dbtmp", ".trash"];
    NAMES.contains(&name)
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDS.iter().any(|end| name.ends_with(end))
}

fn read_error(error: &rocksdb::Error) -> Error {
    Error::Read { detail: error.to_string() }
}
