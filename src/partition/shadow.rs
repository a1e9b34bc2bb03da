use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::limits;
use crate::twin::{Effect, Input, Reaction, Twin, World};

/// The comparison of the shadow policy's decisions with the real ones: counts by difference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ShadowComparison {
    /// Decisions of either policy with the same result.
    pub(super) same: u64,
    /// The others: `offer_card → nothing`.
    pub(super) other: BTreeMap<String, u64>,
}

/// The name under which differences beyond the limit are counted.
const FURTHER: &str = "other differences";

/// The reaction under the policy of another world: decided on a copy, never published.
pub(super) fn shadow_reaction(
    twin: &Twin,
    input: &Input,
    world: &World<'_>,
    react: impl Fn(&mut Twin, &Input, &World<'_>) -> Reaction,
) -> Vec<String> {
    let mut copy = twin.clone();
    // A fault in a shadow policy must not affect the real twin.
    let reaction = catch_unwind(AssertUnwindSafe(|| react(&mut copy, input, world)));
    reaction.map_or_else(|_| vec!["a panic".to_owned()], |reaction| outputs(&reaction))
}

/// The decisions of a reaction, as they are named in differences.
fn outputs(reaction: &Reaction) -> Vec<String> {
    let outputs = reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Act(action) => Some(format!("{} in {}", action.action, action.channel)),
        Effect::Escalate(message) => Some(format!("{}/{}", message.queue, message.topic)),
        _ => None,
    });
    outputs.collect()
}

impl ShadowComparison {
    /// Compares a reaction with that under the other policy.
    pub(super) fn count(&mut self, reaction: &Reaction, other: &[String]) {
        let own = outputs(reaction);
        if own.is_empty() && other.is_empty() {
            return;
        }
        if own == other {
            self.same += 1;
            return;
        }
        let words = |all: &[String]| match all {
            [] => "nothing".to_owned(),
            all => all.join(", "),
        };
        self.add_other(&format!("{} → {}", words(&own), words(other)), 1);
    }

    pub(super) fn add(&mut self, later: ShadowComparison) {
        self.same += later.same;
        for (difference, count) in &later.other {
            self.add_other(difference, *count);
        }
    }

    fn add_other(&mut self, difference: &str, count: u64) {
        let is_room = self.other.len() < limits::SHADOW_DIFFERENCES;
        let known = is_room || self.other.contains_key(difference);
        let difference = if known { difference } else { FURTHER };
        *self.other.entry(difference.to_owned()).or_default() += count;
    }
}
