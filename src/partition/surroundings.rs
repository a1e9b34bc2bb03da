//! The environment in which all twins of a partition react.

use std::sync::Arc;

use crate::models::Snapshot;
use crate::policy::Policy;
use crate::twin::{Broadcasts, World};

/// The environment of a partition's twins: policy, broadcasts, models. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Active broadcasts.
    pub broadcasts: Broadcasts,
    /// The model snapshot.
    pub models: Snapshot,
}

impl Surroundings {
    /// The same, in the form that a reaction reads.
    pub fn world(&self) -> World<'_> {
        World::of(&self.policy).with(&self.broadcasts).knowing(&self.models)
    }
}
