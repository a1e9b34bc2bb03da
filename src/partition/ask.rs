use std::sync::Arc;

use crate::config::settings::Answers;
use crate::event::{Customer, Reason, Rejection, Time};
use crate::policy::Policy;
use crate::twin::{Action, Answered, Escalation, Journalled};

/// A twin's answer to an API request.
#[derive(Debug, Clone)]
pub enum AskAnswer {
    /// The decision; may contain no action.
    Decided(Box<DecisionAnswer>),
    /// The result of an agent's act.
    Acted(Box<AgentActAnswer>),
    /// The identifier belongs to this customer, whose twin must be asked instead.
    Elsewhere(Customer),
    /// The twin has already answered a request with this id.
    Duplicate,
    /// The twin refused the request; nothing changed.
    Refused(Rejection),
    /// The disk has no space for the outputs of the request; nothing changed.
    NoRoom,
    /// Too many outputs wait for the broker; nothing changed.
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
    /// The actions to show, best first.
    pub actions: Vec<Arc<Action>>,
    /// The policy of the decision.
    pub policy: Arc<Policy>,
}

impl DecisionAnswer {
    /// The part of it that the journal keeps.
    pub(super) fn answered(&self) -> Vec<Answered> {
        let answered = |action: &Arc<Action>| Answered {
            decision: action.decision.clone(),
            action: action.action.clone(),
            treatment: action.treatment.clone(),
        };
        self.actions.iter().map(answered).collect()
    }
}

/// The rejection of a request for an erased customer.
pub(super) fn erased() -> Rejection {
    let detail = "expected a customer, found one who was erased; to start a new twin, send \
                  `identify` with `anew` and a `time` after the erasure";
    Rejection::new(Reason::Refused, detail)
}

/// Pending answers, each with its reply.
pub(super) type PendingAnswers<R> = Vec<(R, AskAnswer)>;

/// Whether an answer waits until its result is durable. Answers to people always do: a crash must not
/// take back a claim that an agent was told of.
pub(super) const fn waits(answers: Answers, asked: &Journalled) -> bool {
    matches!(answers, Answers::Durable) || matches!(asked, Journalled::Handoff(_))
}
