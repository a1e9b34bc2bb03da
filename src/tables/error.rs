use std::path::PathBuf;

use super::Table;
use crate::codec;

/// Errors of opening, reading or writing the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process has the database open.
    #[error(
        "expected to be the only process with the store at {}, found it open in another; stop that \
         process, or choose another `store.path`", path.display()
    )]
    InUse {
        /// The path of the database.
        path: PathBuf,
    },
    /// The path contains something other than a database of jumeau.
    #[error(
        "expected a jumeau database or an empty folder at {}, found {found}; choose another \
         `store.path`", path.display()
    )]
    NotJumeau {
        /// The path of the database.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// A path that was given to be read contains no store.
    #[error(
        "expected a store of jumeau or a backup of one at {}, found {found}; name the folder of a \
         store or of a backup", path.display()
    )]
    NoStore {
        /// The path.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// A newer version wrote the database.
    #[error(
        "expected a database of format {known} or older at {}, found {found}, written by a newer \
         jumeau; upgrade to it", path.display()
    )]
    Newer {
        /// The path of the database.
        path: PathBuf,
        /// The newest format that this version supports.
        known: u64,
        /// What was found.
        found: String,
    },
    /// The database was created for another number of partitions.
    #[error(
        "expected {expected} partitions as in the settings, found a database of {found} at {}; \
         the number cannot change once there are twins: set `service.partitions = {found}`, or choose \
         another `store.path`", path.display()
    )]
    Partitions {
        /// The path of the database.
        path: PathBuf,
        /// The number in the settings.
        expected: u16,
        /// The number in the database.
        found: u64,
    },
    /// The files of the database are damaged.
    #[error(
        "expected an intact database at {}, found it damaged: {detail}; check the disk and restore \
         it from a backup", path.display()
    )]
    Damaged {
        /// The path of the database.
        path: PathBuf,
        /// The error of the engine.
        detail: String,
    },
    /// The database cannot be opened for another reason.
    #[error(
        "expected to open or create a database at {}, found: {detail}; check that the folder may \
         be written, and the disk and its free space", path.display()
    )]
    Open {
        /// The path of the database.
        path: PathBuf,
        /// The error of the engine.
        detail: String,
    },
    /// A backup cannot be made.
    #[error(
        "expected a folder for a copy at {}, found: {detail}; name another, or check the disk and \
         its free space", path.display()
    )]
    Backup {
        /// The path of the backup.
        path: PathBuf,
        /// The error of the system or the engine.
        detail: String,
    },
    /// The target of a restore is not empty.
    #[error(
        "expected no store at {}, found a folder that is not empty; restoring never overwrites a \
         store: move it away, or choose another `store.path`", path.display()
    )]
    Occupied {
        /// The path of the store.
        path: PathBuf,
    },
    /// The master key is missing, or is not that of the store.
    #[error(
        "expected the master key of the store, found {found}; set `store.master-key` to its file or \
         `env:VARIABLE`: without it no customer data can be read"
    )]
    MasterKey {
        /// What was found instead.
        found: String,
    },
    /// A store in clear cannot be opened with a master key.
    #[error(
        "expected a sealed store at {}, because `store.master-key` is set, found one in clear; a \
         store can only be sealed when it is created: unset `store.master-key`, or choose another \
         `store.path`",
        path.display()
    )]
    InClear {
        /// The path of the store.
        path: PathBuf,
    },
    /// The customers' keys of a sealed store are missing, or are those of another.
    #[error(
        "expected the customer keys of the store in {}, found {found}; restore them, or move the \
         store away and restore a backup: without their key, a customer's data cannot be read",
        path.display()
    )]
    Keys {
        /// Their expected path.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// A backup is damaged.
    #[error(
        "expected an undamaged backup at {}, found {defects} damaged rows, the first: {first}; use \
         another backup", path.display()
    )]
    Unsound {
        /// The path of the backup.
        path: PathBuf,
        /// The number of damaged rows.
        defects: u64,
        /// The defect of the first.
        first: String,
    },
    /// A record cannot be encoded or decoded.
    #[error("table {}, key {key}: {source}", table.name())]
    Record {
        /// Its table.
        table: Table,
        /// Its key, in hexadecimal digits.
        key: String,
        /// The error of the codec.
        source: codec::Error,
    },
    /// A key does not have the layout of its table.
    #[error(
        "table {}, key {key}: expected the layout of this table's keys, found another; another \
         program has changed the database: restore it from a backup", table.name()
    )]
    Key {
        /// The table.
        table: Table,
        /// The key, in hexadecimal digits.
        key: String,
    },
    /// The engine failed to read.
    #[error("expected to read committed rows, found: {detail}; check the disk")]
    Read {
        /// The error of the engine.
        detail: String,
    },
    /// A write failed. It is unknown how much of it is on disk, so the store accepts no further writes.
    #[error(
        "expected to write a commit, found: {detail}; the store accepts no further writes until a \
         restart: check the disk and its free space, then restart"
    )]
    Write {
        /// The error of the engine.
        detail: String,
    },
    /// The commit log cannot be continued.
    #[error("{detail}")]
    Log {
        /// The error of the log.
        detail: String,
    },
    /// An earlier write failed.
    #[error(
        "expected a store without a failed write, found one; restart the service to write again"
    )]
    Poisoned,
}

impl Error {
    pub(crate) fn key(table: Table, key: &[u8]) -> Error {
        Error::Key { table, key: hex::encode(key) }
    }

    pub(crate) fn record(table: Table, key: &[u8], source: codec::Error) -> Error {
        Error::Record { table, key: hex::encode(key), source }
    }
}
