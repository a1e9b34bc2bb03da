use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A clock that differs from the broker's by more than this at the start is wrong, or the broker's
/// is: events are stored by the one, timers fire by the other.
const AGREES: Duration = Duration::from_secs(60);

/// Statistics of the host clock: jumps since the start, and its offset from the broker's clock at the
/// start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClockJumps {
    /// How often.
    pub times: u64,
    /// By how many milliseconds the last time: ahead, or back if negative.
    pub last_ms: i64,
    /// Whether a jump is still being ignored.
    pub is_doubted: bool,
    /// By how many milliseconds it was ahead of the broker's when the service started, or behind if
    /// negative; none: the broker does not say what time it is.
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
