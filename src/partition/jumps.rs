use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A clock that differs from the broker's by more than this at the start is wrong, or the broker's
/// is: events are stored by the one, timers fire by the other.
const AGREES: Duration = Duration::from_secs(60);

/// How the clock on the wall went: how often it was set while the service ran, and how far it was
/// from the broker's at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClockJumps {
    /// How often.
    pub times: u64,
    /// By how many milliseconds the last time: ahead, or back if negative.
    pub last_ms: i64,
    /// Whether that is not believed yet, and partitions go by the time as it went before.
    pub is_doubted: bool,
    /// By how many milliseconds it was ahead of the broker's when the service started, or behind if
    /// negative; none: the broker does not say what time it is.
    #[serde(default)]
    pub ahead_of_broker_ms: Option<i64>,
}

impl ClockJumps {
    /// Whether it was so far from the broker's at the start that one of the two must be wrong.
    pub fn contradicts_broker(&self) -> bool {
        let ahead = self.ahead_of_broker_ms.unwrap_or(0);
        u128::from(ahead.unsigned_abs()) > AGREES.as_millis()
    }
}
