//! What a partition has done and holds, as it says at once.

use std::sync::Arc;

use actix::{Context, Handler, Message};

use super::partition::PartitionActor;
use crate::models::ArmCounts;
use crate::partition::{Counters, Progress};
use crate::policy::Policy;

/// What have you done, and what do you hold?
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

/// Which broadcasts live, and how far is each?
#[derive(Message)]
#[rtype(result = "Vec<Progress>")]
pub struct GetBroadcasts;

impl Handler<GetBroadcasts> for PartitionActor {
    type Result = actix::MessageResult<GetBroadcasts>;

    fn handle(&mut self, _: GetBroadcasts, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.machine.broadcasts())
    }
}

/// What have experiments shown, under which policy?
#[derive(Message)]
#[rtype(result = "(Arc<Policy>, Vec<ArmCounts>)")]
pub struct GetExperimentResults;

impl Handler<GetExperimentResults> for PartitionActor {
    type Result = actix::MessageResult<GetExperimentResults>;

    fn handle(&mut self, _: GetExperimentResults, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult((self.machine.surroundings().policy, self.machine.results()))
    }
}
