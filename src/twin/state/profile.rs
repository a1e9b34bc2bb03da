//! Profiles: traits, consents and preferences.

use serde::{Deserialize, Serialize};

use super::dates::part_of;
use super::{Consent, Dates, Declared, Evidence, Forgotten, Preference};
use crate::config::limits;
use crate::event::{self, Map, Rejection, Time, Value};
use crate::policy::PreferenceRule;
use crate::twin::note::Notes;

/// The customer's traits, consents and preferences.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// The customer's traits, by name.
    pub traits: Map,
    /// The customer's consents.
    pub consents: Vec<Consent>,
    /// The customer's preferences, declared or inferred.
    pub preferences: Vec<Preference>,
}

impl Profile {
    /// The preference about `key`.
    pub fn preference(&self, key: &str) -> Option<&Preference> {
        self.preferences.iter().find(|preference| &*preference.key == key)
    }

    /// Stores a declared preference, or forgets all about it, so that nothing is inferred again for the
    /// policy's period, which starts at `since`.
    pub(in crate::twin) fn keep_preference(
        &mut self,
        data: &event::PreferenceData,
        rule: Option<&PreferenceRule>,
        (stated_at, since): (Time, Time),
        notes: &mut Notes,
    ) {
        match &data.value {
            None => {
                let relearn_after =
                    rule.map_or(PreferenceRule::RELEARN_AFTER, |rule| rule.relearn_after);
                let (at, until) = (stated_at, since + relearn_after);
                let known = self.preference_entry(&data.key, rule, notes);
                if known.was_stated_after(at) {
                    notes.late("forget");
                }
                // On a tie, the last one to arrive wins.
                known.declared.take_if(|declared| declared.at == at);
                known.forget(Forgotten { at, until });
            }
            Some(value) => self.declare(&data.key, value, rule, stated_at, notes),
        }
    }

    /// Stores a declared preference, unless a later statement is known.
    pub(in crate::twin) fn declare(
        &mut self,
        key: &str,
        value: &Value,
        rule: Option<&PreferenceRule>,
        at: Time,
        notes: &mut Notes,
    ) {
        if self.preference(key).is_some_and(|known| known.was_stated_after(at)) {
            return notes.late("value");
        }
        if let Some(value) = within_limits(value, notes) {
            self.preference_entry(key, rule, notes).declared = Some(Declared { value, at });
        }
    }

    /// Adds evidence, unless the customer recently asked to forget it. A declared value is unchanged.
    pub(in crate::twin) fn prefer_shown(
        &mut self,
        evidence: &Evidence<'_>,
        rule: &PreferenceRule,
        notes: &mut Notes,
    ) {
        let forgotten = self.preference(evidence.key).and_then(|known| known.forgotten);
        if forgotten.is_some_and(|forgotten| evidence.at < forgotten.until) {
            return;
        }
        let Some(value) = within_limits(evidence.value, notes) else { return };
        let known = self.preference_entry(evidence.key, Some(rule), notes);
        if known.half_life != rule.half_life {
            // Up to now it fades with the old half-life.
            let half_life = std::mem::replace(&mut known.half_life, rule.half_life);
            known.choices.iter_mut().for_each(|choice| choice.fade(evidence.at, half_life));
        }
        known.learn(value, evidence, notes);
    }

    fn preference_entry(
        &mut self,
        key: &str,
        rule: Option<&PreferenceRule>,
        notes: &mut Notes,
    ) -> &mut Preference {
        let position = match self.preferences.iter().position(|known| &*known.key == key) {
            Some(position) => position,
            None => {
                if self.preferences.len() == limits::PREFERENCES {
                    let least = (0..self.preferences.len())
                        .min_by_key(|at| self.preferences[*at].eviction_order());
                    least.map(|at| self.preferences.remove(at));
                    notes.limit("PREFERENCES");
                }
                let half_life = rule.map_or(PreferenceRule::HALF_LIFE, |rule| rule.half_life);
                self.preferences.push(Preference::new(key, half_life));
                self.preferences.len() - 1
            }
        };
        &mut self.preferences[position]
    }
}

impl Profile {
    /// The customer's consent to `purpose`, in `channel` or in general. A statement about the channel
    /// overrides a general one, unless the general one is a later "no". `None` if there is no statement
    /// that is still valid.
    pub fn consent(&self, purpose: &str, channel: Option<&str>, now: Time) -> Option<bool> {
        let statement = |about: Option<&str>| {
            // A consent stored in several spellings is one consent, and the latest statement wins.
            self.consents
                .iter()
                .filter(|consent| consent.is_about(purpose, about))
                .max_by_key(|consent| (consent.at, !consent.granted))
                .filter(|consent| consent.holds(now))
        };
        let here = channel.and_then(|channel| statement(Some(channel)));
        let known = match (here, statement(None)) {
            (Some(here), Some(in_general)) if !in_general.granted && in_general.at > here.at => {
                Some(in_general)
            }
            (here, in_general) => here.or(in_general),
        };
        known.map(|consent| consent.granted)
    }

    pub(in crate::twin) fn identify(
        &mut self,
        data: &event::IdentifyData,
        stated_at: Time,
        dates: &mut Dates,
        notes: &mut Notes,
    ) {
        let mut is_any_removed = false;
        for (name, value) in data.traits.iter() {
            if dates.get(name).is_some_and(|known| known > stated_at) {
                notes.late(part_of("traits", name));
            } else if *value == Value::Null {
                self.traits.remove(name);
                dates.set(name, stated_at);
                is_any_removed = true;
            } else if self.traits.len() == limits::TRAITS && self.traits.get(name).is_none() {
                notes.limit("TRAITS");
            } else if let Some(value) = within_limits(value, notes) {
                self.traits.insert(name, value);
                dates.set(name, stated_at);
            }
        }
        if is_any_removed && dates.drop_oldest_removed(&self.traits, limits::TRAITS_REMOVED) {
            notes.limit("TRAITS_REMOVED");
        }
    }

    /// # Errors
    /// If there is no room for one more consent. Dropping an older one could turn a "no" into a "never
    /// asked", so the new one is rejected.
    pub(in crate::twin) fn consent_room(&self, data: &event::ConsentData) -> Result<(), Rejection> {
        let channel = data.channel.as_deref();
        let known = self.consents.iter().any(|consent| consent.is_about(&data.purpose, channel));
        if known || self.consents.len() < limits::CONSENTS {
            return Ok(());
        }
        Err(Rejection::new(
            event::Reason::Refused,
            format!(
                "expected at most {} consents for one customer, found one more (`{}`); use fewer \
                 purposes",
                limits::CONSENTS,
                data.purpose
            ),
        ))
    }

    pub(in crate::twin) fn keep_consent(&mut self, new: Consent, notes: &mut Notes) {
        let is_same = |known: &Consent| known.is_about(&new.purpose, new.channel.as_deref());
        if self.consents.iter().any(|known| is_same(known) && known.at > new.at) {
            notes.late("granted");
            return;
        }
        match self.consents.iter().position(is_same) {
            Some(first) => {
                let mut at = 0;
                self.consents.retain(|known| {
                    at += 1;
                    at <= first + 1 || !is_same(known)
                });
                self.consents[first] = new;
            }
            None => self.consents.push(new),
        }
    }
}

/// A value as a twin stores it: texts are cut to their limit; a list or map beyond its limit is not
/// stored.
pub(in crate::twin) fn within_limits(value: &Value, notes: &mut Notes) -> Option<Value> {
    match value {
        Value::Text(text) => Some(Value::from(event::cut(text, limits::TEXT_BYTES))),
        other if other.heap_bytes() > 2 * limits::TEXT_BYTES => {
            notes.limit("TEXT_BYTES");
            None
        }
        other => Some(other.clone()),
    }
}
