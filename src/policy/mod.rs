//! Policies: text files by business users, compiled for fast evaluation.
//!
//! Takes a folder of TOML with CEL expressions and text templates; returns a [`Policy`], or all
//! [`Mistake`]s with file, line and suggestion. An expression reads only the paths that it names, through
//! a [`Scope`].

mod actions;
mod activities;
mod advice;
mod aggregates;
#[cfg(test)]
mod arbitrary;
mod audience;
mod broadcasts;
mod budget;
mod cel_value;
mod consents;
mod contact;
mod dates;
mod derived_sensitivity;
mod dissatisfaction;
mod evaluate;
mod experiments;
mod expression;
mod files;
mod functions;
mod head;
mod identity;
mod interactions;
mod load;
mod lower;
pub(crate) mod mistake;
mod model;
mod needs;
mod negation;
mod null_analysis;
mod purposes;
mod queues;
pub(crate) mod read;
mod reader;
mod retention;
mod rules;
mod scope;
mod simple_template;
mod symbols;
mod syntax;
mod template;
mod topics;
mod weights;

pub use activities::{ActivityMetric, ActivityRule};
pub use aggregates::{Aggregate, AggregateFunction, AggregateKind, Aggregates};
pub use audience::Audience;
pub use budget::{Exceeded, StepBudget, exceed, has_exceeded};
pub use consents::{ConsentRule, PERSONALIZATION, PROCESSING, PROFILING};
pub use contact::{ContactLimit, ContactPause, ContactRules, Per, Quiet};
pub use dissatisfaction::DissatisfactionRule;
pub use experiments::{Does, Experiment, ExperimentArm, Experiments};
pub use expression::{CompileError, EvalError, Expression, Truth};
pub use files::Files;
pub(crate) use files::belongs;
pub use identity::IdentityRule;
pub use load::{load, load_with};
pub(crate) use mistake::nearest;
pub use mistake::{Mistake, Mistakes};
pub use model::{
    ActionDefinition, CONSENT_TIMER, CatchUp, Due, IGNORED_TIMER, Index, InteractionRule, Issue,
    NeedDefinition, Occasion, PAUSE_TIMER, Policy, PreferenceRule, PriorPropensity, QUIET_TIMER,
    RETENTION_TIMER, Rule, RuleStep, SourceLocation, Treatment, Trigger, Version, Worth,
};
pub use purposes::{Purposes, SignalRule};
pub use queues::{
    AutoEscalation, AutoEscalations, DENIAL, DUE_TIMER, EXPIRED, EscalationTarget, PERSON, Queue,
};
pub use retention::{ErasureRule, RetentionRule};
pub use scope::{Found, Path, Root, Scope};
pub use template::{RenderError, Template};
pub use topics::Speech;
pub use weights::{Explore, IssueWeights, Suitability};
