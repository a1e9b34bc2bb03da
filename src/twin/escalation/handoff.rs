//! The acts of agents, and of operators in their place, on an escalation.

use super::{NewEscalation, changes, keep};
use crate::config::limits;
use crate::event::{
    Channel, HandoffData, HandoffState, MessageData, OutcomeData, Reason, Rejection, Speaker, Time,
    cut,
};
use crate::policy::EscalationTarget;
use crate::twin::effect::{Effect, News};
use crate::twin::fold::deadline;
use crate::twin::input::Input;
use crate::twin::moment::{ReactionContext, World, resume};
use crate::twin::note::Notes;
use crate::twin::state::{EscalationRecord, EscalationState, Interaction, Remark, Twin};

/// Applies an agent's act.
///
/// # Errors
/// If there is no such escalation, or if another agent has claimed it: otherwise the agent would wrongly
/// believe to have claimed it. Nothing has changed then.
pub(in crate::twin) fn hand_over(
    twin: &mut Twin,
    handoff: &HandoffData,
    channel: &Channel,
    input: &Input,
    world: &World<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<(), Rejection> {
    if handoff.state == HandoffState::Opened {
        let to = escalation_target(handoff, world)?;
        let context = ReactionContext::new(twin, input, world, twin.seen);
        let opening = NewEscalation {
            to: &to,
            topic: handoff.topic.as_deref().unwrap_or_default(),
            priority: handoff.priority.unwrap_or(PRIORITY),
            because: handoff.note.as_deref().unwrap_or_default(),
        };
        super::escalate(twin, &opening, &context, effects, notes);
        return Ok(());
    }
    let position = target(twin, handoff)?;
    check_permission(twin, position, handoff)?;
    let now = input.at;
    note(twin, position, handoff, channel, input, notes);
    if let (Some(decision), Some(outcome)) = (&handoff.decision, handoff.answer) {
        let answer = OutcomeData { decision: decision.clone(), outcome };
        twin.hear_outcome(&answer, world.policy, now, effects, notes);
    }
    let was_held = twin.escalations[position].is_claimed();
    let known = &mut twin.escalations[position];
    known.touched = now;
    let changed = act_on(known, handoff, channel, world);
    if was_held && handoff.state != HandoffState::Claimed {
        go_on(twin, position, handoff, now, notes);
    }
    if handoff.state == HandoffState::Resolved {
        settle(twin, handoff, world, now);
    }
    let context = ReactionContext::new(twin, input, world, twin.seen);
    effects.push(changes::handed_over(twin, position, changed, &context));
    if handoff.state == HandoffState::Claimed
        && let Some(id) = resume::offered(twin, &context, None).map(|known| known.id.clone())
    {
        twin.mark_offered(&id, input.at);
    }
    deadline::start_due_timer(twin, now, effects, notes);
    Ok(())
}

/// What an agent's act makes of an escalation; the news about it.
fn act_on(
    known: &mut EscalationRecord,
    handoff: &HandoffData,
    channel: &Channel,
    world: &World<'_>,
) -> Vec<News> {
    let mut changed = Vec::new();
    match handoff.state {
        HandoffState::Opened => {}
        HandoffState::Claimed => {
            known.state = EscalationState::Claimed;
            known.agent.clone_from(&handoff.agent);
            known.desk = Some(channel.clone());
            let queue = world.policy.queue(&known.queue);
            known.due = queue.and_then(|queue| queue.resolve).map(|span| known.since + span);
        }
        HandoffState::Noted => {
            let words = handoff.note.as_deref().or(handoff.said.as_deref()).unwrap_or_default();
            changed.push(News::of("note", words));
        }
        HandoffState::HandedBack => {
            known.state = EscalationState::HandedBack;
            known.due = None;
        }
        HandoffState::Resolved => {
            known.state = EscalationState::Resolved;
            known.outcome.clone_from(&handoff.outcome);
            known.due = None;
        }
    }
    changed
}

/// The priority of an escalation that an operator opens without one.
const PRIORITY: u8 = 3;

fn refused(detail: String) -> Rejection {
    Rejection::new(Reason::Refused, detail)
}

/// The target to which an operator hands the customer over.
fn escalation_target(
    handoff: &HandoffData,
    world: &World<'_>,
) -> Result<EscalationTarget, Rejection> {
    let queues = &world.policy.queues;
    let names = || {
        let all: Vec<&str> = queues.iter().map(|queue| &*queue.name).collect();
        all.join(", ")
    };
    match (&handoff.queue, &handoff.skill) {
        (Some(queue), _) if !queues.is_empty() && world.policy.queue(queue).is_none() => {
            Err(refused(format!(
                "expected a queue of the policy, found `{queue}`; the policy has {}",
                names()
            )))
        }
        (Some(queue), _) => Ok(EscalationTarget::Queue(queue.clone())),
        (None, Some(skill)) if !queues.iter().any(|queue| queue.skills.contains(skill)) => {
            Err(refused(format!(
                "expected a skill of a queue of the policy, found `{skill}`, which no queue has; \
                 name a `queue`, or leave `skill` out"
            )))
        }
        (None, Some(skill)) => Ok(EscalationTarget::Skill(skill.clone())),
        (None, None) => Ok(EscalationTarget::Anybody),
    }
}

fn target(twin: &Twin, handoff: &HandoffData) -> Result<usize, Rejection> {
    twin.escalations.iter().position(|known| known.id == handoff.escalation).ok_or_else(|| {
        refused(format!(
            "expected an escalation of this customer, found `{}`; take the id from the \
             escalation's message",
            cut(&handoff.escalation, 64)
        ))
    })
}

/// Checks that this agent may do this now. Claims are exclusive, and only the agent who has claimed it
/// may continue, hand it back or resolve it; while nobody holds it, every agent may note something. A
/// named operator may do everything.
fn check_permission(twin: &Twin, position: usize, handoff: &HandoffData) -> Result<(), Rejection> {
    let known = &twin.escalations[position];
    let is_settled = !known.is_open();
    if is_settled {
        return Err(refused(format!(
            "expected an open escalation, found one that has been {} since {}; open a new one if \
             there is more to do",
            known.state.name(),
            known.touched
        )));
    }
    if let Some(queue) = handoff.queue.as_ref().filter(|queue| **queue != known.queue) {
        return Err(refused(format!(
            "expected an escalation of the queue `{queue}`, found one of `{}`; only that queue may \
             act on it",
            known.queue
        )));
    }
    let is_holder = known.agent.is_some() && known.agent == handoff.agent;
    if handoff.operator.is_some() || (known.is_claimed() && is_holder) {
        return Ok(());
    }
    if !known.is_claimed() {
        let what = match handoff.state {
            HandoffState::HandedBack => "hand back",
            HandoffState::Resolved => "resolve",
            HandoffState::Opened | HandoffState::Claimed | HandoffState::Noted => return Ok(()),
        };
        return Err(refused(format!(
            "expected an escalation that this agent has claimed, found one that is {}; claim it \
             first, or let an operator {what} it, with their name as `operator`",
            known.state.name()
        )));
    }
    Err(refused(format!(
        "expected an escalation that no other agent has claimed, found one that is {}; ask them to \
         hand it back, or let an operator do it, with their name as `operator`",
        known.held_by()
    )))
}

/// Records the agent's note, and what they said.
fn note(
    twin: &mut Twin,
    position: usize,
    handoff: &HandoffData,
    channel: &Channel,
    input: &Input,
    notes: &mut Notes,
) {
    let at = input.at;
    let by = handoff.operator.clone().or_else(|| handoff.agent.clone());
    let known = &mut twin.escalations[position];
    if let Some(note) = &handoff.note {
        let text = cut(note, limits::TEXT_BYTES);
        known.note = Some(text.into());
        keep(&mut known.notes, Remark { at, by, text: text.into() });
    }
    let thread = known.thread.clone();
    if let Some(words) = &handoff.said {
        // In the channel of the conversation, so that the customer's answer is assigned to it.
        let conversation = twin.interactions.iter().find(|one| Some(&one.id) == thread.as_ref());
        let channel = conversation.map_or_else(|| channel.clone(), |one| one.channel.clone());
        let message = MessageData {
            text: words.clone(),
            from: Speaker::Agent,
            language: None,
            interaction: thread,
            automatic: false,
            analysis: None,
        };
        twin.add_message(&message, (words, false), &channel, input, notes);
    }
}

/// Continues the conversation where the agent left it.
fn go_on(twin: &mut Twin, position: usize, handoff: &HandoffData, at: Time, notes: &mut Notes) {
    let Some(thread) = twin.escalations[position].thread.clone() else { return };
    let open = |one: &&mut Interaction| one.id == thread && one.state.is_open();
    if let Some(conversation) = twin.interactions.iter_mut().find(open) {
        conversation.go_on(handoff.step.as_ref(), &handoff.data, at, notes);
    }
}

/// A resolved matter is no longer a problem: removes the needs and cases that the agent names, and every
/// cause of dissatisfaction except those of cases that are still open.
fn settle(twin: &mut Twin, handoff: &HandoffData, world: &World<'_>, at: Time) {
    for name in &handoff.needs {
        if let Some(need) = world.policy.need(name) {
            twin.satisfy(need);
        }
    }
    for case in twin.cases.iter_mut().filter(|case| handoff.cases.contains(&case.id)) {
        case.stand("resolved", at);
    }
    let cases = &twin.cases;
    twin.problems.retain(|problem| {
        let of = problem.case.as_ref();
        of.is_some_and(|of| cases.iter().any(|case| case.id == *of && case.is_open()))
    });
}
