//! What the models know a moment by: how the customer feels, where and when it is, what they want,
//! how they were spoken to.

use super::understand::Context;
use super::{Twin, learn};
use crate::models::Features;

/// The features of a twin at the moment of a reaction. Nothing sensitive is among them.
pub(super) fn features(twin: &Twin, context: &Context<'_>) -> Features {
    let now = context.input.at;
    let mut features = Features::new();
    match context.input.channel() {
        Some(channel) => features.text("channel", channel.as_str()),
        None => features.absent("channel"),
    }
    features.share("hour", f64::from(learn::hour(twin, now)) / 24.0);
    match &twin.sentiment {
        Some(known) => {
            features.share("sentiment.level", 0.5 + known.overall.level(now) / 2.0);
            features.share("sentiment.urgency", known.urgency(now));
        }
        None => {
            features.absent("sentiment.level");
            features.absent("sentiment.urgency");
        }
    }
    let away = now.since(context.last_seen).as_secs_f64() / 3_600.0;
    features.number("away_hours", away);
    features.number("inputs", twin.timeline.total() as f64);
    features.number("contacts", twin.contacts.len() as f64);
    features
}
