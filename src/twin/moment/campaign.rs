//! The campaign for which a twin decides.

use std::sync::Arc;

use super::{LiveBroadcast, ReactionContext};
use crate::event::Campaign;
use crate::twin::input::Cause;
use crate::twin::state::{DeferredDecision, Twin};

impl<'a> ReactionContext<'a> {
    /// The campaign for which the twin decides: it wakes the twin, or its decision was deferred, and it
    /// is active and matches the customer now.
    pub(in crate::twin) fn find_campaign(&self, twin: &Twin) -> Option<&'a Arc<LiveBroadcast>> {
        let (scope, id) = match (&self.input.cause, DeferredDecision::of_input(self.input)) {
            (Cause::Broadcast(woken), _) => (&*woken.scope, woken.id),
            (_, Some(DeferredDecision::Campaign(scope, id))) => (scope, id),
            _ => return None,
        };
        let shared = self.broadcasts.get(scope).filter(|shared| shared.id == id)?;
        let is_campaign = shared.decide.is_some();
        // Whether the wake-up applies to this twin was checked before.
        let is_asked = matches!(self.input.cause, Cause::Broadcast(_));
        Some(shared).filter(|_| is_campaign && (is_asked || shared.concerns(twin, self)))
    }

    /// The restrictions of the campaign for which the twin decides.
    pub(in crate::twin) fn campaign(&self) -> Option<&'a Campaign> {
        self.campaign?.decide.as_ref()
    }
}
