//! Validates the input and folds it into the state. All checks happen before the first change.

mod broadcast;

pub(super) use broadcast::receive_broadcasts;

use crate::config::limits;
use crate::event::{Event, EventKind, Rejection};
use crate::language::AUTOMATIC;
use crate::policy::{CONSENT_TIMER, DUE_TIMER, GOAL_TIMER, IGNORED_TIMER, RETENTION_TIMER};
use crate::twin::effect::Effect;
use crate::twin::escalation;
use crate::twin::fold::timeline::{is_automatic, make_room, record};
use crate::twin::fold::{inferred, pause};
use crate::twin::input::{Cause, Input};
use crate::twin::moment::{ReactionContext, World};
use crate::twin::note::Notes;
use crate::twin::state::Twin;

/// Folds an input into the state; `false` if it is a timer that rules should not see.
///
/// # Errors
/// A [`Rejection`]; then the twin is unchanged.
pub(super) fn perceive(
    twin: &mut Twin,
    input: &Input,
    world: &World<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<bool, Rejection> {
    let policy = world.policy;
    let is_heard = match &input.cause {
        Cause::Event(event) => {
            fold(twin, event, input, world, effects, notes)?;
            pause::pause_interrupted(twin, input, policy, effects, notes);
            true
        }
        Cause::Timer(fired) => {
            let is_heard = twin.fire_timer(fired, effects);
            match pause::paused_kind(&fired.name) {
                Some(kind) if is_heard => {
                    pause::pause_silent(twin, kind, input.at, policy, effects, notes)
                }
                _ if is_heard && *fired.name == *RETENTION_TIMER => {
                    twin.delete_expired(policy, input.at, effects, notes);
                    false
                }
                _ if is_heard && *fired.name == *GOAL_TIMER => {
                    twin.settle_goals(policy, input.at, effects, notes);
                    false
                }
                _ if is_heard && *fired.name == *CONSENT_TIMER => {
                    twin.start_consent_timer(input.at, effects, notes);
                    true
                }
                _ if is_heard && *fired.name == *IGNORED_TIMER => {
                    twin.notice_silence(policy, input.at, effects, notes)
                }
                _ if is_heard && *fired.name == *DUE_TIMER => {
                    let context = ReactionContext::new(twin, input, world, twin.seen);
                    escalation::check_deadlines(twin, &context, effects, notes)
                }
                _ => is_heard,
            }
        }
        // Whether it applies to this twin was checked before.
        Cause::Broadcast(_) => true,
    };
    if is_heard {
        make_room(twin, input, notes);
        record(twin, input, policy, notes.late_parts());
    }
    twin.expire_needs(input.at);
    twin.settle_grave(policy, input.at);
    if !twin.guards.is_empty() {
        twin.settle_guards();
    }
    Ok(is_heard)
}

fn fold(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    world: &World<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<(), Rejection> {
    let (now, policy) = (input.at, world.policy);
    let is_automatic = is_automatic(input, policy);
    match &event.kind {
        EventKind::Identify(data) => {
            twin.profile.identify(data, input.stated_at, &mut twin.dates, notes)
        }
        // The memory has moved by now.
        EventKind::Link(_) | EventKind::Unlink(_) => {}
        // The policy gives these a meaning; the timeline records that they happened.
        EventKind::Page(_) | EventKind::Screen(_) | EventKind::Track(_) | EventKind::Ask(_) => {}
        EventKind::Message(data) => {
            let languages = &policy.speech.languages;
            if is_automatic {
                let room = limits::TRANSCRIPT_LINE_BYTES - AUTOMATIC.len();
                let kept = format!("{AUTOMATIC}{}", languages.shortened(&data.text, room));
                twin.add_message(data, (&kept, true), &event.channel, input, notes);
            } else {
                inferred::from_message(twin, data, &event.channel, policy, now, notes);
                let kept = languages.shortened(&data.text, limits::TRANSCRIPT_LINE_BYTES);
                twin.add_message(data, (&kept, false), &event.channel, input, notes);
            }
        }
        EventKind::Preference(data) => {
            inferred::note_unknown_channels(data, policy, notes);
            let rule = policy.preferences.get(&data.key);
            let since = input.since();
            twin.profile.keep_preference(data, rule, (input.stated_at, since), notes);
        }
        EventKind::Consent(data) => {
            twin.profile.consent_room(data)?;
            twin.hear_consent(data, &event.channel, policy, input, effects, notes);
        }
        EventKind::Interaction(data) => {
            twin.move_interaction(data, &event.channel, input, notes);
        }
        EventKind::Case(data) => twin.move_case(data, input.stated_at, notes),
        EventKind::Signal(data) => twin.note_signal(data, &event.channel, input, notes),
        EventKind::Outcome(data) => twin.hear_outcome(data, policy, now, effects, notes),
        EventKind::Handoff(data) => {
            escalation::hand_over(twin, data, &event.channel, input, world, effects, notes)?;
        }
    }
    Ok(())
}
