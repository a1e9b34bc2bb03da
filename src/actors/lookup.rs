use std::sync::Arc;

use actix::{Context, Handler, Message, ResponseFuture};

use super::partition::PartitionActor;
use super::shell::load;
use crate::event::{Broadcast, Customer, Rejection, Time};
use crate::partition::{CampaignPreview, CampaignTrial, EscalationsRequest, Listing, UnknownNames};
use crate::past::ModelMark;
use crate::tables::{self, KeptLesson, KeptLessons, Read};
use crate::twin::{Action, Decision, Stage};

/// Asks for a twin's last decisions, newest first.
#[derive(Message)]
#[rtype(result = "Result<Vec<Decision>, String>")]
pub struct GetDecisions(pub Customer);

impl Handler<GetDecisions> for PartitionActor {
    type Result = ResponseFuture<Result<Vec<Decision>, String>>;

    fn handle(
        &mut self,
        GetDecisions(customer): GetDecisions,
        _: &mut Context<Self>,
    ) -> Self::Result {
        self.look_up(move |store, partition| store.decisions(partition, &customer))
    }
}

/// Asks for a twin's journalled inputs from a time on, at most this many.
#[derive(Message)]
#[rtype(result = "Result<Vec<tables::JournalRow>, String>")]
pub struct GetJournal(pub Customer, pub Time, pub usize);

impl Handler<GetJournal> for PartitionActor {
    type Result = ResponseFuture<Result<Vec<tables::JournalRow>, String>>;

    fn handle(&mut self, journal: GetJournal, _: &mut Context<Self>) -> Self::Result {
        let GetJournal(customer, from, limit) = journal;
        self.look_up(move |store, partition| store.inputs(partition, &customer, from, limit))
    }
}

/// Asks for the positions from which the partition used each model version.
#[derive(Message)]
#[rtype(result = "Result<Vec<ModelMark>, String>")]
pub struct GetModelMarks;

impl Handler<GetModelMarks> for PartitionActor {
    type Result = ResponseFuture<Result<Vec<ModelMark>, String>>;

    fn handle(&mut self, _: GetModelMarks, _: &mut Context<Self>) -> Self::Result {
        self.look_up(|store, partition| store.marks(partition))
    }
}

/// Asks for training history, and which model versions can be rebuilt.
#[derive(Message)]
#[rtype(result = "Result<(KeptLessons, Vec<KeptLesson>), String>")]
pub struct GetLessons {
    /// From this part of this version on.
    pub from: (u64, u32),
    /// Whether to include the weights of milestones.
    pub with_levels: bool,
    /// Approximate maximum bytes of the reply.
    pub bytes: usize,
}

impl Handler<GetLessons> for PartitionActor {
    type Result = ResponseFuture<Result<(KeptLessons, Vec<KeptLesson>), String>>;

    fn handle(&mut self, asked: GetLessons, _: &mut Context<Self>) -> Self::Result {
        self.look_up(move |store, _| {
            let kept = store.kept_lessons()?.unwrap_or_default();
            Ok((kept, store.lessons(asked.from, asked.with_levels, asked.bytes)?))
        })
    }
}

/// Dry run of a campaign for the partition's next twins; sends and stores nothing.
#[derive(Message)]
#[rtype(result = "Result<CampaignEstimate, String>")]
pub struct TryCampaign {
    /// The campaign.
    pub broadcast: Broadcast,
    /// Only twins after this one.
    pub after: Option<Customer>,
    /// The maximum number of twins.
    pub limit: usize,
    /// Sample size: this many matching twins decide.
    pub sample: usize,
    /// The time; none: the partition's clock, which is that of its events.
    pub at: Option<Time>,
}

/// The estimate of a campaign.
#[derive(Debug, Default)]
pub struct CampaignEstimate {
    /// Twins visited.
    pub visited: u64,
    /// Of these, twins that match.
    pub concerned: u64,
    /// The actions that would be taken.
    pub actions: Vec<Arc<Action>>,
    /// The stages that dropped the last candidate, one per twin without an action.
    pub silent: Vec<Stage>,
    /// Names of the campaign that the policy does not have.
    pub unknown: UnknownNames,
    /// The last twin visited, if there may be more.
    pub last: Option<Customer>,
}

impl Handler<TryCampaign> for PartitionActor {
    type Result = ResponseFuture<Result<CampaignEstimate, String>>;

    fn handle(&mut self, asked: TryCampaign, _: &mut Context<Self>) -> Self::Result {
        let TryCampaign { broadcast, after, limit, sample, at } = asked;
        let (store, partition, surroundings) = self.read_access();
        let at = at.unwrap_or_else(|| self.event_time());
        let read = move || {
            let refused = |rejection: Rejection| rejection.detail;
            let trial = CampaignTrial::new(&broadcast, at, surroundings).map_err(refused)?;
            let found = store.customers(partition, None, after.as_ref(), limit);
            let customers = found.map_err(|error| error.to_string())?;
            let last = customers.last().filter(|_| customers.len() == limit).cloned();
            let mut tried =
                CampaignEstimate { last, unknown: trial.unknown(), ..CampaignEstimate::default() };
            for (_, twin) in load(&store, partition, customers)? {
                let Some(mut twin) = twin else { continue };
                tried.visited += 1;
                let at = at.max(twin.seen);
                if !trial.concerns(&twin, at) {
                    continue;
                }
                tried.concerned += 1;
                if tried.actions.len() + tried.silent.len() < sample {
                    match trial.on(&mut twin, at) {
                        CampaignPreview::Something(action) => tried.actions.push(action),
                        CampaignPreview::Nothing(stage) => tried.silent.push(stage),
                    }
                }
            }
            Ok(tried)
        };
        Box::pin(async move {
            actix_rt::task::spawn_blocking(read).await.map_err(|error| error.to_string())?
        })
    }
}

/// Asks for the partition's open escalations.
#[derive(Message)]
#[rtype(result = "Result<Listing, String>")]
pub struct ListEscalations(pub EscalationsRequest);

impl Handler<ListEscalations> for PartitionActor {
    type Result = ResponseFuture<Result<Listing, String>>;

    fn handle(
        &mut self,
        ListEscalations(wanted): ListEscalations,
        _: &mut Context<Self>,
    ) -> Self::Result {
        self.look_up(move |store, partition| {
            let mut listing = Listing::new(wanted);
            store.waiting(partition, &mut |customer, waiting| listing.add(&customer, waiting))?;
            Ok(listing)
        })
    }
}
