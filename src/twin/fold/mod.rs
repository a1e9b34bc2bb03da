//! Changes of the state: how statements, outcomes, timers and time change each part of a twin.
//!
//! The stages call these: `perceive` with what was said and done, the others with what follows from it.

pub(super) mod case;
pub(super) mod consent;
pub(super) mod contact;
pub(super) mod deadline;
pub(super) mod deferred;
pub(super) mod goal;
pub(super) mod grave;
pub(super) mod guard;
pub(super) mod inferred;
pub(super) mod interaction;
pub(super) mod memory;
pub(super) mod need;
pub(super) mod outcome;
pub(super) mod pause;
pub(super) mod problem;
pub(super) mod retention;
pub(super) mod signal;
pub(super) mod timeline;
pub(super) mod timer;
pub(super) mod trial;
