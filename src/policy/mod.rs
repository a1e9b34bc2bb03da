//! Policies: text files that business people write, made into something a twin can read fast.
//!
//! In comes a folder of TOML with CEL expressions and text templates; out comes a [`Policy`], or
//! every [`Mistake`] in it at once, each with its file and line and the nearest right name. An
//! expression reads only the paths that it names, through a [`Scope`].

mod absent;
mod actions;
mod activities;
mod advice;
mod broadcasts;
mod budget;
mod condition;
mod consents;
mod contact;
mod dates;
mod dissatisfaction;
mod experiments;
mod expression;
mod figures;
mod files;
mod functions;
mod holes;
mod identity;
mod interactions;
mod keeping;
mod load;
mod made;
pub(crate) mod mistake;
mod model;
mod names;
mod negation;
mod plan;
mod purposes;
mod queues;
#[cfg(test)]
mod random;
pub(crate) mod read;
mod rewrite;
mod rules;
mod scope;
mod syntax;
mod tallies;
mod template;
mod topics;
mod weights;

pub use activities::{ActivityRule, Figure};
pub use budget::{Budget, Exceeded, exceed, has_exceeded};
pub use condition::Condition;
pub use consents::{ConsentRule, PERSONALIZATION, PROCESSING, PROFILING};
pub use contact::{ContactLimit, ContactPause, ContactRules, Per, Quiet};
pub use dissatisfaction::DissatisfactionRule;
pub use experiments::{Arm, Does, Experiment, Experiments};
pub use expression::{CompileError, EvalError, Expression, Truth};
pub use files::Files;
pub(crate) use files::belongs;
pub use identity::IdentityRule;
pub use keeping::{ErasureRule, RetentionRule};
pub use load::{load, load_with};
pub(crate) use mistake::nearest;
pub use mistake::{Mistake, Mistakes};
pub use model::{
    Action, CONSENT_TIMER, CatchUp, Due, Expected, IGNORED_TIMER, Index, InteractionRule, Issue,
    Need, Occasion, PAUSE_TIMER, Place, Policy, PreferenceRule, QUIET_TIMER, RETENTION_TIMER, Rule,
    Step, Treatment, Trigger, Version, Worth,
};
pub use purposes::{Purposes, SignalRule};
pub use queues::{DENIAL, DUE_TIMER, Desk, EXPIRED, Escalates, Opens, PERSON, Queue};
pub use scope::{Found, Path, Root, Scope};
pub use tallies::{Keep, Measure, Tallies, Tally};
pub use template::{RenderError, Template};
pub use topics::Speech;
pub use weights::{Explore, IssueWeights, Suitability};
