use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::surroundings::Surroundings;
use crate::event::{Broadcast, Reason, Rejection, Time};
use crate::policy::ActionDefinition;
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

/// Names of a campaign that the policy does not have, so that nobody could get anything by them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnknownNames {
    /// Actions.
    pub actions: Vec<Box<str>>,
    /// Issues of no action.
    pub issues: Vec<Box<str>>,
    /// Placements of no action.
    pub placements: Vec<Box<str>>,
    /// Channels of no treatment.
    pub channels: Vec<Box<str>>,
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

    /// The names of the campaign that fit nothing in the policy.
    pub fn unknown(&self) -> UnknownNames {
        let Some(campaign) = &self.shared.decide else { return UnknownNames::default() };
        let Surroundings { policy, .. } = &self.surroundings;
        let policies = || std::iter::once(&**policy).chain(policy.arms.values());
        let unknown = |names: &[Box<str>], fits: &dyn Fn(&ActionDefinition, &str) -> bool| {
            let knows = |name: &str| {
                let mut actions = policies().flat_map(|policy| &policy.actions);
                actions.any(|action| fits(action, name))
            };
            names.iter().filter(|name| !knows(name)).cloned().collect()
        };
        let channels = campaign.channel.iter();
        let knows = |name: &str| policies().any(|policy| policy.channel_called(name).is_some());
        UnknownNames {
            actions: unknown(&campaign.actions, &|action, name| *action.name == *name),
            issues: unknown(&campaign.issues, &|action, name| action.issue.name() == name),
            placements: unknown(&campaign.placements, &|action, name| {
                action.placements.iter().any(|own| **own == *name)
            }),
            channels: channels.filter(|name| !knows(name)).cloned().collect(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::encode;
    use crate::models::Snapshot;
    use crate::policy::{self, Files};
    use crate::twin::Broadcasts;

    const POLICY: &str = r#"
[policy]
name = "plans"
languages = ["en"]

[[actions]]
name = "offer_plan"
issue = "sales"
value = 0.5
placements = ["home"]
treatments = [{ channel = "email", text.en = "A plan." }]
"#;

    fn unknown(decide: &str) -> UnknownNames {
        let payload = format!(r#"{{"type": "broadcast", "data": {{"decide": {decide}}}}}"#);
        let broadcast = Broadcast::parse(&encode("spring"), &[], payload.as_bytes(), 0).unwrap();
        let surroundings = Surroundings {
            policy: Arc::new(policy::load(&Files::new([("plans.toml", POLICY)])).unwrap()),
            broadcasts: Broadcasts::default(),
            models: Snapshot::nothing(),
        };
        let at = Time::parse("2026-03-02T09:00:00Z").unwrap();
        CampaignTrial::new(&broadcast, at, surroundings).unwrap().unknown()
    }

    #[test]
    fn names_that_nothing_in_the_policy_has_are_told() {
        let known = r#"{
            "actions": ["offer_plan"], "issues": ["sales"], "placements": ["home"],
            "channel": "Email"
        }"#;
        assert_eq!(unknown(known), UnknownNames::default());
        let strange = r#"{
            "actions": ["offer_pla"], "issues": ["sales", "nurture"], "placements": ["hom"],
            "channel": "fax"
        }"#;
        let names = |name: &str| vec![name.into()];
        let expected = UnknownNames {
            actions: names("offer_pla"),
            issues: names("nurture"),
            placements: names("hom"),
            channels: names("fax"),
        };
        assert_eq!(unknown(strange), expected);
    }
}
