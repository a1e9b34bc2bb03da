//! Models learned from outcomes: the probability of a response to an action, with its uncertainty.
//!
//! Takes the [`Features`] of a situation and an [`Arm`], a possible choice; a [`Snapshot`] returns a
//! [`Belief`]. A [`Learner`] learns from outcomes and publishes snapshots. From a [`Rhythm`] a
//! [`Population`] computes whether a customer has left, and when to expect them. Pure mathematics: it
//! knows neither policies nor twins, and has no randomness of its own: random numbers are computed from a
//! seed, so that a repeated decision is the same.

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
pub use weights::{LevelWeights, WeightsOfOneScale};
