//! The result of one input, with its effects and notes.

use super::{Decision, Effect};
use crate::event::Rejection;
use crate::twin::note::Note;

/// The result of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum InputResult {
    /// It changed the twin.
    Applied,
    /// The twin has processed it before; nothing changed.
    Duplicate,
    /// It was forwarded to the customer whom the identifier is linked to; nothing changed here.
    Forwarded,
    /// The timer was moved or cancelled meanwhile, or is too late by its catch-up rule.
    Stale,
    /// It has no effect: a broadcast that has ended, does not match or was already received, or a message
    /// about an ended link.
    Untouched,
    /// It was rejected; nothing changed.
    Refused(Rejection),
}

/// The reaction to one input: the changed state and the side effects.
#[derive(Debug, Clone, PartialEq)]
pub struct Reaction {
    /// The result of the input.
    pub result: InputResult,
    /// Side effects to perform in this order, after the commit.
    pub effects: Vec<Effect>,
    /// Notes for operators and policy authors.
    pub notes: Vec<Note>,
}

impl Reaction {
    pub(in crate::twin) fn nothing(result: InputResult) -> Reaction {
        Reaction { result, effects: Vec::new(), notes: Vec::new() }
    }

    /// The arbitration, if there was one.
    pub fn decision(&self) -> Option<&Decision> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Record(decision) => Some(&**decision),
            _ => None,
        })
    }
}
