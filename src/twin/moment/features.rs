//! The features of a situation for the models: mood, place, time, contact history, and the policy's own
//! features.

use std::time::Duration;

use super::{ReactionContext, ReadPurpose, View, World};
use crate::event::{Time, Value};
use crate::models::Features;
use crate::policy::{ActivityMetric, Expression, Policy, Root};
use crate::twin::input::{Fired, Input};
use crate::twin::state::{Twin, place};

impl Twin {
    /// The features for a read without an input.
    pub fn situation(&self, policy: &Policy, now: Time) -> Features {
        let nothing = Fired { name: "".into(), due: now, late: Duration::ZERO };
        let input = Input::timer(nothing, now);
        features(self, &ReactionContext::new(self, &input, &World::of(policy), self.seen))
    }
}

/// The features of a twin at the time of a reaction, without sensitive data.
pub(in crate::twin) fn features(twin: &Twin, context: &ReactionContext<'_>) -> Features {
    let now = context.input.at;
    let mut features = Features::new();
    match context.input.channel() {
        Some(channel) => features.text("channel", channel.as_str()),
        None => features.unknown("channel"),
    }
    match place::hour(twin, now) {
        Some(hour) => features.share("hour", f64::from(hour) / 24.0),
        None => features.unknown("hour"),
    }
    match &twin.sentiment {
        Some(known) => {
            features.share("mood", 0.5 + known.overall.level(now) / 2.0);
            features.share("urgency", known.urgency(now));
        }
        None => {
            features.unknown("mood");
            features.unknown("urgency");
        }
    }
    features.number("away", now.since(context.last_seen).as_secs_f64() / 3_600.0);
    features.number("inputs", twin.timeline.total() as f64);
    features.number("contacts", twin.contacts.len() as f64);
    add_own(twin, context, &mut features);
    features
}

/// The policy's own features alone, without those of the moment.
pub(in crate::twin) fn own_features(twin: &Twin, context: &ReactionContext<'_>) -> Features {
    let mut features = Features::new();
    add_own(twin, context, &mut features);
    features
}

/// Adds the policy's own features.
fn add_own(twin: &Twin, context: &ReactionContext<'_>, features: &mut Features) {
    // The paths are the policy's own: sensitive values are missing, which need not be noted.
    let used = Some(ReadPurpose { uses: &[], discreet: true, place: None });
    let view = View { used, ..View::whole(twin, context) };
    for feature in context.policy.features.iter().flatten() {
        tell(feature, &view, features);
    }
}

fn tell(feature: &Expression, view: &View<'_>, features: &mut Features) {
    let name = feature.source();
    let is_share = matches!(feature.paths(), [path] if path.to_string() == name
    && match path.root {
        Root::Needs | Root::Dissatisfaction => true,
        Root::Activities => path.names().last().and_then(ActivityMetric::of).is_some_and(ActivityMetric::is_share),
        _ => false,
    });
    match feature.value(view) {
        Ok(Value::Bool(truth)) => features.flag(name, truth),
        Ok(Value::Text(text)) => features.text(name, &text),
        Ok(value) => match value.as_number() {
            Some(share) if is_share => features.share(name, share),
            Some(number) => features.number(name, number),
            // Lists and maps are no features to learn from.
            None => features.unknown(name),
        },
        Err(_) => features.unknown(name),
    }
}
