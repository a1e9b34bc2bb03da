use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::decay::decay;
use super::profile::{Profile, kept};
use super::reaction::Notes;
use crate::config::limits;
use crate::event::{self, Time, Value};
use crate::policy::PreferenceRule;

/// One preference: declared, or inferred from repeated behaviour. Declared always wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preference {
    /// The key.
    pub key: Box<str>,
    /// The customer's declaration.
    pub declared: Option<Declared>,
    /// The values that the customer chose, the one with the most weight first.
    pub choices: Vec<Choice>,
    /// The time in which the weight of a choice halves.
    pub half_life: Duration,
    /// When the customer asked to forget it.
    pub forgotten: Option<Forgotten>,
}

/// A declared preference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// The preferred value.
    pub value: Value,
    /// The statement time.
    pub at: Time,
}

/// The customer's request to forget a preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Forgotten {
    /// The statement time.
    pub at: Time,
    /// Nothing is inferred again before this time.
    pub until: Time,
}

/// A value that the customer chose or rejected, as evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The value.
    pub value: Value,
    /// The number of outright choices, of any age.
    pub count: u32,
    /// The time of the last evidence.
    pub at: Time,
    /// The timeline numbers of the last inputs with evidence, oldest first; at most 5.
    pub evidence: Vec<u64>,
    /// The weight for it, faded to `at`: a choice has weight 1 when it is made.
    pub weight: f64,
    /// The weight against it, faded to `at` in the same way.
    pub against: f64,
}

/// The sign of an input for a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PreferenceSign {
    /// The customer chose it; 1 for an outright choice, less for a hint.
    For(f64),
    /// The customer rejected it.
    Against(f64),
}

/// The evidence that one input gives for a preference.
pub(super) struct Evidence<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a Value,
    pub(super) speaks: PreferenceSign,
    /// The timeline number of the input.
    pub(super) number: u64,
    pub(super) at: Time,
}

const EVIDENCE_SHOWN: usize = 5;

impl Choice {
    fn new(value: Value, at: Time) -> Choice {
        Choice { value, count: 0, at, evidence: Vec::new(), weight: 0.0, against: 0.0 }
    }

    /// The remaining weight for it at `now`.
    fn weight_at(&self, now: Time, half_life: Duration) -> f64 {
        self.weight * decay(now.since(self.at), half_life)
    }

    /// Fades both weights to a later time.
    pub(super) fn fade(&mut self, now: Time, half_life: Duration) {
        if now > self.at {
            let left = decay(now.since(self.at), half_life);
            self.weight *= left;
            self.against *= left;
            self.at = now;
        }
    }

    fn add(&mut self, speaks: PreferenceSign, at: Time, half_life: Duration) {
        self.fade(at, half_life);
        // Evidence older than the last one has faded already.
        let left = decay(self.at.since(at), half_life);
        match speaks {
            PreferenceSign::For(weight) => {
                self.weight += weight * left;
                self.count = self.count.saturating_add(u32::from(weight >= 1.0));
            }
            PreferenceSign::Against(weight) => self.against += weight * left,
        }
    }

    fn show(&mut self, number: u64) {
        // One input may give several pieces of evidence.
        if self.evidence.last() == Some(&number) {
            return;
        }
        if self.evidence.len() == EVIDENCE_SHOWN {
            self.evidence.remove(0);
        }
        self.evidence.push(number);
    }
}

impl Preference {
    fn new(key: &str, half_life: Duration) -> Preference {
        Preference {
            key: key.into(),
            declared: None,
            choices: Vec::new(),
            half_life,
            forgotten: None,
        }
    }

    /// The leading choice at `now`, with the confidence in it.
    pub fn leading(&self, now: Time) -> Option<(&Choice, f64)> {
        let rate = |choice| (choice, self.confidence_in(choice, now));
        // Of equals the first, which has the most weight.
        self.choices.iter().map(rate).reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// The confidence in one of the choices at `now`, above 0 and below 1: the posterior mean of its
    /// share under a uniform Dirichlet prior over the `K` values seen and one yet unseen (Gelman et al.,
    /// *Bayesian Data Analysis*, 3rd ed., section 3.4), which is Laplace's rule of succession: `(n + 1) /
    /// (N + K + 1)`. The counts are weights that fade: `n` is the weight for this value, and `N` the
    /// weight for all values, and against this one.
    pub fn confidence_in(&self, choice: &Choice, now: Time) -> f64 {
        let left = |choice: &Choice| decay(now.since(choice.at), self.half_life);
        let all: f64 = self.choices.iter().map(|choice| choice.weight * left(choice)).sum();
        let left = left(choice);
        let total = all + choice.against * left;
        (choice.weight * left + 1.0) / (total + self.choices.len() as f64 + 1.0)
    }

    /// The remaining weight for a choice at `now`.
    pub fn weight_of(&self, choice: &Choice, now: Time) -> f64 {
        choice.weight_at(now, self.half_life)
    }

    /// The remaining weight against a choice at `now`.
    pub fn weight_against(&self, choice: &Choice, now: Time) -> f64 {
        choice.against * decay(now.since(choice.at), self.half_life)
    }

    /// The effective value: the declared one, else one chosen often enough for `rule`.
    pub fn usable(&self, rule: Option<&PreferenceRule>, now: Time) -> Option<&Value> {
        self.known(rule, now, |rule| rule.confidence_min)
    }

    /// The value that may be mentioned to the customer: the declared one, else one certain enough for
    /// `rule`.
    pub fn sayable(&self, rule: Option<&PreferenceRule>, now: Time) -> Option<&Value> {
        self.known(rule, now, |rule| rule.say_min)
    }

    fn known(
        &self,
        rule: Option<&PreferenceRule>,
        now: Time,
        confidence_min: impl Fn(&PreferenceRule) -> f64,
    ) -> Option<&Value> {
        if let Some(declared) = &self.declared {
            return Some(&declared.value);
        }
        let rule = rule?;
        let (leading, confidence) = self.leading(now)?;
        let enough = leading.count >= rule.evidence_min && confidence >= confidence_min(rule);
        enough.then_some(&leading.value)
    }

    fn learn(&mut self, value: Value, evidence: &Evidence<'_>, notes: &mut Notes) {
        let position = match self.choices.iter().position(|choice| choice.value == value) {
            Some(position) => position,
            None => {
                if self.choices.len() == limits::PREFERENCE_VALUES {
                    // Sorted by weight: the last is the weakest.
                    self.choices.pop();
                    notes.limit("PREFERENCE_VALUES");
                }
                self.choices.push(Choice::new(value, evidence.at));
                self.choices.len() - 1
            }
        };
        let choice = &mut self.choices[position];
        choice.add(evidence.speaks, evidence.at, self.half_life);
        choice.show(evidence.number);
        self.sort(evidence.at);
    }

    /// Sorts by weight, strongest first, in an order that does not depend on the order of evidence at the
    /// same time.
    fn sort(&mut self, now: Time) {
        let half_life = self.half_life;
        // As of the latest time of any: weights that have faded below the smallest number cannot be
        // compared.
        let now = self.choices.iter().map(|choice| choice.at).fold(now, Time::max);
        self.choices.sort_by(|left, right| {
            let (left_weight, right_weight) =
                (left.weight_at(now, half_life), right.weight_at(now, half_life));
            right_weight
                .total_cmp(&left_weight)
                .then_with(|| right.at.cmp(&left.at))
                .then_with(|| in_order(&left.value, &right.value))
        });
    }

    fn last_confirmed(&self) -> Time {
        self.choices.iter().map(|choice| choice.at).max().unwrap_or(Time::MIN)
    }

    /// The eviction order: inferred ones first, the longest unconfirmed first.
    pub(super) fn stays(&self) -> (bool, Time) {
        let blocked = self.forgotten.map_or(Time::MIN, |forgotten| forgotten.until);
        (self.declared.is_some(), self.last_confirmed().max(blocked))
    }

    /// Whether the customer declared it, or asked to forget it, after this time.
    fn was_said_after(&self, at: Time) -> bool {
        self.declared.as_ref().is_some_and(|declared| declared.at > at)
            || self.forgotten.is_some_and(|forgotten| forgotten.at > at)
    }

    /// Drops what was known when the customer asked to forget it.
    fn forget(&mut self, forgotten: Forgotten) {
        self.forgotten = self.forgotten.max(Some(forgotten));
        self.declared.take_if(|declared| declared.at < forgotten.at);
        self.choices.retain(|choice| choice.at >= forgotten.until);
    }

    /// Merges the preference of another twin of the same customer. The latest statement wins; evidence is
    /// added, and the caller makes sure that none is counted twice. The merge is commutative. The numbers
    /// of `other`'s evidence must already be those of this twin's timeline.
    pub fn merge(&mut self, other: &Preference) {
        let (own, others) = (self.last_confirmed(), other.last_confirmed());
        match others.cmp(&own) {
            Ordering::Greater => self.half_life = other.half_life,
            Ordering::Equal => self.half_life = self.half_life.max(other.half_life),
            Ordering::Less => {}
        }
        if let Some(said) = &other.declared
            && self.declared.as_ref().is_none_or(|known| {
                (said.at.cmp(&known.at)).then_with(|| in_order(&said.value, &known.value)).is_gt()
            })
        {
            self.declared = Some(said.clone());
        }
        if let Some(forgotten) = self.forgotten.max(other.forgotten) {
            self.forget(forgotten);
        }
        let forgotten_until = self.forgotten.map_or(Time::MIN, |forgotten| forgotten.until);
        for theirs in other.choices.iter().filter(|choice| choice.at >= forgotten_until) {
            let Some(known) = self.choices.iter_mut().find(|known| known.value == theirs.value)
            else {
                self.choices.push(theirs.clone());
                continue;
            };
            let mut theirs = theirs.clone();
            let at = known.at.max(theirs.at);
            known.fade(at, self.half_life);
            theirs.fade(at, self.half_life);
            known.weight += theirs.weight;
            known.against += theirs.against;
            known.count = known.count.saturating_add(theirs.count);
            known.evidence.extend(theirs.evidence);
            known.evidence.sort_unstable();
            known.evidence.dedup();
            known.evidence.drain(..known.evidence.len().saturating_sub(EVIDENCE_SHOWN));
        }
        self.sort(own.max(others));
        self.choices.truncate(limits::PREFERENCE_VALUES);
    }
}

/// A total order of values that is always the same.
fn in_order(left: &Value, right: &Value) -> Ordering {
    if left == right { Ordering::Equal } else { left.to_string().cmp(&right.to_string()) }
}

impl Profile {
    /// The preference about `key`.
    pub fn preference(&self, key: &str) -> Option<&Preference> {
        self.preferences.iter().find(|preference| &*preference.key == key)
    }

    /// Stores a declared preference, or forgets all about it, so that nothing is inferred again for the
    /// policy's period, which starts at `since`.
    pub(super) fn prefer_told(
        &mut self,
        told: &event::PreferenceData,
        rule: Option<&PreferenceRule>,
        (said, since): (Time, Time),
        notes: &mut Notes,
    ) {
        match &told.value {
            None => {
                let relearn_after =
                    rule.map_or(PreferenceRule::RELEARN_AFTER, |rule| rule.relearn_after);
                let (at, until) = (said, since + relearn_after);
                let known = self.preference_entry(&told.key, rule, notes);
                if known.was_said_after(at) {
                    notes.late("forget");
                }
                // On a tie, the last one to arrive wins.
                known.declared.take_if(|declared| declared.at == at);
                known.forget(Forgotten { at, until });
            }
            Some(value) => self.declare(&told.key, value, rule, said, notes),
        }
    }

    /// Stores a declared preference, unless a later statement is known.
    pub(super) fn declare(
        &mut self,
        key: &str,
        value: &Value,
        rule: Option<&PreferenceRule>,
        at: Time,
        notes: &mut Notes,
    ) {
        if self.preference(key).is_some_and(|known| known.was_said_after(at)) {
            return notes.late("value");
        }
        if let Some(value) = kept(value, notes) {
            self.preference_entry(key, rule, notes).declared = Some(Declared { value, at });
        }
    }

    /// Adds evidence, unless the customer recently asked to forget it. A declared value is unchanged.
    pub(super) fn prefer_shown(
        &mut self,
        evidence: &Evidence<'_>,
        rule: &PreferenceRule,
        notes: &mut Notes,
    ) {
        let forgotten = self.preference(evidence.key).and_then(|known| known.forgotten);
        if forgotten.is_some_and(|forgotten| evidence.at < forgotten.until) {
            return;
        }
        let Some(value) = kept(evidence.value, notes) else { return };
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
                    let least =
                        (0..self.preferences.len()).min_by_key(|at| self.preferences[*at].stays());
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

#[cfg(test)]
mod tests;
