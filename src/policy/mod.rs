//! Policies: text files that business people write, made into something a twin can read fast.
//!
//! In comes a folder of TOML with CEL expressions and text templates; out comes a [`Policy`], or
//! every [`Mistake`] in it at once, each with its file and line and the nearest right name. An
//! expression reads only the paths that it names, through a [`Scope`].

mod actions;
mod expression;
mod figures;
mod files;
mod functions;
mod holes;
mod load;
mod mistake;
mod model;
mod names;
mod plan;
pub(crate) mod read;
mod rewrite;
mod rules;
mod scope;
mod template;
mod topics;
mod watch;

pub use expression::{CompileError, EvalError, Expression, Truth};
pub use files::Files;
pub use load::load;
pub use mistake::{Mistake, Mistakes};
pub use model::{
    Action, CatchUp, Due, Index, Issue, Need, Place, Policy, PreferenceRule, Rule, Step, Treatment,
    Trigger, Version,
};
pub use scope::{Found, Path, Root, Scope};
pub use template::{RenderError, Template};
pub use topics::Speech;
pub use watch::{Watch, watch};
