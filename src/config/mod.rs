//! Settings and limits: what an operator may choose, and what nobody may exceed.

pub mod limits;
pub mod settings;
