//! The deadlines of a queue: for claiming an escalation, and for resolving it.

use super::super::reaction::Notes;
use super::super::understand::ReactionContext;
use super::super::{Effect, Timer, Twin, act};
use super::EscalationState;
use super::changes::{self, News};
use crate::config::limits;
use crate::event::Time;
use crate::policy::{CatchUp, DUE_TIMER};

/// The highest priority: immediately.
const PRIORITY_MAX: u8 = 5;

/// The next deadline of all escalations.
fn first_due(twin: &Twin) -> Option<Time> {
    twin.open_escalations().filter_map(|known| known.due).min()
}

fn timer(due: Time) -> Timer {
    Timer { name: DUE_TIMER.into(), due, every: None, catch_up: CatchUp::Run }
}

/// Starts the timer for the next deadline.
pub(in super::super) fn wait_for_promises(
    twin: &mut Twin,
    now: Time,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    match first_due(twin) {
        Some(due) => {
            // Deadlines at the same time are handled together, and none is handled twice.
            let due = due.max(now + std::time::Duration::from_millis(1));
            twin.start_timer(timer(due), effects, notes);
        }
        None => twin.cancel_timer(DUE_TIMER, effects),
    }
}

/// The timers that a twin starts by itself, not from a memory: when escalations move with a memory, the
/// timer of their deadlines follows.
pub(in super::super) fn is_of_promises(timer: &Timer) -> bool {
    *timer.name == *DUE_TIMER
}

/// Starts the timer for the deadlines of the escalations that arrived with a memory.
pub(in super::super) fn keep_timer(twin: &mut Twin) {
    twin.timers.retain(|timer| !is_of_promises(timer));
    if twin.timers.len() < limits::TIMERS
        && let Some(due) = first_due(twin)
    {
        twin.timers.push(timer(due));
    }
}

/// Moves on the escalations whose deadline was missed; `false` if there are none.
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
        // Two escalations that were separate may now be in the same queue.
        twin.join_escalations(context.input, effects);
    }
    wait_for_promises(twin, now, effects, notes);
    any
}

/// Opens it again in the next queue, unclaimed; without a next queue it stays, with a higher priority.
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
            News::of("due", "the deadline was missed"),
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
