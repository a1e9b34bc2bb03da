use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::surroundings::Surroundings;
use crate::event::{Broadcast, Reason, Rejection, Time};
use crate::tables::Scan;
use crate::twin::{Action, LiveBroadcast, Reaction, Stage, Twin, World, react};

/// The counts of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CampaignCounts {
    /// Customers who got an action.
    pub said: u64,
    /// The others, by the stage of the decision that dropped the last candidate.
    pub silent: BTreeMap<Box<str>, u64>,
}

impl CampaignCounts {
    /// The counts of a scan.
    pub(super) fn of(scan: &Scan) -> CampaignCounts {
        let named = scan.silent.iter().filter(|(_, count)| *count > 0);
        let silent = named.map(|(stage, count)| (stage.name().into(), count)).collect();
        CampaignCounts { said: scan.said, silent }
    }

    /// Adds the counts of another partition.
    pub fn add(&mut self, other: &CampaignCounts) {
        self.said += other.said;
        for (stage, count) in &other.silent {
            *self.silent.entry(stage.clone()).or_default() += count;
        }
    }

    /// The number of customers who decided.
    pub fn decided(&self) -> u64 {
        self.said + self.silent.values().sum::<u64>()
    }
}

/// The result of a reaction to a campaign: none if an action was taken, or else the stage that dropped
/// the last candidate.
pub(super) fn silent_by(reaction: &Reaction) -> Option<Stage> {
    let Some(decision) = reaction.decision() else { return Some(Stage::Candidate) };
    if !decision.chosen.is_empty() {
        return None;
    }
    let last = decision.dropped.iter().rfind(|(_, dropped)| *dropped > 0);
    Some(last.map_or(Stage::Candidate, |(stage, _)| stage))
}

/// The result of a dry run for one customer.
#[derive(Debug, Clone, PartialEq)]
pub enum CampaignPreview {
    /// This action.
    Something(Arc<Action>),
    /// No action, because of this stage.
    Nothing(Stage),
}

/// A dry run of a campaign on copies of twins.
#[derive(Debug, Clone)]
pub struct CampaignTrial {
    shared: Arc<LiveBroadcast>,
    surroundings: Surroundings,
}

impl CampaignTrial {
    /// A dry run in this environment.
    ///
    /// # Errors
    /// If it is not the start of a broadcast, or too many are active already.
    pub fn new(
        broadcast: &Broadcast,
        at: Time,
        mut surroundings: Surroundings,
    ) -> Result<CampaignTrial, Rejection> {
        let refused = || {
            let detail = "expected a campaign to try, found one with `ended`; leave `ended` out";
            Rejection::new(Reason::BadData, detail)
        };
        let shared = LiveBroadcast::new(broadcast, at)?.ok_or_else(refused)?;
        surroundings.broadcasts.begin(shared)?;
        let shared = surroundings.broadcasts.get(&broadcast.scope).cloned().ok_or_else(refused)?;
        Ok(CampaignTrial { shared, surroundings })
    }

    /// The named actions that the policy does not have.
    pub fn unknown(&self) -> Vec<Box<str>> {
        let Surroundings { policy, .. } = &self.surroundings;
        let knows = |name: &str| {
            policy.action(name).is_some()
                || policy.arms.values().any(|policy| policy.action(name).is_some())
        };
        let named = self.shared.decide.iter().flat_map(|campaign| &campaign.actions);
        named.filter(|name| !knows(name)).cloned().collect()
    }

    /// Whether the campaign matches this customer.
    pub fn concerns(&self, twin: &Twin, at: Time) -> bool {
        twin.would_hear(&self.shared, at, &self.surroundings.world())
    }

    /// The actions it would take, decided on a copy of the twin.
    pub fn on(&self, twin: &mut Twin, at: Time) -> CampaignPreview {
        let world: World<'_> = self.surroundings.world();
        let reaction = react(twin, &self.shared.wake(&twin.customer, at), &world);
        let chosen = reaction.decision().and_then(|decision| decision.chosen.first());
        match chosen {
            Some(action) => CampaignPreview::Something(Arc::clone(action)),
            None => CampaignPreview::Nothing(silent_by(&reaction).unwrap_or(Stage::Candidate)),
        }
    }
}
