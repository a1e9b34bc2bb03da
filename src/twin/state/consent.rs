//! Consents: what the customer allows.

use serde::{Deserialize, Serialize};

use super::Mergeable;
use super::merge::text;
use crate::event::{self, Channel, Time, is_same_name};
use crate::policy::Policy;
use crate::twin::input::Input;

/// A consent given or refused, for one purpose and one or all channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    /// The purpose.
    pub purpose: Box<str>,
    /// The channel that it is limited to; none: every channel.
    pub channel: Option<Box<str>>,
    /// Whether it was given; otherwise it was refused.
    pub granted: bool,
    /// The statement time.
    pub at: Time,
    /// The channel that reported it.
    pub by: Box<str>,
    /// The channel's proof: a form, a recording, a letter.
    pub proof: Option<Box<str>>,
    /// When a given consent expires; none: not until it is withdrawn.
    pub until: Option<Time>,
}

impl Consent {
    /// The consent stated in a channel.
    pub(in crate::twin) fn stated(
        data: &event::ConsentData,
        by: &Channel,
        policy: &Policy,
        input: &Input,
    ) -> Consent {
        let rule = policy.consent_rule(&data.purpose);
        let by_rule = rule.and_then(|rule| rule.expires).map(|span| input.since() + span);
        Consent {
            purpose: data.purpose.clone(),
            channel: data.channel.clone(),
            granted: data.granted,
            at: input.stated_at,
            by: by.as_str().into(),
            proof: data.proof.clone(),
            // A "no" does not expire into a "never asked".
            until: data.expires.into_iter().chain(by_rule).min().filter(|_| data.granted),
        }
    }

    /// Whether it is valid at `now`.
    pub fn holds(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it concerns this purpose in this channel, in any spelling.
    pub(super) fn is_about(&self, purpose: &str, channel: Option<&str>) -> bool {
        is_same_name(&self.purpose, purpose)
            && match (self.channel.as_deref(), channel) {
                (Some(own), Some(channel)) => is_same_name(own, channel),
                (own, channel) => own == channel,
            }
    }
}

impl Mergeable for Consent {
    fn is_same(&self, other: &Consent) -> bool {
        self.is_about(&other.purpose, other.channel.as_deref())
    }

    fn merge(&mut self, other: &Consent) {
        // On a tie, a "no" outranks a "yes".
        let order = |one: &Consent| (one.at, !one.granted);
        let is_equal = order(other) == order(self);
        if order(other) > order(self) || (is_equal && text(other) > text(self)) {
            self.clone_from(other);
        }
    }

    /// If a "no" were evicted, it could become a "never asked".
    fn rank(&self) -> impl Ord {
        (!self.granted, self.at, &*self.purpose, self.channel.as_deref())
    }
}
