//! What the customer's consents allow.

use super::Twin;
use crate::event::Time;
use crate::policy::{PERSONALIZATION, PROCESSING, PROFILING, Policy};

impl Twin {
    /// Whether the customer allows a purpose, in a channel or in general: by a valid consent, else if the
    /// purpose needs none.
    pub fn allows(&self, policy: &Policy, purpose: &str, channel: Option<&str>, now: Time) -> bool {
        let statement = self.profile.consent(purpose, channel, now);
        statement.unwrap_or_else(|| !policy.needs_consent(purpose))
    }

    /// Whether the customer has restricted processing: they have withdrawn that consent and not given it
    /// again, so data is kept but not used.
    pub fn is_restricted(&self, policy: &Policy, now: Time) -> bool {
        !self.allows(policy, PROCESSING, None, now)
    }

    /// Whether personalization is allowed. If not, the customer is served like anybody: their own
    /// statements are used, inferred data is not.
    pub fn is_personal(&self, policy: &Policy, now: Time) -> bool {
        !self.is_restricted(policy, now)
            && [PERSONALIZATION, PROFILING]
                .iter()
                .all(|purpose| self.allows(policy, purpose, None, now))
    }

    /// Positions of the actions that ask again for the consents that have expired since a timer was due.
    pub(in crate::twin) fn askers(&self, policy: &Policy, due: Time, now: Time) -> Vec<usize> {
        let has_lapsed = |until: Option<Time>| until.is_some_and(|at| due <= at && at <= now);
        let lapsed = self.profile.consents.iter().filter(|consent| has_lapsed(consent.until));
        let mut askers: Vec<usize> =
            lapsed.filter_map(|consent| policy.consent_rule(&consent.purpose)?.ask_again).collect();
        askers.sort_unstable();
        askers.dedup();
        askers
    }
}
