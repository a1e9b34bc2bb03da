//! Turns the result of a decision into effects, and records them in the twin.

use std::sync::Arc;

use twox_hash::XxHash3_128;

use super::{Action, Contact, Effect, Input, Presentation, Twin};
use crate::models::Exposure;
use crate::policy::Policy;

/// Takes an action: records it for its cooldown and its outcomes, and sends it.
pub(super) fn act(
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

/// An id for something that an input causes: the same whenever the same input is processed again, and
/// unique. 128 bits of XXH3 over the customer, the input and the subject.
pub(super) fn identifier(prefix: char, twin: &Twin, input: &Input, about: &str) -> Box<str> {
    let customer = twin.customer.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(customer.len() + about.len() + 17);
    bytes.extend_from_slice(&input.fingerprint.to_le_bytes());
    bytes.extend_from_slice(&input.at.ms().to_le_bytes());
    bytes.extend_from_slice(customer);
    bytes.push(0);
    bytes.extend_from_slice(about.as_bytes());
    format!("{prefix}{:032x}", XxHash3_128::oneshot(&bytes)).into()
}
