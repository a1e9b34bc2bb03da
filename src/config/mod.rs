//! Settings, which an operator chooses, limits, which are fixed, and mistakes in what people write.
//!
//! Takes defaults, a file, the environment and arguments as [`Layers`]; returns validated [`Settings`],
//! or all mistakes at once, each with its source.

pub mod limits;
mod load;
mod mistake;
mod outside;
mod ranges;
pub mod settings;
mod utf8;

pub use load::{Argument, ENVIRONMENT_FILE, ENVIRONMENT_PREFIX, Error, FILE, Layers};
pub(crate) use mistake::{Findings, SourceText};
pub use mistake::{Mistake, Mistakes};
pub use settings::Settings;
pub(crate) use utf8::not_utf8;
