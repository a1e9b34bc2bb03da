//! The customer's mood.

use super::Twin;
use crate::event::Time;

/// Below this level, or this trend, the tone is gentle.
const LOW: f64 = -0.15;

const FALLING: f64 = -0.2;

/// Whether a gentle tone is needed.
pub(in crate::twin) fn is_low(twin: &Twin, now: Time) -> bool {
    twin.sentiment.as_ref().is_some_and(|sentiment| {
        sentiment.overall.level(now) < LOW || sentiment.overall.trend(now) < FALLING
    })
}
