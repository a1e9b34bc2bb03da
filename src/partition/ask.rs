use std::sync::Arc;

use crate::config::settings::Answers;
use crate::event::{Customer, Reason, Rejection, Time};
use crate::policy::Policy;
use crate::twin::{Action, Answered, Escalation, Journalled};

/// A twin's answer to an API request.
#[derive(Debug, Clone)]
pub enum AskAnswer {
    /// This is what was decided; perhaps nothing.
    Decided(Box<DecisionAnswer>),
    /// The result of an agent's act.
    Acted(Box<AgentActAnswer>),
    /// The identifier belongs to this customer, who is to be asked.
    Elsewhere(Customer),
    /// The twin has answered a request of this id before.
    Duplicate,
    /// The twin cannot take the request in; nothing changed.
    Refused(Rejection),
    /// The disk has no room for what would be decided; nothing changed.
    NoRoom,
    /// Too many outputs wait for the broker for more to come of it; nothing changed.
    Busy,
}

/// The result of an agent's act.
#[derive(Debug, Clone)]
pub struct AgentActAnswer {
    /// The twin's `now`.
    pub at: Time,
    /// The escalation message; none if nothing changed.
    pub escalation: Option<Box<Escalation>>,
}

/// The decision for a channel's request.
#[derive(Debug, Clone)]
pub struct DecisionAnswer {
    /// The twin's `now`.
    pub at: Time,
    /// What to show, best first.
    pub actions: Vec<Arc<Action>>,
    /// What it was decided by.
    pub policy: Arc<Policy>,
}

impl DecisionAnswer {
    /// What a journal keeps of it.
    pub(super) fn answered(&self) -> Vec<Answered> {
        let answered = |action: &Arc<Action>| Answered {
            decision: action.decision.clone(),
            action: action.action.clone(),
            treatment: action.treatment.clone(),
        };
        self.actions.iter().map(answered).collect()
    }
}

/// Why whoever asks for somebody who was erased is not answered.
pub(super) fn erased() -> Rejection {
    let detail = "expected a customer, found one who was erased; an `identify` with `anew` and its \
                  own time begins anew";
    Rejection::new(Reason::Refused, detail)
}

/// Answers on their way: each with whom it is for.
pub(super) type PendingAnswers<R> = Vec<(R, AskAnswer)>;

/// Whether an answer waits until what it tells of is durable. What people are told always does: of an
/// agent who holds something a crash must not make one who does not.
pub(super) const fn waits(answers: Answers, asked: &Journalled) -> bool {
    matches!(answers, Answers::Durable) || matches!(asked, Journalled::Handoff(_))
}
