//! Recalls: an unseen action is taken back when it no longer fits, because the customer complains, has
//! bought elsewhere or withdraws a consent, or an agent takes over.

use super::decide::{self, CandidateVerdict, Stage};
use super::understand::{DecisionRequests, ReactionContext};
use super::view::{ReadPurpose, View};
use super::{Contact, ContactOutcome, Effect, Recall, Twin, act};
use crate::event::OutcomeKind;
use crate::policy::{self, Expression, Path, Root};

/// Recalls each pending action that no longer fits, once.
pub(super) fn recall(
    twin: &mut Twin,
    context: &ReactionContext<'_>,
    requests: &DecisionRequests,
    effects: &mut Vec<Effect>,
) {
    let (policy, now) = (context.policy, context.input.at);
    for at in 0..twin.contacts.len() {
        let contact = &twin.contacts[at];
        if !is_unseen(contact) || now.since(contact.at) >= policy.pending {
            continue;
        }
        let Some(action) = policy.action(&contact.action) else { continue };
        if now.since(contact.at) >= action.pending {
            continue;
        }
        let Some((stage, verdict)) = objection(twin, context, requests, action, contact) else {
            continue;
        };
        effects.push(Effect::Recall(Box::new(Recall {
            recall: act::identifier('r', twin, context.input, &contact.decision),
            decision: contact.decision.clone(),
            customer: twin.customer.clone(),
            action: contact.action.clone(),
            channel: contact.channel.clone(),
            at: now,
            stage,
            because: verdict,
            policy: policy.name.clone(),
            version: policy.version.clone(),
            traceparent: context.input.traceparent().map(Into::into),
        })));
        let outcome = ContactOutcome { kind: OutcomeKind::Recalled, at: now };
        twin.contacts[at].outcome = Some(outcome);
        // An unseen action gives no evidence.
        twin.contacts[at].shown = None;
    }
}

/// Whether the customer cannot have seen it yet.
pub(super) fn is_unseen(contact: &Contact) -> bool {
    use OutcomeKind::{Delivered, Offered};
    contact.outcome.is_none_or(|outcome| matches!(outcome.kind, Offered | Delivered))
}

/// The objection to a pending action: the same questions as before it was sent, as far as they can be
/// asked again.
fn objection(
    twin: &Twin,
    context: &ReactionContext<'_>,
    requests: &DecisionRequests,
    action: &policy::ActionDefinition,
    contact: &Contact,
) -> Option<(Stage, CandidateVerdict)> {
    if twin.is_held_by_agent() && !action.vital {
        return Some((Stage::Candidate, CandidateVerdict::HeldByAgent));
    }
    if context.is_restricted && !action.vital {
        return Some((Stage::Candidate, CandidateVerdict::Restricted));
    }
    let now = context.input.at;
    let need_of = |need: &usize| twin.need(&context.policy.needs[*need].name, now);
    let met = action.serves.iter().find(|need| requests.met.contains(need));
    if let Some(met) = met
        && !action.serves.iter().any(|need| need_of(need).is_some())
    {
        let need = context.policy.needs[*met].name.clone();
        return Some((Stage::Candidate, CandidateVerdict::NeedMet { need }));
    }
    let need = action.serves.iter().find_map(need_of);
    // Withheld reads were noted when the action was taken.
    let used = Some(ReadPurpose { uses: &action.uses, discreet: false, place: None });
    let view = View { twin, context, need, used };
    let fails = |condition: &Option<Expression>| {
        let condition = condition.as_ref().filter(|one| can_be_asked_again(one, action))?;
        // A condition that cannot be evaluated has not turned false.
        matches!(condition.test(&view), policy::Truth::False)
            .then(|| Box::<str>::from(condition.source()))
    };
    if let Some(eligible) = fails(&action.eligible) {
        return Some((Stage::Eligibility, CandidateVerdict::NotEligible { eligible }));
    }
    if let Some(when) = fails(&action.when) {
        return Some((Stage::Applicability, CandidateVerdict::NotApplicable { when }));
    }
    if let Some(verdict) = decide::unsuitable(action.issue, twin, context) {
        return Some((Stage::Suitability, verdict));
    }
    if let Some(suitable) = fails(&action.suitable) {
        return Some((Stage::Suitability, CandidateVerdict::NotSuitable { suitable }));
    }
    let purpose = action.purpose.as_ref()?;
    let is_allowed = twin.allows(context.policy, purpose, Some(&contact.channel), now);
    (!is_allowed)
        .then(|| (Stage::Contact, CandidateVerdict::NoConsent { purpose: purpose.clone() }))
}

/// A condition on the event that led to the action, or on the action itself, was evaluated then.
fn can_be_asked_again(condition: &Expression, action: &policy::ActionDefinition) -> bool {
    let is_past = |path: &Path| match path.root {
        Root::Event | Root::Need => true,
        Root::Contacts => path.names().next() == Some(&*action.name),
        _ => false,
    };
    !condition.paths().iter().any(is_past)
}
