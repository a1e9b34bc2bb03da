//! Act: turns decisions into effects, and records them in the twin.

use std::sync::Arc;

use crate::event::OutcomeKind;
use crate::models::Exposure;
use crate::policy::Policy;
use crate::twin::effect::{Action, CandidateVerdict, Effect, Recall, Stage, id};
use crate::twin::moment::{Arbitration, ReactionContext, resume};
use crate::twin::note::Notes;
use crate::twin::state::{Contact, ContactOutcome, Presentation, Twin};

/// Takes the actions that an arbitration chose, and starts what it defers.
pub(super) fn act(
    twin: &mut Twin,
    arbitration: Arbitration<'_>,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    let Arbitration { decision, exposures, deferred, lost, entered, measurements } = arbitration;
    let (policy, now) = (context.policy, context.input.at);
    for (chosen, exposure) in decision.chosen.iter().zip(exposures) {
        let offered = resume::offered(twin, context, Some(&chosen.action));
        if let Some(id) = offered.map(|known| known.id.clone()) {
            twin.mark_offered(&id, now);
        }
        take(twin, chosen, exposure, policy, effects);
    }
    if !decision.chosen.is_empty() {
        twin.watch_for_silence(policy, now, effects, notes);
    }
    twin.enter(entered.into_iter(), policy, now, effects);
    twin.begin_measuring(measurements);
    if let Some(timer) = deferred {
        twin.start_timer(timer, effects, notes);
    }
    if let Some((place, why)) = lost {
        notes.policy(&place, why);
    }
    twin.decisions = twin.decisions.wrapping_add(1);
    effects.push(Effect::Record(decision));
}

/// Takes an action: records it for its cooldown and its outcomes, and sends it.
fn take(
    twin: &mut Twin,
    chosen: &Arc<Action>,
    exposure: Option<Exposure>,
    policy: &Policy,
    effects: &mut Vec<Effect>,
) {
    let shown = exposure.map(|exposure| {
        Box::new(Presentation {
            treatment: chosen.treatment.clone(),
            tone: chosen.tone.clone(),
            language: chosen.language.clone(),
            policy: chosen.reason.version.clone(),
            exposure,
        })
    });
    let contact = Contact {
        decision: chosen.decision.clone(),
        action: chosen.action.clone(),
        channel: chosen.channel.clone(),
        at: chosen.at,
        outcome: None,
        shown,
    };
    twin.remember_contact(contact, policy);
    effects.push(Effect::Act(chosen.clone()));
}

/// Takes back a pending action, by the position of its contact: it no longer passes a stage.
pub(super) fn recall(
    twin: &mut Twin,
    at: usize,
    (stage, verdict): (Stage, CandidateVerdict),
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
) {
    let contact = &twin.contacts[at];
    effects.push(Effect::Recall(Box::new(Recall {
        recall: id::identifier('r', twin, context.input, &contact.decision),
        decision: contact.decision.clone(),
        customer: twin.customer.clone(),
        action: contact.action.clone(),
        channel: contact.channel.clone(),
        at: context.input.at,
        stage,
        because: verdict,
        policy: context.policy.name.clone(),
        version: context.policy.version.clone(),
        traceparent: context.input.traceparent().map(Into::into),
    })));
    let contact = &mut twin.contacts[at];
    contact.outcome = Some(ContactOutcome { kind: OutcomeKind::Recalled, at: context.input.at });
    // An unseen action gives no evidence.
    contact.shown = None;
}
