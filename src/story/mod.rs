//! Stories: what happens to some customers, and what must and must not come of it.
//!
//! In comes a text file with events at times; out comes a [`Story`], or every mistake in it. It is
//! played on the pure core by [`play`], in virtual time, or by whoever publishes its events to a
//! live service and collects what comes out; [`check`] compares either with what the story expects,
//! and [`StoryReport`] prints the whole for people. Pure: no clock, no IO.

mod check;
mod coverage;
mod parse;
mod play;
mod report;
mod script;

pub use check::{Finding, OutputKind, SeenOutput, check};
pub use coverage::{Coverage, Reachable, Unreached, UnreachedKind, slips};
pub use parse::parse;
pub use play::{Played, Turn, TurnCause, play};
pub use report::StoryReport;
pub use script::{
    Expectation, ExpectedOutput, ExpectedResult, FinalState, ForbiddenResult, Prohibition,
    StepContent, StepSubject, Story, StoryStep,
};

#[cfg(test)]
mod tests;
