use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::campaign::CampaignCounts;
use crate::event::{Time, Value};

/// An active broadcast and its progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The name of the shared fact.
    pub scope: String,
    /// Its id, which distinguishes broadcasts of one scope.
    pub id: String,
    /// Its value.
    pub value: Value,
    /// Whom it concerns; none: everybody.
    #[serde(rename = "where", default)]
    pub condition: Option<String>,
    /// When it began.
    pub since: Time,
    /// When it ends at the latest.
    pub until: Time,
    /// Whether it wakes matching twins.
    pub wake: bool,
    /// Twins visited so far by its scan.
    pub looked_at: u64,
    /// Of these, twins that it concerned and that had not met it.
    pub woken: u64,
    /// The number of partitions.
    pub partitions: u32,
    /// Of these, partitions whose scan is complete.
    pub partitions_done: u32,
    /// How often its condition exceeded the step limit and so did not match.
    #[serde(default)]
    pub exceeded: u64,
    /// Whether an index finds them.
    pub by_index: bool,
    /// Twins visited per second.
    pub per_second: f64,
    /// What came of it, if it is a campaign.
    #[serde(default)]
    pub campaign: Option<CampaignCounts>,
}

impl Progress {
    /// Adds what another partition says of the same broadcast.
    pub fn add(&mut self, other: &Progress) {
        self.looked_at += other.looked_at;
        self.woken += other.woken;
        self.exceeded += other.exceeded;
        self.partitions += other.partitions;
        self.partitions_done += other.partitions_done;
        self.by_index |= other.by_index;
        self.per_second += other.per_second;
        self.since = self.since.min(other.since);
        match (&mut self.campaign, &other.campaign) {
            (Some(own), Some(other)) => own.add(other),
            (own, other) => *own = own.take().or_else(|| other.clone()),
        }
    }

    /// Says of how many partitions it is, also those that have not taken it in yet: what begins is
    /// not over before everybody knows it.
    pub fn in_all(&mut self, partitions: u32) {
        self.partitions = self.partitions.max(partitions);
    }

    /// Whether the scan is complete.
    pub fn is_done(&self) -> bool {
        self.partitions_done == self.partitions
    }
}
