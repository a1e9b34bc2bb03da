//! What the rules ask the arbitration to decide.

use smallvec::SmallVec;

use super::{ReactionContext, ResumeOffer};
use crate::event::Time;
use crate::policy::Purposes;
use crate::twin::state::{DeferredDecision, Twin};

/// What the rules ask the arbitration to decide.
#[derive(Debug, Default)]
pub(in crate::twin) struct DecisionRequests {
    /// Whether a need was raised or strengthened.
    pub(in crate::twin) needs_moved: bool,
    /// Positions of the actions that rules proposed, with the purposes of the reasons.
    pub(in crate::twin) proposed: SmallVec<[(usize, Option<Purposes>); 2]>,
    /// Positions of the needs that were just satisfied.
    pub(in crate::twin) met: SmallVec<[usize; 2]>,
    /// The interaction to offer because the customer returned.
    pub(in crate::twin) offer: Option<ResumeOffer>,
}

impl DecisionRequests {
    /// Requests a deferred decision again, as far as it still has a reason: an action that a rule
    /// proposed, one that asks for a consent that is still missing, or the actions that serve the current
    /// needs. Campaigns and interactions to resume are found as at other times.
    pub(in crate::twin) fn decide_again(
        &mut self,
        held: DeferredDecision<'_>,
        twin: &Twin,
        context: &ReactionContext<'_>,
    ) {
        let policy = context.policy;
        match held {
            DeferredDecision::Campaign(..) | DeferredDecision::Offer => {}
            DeferredDecision::Consent(name) => {
                let asker = policy.action_position(name);
                let lacking = twin.askers(policy, Time::MIN, context.input.at);
                let lacks = |asker: &usize| lacking.contains(asker);
                self.proposed.extend(asker.filter(lacks).map(|action| (action, None)));
            }
            DeferredDecision::Needs => self.needs_moved = true,
            DeferredDecision::Action(name) => match policy.action_position(name) {
                Some(action) => self.proposed.push((action, None)),
                None => self.needs_moved = true,
            },
        }
    }

    pub(in crate::twin) fn is_any(&self) -> bool {
        self.needs_moved || !self.proposed.is_empty() || self.offer.is_some()
    }
}
