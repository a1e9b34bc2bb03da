use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use rocksdb::DB;
use rocksdb::checkpoint::Checkpoint;

use super::disk::{FORMAT, Opening, Store};
use super::reads::Read;
use super::rows::{Meta, Verified};
use super::tuning;
use super::{Error, Table};
use crate::config::{limits, settings};

/// A copy of a store as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// Where it is.
    pub path: PathBuf,
    /// Its files.
    pub files: u64,
    /// Their bytes. On the disk of the store they take room only as the store's own files go.
    pub bytes: u64,
}

/// What is in a store, looked at without changing anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Into how many partitions its customers are divided.
    pub partitions: u16,
    /// The stream sequence up to which every partition has taken everything in; it may lag behind.
    pub floor: u64,
    /// What each partition knows about itself.
    pub metas: Vec<Meta>,
    /// How many twins there are.
    pub twins: u64,
    /// Every row, and what is wrong with some.
    pub verified: Verified,
}

impl Store {
    /// Writes a copy of what is committed now into a folder that is not there yet; commits go on
    /// meanwhile. A copy that is not whole is never found under this name.
    ///
    /// # Errors
    /// [`Error::Backup`]. The store itself is as it was.
    pub fn back_up(&self, to: &Path) -> Result<BackedUp, Error> {
        let failed = |detail: String| Error::Backup { path: to.to_owned(), detail };
        if to.exists() {
            return Err(failed("there is something of this name".into()));
        }
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|error| failed(error.to_string()))?;
        }
        Checkpoint::new(&self.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(to))
            .map_err(|error| failed(error.into_string()))?;
        let sizes = sizes(to).map_err(|error| failed(error.to_string()))?;
        let (files, bytes) = (sizes.len() as u64, sizes.iter().map(|(_, bytes)| bytes).sum());
        Ok(BackedUp { path: to.to_owned(), files, bytes })
    }

    /// Opens what is at a path to look at it; never to write.
    fn open_to_look(path: &Path) -> Result<Store, Error> {
        let opening = Opening { path };
        if !opening.existing()? {
            return Err(opening.not_jumeau("nothing"));
        }
        opening.check_tables()?;
        let settings = settings::Store { path: path.to_owned(), ..settings::Store::default() };
        let memory = tuning::Memory::new(&settings);
        let horizon = Arc::new(AtomicI64::new(i64::MIN));
        let mut options = tuning::database(&settings, &memory);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let tables = tuning::tables(&settings, &memory, &horizon);
        let db = DB::open_cf_descriptors_read_only(&options, path, tables, false)
            .map_err(|error| opening.error(&error))?;
        let poisoned = AtomicBool::new(true);
        Ok(Store { db, memory, horizon, settings, poisoned, path: path.to_owned() })
    }
}

/// Reads every row of the store at a path, which nobody has open, and checks it: keys, kinds,
/// checksums, and whether what partitions know of themselves agrees with it. Nothing is changed.
///
/// # Errors
/// As [`Store::open`]. A damaged row is no error but part of the result.
pub fn examine(path: &Path) -> Result<Examined, Error> {
    look_through(path).map_err(|error| match error {
        // What the engine cannot read is damage to whoever looks for it.
        Error::Read { detail } => Error::Damaged { path: path.to_owned(), detail },
        other => other,
    })
}

fn look_through(path: &Path) -> Result<Examined, Error> {
    let store = Store::open_to_look(path)?;
    let format = store.store_wide("format")?.unwrap_or(0);
    if format > FORMAT {
        let found = format!("format {format}");
        return Err(Error::Newer { path: path.to_owned(), known: FORMAT, found });
    }
    let partitions = store.store_wide("partitions")?.and_then(|count| u16::try_from(count).ok());
    let partitions = partitions.filter(|_| format > 0).ok_or_else(|| {
        Opening { path }.not_jumeau("a database that says nothing of its format and partitions")
    })?;
    let mut verified = store.verify()?;
    let mut metas = Vec::new();
    for partition in 0..partitions {
        // A row that is damaged is told of already.
        let Ok(meta) = store.meta(partition) else { continue };
        let beyond = store.outbox(partition, meta.next_output, 1).unwrap_or_default();
        if let Some((sequence, _)) = beyond.first() {
            verified.defect(format!(
                "partition {partition}: expected outputs below {}, its next, found {sequence}; one of \
                 them would be written over",
                meta.next_output
            ));
        }
        metas.push(meta);
    }
    let twins = verified.tables.iter().find(|(table, _)| *table == Table::Twins);
    let twins = twins.map_or(0, |(_, rows)| *rows);
    Ok(Examined { partitions, floor: store.floor()?, metas, twins, verified })
}

/// Puts a backup where a store is to be, once every row of it is checked.
///
/// # Errors
/// As [`examine`]; [`Error::Occupied`] if there is something already; [`Error::Unsound`] if a row
/// is damaged; [`Error::Backup`] if the files cannot be copied. There is nothing at `to` then.
pub fn restore(backup: &Path, to: &Path) -> Result<Examined, Error> {
    let is_free = match fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_free {
        return Err(Error::Occupied { path: to.to_owned() });
    }
    let examined = examine(backup)?;
    if let Some(first) = examined.verified.described.first() {
        let (path, defects) = (backup.to_owned(), examined.verified.defects);
        return Err(Error::Unsound { path, defects, first: first.clone() });
    }
    copy(backup, to)
        .map_err(|error| Error::Backup { path: to.to_owned(), detail: error.to_string() })?;
    Ok(examined)
}

/// Copies a database's files beside their place, and moves them there when the disk has them.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let draft = to.with_file_name(name);
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    fs::create_dir_all(&draft)?;
    for (name, _) in sizes(from)? {
        // The lock and the log are of whoever had it open.
        if name == *"LOCK" || name == *"LOG" {
            continue;
        }
        fs::copy(from.join(&name), draft.join(&name))?;
        File::open(draft.join(&name))?.sync_all()?;
    }
    File::open(&draft)?.sync_all()?;
    if to.exists() {
        // It is empty, or this fails.
        fs::remove_dir(to)?;
    }
    fs::rename(&draft, to)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// The files of a folder, and their bytes.
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

impl Verified {
    /// Adds something that is wrong.
    pub(super) fn defect(&mut self, described: String) {
        self.defects += 1;
        if self.described.len() < limits::DEFECTS {
            self.described.push(described);
        }
    }
}
