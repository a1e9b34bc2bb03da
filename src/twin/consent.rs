//! Consents: what the customer allows now, and the consequences of what they do not.

use serde::{Deserialize, Serialize};

use super::reaction::Notes;
use super::{Effect, Input, Timer, Twin};
use crate::event::{self, Channel, Time, is_same_name};
use crate::policy::{CONSENT_TIMER, CatchUp, PERSONALIZATION, PROCESSING, PROFILING, Policy};

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
    pub(super) fn told(
        told: &event::ConsentData,
        by: &Channel,
        policy: &Policy,
        input: &Input,
    ) -> Consent {
        let rule = policy.consent_rule(&told.purpose);
        let by_rule = rule.and_then(|rule| rule.expires).map(|span| input.since() + span);
        Consent {
            purpose: told.purpose.clone(),
            channel: told.channel.clone(),
            granted: told.granted,
            at: input.said,
            by: by.as_str().into(),
            proof: told.proof.clone(),
            // A "no" does not expire into a "never asked".
            until: told.expires.into_iter().chain(by_rule).min().filter(|_| told.granted),
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

impl Twin {
    /// Whether the customer allows a purpose, in a channel or in general: by a valid consent, else if the
    /// purpose needs none.
    pub fn allows(&self, policy: &Policy, purpose: &str, channel: Option<&str>, now: Time) -> bool {
        let said = self.profile.consent(purpose, channel, now);
        said.unwrap_or_else(|| !policy.needs_consent(purpose))
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

    /// Applies a channel's statement about a consent.
    pub(super) fn hear_consent(
        &mut self,
        told: &event::ConsentData,
        by: &Channel,
        policy: &Policy,
        input: &Input,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let now = input.at;
        if policy.purpose_called(&told.purpose).is_none() {
            notes.unknown("purpose", &told.purpose);
        }
        if let Some(channel) =
            told.channel.as_deref().filter(|c| policy.channel_called(c).is_none())
        {
            notes.unknown("channel", channel);
        }
        self.profile.keep_consent(Consent::told(told, by, policy, input), notes);
        self.watch_for_lapses(now, effects, notes);
        if !self.is_personal(policy, now) {
            self.forget_conclusions();
        }
    }

    /// Deletes inferred data about the customer, and what has not been learned from them yet.
    fn forget_conclusions(&mut self) {
        self.profile.preferences.iter_mut().for_each(|known| known.choices.clear());
        self.profile
            .preferences
            .retain(|known| known.declared.is_some() || known.forgotten.is_some());
        self.contacts.iter_mut().for_each(|contact| contact.shown = None);
    }

    /// Starts the timer for the next consent that expires.
    pub(super) fn watch_for_lapses(
        &mut self,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let lapses = self.profile.consents.iter().filter_map(|consent| consent.until);
        match lapses.filter(|until| *until > now).min() {
            Some(due) => {
                let name = CONSENT_TIMER.into();
                let timer = Timer { name, due, every: None, catch_up: CatchUp::Coalesce };
                self.start_timer(timer, effects, notes);
            }
            None => self.cancel_timer(CONSENT_TIMER, effects),
        }
    }

    /// Positions of the actions that ask again for the consents that have expired since a timer was due.
    pub(super) fn askers(&self, policy: &Policy, due: Time, now: Time) -> Vec<usize> {
        let has_lapsed = |until: Option<Time>| until.is_some_and(|at| due <= at && at <= now);
        let lapsed = self.profile.consents.iter().filter(|consent| has_lapsed(consent.until));
        let mut askers: Vec<usize> =
            lapsed.filter_map(|consent| policy.consent_rule(&consent.purpose)?.ask_again).collect();
        askers.sort_unstable();
        askers.dedup();
        askers
    }
}
