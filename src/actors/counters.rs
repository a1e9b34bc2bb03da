//! Immediate queries of a partition's counters.

use std::sync::Arc;

use actix::{Context, Handler, Message};

use super::partition::PartitionActor;
use crate::models::ArmCounts;
use crate::partition::{Counters, Progress};
use crate::policy::Policy;

/// Asks a partition for its counters.
#[derive(Message)]
#[rtype(result = "Box<Counters>")]
pub struct GetCounters;

impl Handler<GetCounters> for PartitionActor {
    type Result = actix::MessageResult<GetCounters>;

    fn handle(
        &mut self,
        _: GetCounters,
        _: &mut Context<Self>,
    ) -> actix::MessageResult<GetCounters> {
        actix::MessageResult(Box::new(self.machine.counters()))
    }
}

/// Asks a partition for its active broadcasts and their progress.
#[derive(Message)]
#[rtype(result = "Vec<Progress>")]
pub struct GetBroadcasts;

impl Handler<GetBroadcasts> for PartitionActor {
    type Result = actix::MessageResult<GetBroadcasts>;

    fn handle(&mut self, _: GetBroadcasts, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.machine.broadcasts())
    }
}

/// Asks a partition for its experiment results and policy.
#[derive(Message)]
#[rtype(result = "(Arc<Policy>, Vec<ArmCounts>)")]
pub struct GetExperimentResults;

impl Handler<GetExperimentResults> for PartitionActor {
    type Result = actix::MessageResult<GetExperimentResults>;

    fn handle(&mut self, _: GetExperimentResults, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult((self.machine.surroundings().policy, self.machine.results()))
    }
}
