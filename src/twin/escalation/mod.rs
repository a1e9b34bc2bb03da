//! Escalations to agents and their return.
//!
//! A conversation has one open escalation; further evidence is added to it. It is open until one agent
//! claims it, who alone can act on it until they hand it back or resolve it; a missed deadline moves it
//! to the next queue.

mod changes;
mod deadline;
mod handoff;
mod opening;
mod signs;
mod waiting;

pub(super) use changes::tell;
pub(super) use deadline::check_deadlines;
pub(super) use handoff::hand_over;
pub(super) use opening::{NewEscalation, escalate, route};
pub(super) use signs::{alarm, signs};
pub use waiting::WaitingEscalation;

use crate::config::limits;
use crate::twin::effect::Effect;
use crate::twin::input::Input;
use crate::twin::state::{EscalationState, Remark, Twin};

/// The outcome of one of two escalations about the same matter, once both customers turn out to be one.
const JOINED: &str = "joined";

/// Adds a line to a list: the first line is kept, of the others the oldest is dropped.
fn keep(lines: &mut Vec<Remark>, line: Remark) {
    if lines.len() >= limits::ESCALATION_REMARKS {
        lines.remove(1);
    }
    lines.push(line);
}

impl Twin {
    /// Makes room for one more escalation; `false` if all are still open.
    fn make_escalation_room(&mut self) -> bool {
        if self.escalations.len() < limits::ESCALATIONS {
            return true;
        }
        let settled = (0..self.escalations.len())
            .filter(|at| !self.escalations[*at].is_open())
            .min_by_key(|at| self.escalations[*at].touched);
        settled.map(|at| self.escalations.remove(at)).is_some()
    }

    /// Of two open escalations about the same matter, which two identifiers of one customer can have,
    /// keeps one: the claimed one, else the older one. The choice does not depend on the order in which
    /// the identifiers are merged.
    pub(super) fn join_escalations(&mut self, input: &Input, effects: &mut Vec<Effect>) {
        let mut order: Vec<usize> = (0..self.escalations.len()).collect();
        order.sort_by_key(|at| {
            let known = &self.escalations[*at];
            (!known.is_claimed(), known.opened, known.id.clone())
        });
        for (rank, at) in order.iter().enumerate() {
            let known = &self.escalations[*at];
            let is_second = known.is_open()
                && order[..rank].iter().any(|first| {
                    let first = &self.escalations[*first];
                    first.is_open() && first.is_about_the_same(known)
                });
            if is_second {
                let known = &mut self.escalations[*at];
                known.state = EscalationState::Resolved;
                known.outcome = Some(JOINED.into());
                known.due = None;
                effects.push(changes::joined(self, *at, input));
            }
        }
    }
}
