use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::campaign::CampaignCounts;
use crate::event::{Time, Value};

/// An active broadcast and its progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The scope of the broadcast.
    pub scope: String,
    /// Its id, which distinguishes broadcasts of one scope.
    pub id: String,
    /// Its value.
    pub value: Value,
    /// Its audience; none: all customers.
    #[serde(rename = "where", default)]
    pub condition: Option<String>,
    /// When it began.
    pub since: Time,
    /// When it ends at the latest.
    pub until: Time,
    /// Whether it wakes matching twins.
    pub wake: bool,
    /// Twins visited so far by its scan.
    #[serde(rename = "looked_at")]
    pub visited: u64,
    /// Of these, twins that matched and had not received it.
    pub woken: u64,
    /// The number of partitions.
    pub partitions: u32,
    /// Of these, partitions whose scan is complete.
    pub partitions_done: u32,
    /// How often its condition exceeded the step limit and so did not match.
    #[serde(default)]
    pub exceeded: u64,
    /// Whether an index finds its audience.
    pub by_index: bool,
    /// Twins visited per second.
    pub per_second: f64,
    /// The counts, if it is a campaign.
    #[serde(default)]
    pub campaign: Option<CampaignCounts>,
}

impl Progress {
    /// Adds the progress of the same broadcast in another partition.
    pub fn add(&mut self, other: &Progress) {
        self.visited += other.visited;
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

    /// Sets the number of partitions, including those that have not processed it yet: a scan is not
    /// complete before all have.
    pub fn in_all(&mut self, partitions: u32) {
        self.partitions = self.partitions.max(partitions);
    }

    /// Whether the scan is complete.
    pub fn is_done(&self) -> bool {
        self.partitions_done == self.partitions
    }
}
