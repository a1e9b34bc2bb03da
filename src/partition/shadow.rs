use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::limits;
use crate::twin::{Effect, Input, Reaction, Twin, World};

/// What a policy in the shadow would have said, beside what was said: how often, by difference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ShadowComparison {
    /// Decisions of either policy that came to the same.
    pub(super) same: u64,
    /// The others: `offer_card → nothing`.
    pub(super) other: BTreeMap<String, u64>,
}

/// What differences are counted as that are beyond the limit.
const FURTHER: &str = "other differences";

/// What the policy of another world would say to an input: decided on a copy, published nowhere.
pub(super) fn would_say(
    twin: &Twin,
    input: &Input,
    world: &World<'_>,
    react: impl Fn(&mut Twin, &Input, &World<'_>) -> Reaction,
) -> Vec<String> {
    let mut copy = twin.clone();
    // Whatever is wrong with a policy that is only tried must not touch what is real.
    let reaction = catch_unwind(AssertUnwindSafe(|| react(&mut copy, input, world)));
    reaction.map_or_else(|_| vec!["a panic".to_owned()], |reaction| said(&reaction))
}

/// What came of a reaction, as differences name it.
fn said(reaction: &Reaction) -> Vec<String> {
    let said = reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Act(action) => Some(format!("{} in {}", action.action, action.channel)),
        Effect::Escalate(told) => Some(format!("{}/{}", told.queue, told.topic)),
        _ => None,
    });
    said.collect()
}

impl ShadowComparison {
    /// Compares what was said with what the other policy would have said.
    pub(super) fn count(&mut self, reaction: &Reaction, other: &[String]) {
        let own = said(reaction);
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
