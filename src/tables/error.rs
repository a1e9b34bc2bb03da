use std::path::PathBuf;

use super::Table;
use crate::codec;

/// Why the store could not be opened, read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process has the database open.
    #[error(
        "expected to be the only one at {}, found it held by another process; stop that one, or \
         choose another `store.path`", path.display()
    )]
    InUse {
        /// Where the database is.
        path: PathBuf,
    },
    /// There is something else at the path.
    #[error(
        "expected a jumeau database or an empty folder at {}, found {found}; choose another \
         `store.path`", path.display()
    )]
    NotJumeau {
        /// Where the database should be.
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
        /// Where the database is.
        path: PathBuf,
        /// The newest format that this version knows.
        known: u64,
        /// What was found.
        found: String,
    },
    /// The database was made for another number of partitions.
    #[error(
        "expected {expected} partitions as in the settings, found a database of {found} at {}; \
         the number cannot change once there are twins: set `service.partitions = {found}`, or choose \
         another `store.path`", path.display()
    )]
    Partitions {
        /// Where the database is.
        path: PathBuf,
        /// The number in the settings.
        expected: u16,
        /// The number in the database.
        found: u64,
    },
    /// The database's files are not what they were.
    #[error(
        "expected an intact database at {}, found it damaged: {detail}; check the disk and restore \
         it from a backup", path.display()
    )]
    Damaged {
        /// Where the database is.
        path: PathBuf,
        /// What the engine says.
        detail: String,
    },
    /// The database cannot be opened for another reason.
    #[error(
        "expected to open or create a database at {}, found: {detail}; check that the folder may \
         be written, and the disk and its free space", path.display()
    )]
    Open {
        /// Where the database should be.
        path: PathBuf,
        /// What the engine says.
        detail: String,
    },
    /// A copy cannot be made.
    #[error(
        "expected a folder for a copy at {}, found: {detail}; name another, or check the disk and \
         its free space", path.display()
    )]
    Backup {
        /// Where the copy should be.
        path: PathBuf,
        /// What the system or the engine says.
        detail: String,
    },
    /// There is something where a backup is to be restored.
    #[error(
        "expected nothing at {}, found a folder that is not empty; a backup is never written over \
         another store: move it away, or choose another `store.path`", path.display()
    )]
    Occupied {
        /// Where the store should be.
        path: PathBuf,
    },
    /// The master key is not there, or another one.
    #[error(
        "expected the master key of the store, found {found}; let `store.master-key` name the file, \
         or `env:` and the variable, that holds it: without it no customer's row can be read"
    )]
    MasterKey {
        /// What was found instead.
        found: String,
    },
    /// A store in clear is to be opened by a master key.
    #[error(
        "expected a sealed store at {}, because there is a master key, found one in clear; what is \
         sealed is sealed from the start: unset `store.master-key`, or choose another `store.path`",
        path.display()
    )]
    InClear {
        /// Where the store is.
        path: PathBuf,
    },
    /// The customers' keys of a sealed store are not there, or are others.
    #[error(
        "expected the customers' keys of the store in {}, found {found}; put them back as they were, \
         or move the store away and restore a backup: without its key no customer's row can be read",
        path.display()
    )]
    Keys {
        /// Where they should be.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// A backup is damaged.
    #[error(
        "expected a sound backup at {}, found {defects} damaged rows, the first: {first}; take \
         another backup", path.display()
    )]
    Unsound {
        /// Where the backup is.
        path: PathBuf,
        /// How many rows are damaged.
        defects: u64,
        /// What is wrong with the first.
        first: String,
    },
    /// A record cannot be written or read.
    #[error("table {}, key {key}: {source}", table.name())]
    Record {
        /// Its table.
        table: Table,
        /// Its key, in hexadecimal digits.
        key: String,
        /// What is wrong with it.
        source: codec::Error,
    },
    /// A key is not what its table holds.
    #[error(
        "table {}, key {key}: expected the layout of this table's keys, found another; \
         the database was changed by something else: restore it from a backup", table.name()
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
        /// What the engine says.
        detail: String,
    },
    /// A write failed. It is unknown how much of it is on disk, so the store accepts no further writes.
    #[error(
        "expected to write a commit, found: {detail}; nothing more is written until a restart has \
         read back what is on the disk: check the disk and its free space, then start again"
    )]
    Write {
        /// What the engine says.
        detail: String,
    },
    /// An earlier write failed.
    #[error("expected a store without a failed write, found one; start again to write more")]
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
