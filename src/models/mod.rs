//! What is learned from answers: how likely somebody is to respond to what, and how sure that is.
//!
//! In come [`Features`] of a situation and an [`Arm`], something that can be chosen; out of a
//! [`Snapshot`] comes a [`Belief`]. A [`Learner`] takes in what was answered and publishes snapshots.
//! Of a [`Rhythm`] a [`Population`] tells whether somebody has left, and when to expect them.
//! Pure mathematics: it knows neither policies nor twins, and has no chance of its own: what
//! looks like chance is made of a seed, so that a decision is the same each time it is repeated.

mod activity;
mod arm;
mod belief;
mod chances;
pub mod evaluate;
mod experiment;
mod exposure;
mod features;
mod learner;
mod lesson;
mod normal;
mod snapshot;
mod weights;

pub use activity::{LONGER, Population, Rhythm, trend};
pub use arm::{Arm, ArmParts};
pub use belief::{Belief, Prior};
pub use chances::{Contender, chances};
pub use experiment::{
    ArmCounts, ArmResult, CONFIDENCE, ComparedMeasure, Lead, MISMATCH, chance_of_shares,
};
pub use exposure::Exposure;
pub use features::Features;
pub use learner::{HORIZON, Learner};
pub use lesson::{Lesson, LessonReplayer};
pub use normal::{below, density, hashed, normal, quantile, seed, uniform};
pub use snapshot::{ArmScorer, Snapshot};
pub use weights::LevelWeights;
