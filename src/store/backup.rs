use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use rocksdb::DB;
use rocksdb::checkpoint::Checkpoint;

use super::disk::{FORMAT, OpenCheck, Store};
use super::sealing;
use super::tuning;
use super::vault::{Access, KeyVault};
use crate::config::settings;
use crate::event::Customer;
use crate::files::{close_folder, make_folder};
use crate::tables::{Batch, Commit, Error, PartitionMeta, Read, Table, Verified, keys};

/// A consistent backup of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// Its path.
    pub path: PathBuf,
    /// The number of its files.
    pub files: u64,
    /// Their bytes. On the disk of the store they take space only as the store's own files are replaced.
    pub bytes: u64,
}

/// A summary of a store's content; read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSummary {
    /// The number of partitions.
    pub partitions: u16,
    /// The stream sequence up to which every partition has processed everything; it may lag behind.
    pub floor: u64,
    /// The metadata of each partition.
    pub metas: Vec<PartitionMeta>,
    /// The number of twins.
    pub twins: u64,
    /// The result of checking every row.
    pub verified: Verified,
    /// Unreadable rows of customers erased since then (their keys are destroyed).
    pub unreadable: u64,
}

impl Store {
    /// Writes a backup of the committed state into a new folder; commits continue meanwhile. An
    /// incomplete backup never appears under this name. If rows are sealed, the customers' keys are
    /// copied beside it, replacing those there.
    ///
    /// # Errors
    /// [`Error::Backup`]. The store itself is unchanged.
    pub fn back_up(&self, to: &Path) -> Result<BackupSummary, Error> {
        let failed = |detail: String| Error::Backup { path: to.to_owned(), detail };
        if to.exists() {
            return Err(failed("this name is taken".into()));
        }
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            make_folder(parent).map_err(|error| failed(error.to_string()))?;
        }
        Checkpoint::new(&self.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(to))
            .map_err(|error| failed(error.into_string()))?;
        close_folder(to).map_err(|error| failed(error.to_string()))?;
        // After the rows: the keys that sealed them exist then.
        if let Some(vault) = &self.vault {
            vault.back_up_beside(to)?;
        }
        let sizes = sizes(to).map_err(|error| failed(error.to_string()))?;
        let (files, bytes) = (sizes.len() as u64, sizes.iter().map(|(_, bytes)| bytes).sum());
        Ok(BackupSummary { path: to.to_owned(), files, bytes })
    }

    /// Opens the database at a path for reading only.
    fn open_to_look(path: &Path, master_key: Option<&str>, keys: &Path) -> Result<Store, Error> {
        let opening = OpenCheck { path };
        if !opening.existing()? {
            return Err(opening.not_jumeau("nothing"));
        }
        opening.check_tables()?;
        let settings = settings::StoreSettings {
            path: path.to_owned(),
            master_key: master_key.map(str::to_owned),
            ..settings::StoreSettings::default()
        };
        let memory = tuning::MemoryPool::new(&settings);
        let horizon = Arc::new(AtomicI64::new(i64::MIN));
        let mut options = tuning::database(&settings, &memory);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let tables = tuning::tables(&settings, &memory, &horizon);
        let db = DB::open_cf_descriptors_read_only(&options, path, tables, false)
            .map_err(|error| opening.error(&error))?;
        let poisoned = AtomicBool::new(true);
        let path = path.to_owned();
        let mut store = Store { db, memory, horizon, settings, poisoned, path, vault: None };
        store.vault = store.find_vault(keys, |upto| Access::Look { upto })?;
        Ok(store)
    }

    /// Sealed rows whose keys are destroyed.
    fn unreadable(&self) -> Result<Vec<(Table, Vec<u8>)>, Error> {
        let Some(vault) = &self.vault else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for table in sealing::tables() {
            let mut rows = self.db.raw_iterator_cf(self.table(table));
            rows.seek_to_first();
            while let Some((key, value)) = rows.item() {
                if vault.is_gone(value)? {
                    found.push((table, key.to_vec()));
                }
                rows.next();
            }
            rows.status().map_err(|error| Error::Read { detail: error.into_string() })?;
        }
        Ok(found)
    }

    /// Deletes unreadable rows, and rows that refer to them: a customer who was erased after a backup is
    /// not in what is restored from it.
    fn delete_unreadable_rows(&self) -> Result<(), Error> {
        let unreadable = self.unreadable()?;
        if unreadable.is_empty() {
            return Ok(());
        }
        let gone: HashSet<Vec<u8>> = unreadable
            .iter()
            .filter(|(table, _)| *table == Table::Twins)
            .map(|(_, key)| key.clone())
            .collect();
        let is_gone = |key: &[u8], customer: &Customer| {
            let Some((partition, _)) = key.split_first_chunk() else { return false };
            let mut twin = Vec::new();
            keys::twin(&mut twin, u16::from_be_bytes(*partition), customer);
            gone.contains(&twin)
        };
        let mut batch = Batch::new();
        self.scan(Table::Timers, &[], &[u8::MAX; 2], &mut |key, _| {
            let timer = keys::read_timer(key);
            if timer.is_some_and(|timer| is_gone(key, &timer.customer)) {
                batch.delete_row(Table::Timers, key);
            }
            Ok(true)
        })?;
        self.scan(Table::Index, &[], &[u8::MAX; 2], &mut |key, _| {
            if keys::read_index(key).is_some_and(|(_, customer)| is_gone(key, &customer)) {
                batch.delete_row(Table::Index, key);
            }
            Ok(true)
        })?;
        unreadable.iter().for_each(|(table, key)| batch.delete_row(*table, key));
        self.commit(&[batch])?;
        // Also removes their identifiers from the files.
        self.compact();
        Ok(())
    }
}

/// Verifies every row of a closed store at a path: keys, kinds, checksums, and whether the metadata of
/// the partitions agrees with it. Nothing is changed.
///
/// # Errors
/// As [`Store::open`]; [`Error::NoStore`] if nothing of jumeau is there. A damaged row is not an error but
/// part of the result.
pub fn examine(path: &Path, master_key: Option<&str>) -> Result<StoreSummary, Error> {
    examine_with(path, master_key, &KeyVault::of(path))
}

fn examine_with(path: &Path, master_key: Option<&str>, keys: &Path) -> Result<StoreSummary, Error> {
    look_through(path, master_key, keys).map_err(|error| match error {
        // For a check, what the engine cannot read is damage.
        Error::Read { detail } => Error::Damaged { path: path.to_owned(), detail },
        Error::NotJumeau { path, found } => Error::NoStore { path, found },
        other => other,
    })
}

fn look_through(path: &Path, master_key: Option<&str>, keys: &Path) -> Result<StoreSummary, Error> {
    let store = Store::open_to_look(path, master_key, keys)?;
    let format = store.store_wide("format")?.unwrap_or(0);
    if format > FORMAT {
        let found = format!("format {format}");
        return Err(Error::Newer { path: path.to_owned(), known: FORMAT, found });
    }
    let partitions = store.store_wide("partitions")?.and_then(|count| u16::try_from(count).ok());
    let partitions = partitions.filter(|_| format > 0).ok_or_else(|| {
        OpenCheck { path }.not_jumeau("a database without its format and partition count")
    })?;
    let mut verified = store.verify()?;
    let mut metas = Vec::new();
    for partition in 0..partitions {
        // A damaged row has been reported already.
        let Ok(meta) = store.meta(partition) else { continue };
        let beyond = store.outbox(partition, meta.next_output, 1).unwrap_or_default();
        if let Some((sequence, _)) = beyond.first() {
            verified.defect(format!(
                "partition {partition}: expected output numbers below {} (the next one), found \
                 {sequence}; it would be overwritten",
                meta.next_output
            ));
        }
        metas.push(meta);
    }
    let twins = verified.tables.iter().find(|(table, _)| *table == Table::Twins);
    let twins = twins.map_or(0, |(_, rows)| *rows);
    let unreadable = store.unreadable()?.len() as u64;
    Ok(StoreSummary { partitions, floor: store.floor()?, metas, twins, verified, unreadable })
}

/// Restores a backup to the configured store path, after verifying every row. Existing keys of customers
/// stay, as they are newer than those beside the backup; rows whose keys are destroyed are not restored.
///
/// # Errors
/// As [`examine`]; [`Error::Occupied`] if the path is not empty; [`Error::Unsound`] if a row is damaged;
/// [`Error::Backup`] if the files cannot be copied. Nothing is at `to` then.
pub fn restore(backup: &Path, settings: &settings::StoreSettings) -> Result<StoreSummary, Error> {
    let to = &*settings.path;
    let is_free = match fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_free {
        return Err(Error::Occupied { path: to.to_owned() });
    }
    let (own, copied) = (KeyVault::folder(to), KeyVault::of(backup));
    let keys = if own.exists() { &own } else { &copied };
    let examined = examine_with(backup, settings.master_key.as_deref(), keys)?;
    if let Some(first) = examined.verified.described.first() {
        let (path, defects) = (backup.to_owned(), examined.verified.defects);
        return Err(Error::Unsound { path, defects, first: first.clone() });
    }
    let failed =
        |error: std::io::Error| Error::Backup { path: to.to_owned(), detail: error.to_string() };
    let is_sealed = settings.master_key.is_some();
    if is_sealed && !own.exists() {
        let draft = copy(&copied, &own).map_err(failed)?;
        settle(&draft, &own).map_err(failed)?;
    }
    let draft = copy(backup, to).map_err(failed)?;
    let there = settings::StoreSettings { path: draft.clone(), ..settings.clone() };
    let restored = Store::open_with(&there, examined.partitions, &own)?;
    // The service that was running when the backup was made may still run.
    restored.set_owner(0)?;
    if is_sealed {
        restored.delete_unreadable_rows()?;
    }
    drop(restored);
    settle(&draft, to).map_err(failed)?;
    Ok(examined)
}

/// Wraps the customers' keys of a closed store with another master key; returns how many. The keys beside
/// its backups are replaced, too.
///
/// # Errors
/// As [`Store::open`]; [`Error::MasterKey`] if one of the two is invalid; [`Error::InClear`].
pub fn rewrap(settings: &settings::StoreSettings, to: &str) -> Result<u64, Error> {
    let keys = KeyVault::folder(&settings.path);
    let looked = Store::open_to_look(&settings.path, settings.master_key.as_deref(), &keys)?;
    let in_clear = || Error::InClear { path: settings.path.clone() };
    let master = settings.master_key.as_deref().ok_or_else(in_clear)?;
    let upto = looked.keys_upto()?;
    drop(looked);
    KeyVault::open(&keys, master, Access::Change { upto })?.rewrap(to, &settings.backups)
}

/// Copies a database's files to a folder beside the target; returns its path.
fn copy(from: &Path, to: &Path) -> std::io::Result<PathBuf> {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let draft = to.with_file_name(name);
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    make_folder(&draft)?;
    for (name, _) in sizes(from)? {
        // The lock and the log belong to the process that had it open.
        if name == *"LOCK" || name == *"LOG" {
            continue;
        }
        fs::copy(from.join(&name), draft.join(&name))?;
        File::open(draft.join(&name))?.sync_all()?;
    }
    close_folder(&draft)?;
    File::open(&draft)?.sync_all()?;
    Ok(draft)
}

/// Moves the files to the target, once they are durable.
fn settle(draft: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        // Fails unless it is empty.
        fs::remove_dir(to)?;
    }
    fs::rename(draft, to)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// The files of a folder, and their sizes in bytes.
fn sizes(folder: &Path) -> std::io::Result<Vec<(std::ffi::OsString, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        if data.is_file() {
            found.push((entry.file_name(), data.len()));
        }
    }
    Ok(found)
}
