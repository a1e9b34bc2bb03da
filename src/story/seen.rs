use std::fmt;
use std::sync::Arc;

use crate::event::{Customer, Time};
use crate::twin::{Action, Escalation, Recall};

/// An output of a story: an action, a recall or an escalation.
#[derive(Debug, Clone)]
pub struct SeenOutput {
    /// When it came, in the story's own time.
    pub at: Time,
    /// The output.
    pub what: OutputKind,
}

/// The kind of an output, with its content.
#[derive(Debug, Clone)]
pub enum OutputKind {
    /// An action.
    Action(Arc<Action>),
    /// A recalled action.
    Recall(Box<Recall>),
    /// An escalation that opened or changed.
    Escalation(Box<Escalation>),
}

impl SeenOutput {
    pub(super) fn customer(&self) -> &Customer {
        match &self.what {
            OutputKind::Action(action) => &action.customer,
            OutputKind::Recall(recall) => &recall.customer,
            OutputKind::Escalation(escalation) => &escalation.customer,
        }
    }
}

impl fmt::Display for SeenOutput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            OutputKind::Action(action) => write!(out, "{} in {}", action.action, action.channel),
            OutputKind::Recall(recall) => {
                write!(out, "recall of {} in {}", recall.action, recall.channel)
            }
            OutputKind::Escalation(escalation) => {
                write!(out, "escalation to {}, {}", escalation.queue, escalation.topic)
            }
        }
    }
}
