use std::sync::Arc;

use crate::config::settings::Answers;
use crate::event::{Customer, Reason, Rejection, Time};
use crate::policy::Policy;
use crate::twin::{Action, Answered, Escalation, Journalled};

/// What a twin answers to a channel that asks through the API.
#[derive(Debug, Clone)]
pub enum AskAnswer {
    /// This is what was decided; perhaps nothing.
    Decided(Box<DecisionAnswer>),
    /// This is what became of what an agent did.
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

/// What became of what an agent did.
#[derive(Debug, Clone)]
pub struct AgentActAnswer {
    /// The twin's `now`.
    pub at: Time,
    /// The escalation, as everybody who follows it hears of it; none if nothing about it is new.
    pub escalation: Option<Box<Escalation>>,
}

/// What was decided for a channel that asked.
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
