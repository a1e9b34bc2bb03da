//! Dry runs of campaigns.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Customer, SharedFact, nullable};
use crate::partition::CampaignCounts;

/// The payload of [`verb::TRY_CAMPAIGN`](super::verb::TRY_CAMPAIGN): dry run of a campaign for the next
/// customers of a partition; nothing is sent, nothing is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TryCampaignRequest {
    /// Its name.
    pub scope: Box<str>,
    /// The campaign, as it would be broadcast.
    pub fact: SharedFact,
    /// The partition, from 0.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<u16>")]
    pub partition: u16,
    /// Only customers after this one; none: from the first one on.
    #[serde(default)]
    pub after: Option<Customer>,
    /// Sample size: this many matching customers decide; the rest are only counted.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<usize>")]
    pub sample: usize,
}

/// The reply to [`verb::TRY_CAMPAIGN`](super::verb::TRY_CAMPAIGN).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TryCampaignReply {
    /// Customers visited.
    #[serde(rename = "looked_at")]
    pub visited: u64,
    /// Of these, customers who match.
    pub concerned: u64,
    /// The counts of the sample's decisions.
    pub campaign: CampaignCounts,
    /// The actions that would be taken, with their channel, and for how many customers.
    pub said: BTreeMap<Box<str>, u64>,
    /// Actions of the campaign that the policy does not have.
    pub unknown: Vec<Box<str>>,
    /// Issues of the campaign of which the policy has no action.
    #[serde(default)]
    pub unknown_issues: Vec<Box<str>>,
    /// Placements of the campaign for which the policy has no action.
    #[serde(default)]
    pub unknown_placements: Vec<Box<str>>,
    /// The channel of the campaign, if the policy has no treatment for it.
    #[serde(default)]
    pub unknown_channels: Vec<Box<str>>,
    /// The last customer visited, if the partition may have more.
    pub last: Option<Customer>,
    /// The number of partitions.
    pub partitions: u16,
}

impl TryCampaignReply {
    /// What the policy lacks, in words, if the campaign names something that nobody could get.
    pub fn lack(&self) -> Option<String> {
        let all = [
            ("action", &self.unknown),
            ("action of the issue", &self.unknown_issues),
            ("action for the placement", &self.unknown_placements),
            ("treatment for the channel", &self.unknown_channels),
        ];
        let (what, name) = all.iter().find_map(|(what, names)| Some((what, names.first()?)))?;
        Some(format!("{what} `{name}`"))
    }

    /// Adds the reply of another page.
    pub fn add(&mut self, other: TryCampaignReply) {
        self.visited += other.visited;
        self.concerned += other.concerned;
        self.campaign.add(&other.campaign);
        for (what, count) in other.said {
            *self.said.entry(what).or_default() += count;
        }
        self.unknown = other.unknown;
        self.unknown_issues = other.unknown_issues;
        self.unknown_placements = other.unknown_placements;
        self.unknown_channels = other.unknown_channels;
        self.last = other.last;
        self.partitions = other.partitions;
    }
}
