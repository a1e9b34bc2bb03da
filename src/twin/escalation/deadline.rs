//! The deadlines of a queue: for claiming an escalation, and for resolving it.

use super::changes;
use crate::twin::effect::{Effect, News, id};
use crate::twin::fold::deadline;
use crate::twin::moment::ReactionContext;
use crate::twin::note::Notes;
use crate::twin::state::{EscalationState, Twin};

/// The highest priority: immediately.
const PRIORITY_MAX: u8 = 5;

/// Moves on the escalations whose deadline was missed; `false` if there are none.
pub(in crate::twin) fn check_deadlines(
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
    deadline::start_due_timer(twin, now, effects, notes);
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
    let message = id::identifier('p', twin, context.input, &about);
    changes::opened(twin, at, message, context)
}
