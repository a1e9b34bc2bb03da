//! What was decided becomes effects, and the twin remembers it.

use std::sync::Arc;

use twox_hash::XxHash3_128;

use super::effect::{Brief, Escalation, OpenInteraction, TimelineLine};
use super::reaction::Notes;
use super::understand::Context;
use super::{
    Action, Contact, Derived, Effect, Escalated, EscalationState, Input, Need, Shown, Twin, decide,
    resume,
};
use crate::config::limits;
use crate::event::cut;
use crate::models::Exposure;
use crate::policy::Policy;

/// An action is taken: remembered for its cooldown and its outcomes, and sent.
pub(super) fn act(
    twin: &mut Twin,
    chosen: &Arc<Action>,
    exposure: Option<Exposure>,
    policy: &Policy,
    effects: &mut Vec<Effect>,
) {
    let shown = exposure.map(|exposure| {
        Box::new(Shown {
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

/// What a rule would hand to people.
pub(super) struct Opening<'a> {
    pub(super) queue: &'a str,
    pub(super) topic: &'a str,
    pub(super) priority: u8,
    pub(super) because: &'a str,
}

/// Opens an escalation, unless one to the same queue about the same topic is open.
pub(super) fn escalate(
    twin: &mut Twin,
    opening: &Opening<'_>,
    context: &Context<'_>,
    notes: &mut Notes,
) -> Option<Effect> {
    if twin.open_escalation(opening.queue, opening.topic).is_some() {
        return None;
    }
    if !twin.escalation_room() {
        notes.limit("ESCALATIONS");
        return None;
    }
    let about = format!("{}/{}", opening.queue, opening.topic);
    let id = identifier('e', twin, context.input, &about);
    let brief = brief(twin, context, opening.queue);
    twin.escalations.push(Escalated {
        id: id.clone(),
        queue: opening.queue.into(),
        topic: opening.topic.into(),
        priority: opening.priority,
        state: EscalationState::Open,
        because: cut(opening.because, limits::TEXT_BYTES).into(),
        agent: None,
        note: None,
        opened: context.input.at,
        touched: context.input.at,
    });
    let opened = twin.escalations.last()?;
    Some(Effect::Escalate(Box::new(said(twin, opened, id, Some(brief), context.input))))
}

/// An agent changed an escalation: everybody who follows it hears of it. Whoever takes it gets the
/// story as it stands now.
pub(super) fn escalation_changed(twin: &Twin, position: usize, context: &Context<'_>) -> Effect {
    let known = &twin.escalations[position];
    let message = identifier('h', twin, context.input, &known.id);
    let brief = known.is_claimed().then(|| brief(twin, context, &known.queue));
    Effect::Escalate(Box::new(said(twin, known, message, brief, context.input)))
}

fn said(
    twin: &Twin,
    known: &Escalated,
    message: Box<str>,
    brief: Option<Brief>,
    input: &Input,
) -> Escalation {
    Escalation {
        id: known.id.clone(),
        message,
        customer: twin.customer.clone(),
        queue: known.queue.clone(),
        topic: known.topic.clone(),
        priority: known.priority,
        state: known.state,
        because: known.because.clone(),
        agent: known.agent.clone(),
        note: known.note.clone(),
        at: input.at,
        brief,
        traceparent: input.traceparent().map(Into::into),
    }
}

const TIMELINE_IN_BRIEF: usize = 12;

/// The whole story, but for what was not given for what the people of this queue do.
fn brief(twin: &Twin, context: &Context<'_>, queue: &str) -> Brief {
    let uses = context.policy.uses_of_queue(queue);
    let is_fitting =
        |need: &&Need| twin.guard(Derived::Need, &need.name).is_none_or(|given| given.allow(&uses));
    let mut needs: Vec<_> = twin.needs.iter().filter(is_fitting).collect();
    needs.sort_by(|left, right| right.strength.total_cmp(&left.strength));
    let passed_over = twin.timeline.len().saturating_sub(TIMELINE_IN_BRIEF);
    Brief {
        traits: twin.profile.traits.clone(),
        language: decide::language(twin, context).map(Into::into),
        transcript: twin
            .last_conversation()
            .map_or_else(Vec::new, |conversation| conversation.lines.clone()),
        needs: needs.into_iter().map(|need| (need.name.clone(), need.evidence.clone())).collect(),
        interactions: resume::ranked(twin, context.policy, context.input)
            .into_iter()
            .map(|known| OpenInteraction {
                id: known.id.clone(),
                kind: known.kind.clone(),
                state: known.state,
                step: known.step.clone(),
                data: known.data.clone(),
                channel: known.channel.clone(),
                touched: known.touched,
            })
            .collect(),
        cases: twin.cases.iter().filter(|case| case.is_open()).cloned().collect(),
        preferences: twin
            .profile
            .preferences
            .iter()
            .filter_map(|known| {
                let rule = context.policy.preferences.get(&known.key);
                Some((known.key.clone(), known.usable(rule, context.input.at)?.clone()))
            })
            .collect(),
        timeline: twin
            .timeline
            .iter()
            .skip(passed_over)
            .map(|entry| TimelineLine {
                at: entry.at,
                what: entry.what.name().into(),
                channel: entry.channel.into(),
                text: entry.text.into(),
            })
            .collect(),
    }
}

/// An identifier for something that comes of an input: the same whenever the same input is taken
/// in again, and no other's. 128 bits of XXH3 over customer, input and what it is about.
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
