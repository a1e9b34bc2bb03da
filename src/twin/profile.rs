use serde::{Deserialize, Serialize};

use super::dates::part_of;
use super::reaction::Notes;
use super::{Consent, Dates, Preference};
use crate::config::limits;
use crate::event::{self, Map, Rejection, Time, Value};

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
    /// The customer's consent to `purpose`, in `channel` or in general. A statement about the channel
    /// overrides a general one, unless the general one is a later "no". `None` if there is no statement
    /// that is still valid.
    pub fn consent(&self, purpose: &str, channel: Option<&str>, now: Time) -> Option<bool> {
        let said = |about: Option<&str>| {
            // A consent stored in several spellings is one consent, and the latest statement wins.
            self.consents
                .iter()
                .filter(|consent| consent.is_about(purpose, about))
                .max_by_key(|consent| (consent.at, !consent.granted))
                .filter(|consent| consent.holds(now))
        };
        let here = channel.and_then(|channel| said(Some(channel)));
        let known = match (here, said(None)) {
            (Some(here), Some(in_general)) if !in_general.granted && in_general.at > here.at => {
                Some(in_general)
            }
            (here, in_general) => here.or(in_general),
        };
        known.map(|consent| consent.granted)
    }

    pub(super) fn identify(
        &mut self,
        told: &event::IdentifyData,
        said: Time,
        dates: &mut Dates,
        notes: &mut Notes,
    ) {
        let mut is_any_removed = false;
        for (name, value) in told.traits.iter() {
            if dates.get(name).is_some_and(|known| known > said) {
                notes.late(part_of("traits", name));
            } else if *value == Value::Null {
                self.traits.remove(name);
                dates.set(name, said);
                is_any_removed = true;
            } else if self.traits.len() == limits::TRAITS && self.traits.get(name).is_none() {
                notes.limit("TRAITS");
            } else if let Some(value) = kept(value, notes) {
                self.traits.insert(name, value);
                dates.set(name, said);
            }
        }
        if is_any_removed && dates.let_go_of_removed(&self.traits, limits::TRAITS_REMOVED) {
            notes.limit("TRAITS_REMOVED");
        }
    }

    /// # Errors
    /// If there is no room for one more consent. Dropping an older one could turn a "no" into a "never
    /// asked", so the new one is rejected.
    pub(super) fn consent_room(&self, told: &event::ConsentData) -> Result<(), Rejection> {
        let channel = told.channel.as_deref();
        let known = self.consents.iter().any(|consent| consent.is_about(&told.purpose, channel));
        if known || self.consents.len() < limits::CONSENTS {
            return Ok(());
        }
        Err(Rejection::new(
            event::Reason::Refused,
            format!(
                "expected at most {} consents for one customer, found one more (`{}`); use fewer \
                 purposes",
                limits::CONSENTS,
                told.purpose
            ),
        ))
    }

    pub(super) fn keep_consent(&mut self, told: Consent, notes: &mut Notes) {
        let is_same = |known: &Consent| known.is_about(&told.purpose, told.channel.as_deref());
        if self.consents.iter().any(|known| is_same(known) && known.at > told.at) {
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
                self.consents[first] = told;
            }
            None => self.consents.push(told),
        }
    }
}

/// A value as a twin stores it: texts are cut to their limit; a list or map beyond its limit is not
/// stored.
pub(super) fn kept(value: &Value, notes: &mut Notes) -> Option<Value> {
    match value {
        Value::Text(text) => Some(Value::from(event::cut(text, limits::TEXT_BYTES))),
        other if other.heap_bytes() > 2 * limits::TEXT_BYTES => {
            notes.limit("TEXT_BYTES");
            None
        }
        other => Some(other.clone()),
    }
}
