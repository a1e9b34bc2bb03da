//! Settings, which an operator chooses, and limits, which are fixed.
//!
//! Takes defaults, a file, the environment and arguments as [`Layers`]; returns validated [`Settings`],
//! or all mistakes at once, each with its source.

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
