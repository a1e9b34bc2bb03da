//! Whether an unseen action still fits. It no longer does if the customer complains, has bought elsewhere
//! or withdraws a consent, or if an agent takes over; then `act` recalls it.

use super::checks::{CheckOccasion, CheckedAction, Unsuitability};
use crate::twin::effect::{CandidateVerdict, Stage};
use crate::twin::moment::{DecisionRequests, ReactionContext};
use crate::twin::state::{Contact, Twin};

/// Why an action that is on its way no longer fits: the checks that are asked again. None: it fits, or the
/// customer has seen it, or it is no longer pending.
pub(in crate::twin) fn no_longer_fits(
    contact: &Contact,
    twin: &Twin,
    context: &ReactionContext<'_>,
    requests: &DecisionRequests,
) -> Option<(Stage, CandidateVerdict)> {
    let (policy, now) = (context.policy, context.input.at);
    let age = now.since(contact.at);
    if !contact.is_unseen() || age >= policy.pending {
        return None;
    }
    let action = policy.action(&contact.action)?;
    if age >= action.pending {
        return None;
    }
    let served = action.serves.iter();
    let question = CheckedAction {
        twin,
        context,
        requests,
        suitability: &Unsuitability::default(),
        action,
        need: served.filter_map(|need| twin.need(&policy.needs[*need].name, now)).next(),
        occasion: CheckOccasion::OnItsWay(contact),
    };
    let (stage, verdict, _) = question.objection()?;
    Some((stage, verdict))
}
