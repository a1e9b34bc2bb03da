//! Interactions pause by silence, or because the customer leaves.

use crate::event::{EventKind, InteractionState, Time};
use crate::policy::{CatchUp, PAUSE_TIMER, Policy};
use crate::twin::effect::Effect;
use crate::twin::input::{Cause, Input};
use crate::twin::note::Notes;
use crate::twin::state::{PausedBy, Timer, Twin};

/// The kind of interaction whose silence this timer checks.
pub(in crate::twin) fn paused_kind(timer: &str) -> Option<&str> {
    timer.strip_prefix(PAUSE_TIMER)
}

/// Pauses interrupted interactions, and starts the timers for silence.
pub(in crate::twin) fn pause_interrupted(
    twin: &mut Twin,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    if policy.interactions.is_empty() || twin.interactions.is_empty() {
        return;
    }
    let Cause::Event(event) = &input.cause else { return };
    let mut moved = matches!(event.kind, EventKind::Interaction(_) | EventKind::Message(_));
    let trigger = input.trigger();
    for known in twin.interactions.iter_mut().filter(|known| known.is_going_on()) {
        let Some(rule) = policy.interactions.get(&known.kind) else { continue };
        let silent_at = known.touched + rule.pause_after;
        if silent_at <= input.at {
            known.enter(InteractionState::Paused, silent_at, PausedBy::Silence);
            moved = true;
        } else if rule.is_leaving(trigger) && known.channel == event.channel {
            known.enter(InteractionState::Paused, input.at, PausedBy::Leaving);
            moved = true;
        }
    }
    if moved {
        policy.interactions.keys().for_each(|kind| set_timer(twin, kind, policy, effects, notes));
    }
}

/// Handles a timer of silence: pauses what has been silent long enough; returns whether anything was.
pub(in crate::twin) fn pause_silent(
    twin: &mut Twin,
    kind: &str,
    now: Time,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> bool {
    let Some(rule) = policy.interactions.get(kind) else { return false };
    let mut any = false;
    for known in twin.interactions.iter_mut() {
        let silent_at = known.touched + rule.pause_after;
        if &*known.kind == kind && known.is_going_on() && silent_at <= now {
            known.enter(InteractionState::Paused, silent_at, PausedBy::Silence);
            any = true;
        }
    }
    set_timer(twin, kind, policy, effects, notes);
    any
}

/// Starts the timer of silence of a kind, if an interaction of the kind is in progress and the timer does
/// not run yet; cancels it, if none is in progress. Activity does not move it: when it fires, it checks
/// for silence and is started for the next one.
fn set_timer(
    twin: &mut Twin,
    kind: &str,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    let Some(rule) = policy.interactions.get(kind) else { return };
    let going_on = twin.interactions.iter().filter(|one| &*one.kind == kind && one.is_going_on());
    let due = going_on.map(|known| known.touched + rule.pause_after).min();
    let is_set = twin.timers.iter().any(|timer| paused_kind(&timer.name) == Some(kind));
    match (due, is_set) {
        (Some(due), false) => {
            let name = format!("{PAUSE_TIMER}{kind}").into();
            let timer = Timer { name, due, every: None, catch_up: CatchUp::Run };
            twin.start_timer(timer, effects, notes);
        }
        (None, true) => twin.cancel_timer(&format!("{PAUSE_TIMER}{kind}"), effects),
        _ => {}
    }
}
