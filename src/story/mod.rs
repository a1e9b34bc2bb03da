//! Stories: timed events of some customers, and what must and must not come out.
//!
//! Takes a text file with events at times; returns a [`Story`], or all mistakes in it. A story is played
//! on the pure core by [`play`], in virtual time, or by a program that publishes its events to a live
//! service and collects the outputs; [`check`] compares either with the story's expectations, and
//! [`StoryReport`] prints the result for people. Pure: no clock, no IO.

mod check;
mod coverage;
mod parse;
mod play;
mod report;
mod script;
mod seen;

pub use check::{Finding, check};
pub use coverage::{Coverage, Reachable, Unreached, UnreachedKind, probable_typos};
pub use parse::parse;
pub use play::{Played, Turn, TurnCause, play};
pub use report::StoryReport;
pub use script::{
    Expectation, ExpectedOutput, ExpectedResult, FinalState, ForbiddenResult, Prohibition,
    StepContent, StepSubject, Story, StoryStep,
};
pub use seen::{OutputKind, SeenOutput};

#[cfg(test)]
mod tests;
