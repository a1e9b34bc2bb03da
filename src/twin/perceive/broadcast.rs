//! A twin receives the broadcasts that match it.

use crate::twin::input::Cause;
use crate::twin::moment::{Broadcasts, LiveBroadcast, NewMeetings, ReactionContext};
use crate::twin::state::{Meeting, Twin};

impl Twin {
    /// Removes the records of broadcasts that have ended.
    pub(super) fn settle_met(&mut self, broadcasts: &Broadcasts) {
        if broadcasts.is_empty() {
            self.met.clear();
        } else {
            self.met.retain(|met| broadcasts.iter().any(|shared| shared.id == met.id));
        }
    }
}

/// Receives every broadcast that matches the twin and that it has not received yet.
pub(in crate::twin) fn receive_broadcasts(
    twin: &mut Twin,
    context: &ReactionContext<'_>,
) -> NewMeetings {
    twin.settle_met(context.broadcasts);
    let mut newly = NewMeetings::new();
    let is_woken_by = |shared: &LiveBroadcast| match &context.input.cause {
        Cause::Broadcast(woken) => woken.id == shared.id,
        _ => false,
    };
    for shared in context.broadcasts.iter() {
        // A campaign has its own rate: a twin does not receive it earlier with another input.
        let is_its_turn = shared.decide.is_none() || is_woken_by(shared);
        if is_its_turn && !twin.has_met(shared.id) && shared.concerns(twin, context) {
            let (scope, at) = (shared.scope.clone(), context.input.at);
            twin.met.push(Meeting { id: shared.id, scope, at });
            newly.push(shared.clone());
        }
    }
    newly
}
