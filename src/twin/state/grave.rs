//! Grave matters: what a customer said about a grave topic.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Mergeable;
use super::merge::outranks;
use crate::event::{Channel, Time};
use crate::language::GraveTopic;
use crate::policy::Policy;

/// A grave topic about which the customer wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraveMatter {
    /// The topic.
    pub topic: GraveTopic,
    /// When they first wrote about it.
    pub since: Time,
    /// When they last wrote about it.
    pub at: Time,
    /// Where they last did.
    pub channel: Channel,
    /// The words that showed it, as written.
    pub words: Box<str>,
    /// Their position in that message, in bytes.
    pub place: u32,
    /// Whether one of their messages showed it with certainty.
    pub certain: bool,
}

/// For how long a matter that is not certain keeps sales quiet at most.
const UNCERTAIN_QUIET: Duration = Duration::from_secs(7 * 86_400);

impl GraveMatter {
    /// The end of the time in which nothing is sold or promoted because of it.
    pub fn quiet_until(&self, policy: &Policy) -> Time {
        let quiet = policy.grave.of(self.topic).quiet;
        self.at + if self.certain { quiet } else { quiet.min(UNCERTAIN_QUIET) }
    }
}

impl Mergeable for GraveMatter {
    fn is_same(&self, other: &GraveMatter) -> bool {
        self.topic == other.topic
    }

    fn merge(&mut self, other: &GraveMatter) {
        let since = self.since.min(other.since);
        let certain = self.certain || other.certain;
        let said =
            |matter: &GraveMatter| (matter.channel.clone(), matter.words.clone(), matter.place);
        if outranks((self.at, &said(self)), (other.at, &said(other))) {
            *self = other.clone();
        }
        (self.since, self.certain) = (since, certain);
    }

    fn rank(&self) -> impl Ord {
        (self.at, self.topic)
    }
}
