use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the disk under the store has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DiskSpace {
    /// Bytes that are free.
    pub free_bytes: u64,
    /// The reserve below which processing pauses (`store.reserve-bytes`).
    pub reserve_bytes: u64,
    /// Whether processing is paused for lack of space.
    pub is_short: bool,
    /// How often that has been so since the service started.
    pub times: u64,
}
