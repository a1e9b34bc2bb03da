use actix::{Context, Handler, Message, ResponseFuture};

use super::partition::PartitionActor;
use crate::event::{Customer, Time};
use crate::past::Mark;
use crate::store::{self, KeptLesson, KeptLessons, Read};
use crate::twin::Decision;

/// What did a twin decide last, and why? The newest first.
#[derive(Message)]
#[rtype(result = "Result<Vec<Decision>, String>")]
pub struct Decisions(pub Customer);

impl Handler<Decisions> for PartitionActor {
    type Result = ResponseFuture<Result<Vec<Decision>, String>>;

    fn handle(&mut self, Decisions(customer): Decisions, _: &mut Context<Self>) -> Self::Result {
        self.look_up(move |store, partition| store.decisions(partition, &customer))
    }
}

/// Which inputs did a twin take in that did not come from the stream? From a moment on, at most so
/// many.
#[derive(Message)]
#[rtype(result = "Result<Vec<store::Journalled>, String>")]
pub struct Journal(pub Customer, pub Time, pub usize);

impl Handler<Journal> for PartitionActor {
    type Result = ResponseFuture<Result<Vec<store::Journalled>, String>>;

    fn handle(&mut self, journal: Journal, _: &mut Context<Self>) -> Self::Result {
        let Journal(customer, from, limit) = journal;
        self.look_up(move |store, partition| store.inputs(partition, &customer, from, limit))
    }
}

/// From where on did you go by which version of what was learned?
#[derive(Message)]
#[rtype(result = "Result<Vec<Mark>, String>")]
pub struct Marks;

impl Handler<Marks> for PartitionActor {
    type Result = ResponseFuture<Result<Vec<Mark>, String>>;

    fn handle(&mut self, _: Marks, _: &mut Context<Self>) -> Self::Result {
        self.look_up(|store, partition| store.marks(partition))
    }
}

/// What were versions learned from, and which of them can be learned once more?
#[derive(Message)]
#[rtype(result = "Result<(KeptLessons, Vec<KeptLesson>), String>")]
pub struct Lessons {
    /// From this part of this version on.
    pub from: (u64, u32),
    /// Whether all that was known at milestones is wanted, too.
    pub with_levels: bool,
    /// About so many bytes of it.
    pub bytes: usize,
}

impl Handler<Lessons> for PartitionActor {
    type Result = ResponseFuture<Result<(KeptLessons, Vec<KeptLesson>), String>>;

    fn handle(&mut self, asked: Lessons, _: &mut Context<Self>) -> Self::Result {
        self.look_up(move |store, _| {
            let kept = store.kept_lessons()?.unwrap_or_default();
            Ok((kept, store.lessons(asked.from, asked.with_levels, asked.bytes)?))
        })
    }
}
