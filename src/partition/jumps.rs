use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// If the clocks differ by more than this at the start, ours or the broker's is wrong: events are stamped
/// by the broker's, timers fire by ours.
const AGREES: Duration = Duration::from_secs(60);

/// Statistics of the host clock: jumps since the start, and its offset from the broker's clock at the
/// start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClockJumps {
    /// The number of jumps.
    pub times: u64,
    /// The last jump in milliseconds: ahead, or back if negative.
    pub last_ms: i64,
    /// Whether a jump is still being ignored.
    pub is_doubted: bool,
    /// The offset from the broker's clock at the start, in milliseconds: ahead, or behind if negative;
    /// none: the broker does not report its time.
    #[serde(default)]
    pub ahead_of_broker_ms: Option<i64>,
}

impl ClockJumps {
    /// Whether the offset from the broker's clock at the start was too large.
    pub fn contradicts_broker(&self) -> bool {
        let ahead = self.ahead_of_broker_ms.unwrap_or(0);
        u128::from(ahead.unsigned_abs()) > AGREES.as_millis()
    }
}
