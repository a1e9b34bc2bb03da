//! What the customer allows at this moment, and what follows from what they do not.

use serde::{Deserialize, Serialize};

use super::reaction::Notes;
use super::{Effect, Input, Timer, Twin};
use crate::event::{self, Channel, Time, is_same_name};
use crate::policy::{CONSENT_TIMER, CatchUp, PERSONALIZATION, PROCESSING, PROFILING, Policy};

/// What the customer allowed or forbade, for one purpose and one or all channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    /// What for.
    pub purpose: Box<str>,
    /// The one channel for which this holds; none: every channel.
    pub channel: Option<Box<str>>,
    /// Allowed, or forbidden.
    pub granted: bool,
    /// When it was said.
    pub at: Time,
    /// The channel in which it was said.
    pub by: Box<str>,
    /// Where that can be proved, as the channel has it: a form, a recording, a letter.
    pub proof: Option<Box<str>>,
    /// What was allowed is allowed until then; none: until it is withdrawn.
    pub until: Option<Time>,
}

impl Consent {
    /// What was said in a channel.
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
            // A "no" does not lapse into a "never asked".
            until: told.expires.into_iter().chain(by_rule).min().filter(|_| told.granted),
        }
    }

    /// Whether it still holds at `now`.
    pub fn holds(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it is about this purpose in this channel, however they are written.
    pub(super) fn is_about(&self, purpose: &str, channel: Option<&str>) -> bool {
        is_same_name(&self.purpose, purpose)
            && match (self.channel.as_deref(), channel) {
                (Some(own), Some(channel)) => is_same_name(own, channel),
                (own, channel) => own == channel,
            }
    }
}

impl Twin {
    /// Whether the customer allows a purpose, in a channel or in general: by what they said, as long
    /// as that holds; else if it needs no consent.
    pub fn allows(&self, policy: &Policy, purpose: &str, channel: Option<&str>, now: Time) -> bool {
        let said = self.profile.consent(purpose, channel, now);
        said.unwrap_or_else(|| !policy.needs_consent(purpose))
    }

    /// Whether what is kept of the customer must not be used: they have withdrawn the consent to
    /// processing, and not given it again.
    pub fn is_restricted(&self, policy: &Policy, now: Time) -> bool {
        !self.allows(policy, PROCESSING, None, now)
    }

    /// Whether the customer may be treated as the one that they are. If not, they are served like
    /// anybody: by what they said, and by nothing that was concluded.
    pub fn is_personal(&self, policy: &Policy, now: Time) -> bool {
        !self.is_restricted(policy, now)
            && [PERSONALIZATION, PROFILING]
                .iter()
                .all(|purpose| self.allows(policy, purpose, None, now))
    }

    /// Takes in what a channel says of a consent.
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

    /// What was concluded about the customer, and what of it is still to be learned, goes.
    fn forget_conclusions(&mut self) {
        self.profile.preferences.iter_mut().for_each(|known| known.choices.clear());
        self.profile
            .preferences
            .retain(|known| known.declared.is_some() || known.forgotten.is_some());
        self.contacts.iter_mut().for_each(|contact| contact.shown = None);
    }

    /// Starts the timer for the next consent that lapses.
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

    /// Positions of the actions that ask again for what has lapsed since a timer was due.
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
