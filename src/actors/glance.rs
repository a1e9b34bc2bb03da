//! What a partition has done and holds, as it says at once.

use std::sync::Arc;

use actix::{Context, Handler, Message};

use super::partition::PartitionActor;
use crate::models::Shown;
use crate::partition::{Counters, Progress};
use crate::policy::Policy;

/// What have you done, and what do you hold?
#[derive(Message)]
#[rtype(result = "Box<Counters>")]
pub struct Glance;

impl Handler<Glance> for PartitionActor {
    type Result = actix::MessageResult<Glance>;

    fn handle(&mut self, _: Glance, _: &mut Context<Self>) -> actix::MessageResult<Glance> {
        actix::MessageResult(Box::new(self.machine.counters()))
    }
}

/// Which broadcasts live, and how far is each?
#[derive(Message)]
#[rtype(result = "Vec<Progress>")]
pub struct GlanceBroadcasts;

impl Handler<GlanceBroadcasts> for PartitionActor {
    type Result = actix::MessageResult<GlanceBroadcasts>;

    fn handle(&mut self, _: GlanceBroadcasts, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.machine.broadcasts())
    }
}

/// What have experiments shown, under which policy?
#[derive(Message)]
#[rtype(result = "(Arc<Policy>, Vec<Shown>)")]
pub struct GlanceResults;

impl Handler<GlanceResults> for PartitionActor {
    type Result = actix::MessageResult<GlanceResults>;

    fn handle(&mut self, _: GlanceResults, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult((self.machine.surroundings().policy, self.machine.results()))
    }
}
