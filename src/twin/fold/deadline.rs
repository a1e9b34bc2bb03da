//! The timer for the deadlines of escalations.

use crate::config::limits;
use crate::event::Time;
use crate::policy::DUE_TIMER;
use crate::twin::effect::Effect;
use crate::twin::note::Notes;
use crate::twin::state::{Timer, Twin};

/// The next deadline of all escalations.
fn first_due(twin: &Twin) -> Option<Time> {
    twin.open_escalations().filter_map(|known| known.due).min()
}

fn timer(due: Time) -> Timer {
    Timer::once(DUE_TIMER, due)
}

/// Starts the timer for the next deadline, or moves it there; cancels it if there is no deadline.
pub(in crate::twin) fn start_due_timer(
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

/// Whether a timer is the one for the deadlines of escalations. It is derived from the escalations, so no
/// memory holds it: when escalations move with a memory, [`renew_due_timer`] starts it anew.
pub(super) fn is_deadline(timer: &Timer) -> bool {
    *timer.name == *DUE_TIMER
}

/// Starts the timer for the deadlines of the escalations that arrived with a memory.
pub(super) fn renew_due_timer(twin: &mut Twin) {
    twin.timers.retain(|timer| !is_deadline(timer));
    if twin.timers.len() < limits::TIMERS
        && let Some(due) = first_due(twin)
    {
        twin.timers.push(timer(due));
    }
}
