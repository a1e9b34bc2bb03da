use serde::{Deserialize, Serialize};

use super::reaction::Notes;
use crate::config::limits;
use crate::event::{self, Map, Rejection, Time, Value};
use crate::policy::PreferenceRule;

/// What the customer is and said: traits, consents, preferences.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// What the company knows of the customer, by trait.
    pub traits: Map,
    /// What the customer allowed and forbade.
    pub consents: Vec<Consent>,
    /// What the customer likes, declared or inferred.
    pub preferences: Vec<Preference>,
}

/// What the customer allowed or forbade, for one purpose and one or all channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    /// What for.
    pub purpose: Box<str>,
    /// The one channel for which this holds; none: every channel.
    pub channel: Option<Box<str>>,
    /// Allowed, or forbidden.
    pub granted: bool,
    /// Since when.
    pub at: Time,
}

/// One preference: declared, or inferred from repeated behaviour. Declared always wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preference {
    /// What it is about.
    pub key: Box<str>,
    /// What the customer said.
    pub declared: Option<Declared>,
    /// What the customer chose, most often chosen first.
    pub choices: Vec<Choice>,
}

/// What the customer said to prefer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// What is preferred.
    pub value: Value,
    /// When it was said.
    pub at: Time,
}

/// A value that the customer chose, as evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What was chosen.
    pub value: Value,
    /// How often.
    pub count: u32,
    /// When last.
    pub at: Time,
    /// The numbers in the timeline of the last inputs that showed it, oldest first; at most 5.
    pub evidence: Vec<u64>,
}

const EVIDENCE_SHOWN: usize = 5;

impl Preference {
    /// The confidence in the leading choice, 0 to 1: the posterior mean of its share among all
    /// choices under a uniform Dirichlet prior over the values seen and one yet unseen, which is
    /// Laplace's rule of succession, `(n + 1) / (N + K + 1)` for `K` distinct values.
    pub fn confidence(&self) -> f64 {
        let total: u64 = self.choices.iter().map(|choice| u64::from(choice.count)).sum();
        let leading = self.choices.first().map_or(0, |choice| choice.count);
        (f64::from(leading) + 1.0) / (total as f64 + self.choices.len() as f64 + 1.0)
    }

    /// The value to go by: what was declared, else what was chosen often enough for `rule`.
    pub fn usable(&self, rule: Option<&PreferenceRule>) -> Option<&Value> {
        if let Some(declared) = &self.declared {
            return Some(&declared.value);
        }
        let leading = self.choices.first()?;
        let rule = rule?;
        let enough = leading.count >= rule.evidence_min && self.confidence() >= rule.confidence_min;
        enough.then_some(&leading.value)
    }

    fn last_confirmed(&self) -> Time {
        self.choices.iter().map(|choice| choice.at).max().unwrap_or(Time::MIN)
    }
}

impl Profile {
    /// The preference about `key`.
    pub fn preference(&self, key: &str) -> Option<&Preference> {
        self.preferences.iter().find(|preference| &*preference.key == key)
    }

    /// Whether the customer allowed `purpose`, in `channel` or in general; what was said of the
    /// channel outranks what was said in general. `None` if nothing was ever said.
    pub fn consent(&self, purpose: &str, channel: Option<&str>) -> Option<bool> {
        let said = |about: Option<&str>| {
            self.consents
                .iter()
                .find(|consent| &*consent.purpose == purpose && consent.channel.as_deref() == about)
                .map(|consent| consent.granted)
        };
        channel.and_then(|channel| said(Some(channel))).or_else(|| said(None))
    }

    pub(super) fn identify(&mut self, told: &event::Identify, notes: &mut Notes) {
        for (name, value) in told.traits.iter() {
            if *value == Value::Null {
                self.traits.remove(name);
            } else if self.traits.len() == limits::TRAITS && self.traits.get(name).is_none() {
                notes.limit("TRAITS");
            } else if let Some(value) = kept(value, notes) {
                self.traits.insert(name, value);
            }
        }
    }

    /// # Errors
    /// If there is no room for one more consent. Forgetting an older one could turn a "no" into a
    /// "never asked", so it is refused instead.
    pub(super) fn consent_room(&self, told: &event::Consent) -> Result<(), Rejection> {
        let known = self.consents.iter().any(|consent| consent.is_about(told));
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

    pub(super) fn consent_told(&mut self, told: &event::Consent, at: Time) {
        let consent = Consent {
            purpose: told.purpose.clone(),
            channel: told.channel.clone(),
            granted: told.granted,
            at,
        };
        match self.consents.iter_mut().find(|known| known.is_about(told)) {
            Some(known) => *known = consent,
            None => self.consents.push(consent),
        }
    }

    pub(super) fn prefer_told(&mut self, told: &event::Preference, at: Time, notes: &mut Notes) {
        match &told.value {
            None => self.preferences.retain(|known| known.key != told.key),
            Some(value) => {
                if let Some(value) = kept(value, notes) {
                    self.preference_entry(&told.key, notes).declared = Some(Declared { value, at });
                }
            }
        }
    }

    /// Counts one choice as evidence, shown by the timeline's entry `number`.
    pub(super) fn prefer_shown(
        &mut self,
        key: &str,
        value: &Value,
        number: u64,
        at: Time,
        notes: &mut Notes,
    ) {
        let Some(value) = kept(value, notes) else { return };
        let choices = &mut self.preference_entry(key, notes).choices;
        let position = match choices.iter().position(|choice| choice.value == value) {
            Some(position) => position,
            None => {
                if choices.len() == limits::PREFERENCE_VALUES {
                    // Sorted by count: the last is the weakest.
                    choices.pop();
                    notes.limit("PREFERENCE_VALUES");
                }
                choices.push(Choice { value, count: 0, at, evidence: Vec::new() });
                choices.len() - 1
            }
        };
        let choice = &mut choices[position];
        choice.count = choice.count.saturating_add(1);
        choice.at = at;
        if choice.evidence.len() == EVIDENCE_SHOWN {
            choice.evidence.remove(0);
        }
        choice.evidence.push(number);
        choices.sort_by_key(|choice| std::cmp::Reverse((choice.count, choice.at)));
    }

    fn preference_entry(&mut self, key: &str, notes: &mut Notes) -> &mut Preference {
        let position = match self.preferences.iter().position(|known| &*known.key == key) {
            Some(position) => position,
            None => {
                if self.preferences.len() == limits::PREFERENCES
                    && let Some((weakest, _)) =
                        self.preferences.iter().enumerate().min_by_key(|(_, known)| {
                            (known.declared.is_some(), known.last_confirmed())
                        })
                {
                    self.preferences.remove(weakest);
                    notes.limit("PREFERENCES");
                }
                self.preferences.push(Preference {
                    key: key.into(),
                    declared: None,
                    choices: Vec::new(),
                });
                self.preferences.len() - 1
            }
        };
        &mut self.preferences[position]
    }
}

impl Consent {
    fn is_about(&self, told: &event::Consent) -> bool {
        self.purpose == told.purpose && self.channel == told.channel
    }
}

/// A value as a twin keeps it: texts cut to their limit; a list or map beyond it not at all.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(values: &[&str]) -> Preference {
        let mut profile = Profile::default();
        let mut notes = Notes::default();
        for (number, value) in values.iter().enumerate() {
            let at = Time::from_ms(number as i64);
            profile.prefer_shown("seat", &Value::from(*value), number as u64, at, &mut notes);
        }
        profile.preferences.remove(0)
    }

    fn rule() -> PreferenceRule {
        let place = crate::policy::Place { file: "seat.toml".into(), line: 1 };
        PreferenceRule { evidence_min: 3, confidence_min: 0.6, place }
    }

    #[test]
    fn a_choice_is_usable_once_it_was_made_often_enough() {
        assert_eq!(chosen(&["aisle", "aisle"]).usable(Some(&rule())), None);
        let three = chosen(&["aisle", "aisle", "aisle"]);
        assert_eq!(three.usable(Some(&rule())), Some(&Value::from("aisle")));
        assert_eq!(three.choices[0].evidence, [0, 1, 2]);
    }

    #[test]
    fn contradicted_evidence_lowers_the_confidence() {
        let steady = chosen(&["aisle", "aisle", "aisle"]);
        let torn = chosen(&["aisle", "window", "aisle", "window", "aisle"]);
        assert!(torn.confidence() < steady.confidence());
        assert_eq!(torn.usable(Some(&rule())), None);
    }
}
