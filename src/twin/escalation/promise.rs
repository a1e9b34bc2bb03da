//! What a queue promises: that somebody takes an escalation, and that it is settled, in time.

use super::super::reaction::Notes;
use super::super::understand::ReactionContext;
use super::super::{Effect, Timer, Twin, act};
use super::EscalationState;
use super::changes::{self, News};
use crate::config::limits;
use crate::event::Time;
use crate::policy::{CatchUp, DUE_TIMER};

/// The greatest priority: now.
const PRIORITY_MAX: u8 = 5;

/// When the first promise may be broken.
fn first_due(twin: &Twin) -> Option<Time> {
    twin.open_escalations().filter_map(|known| known.due).min()
}

fn timer(due: Time) -> Timer {
    Timer { name: DUE_TIMER.into(), due, every: None, catch_up: CatchUp::Run }
}

/// Waits for the first promise that may be broken.
pub(in super::super) fn wait_for_promises(
    twin: &mut Twin,
    now: Time,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    match first_due(twin) {
        Some(due) => {
            // Two of the same moment are noticed together, and none is noticed twice.
            let due = due.max(now + std::time::Duration::from_millis(1));
            twin.start_timer(timer(due), effects, notes);
        }
        None => twin.cancel_timer(DUE_TIMER, effects),
    }
}

/// What a twin waits for by itself, and not because a memory says so: when escalations come and go
/// with a memory, the timer of their promises follows.
pub(in super::super) fn is_of_promises(timer: &Timer) -> bool {
    *timer.name == *DUE_TIMER
}

/// Waits for what the escalations that came with a memory promise.
pub(in super::super) fn keep_timer(twin: &mut Twin) {
    twin.timers.retain(|timer| !is_of_promises(timer));
    if twin.timers.len() < limits::TIMERS
        && let Some(due) = first_due(twin)
    {
        twin.timers.push(timer(due));
    }
}

/// Moves on what should have been taken or settled by now; `false` if there is nothing.
pub(in super::super) fn keep_promises(
    twin: &mut Twin,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> bool {
    let now = context.input.at;
    let mut any = false;
    for at in 0..twin.escalations.len() {
        let known = &twin.escalations[at];
        if known.is_open() && known.due.is_some_and(|due| due <= now) {
            any = true;
            effects.push(changes::expired(twin, at, context));
            effects.push(go_on(twin, at, context));
        }
    }
    if any {
        // Two that were apart until now may have come to the same people.
        twin.join_escalations(context.input, effects);
    }
    wait_for_promises(twin, now, effects, notes);
    any
}

/// It opens again in the next queue, where nobody has it yet; without one it stays where it is, and
/// is more pressing.
fn go_on(twin: &mut Twin, at: usize, context: &ReactionContext<'_>) -> Effect {
    let now = context.input.at;
    let known = &mut twin.escalations[at];
    known.level = known.level.saturating_add(1);
    known.priority = (known.priority + 1).min(PRIORITY_MAX);
    known.touched = now;
    let policy = context.policy;
    let next = policy.queue(&known.queue).and_then(|queue| queue.next.as_deref());
    let Some(next) = next else {
        known.due = None;
        let changed = vec![
            News::of("due", "nobody kept it"),
            News::of("priority", known.priority.to_string()),
        ];
        let about = format!("{}/{}", known.id, known.level);
        return changes::changed(twin, at, 'p', &about, changed, context);
    };
    known.queue = next.into();
    known.state = EscalationState::Open;
    known.agent = None;
    known.desk = None;
    known.since = now;
    known.due = policy.queue(next).and_then(|queue| queue.respond).map(|span| now + span);
    let about = format!("{}/{}", known.id, known.level);
    let message = act::identifier('p', twin, context.input, &about);
    changes::opened(twin, at, message, context)
}
