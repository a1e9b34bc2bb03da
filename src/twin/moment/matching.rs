//! Which broadcasts match a twin.

use super::{LiveBroadcast, ReactionContext, ReadPurpose, View, World};
use crate::event::{Campaign, Time};
use crate::policy::{ActionDefinition, Exceeded, Found, Truth, exceed, has_exceeded};
use crate::twin::input::{Cause, Input, Woken};
use crate::twin::state::Twin;

impl LiveBroadcast {
    /// Whether it is active and matches the customer. The condition sees no sensitive data, because a
    /// broadcast has no purpose.
    pub(in crate::twin) fn concerns(&self, twin: &Twin, context: &ReactionContext<'_>) -> bool {
        if !self.is_live(context.input.at) {
            return false;
        }
        let Some(condition) = &self.condition else { return true };
        if has_exceeded(&self.scope) {
            return false;
        }
        let used = ReadPurpose { uses: &[], discreet: true, place: None };
        match condition.test(&View { used: Some(used), ..View::whole(twin, context) }) {
            Truth::True => true,
            Truth::Unknown(error) if error.is_exceeded() => {
                exceed(Exceeded::Broadcast(self.scope.clone()));
                false
            }
            Truth::False | Truth::Unknown(_) => false,
        }
    }
}

impl Twin {
    /// Whether a broadcast would wake the twin at a time.
    pub fn would_hear(&self, shared: &LiveBroadcast, at: Time, world: &World<'_>) -> bool {
        let input = shared.wake(&self.customer, at);
        match &input.cause {
            Cause::Broadcast(woken) => is_woken(self, woken, &input, world),
            _ => false,
        }
    }
}

/// Whether an action participates in a campaign.
pub(in crate::twin) fn takes_part(campaign: &Campaign, action: &ActionDefinition) -> bool {
    let any = |names: &[Box<str>], is_it: &dyn Fn(&str) -> bool| {
        names.is_empty() || names.iter().any(|name| is_it(name))
    };
    any(&campaign.actions, &|name| name == &*action.name)
        && any(&campaign.issues, &|name| name == action.issue.name())
        && any(&campaign.placements, &|name| action.placements.iter().any(|own| **own == *name))
}

/// Whether a wake-up applies to this twin: the twin exists, the broadcast is active and matches it, and
/// the twin has not received it yet.
pub(in crate::twin) fn is_woken(
    twin: &Twin,
    woken: &Woken,
    input: &Input,
    world: &World<'_>,
) -> bool {
    if twin.linked_to.is_some() || twin.timeline.total() == 0 || twin.has_met(woken.id) {
        return false;
    }
    let Some(shared) = world.broadcasts.get(&woken.scope).filter(|shared| shared.id == woken.id)
    else {
        return false;
    };
    shared.concerns(twin, &ReactionContext::new(twin, input, world, twin.seen))
}

/// The value of a broadcast that matches the twin.
pub(super) fn find<'a, 'b>(
    twin: &Twin,
    context: &'a ReactionContext<'_>,
    scope: &str,
    names: impl Iterator<Item = &'b str>,
) -> Found<'a> {
    match context.broadcasts.get(scope) {
        Some(shared) if shared.concerns(twin, context) => {
            super::view::below(Some(&shared.value), names)
        }
        _ => Found::Missing,
    }
}
