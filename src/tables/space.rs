use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The space on the store's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DiskSpace {
    /// Free bytes.
    pub free_bytes: u64,
    /// The reserve below which processing pauses (`store.reserve-bytes`).
    pub reserve_bytes: u64,
    /// Whether processing is paused for lack of space.
    pub is_short: bool,
    /// How often that has been so since the service started.
    pub times: u64,
}
