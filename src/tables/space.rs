use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the disk under the store has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DiskSpace {
    /// Bytes that are free.
    pub free_bytes: u64,
    /// Bytes below which nothing is taken in (`store.reserve-bytes`).
    pub reserve_bytes: u64,
    /// Whether nothing is taken in, because there is too little.
    pub is_short: bool,
    /// How often that has been so since the service started.
    pub times: u64,
}
