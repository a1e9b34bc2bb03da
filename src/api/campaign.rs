//! Campaigns that are tried before they begin.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Customer, SharedFact, nullable};
use crate::partition::CampaignCounts;

/// The payload of [`verb::TRY_CAMPAIGN`](super::verb::TRY_CAMPAIGN): what would a campaign come to for
/// the next customers of a partition? Nothing is said, nothing is stored.
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
    /// Behind this customer; none: from the first one on.
    #[serde(default)]
    pub after: Option<Customer>,
    /// So many of those whom it concerns decide; the others are only counted.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<usize>")]
    pub sample: usize,
}

/// The answer to [`verb::TRY_CAMPAIGN`](super::verb::TRY_CAMPAIGN).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TryCampaignReply {
    /// Customers who were looked at.
    pub looked_at: u64,
    /// Of these, customers whom it concerns.
    pub concerned: u64,
    /// What came of the decisions of the sample.
    pub campaign: CampaignCounts,
    /// What would be said, and in which channel, and to how many.
    pub said: BTreeMap<Box<str>, u64>,
    /// Actions that take part and that no policy knows.
    pub unknown: Vec<Box<str>>,
    /// The last customer who was looked at, if there may be more in the partition.
    pub last: Option<Customer>,
    /// How many partitions there are.
    pub partitions: u16,
}

impl TryCampaignReply {
    /// Adds what another page says.
    pub fn add(&mut self, other: TryCampaignReply) {
        self.looked_at += other.looked_at;
        self.concerned += other.concerned;
        self.campaign.add(&other.campaign);
        for (what, count) in other.said {
            *self.said.entry(what).or_default() += count;
        }
        self.unknown = other.unknown;
        self.last = other.last;
        self.partitions = other.partitions;
    }
}
