//! Copies of the store, made while the service runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Time;

/// The payload of [`verb::BACKUP`](super::verb::BACKUP).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackupRequest {
    /// The name of the copy in the folder `store.backups`; none: the time.
    pub name: Option<Box<str>>,
}

/// The answer to [`verb::BACKUP`](super::verb::BACKUP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupReply {
    /// Where the copy is, on the disk of the service.
    pub path: String,
    /// When it was made.
    pub at: Time,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The sequence of the stream of events behind which it goes on, at the latest.
    pub floor: u64,
}
