//! Backups of the store while the service runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Time;

/// The payload of [`verb::BACKUP`](super::verb::BACKUP).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackupRequest {
    /// The name of the backup in the folder `store.backups`; none: the time.
    pub name: Option<Box<str>>,
}

/// The reply to [`verb::BACKUP`](super::verb::BACKUP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupReply {
    /// The path of the backup, on the disk of the service.
    pub path: String,
    /// When it was made.
    pub at: Time,
    /// The duration in milliseconds.
    pub took_ms: u64,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The sequence of the event stream after which a restored store continues, at the latest.
    pub floor: u64,
}
