//! What an operator may choose. Everything has a default that works; an unknown key is an error.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The section `store`: where the state of the twins is, and what it may cost.
///
/// The memory of the database is at most about `cache_bytes` + `write_buffer_bytes`: blocks that
/// were read, their indexes and filters live in the cache, changes that are not yet in a table file
/// live in the write buffers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Store {
    /// The folder of the database; it is made if it is missing.
    pub path: PathBuf,
    /// When a commit counts as durable.
    pub sync: Sync,
    /// Blocks, indexes and filters kept in memory, in bytes.
    pub cache_bytes: u64,
    /// Changes kept in memory before they are sorted into table files, in bytes. More makes
    /// commits steadier and a restart slower: that much of the log is read again.
    pub write_buffer_bytes: u64,
    /// Threads that write and merge table files.
    pub background_jobs: u16,
    /// Table files held open.
    pub open_files: u16,
    /// Days for which inputs that did not come from the stream are kept for replay, counted back
    /// from the newest one.
    pub journal_days: u16,
}

/// When a commit counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// When the disk has it: nothing is lost when the power fails.
    #[default]
    Always,
    /// When the operating system has it. Nothing is lost when the process dies. When the machine
    /// does, the last seconds may be: events that were acknowledged and actions that were sent are
    /// then unknown to their twins, and are not made up for.
    Os,
}

impl Default for Store {
    fn default() -> Store {
        Store {
            path: PathBuf::from("jumeau-data"),
            sync: Sync::Always,
            cache_bytes: 128 << 20,
            write_buffer_bytes: 256 << 20,
            background_jobs: 2,
            open_files: 512,
            journal_days: 30,
        }
    }
}
