//! Settings and limits: what an operator may choose, and what nobody may exceed.
//!
//! In come defaults, a file, the environment and arguments as [`Layers`]; out come [`Settings`] of
//! which every value is in its range, or every mistake at once with the place where it was made.

pub mod limits;
mod load;
mod ranges;
pub mod settings;
mod utf8;

pub use load::{
    Argument, ENVIRONMENT_FILE, ENVIRONMENT_PREFIX, Error, FILE, Layers, SettingMistake,
};
pub use settings::Settings;
pub(crate) use utf8::not_utf8;
