//! Statements about consents, and what follows from them.

use crate::event::{self, Channel, Time};
use crate::policy::{CONSENT_TIMER, CatchUp, Policy};
use crate::twin::effect::Effect;
use crate::twin::input::Input;
use crate::twin::note::Notes;
use crate::twin::state::{Consent, Timer, Twin};

impl Twin {
    /// Applies a channel's statement about a consent.
    pub(in crate::twin) fn hear_consent(
        &mut self,
        data: &event::ConsentData,
        by: &Channel,
        policy: &Policy,
        input: &Input,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let now = input.at;
        if policy.purpose_called(&data.purpose).is_none() {
            notes.unknown("purpose", &data.purpose);
        }
        if let Some(channel) =
            data.channel.as_deref().filter(|c| policy.channel_called(c).is_none())
        {
            notes.unknown("channel", channel);
        }
        self.profile.keep_consent(Consent::stated(data, by, policy, input), notes);
        self.start_consent_timer(now, effects, notes);
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
    pub(in crate::twin) fn start_consent_timer(
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
}
