//! Policies: text files by business users, compiled for fast evaluation.
//!
//! Takes a folder of TOML with CEL expressions and text templates; returns a [`Policy`], or all
//! [`Mistake`]s with file, line and suggestion. An expression reads only the paths that it names, through
//! a [`Scope`].

mod actions;
mod activities;
mod activity_metric;
mod advice;
mod aggregates;
#[cfg(test)]
mod arbitrary;
mod arm_names;
mod audience;
mod broadcasts;
mod budget;
mod cel_value;
mod compile_error;
mod consents;
mod contact;
mod dates;
mod derived_sensitivity;
mod dissatisfaction;
mod evaluate;
mod experiments;
mod expression;
mod files;
mod filters;
mod functions;
mod grave;
mod head;
mod hint;
mod identity;
mod interactions;
mod issue;
mod load;
mod lower;
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
mod source_location;
mod symbols;
mod syntax;
mod template;
mod topics;
mod trigger;
mod usage;
mod weights;

pub use actions::{ActionDefinition, PriorPropensity, Treatment, Worth};
pub use activities::ActivityRule;
pub use activity_metric::ActivityMetric;
pub use aggregates::{Aggregate, AggregateFunction, AggregateKind, Aggregates};
pub use audience::Audience;
pub use budget::{Exceeded, StepBudget, exceed, has_exceeded};
pub use compile_error::CompileError;
pub use consents::{ConsentRule, PERSONALIZATION, PROCESSING, PROFILING};
pub use contact::{ContactLimit, ContactPause, ContactRules, Per, Quiet};
pub use dissatisfaction::DissatisfactionRule;
pub use experiments::{Does, Experiment, ExperimentArm, Experiments};
pub use expression::{EvalError, Expression, Truth};
pub(crate) use files::belongs;
pub use files::{Files, Version};
pub use grave::{GraveRule, GraveRules};
pub(crate) use hint::{hint, nearest};
pub use identity::IdentityRule;
pub use issue::Issue;
pub use load::{load, load_with};
pub use model::{
    CONSENT_TIMER, GOAL_TIMER, IGNORED_TIMER, InteractionRule, NeedDefinition, PAUSE_TIMER, Policy,
    PreferenceRule, QUIET_TIMER, RETENTION_TIMER,
};
pub use purposes::{Purposes, SignalRule};
pub use queues::{
    AutoEscalation, AutoEscalations, DENIAL, DUE_TIMER, EscalationTarget, PERSON, Queue,
};
pub use retention::{ErasureRule, RetentionRule};
pub use rules::{CatchUp, Due, Rule, RuleStep};
pub use scope::{Found, Path, Root, Scope};
pub use source_location::SourceLocation;
pub use template::{RenderError, Template};
pub use topics::Speech;
pub use trigger::{EXPIRED, Index, Occasion, Trigger};
pub use weights::{Explore, IssueWeights, RandomChoice, Suitability};

pub use crate::config::{Mistake, Mistakes};
